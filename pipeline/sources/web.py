"""HTTP by Python's own client, for what FFmpeg reads too strictly or does not check."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage, HTTPResponse
from types import MappingProxyType
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import (
    BaseHandler,
    HTTPBasicAuthHandler,
    HTTPDefaultErrorHandler,
    HTTPDigestAuthHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from pipeline.errors import redact
from pipeline.sources import tls
from pipeline.sources.camera import CameraSettings

log = logging.getLogger("threadline.sources")

#: Name under which cameras are asked.
_AGENT = "Threadline"
#: What may stand in an address as it is.
_SAFE = "%/:=&?~#+!$,;'@()*[]"
#: Kinds of addresses that one of a kind may lead to: never from checked to unchecked.
_LEADS_TO: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"http": ("http", "https"), "https": ("https",)}
)


class _Redirects(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in _LEADS_TO[req.type]:
            raise HTTPError(req.full_url, code, "leads to another kind of address", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Digest(HTTPDigestAuthHandler):
    """Asks once, since a wrong password that is tried often locks the account, and in a way that
    Python knows: it would look at the first one that is offered only."""

    def http_error_401(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> Any:
        if req.has_header("Authorization"):
            raise HTTPError(req.full_url, code, msg, headers, fp)
        offered = HTTPMessage()
        for way in headers.get_all("WWW-Authenticate", []):
            if way.lower().startswith("digest") and "sha-" not in way.lower():
                offered["WWW-Authenticate"] = way
        return super().http_error_401(req, fp, code, msg, offered)


class _Basic(HTTPBasicAuthHandler):
    """Minds its own business: Python's raises where a server asks for another way to log in."""

    def http_error_401(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> Any:
        asked = " ".join(headers.get_all("WWW-Authenticate", [])).lower()
        return super().http_error_401(req, fp, code, msg, headers) if "basic" in asked else None


class Web:
    """One camera over HTTP, with its login and its trust.

    Attributes:
        failure: why the last part that FFmpeg asked for could not be had.
    """

    def __init__(self, camera: CameraSettings, wait_s: float) -> None:
        self.failure: Exception | None = None
        self._wait_s = wait_s
        parts = urlsplit(camera.address)
        handlers: list[BaseHandler] = [
            ProxyHandler(),
            HTTPHandler(),
            HTTPSHandler(context=tls.context(camera)),
            HTTPDefaultErrorHandler(),
            HTTPErrorProcessor(),
            _Redirects(),
        ]
        if parts.username is not None:
            logins = HTTPPasswordMgrWithDefaultRealm()
            login = unquote(parts.username), unquote(parts.password or "")
            logins.add_password(None, _bare(camera.address), *login)
            handlers += [_Digest(logins), _Basic(logins)]
        self._opener = OpenerDirector()
        self._opener.addheaders = [("User-Agent", _AGENT)]
        for handler in handlers:
            self._opener.add_handler(handler)

    def get(self, url: str) -> HTTPResponse:
        """The answer, once its head is there.

        Raises:
            OSError: it cannot be had.
            HTTPException: what came is not HTTP.
        """
        try:
            answer: HTTPResponse = self._opener.open(_bare(url), timeout=self._wait_s)
        except HTTPError as error:
            error.close()
            raise
        except ValueError as error:  # a way to log in that Python does not know
            raise OSError(str(error)) from None
        return answer

    def part(self, url: str, flags: int, options: Mapping[str, str]) -> _Part:
        """A part of a stream for FFmpeg, empty where it cannot be had: PyAV's ``io_open``."""
        del flags, options
        try:
            if urlsplit(url).scheme != "https":
                raise OSError("a part without a certificate of a stream with one")
            return _Part(self.get(url))
        except (OSError, HTTPException) as error:
            log.debug("%s: %s", redact(url), error)
            self.failure = error
            return _Part()


class _Part:
    """What FFmpeg reads."""

    def __init__(self, answer: HTTPResponse | None = None) -> None:
        self._answer = answer

    def read(self, size: int) -> bytes:
        return b"" if self._answer is None else self._answer.read1(size)

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()


def _bare(url: str) -> str:
    """An address without its login, as HTTP asks for it."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return quote(urlunsplit(parts._replace(netloc=place, fragment="")), safe=_SAFE)
