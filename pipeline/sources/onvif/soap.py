"""ONVIF's way to call a device: SOAP 1.2 over HTTP, with a login by WS-UsernameToken (Web Services
Security UsernameToken Profile 1.0) and, where a device asks for it, by HTTP digest."""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    Request,
    parse_http_list,
    parse_keqv_list,
)
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from pipeline.errors import SourceDeniedError, SourceError
from pipeline.sources import tls
from pipeline.sources.camera import CameraSettings
from pipeline.sources.onvif.xml import MOST_BYTES, every, parsed, plain, text

#: Seconds in which a device has to answer all that it is asked.
MOST_S = 10.0
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>{}</s:Header>'
    "<s:Body>{}</s:Body></s:Envelope>"
)
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_TOKEN = (
    '<w:Security s:mustUnderstand="1" '
    f'xmlns:w="{_WSS}wssecurity-secext-1.0.xsd" xmlns:u="{_WSS}wssecurity-utility-1.0.xsd">'
    "<w:UsernameToken><w:Username>{user}</w:Username>"
    f'<w:Password Type="{_WSS}username-token-profile-1.0#PasswordDigest">'
    "{digest}</w:Password><w:Nonce>{nonce}</w:Nonce><u:Created>{created}</u:Created>"
    "</w:UsernameToken></w:Security>"
)


class Device:
    """One device, called within ``MOST_S`` from now on.

    Attributes:
        ahead_s: seconds by which its clock is ahead of ours: tokens are dated by its own.
    """

    def __init__(self, address: str, user: str, password: str) -> None:
        self.ahead_s = 0.0
        self._user, self._password = user, password
        self._until = time.monotonic() + MOST_S
        parts = urlsplit(address)
        self.scheme, self.host = parts.scheme, parts.hostname or ""
        self._port, self.path = parts.port, parts.path or "/"

    def call(self, body: str, path: str = "", login: bool = True) -> Element:
        """Have something done; the answer's envelope.

        Args:
            path: of the service on the device; else that of its address.
            login: whether to say who asks.

        Raises:
            SourceDeniedError: the login is wrong, or one is needed.
            SourceError: it cannot be asked, or what answers is no such device.
        """
        token = self._token() if login and self._user else ""
        content = _ENVELOPE.format(token, body).encode()
        path = path or self.path
        status, offers, answer = self._sent(content, path)
        if status == 401 and login and self._user and (way := self._digest(offers, path)):
            status, _, answer = self._sent(content, path, way)
        if status in (401, 403):
            raise self._denied()
        if not 200 <= status < 300 and status not in (400, 500):  # these carry faults
            raise SourceError(f"{self.host}: answers with HTTP {status}; check the address")
        root = parsed(answer, self.host)
        fault = next(every(root, "Fault"), None)
        if fault is not None:
            codes = {one.text.rpartition(":")[2] for one in every(fault, "Value") if one.text}
            if codes & {"NotAuthorized", "FailedAuthentication", "FailedCheck"}:
                raise self._denied()
            why = plain(text(fault, "Text") or text(fault, "faultstring")) or "no reason given"
            raise SourceError(f"{self.host}: refuses what was asked: {why}")
        return root

    def _denied(self) -> SourceDeniedError:
        what = "user or password is wrong" if self._user else "wants a login; give user, password"
        return SourceDeniedError(f"{self.host}: {what}")

    def _token(self) -> str:
        nonce = secrets.token_bytes(16)
        now = datetime.fromtimestamp(time.time() + self.ahead_s, timezone.utc)
        created = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hashlib.sha1(nonce + created.encode() + self._password.encode()).digest()
        return _TOKEN.format(
            user=escape(self._user),
            digest=base64.b64encode(digest).decode(),
            nonce=base64.b64encode(nonce).decode(),
            created=created,
        )

    def _digest(self, offers: list[str], path: str) -> str:
        """A login by HTTP digest, if that is one of the ways a device offers; else empty."""
        digests = [one for one in offers if one.lower().startswith("digest ")]
        if not digests:
            return ""
        logins = HTTPPasswordMgrWithDefaultRealm()
        asked = Request(f"{self.scheme}://{self.host}{path}", method="POST")
        logins.add_password(None, asked.full_url, self._user, self._password)
        known = parse_keqv_list(parse_http_list(digests[0].partition(" ")[2]))
        try:
            found = HTTPDigestAuthHandler(logins).get_authorization(asked, known)
        except ValueError:  # a way that Python does not know
            return ""
        return f"Digest {found}" if found else ""

    def _sent(
        self, content: bytes, path: str, authorization: str = ""
    ) -> tuple[int, list[str], bytes]:
        """Status, the ways to log in that are offered, and what was answered."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise self._late()
        headers = {"Content-Type": "application/soap+xml; charset=utf-8", "Connection": "close"}
        if authorization:
            headers["Authorization"] = authorization
        connection = self._connection(left)
        try:
            connection.connect()
            with _cut_off(connection.sock, self._until - time.monotonic()):
                connection.request("POST", path, content, headers)
                answer = connection.getresponse()
                offers = answer.headers.get_all("WWW-Authenticate", [])
                content = answer.read(MOST_BYTES + 1)
        except (OSError, HTTPException, ValueError) as error:
            if time.monotonic() >= self._until:
                raise self._late() from None
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise SourceError(
                f"{self.host}: cannot be asked: {reason}; check the address"
            ) from None
        finally:
            connection.close()
        if time.monotonic() >= self._until:  # it was cut off
            raise self._late()
        return answer.status, offers, content

    def _connection(self, timeout_s: float) -> HTTPConnection:
        if self.scheme != "https":
            return HTTPConnection(self.host, self._port, timeout=timeout_s)
        context = tls.context(CameraSettings(url=f"https://{self.host}/"))
        return HTTPSConnection(self.host, self._port, timeout=timeout_s, context=context)

    def _late(self) -> SourceError:
        return SourceError(f"{self.host}: has not answered within {MOST_S:.0f} s; try again")


@contextmanager
def _cut_off(connection: socket.socket, seconds: float) -> Iterator[None]:
    """End a connection after so long, however slowly something comes."""

    def cut() -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
