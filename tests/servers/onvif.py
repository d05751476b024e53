"""An ONVIF camera: answers probes of WS-Discovery by UDP and the calls of its services by HTTP.

It checks logins for real (WS-UsernameToken digest within a minute of its own clock, or HTTP digest)
and can be told what is wrong with it.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import re
import socket
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

_SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:ter="http://www.onvif.org/ver10/error" xmlns:tt="http://www.onvif.org/ver10/schema" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
    'xmlns:dn="http://www.onvif.org/ver10/network/wsdl">'
    "<SOAP-ENV:Body>{}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
)
_FAULT = (
    "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value>"
    "<SOAP-ENV:Subcode><SOAP-ENV:Value>ter:{}</SOAP-ENV:Value></SOAP-ENV:Subcode>"
    "</SOAP-ENV:Code><SOAP-ENV:Reason><SOAP-ENV:Text>{}</SOAP-ENV:Text></SOAP-ENV:Reason>"
    "</SOAP-ENV:Fault>"
)
_MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"


class OnvifCamera:
    """One camera on the loopback.

    Attributes:
        login: user and password; ``None`` lets everybody in.
        way: ``token`` or ``digest``: by which it wants the login.
        media2: whether it has the newer service.
        ahead_s: seconds by which its clock is wrong.
        profiles: token, encoding, size and rate.
        other: operation -> the whole body that is answered instead.
        drip_s: seconds between the bytes of its answers.
        elsewhere: host that it calls its own.
        asked: operations, in order.
    """

    def __init__(self) -> None:
        self.login: tuple[str, str] | None = ("root", "pass & <word>")
        self.way = "token"
        self.media2 = True
        self.ahead_s = 0.0
        self.profiles = [("main", "H264", (1920, 1080), 25), ("sub", "H264", (640, 360), 15)]
        self.other: dict[str, bytes] = {}
        self.drip_s = 0.0
        self.elsewhere = "192.0.2.77"
        self.asked: list[str] = []
        camera = self

        class Handler(_Handler):
            owner = camera

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.probed_at = f"127.0.0.1:{self._udp.getsockname()[1]}"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/onvif/device_service"

    def __enter__(self) -> OnvifCamera:
        for work in (lambda: self._http.serve_forever(0.05), self._discovered):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._udp.close()

    def _discovered(self) -> None:
        with suppress(OSError):
            while True:
                probe, sender = self._udp.recvfrom(65536)
                assert b"2005/04/discovery/Probe" in probe
                self._udp.sendto(self.other.get("Probe") or self._match(), sender)

    def _match(self) -> bytes:
        scopes = "onvif://www.onvif.org/name/Shop%20Door onvif://www.onvif.org/hardware/Q35"
        return _SOAP.format(
            "<d:ProbeMatches><d:ProbeMatch><d:Types>dn:NetworkVideoTransmitter</d:Types>"
            f"<d:Scopes>{scopes}</d:Scopes>"
            f"<d:XAddrs>http://{self.elsewhere}:{self.port}/onvif/device_service</d:XAddrs>"
            "</d:ProbeMatch></d:ProbeMatches>"
        ).encode()

    def answer(self, name: str, asked: str) -> str:
        """The body of an answer."""
        if name == "GetSystemDateAndTime":
            now = datetime.fromtimestamp(time.time() + self.ahead_s, timezone.utc)
            day = f"<tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}"
            clock = f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
            return (
                f"<tt:UTCDateTime><tt:Time>{clock}<tt:Second>{now.second}</tt:Second></tt:Time>"
                f"<tt:Date>{day}</tt:Day></tt:Date></tt:UTCDateTime>"
            )
        if name == "GetDeviceInformation":
            return "<tt:Manufacturer>Maker</tt:Manufacturer><tt:Model>M 1\x85</tt:Model>"
        if name == "GetServices" and self.media2:
            where = f"http://{self.elsewhere}/onvif/media2"
            return (
                f"<tt:Service><tt:Namespace>{_MEDIA2}</tt:Namespace>"
                f"<tt:XAddr>{where}</tt:XAddr></tt:Service>"
            )
        if name == "GetCapabilities":
            return f"<tt:Media><tt:XAddr>http://{self.elsewhere}/onvif/media</tt:XAddr></tt:Media>"
        if name == "GetProfiles":
            return "".join(self._profile(*one) for one in self.profiles)
        if name == "GetStreamUri":
            token = re.search("<ProfileToken>(.*?)<", asked)[1]  # type: ignore[index]
            url = f"rtsp://someone:secret@{self.elsewhere}:554/{token}?a=1&amp;b=2"
            return f"<tt:Uri>{url}</tt:Uri>"
        return _FAULT.format("ActionNotSupported", "not implemented")

    def _profile(self, token: str, codec: str, size: tuple[int, int], rate: int) -> str:
        name = "VideoEncoder" if self.media2 else "VideoEncoderConfiguration"
        return (
            f'<tt:Profiles token="{token}"><tt:Name>{token}Stream</tt:Name><tt:{name}>'
            f"<tt:Encoding>{codec}</tt:Encoding><tt:Resolution><tt:Width>{size[0]}</tt:Width>"
            f"<tt:Height>{size[1]}</tt:Height></tt:Resolution><tt:RateControl>"
            f"<tt:FrameRateLimit>{rate}</tt:FrameRateLimit></tt:RateControl></tt:{name}>"
            "</tt:Profiles>"
        )

    def knows(self, asked: str) -> bool:
        """Whether a request holds the right token."""
        if self.login is None:
            return True
        found = {key: re.search(f":{key}(?: [^>]*)?>([^<]*)<", asked) for key in _TOKEN}
        user, digest, nonce, created = (one[1] if one else "" for one in found.values())
        if not created:
            return False
        when = datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp()
        right = base64.b64decode(nonce) + created.encode() + self.login[1].encode()
        return (
            user == self.login[0]
            and abs(when - time.time() - self.ahead_s) < 60
            and digest == base64.b64encode(hashlib.sha1(right).digest()).decode()
        )


_TOKEN = ("Username", "Password", "Nonce", "Created")


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: OnvifCamera

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        name = re.search(r"Body><(\w+)", asked)[1]  # type: ignore[index]
        camera = self.owner
        camera.asked.append(name)
        if name in camera.other:
            self._send(200, camera.other[name])
        elif name == "GetSystemDateAndTime":
            self._send(200, _SOAP.format(camera.answer(name, asked)).encode())
        elif camera.way == "digest" and not self._digest():
            self._send(401, b"", 'Digest realm="cam", nonce="abc", qop="auth"')
        elif camera.way == "token" and not camera.knows(asked):
            self._send(400, _SOAP.format(_FAULT.format("NotAuthorized", "who?")).encode())
        else:
            self._send(200, _SOAP.format(camera.answer(name, asked)).encode())

    def _digest(self) -> bool:
        told = dict(re.findall(r'(\w+)="?([^",]+)"?', self.headers.get("Authorization", "")))
        if not told or self.owner.login is None:
            return False

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        user, password = self.owner.login
        first, second = md5(user, "cam", password), md5("POST", self.path)
        middle = ("abc", told["nc"], told["cnonce"], "auth")
        return bool(told["username"] == user and told["response"] == md5(first, *middle, second))

    def _send(self, status: int, content: bytes, offer: str = "") -> None:
        with suppress(OSError):
            self.send_response(status)
            if offer:
                self.send_header("WWW-Authenticate", offer)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not self.owner.drip_s:
                self.wfile.write(content)
                return
            for byte in content:
                self.wfile.write(bytes([byte]))
                time.sleep(self.owner.drip_s)
