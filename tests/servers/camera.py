"""An RTSP camera with faults, in threads of this process or in a process of its own.

It sends one H.264 or H.265 file (Annex B, no B-frames) over and over, over TCP or UDP, with reports
of its clock. Unlike GStreamer's server (rtsp.py) it can be told to do all that is wrong with real
cameras; a running process is told by lines on its standard input:

    python tests/servers/camera.py clip.h264 --rate 15 --port 8600
    loss 0.02
    loss 0
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import math
import os
import random
import re
import socket
import socketserver
import struct
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

#: Bytes of a packet's payload at most, and seconds between NTP's epoch and Unix's.
_PAYLOAD = 1400
_NTP = 2208988800
#: Seconds between two reports of its clock.
_REPORT_S = 1.0
_SSRC = 0xABCD
_SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}


@dataclass(slots=True)
class Faults:
    """What is wrong now.

    Attributes:
        refuse: RTSP status with which every request is answered, 0 for none.
        stamp_s: seconds by which stamps are off.
        report_s: seconds by which the reports of its clock are off.
        speed: how fast stamps go.
        loss: share of packets that are lost.
        jitter_s: seconds by which pictures are late, at most.
        frozen: nothing is sent, connections stay.
        delay_s: seconds that its encoder takes.
        silent: no reports of its clock.
    """

    refuse: int = 0
    stamp_s: float = 0.0
    report_s: float = 0.0
    speed: float = 1.0
    loss: float = 0.0
    jitter_s: float = 0.0
    frozen: bool = False
    delay_s: float = 0.0
    silent: bool = False


class Film:
    """The pictures of a file, each a list of NAL units."""

    def __init__(self, path: Path) -> None:
        self.codec = "hevc" if path.suffix in (".h265", ".hevc") else "h264"
        units = [unit for unit in re.split(rb"\0?\0\0\x01", path.read_bytes()) if unit]
        self.sets = [next(u for u in units if self._kind(u) == kind) for kind in _SETS[self.codec]]
        self.pictures: list[list[bytes]] = []
        before: list[bytes] = []
        for unit in units:
            slices = self._kind(unit) in (1, 5) if self.codec == "h264" else self._kind(unit) < 32
            if not slices:
                before.append(unit)
            elif unit[1 if self.codec == "h264" else 2] & 0x80:  # the first slice of a picture
                self.pictures.append([*before, unit])
                before = []
            else:
                self.pictures[-1].append(unit)

    def _kind(self, unit: bytes) -> int:
        return unit[0] & 31 if self.codec == "h264" else unit[0] >> 1 & 63

    def description(self, sound: bool) -> str:
        """SDP of the stream, with a track of silence or without."""
        sets = [base64.b64encode(unit).decode() for unit in self.sets]
        if self.codec == "h264":
            name, form = "H264", f"packetization-mode=1; sprop-parameter-sets={','.join(sets)}"
        else:
            name = "H265"
            form = "; ".join(
                f"sprop-{n}={s}" for n, s in zip(("vps", "sps", "pps"), sets, strict=True)
            )
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "t=0 0", "m=video 0 RTP/AVP 96"]
        lines += [f"a=rtpmap:96 {name}/90000", f"a=fmtp:96 {form}", "a=control:video"]
        if sound:
            lines += ["m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=control:sound"]
        return "\r\n".join((*lines, ""))

    def payloads(self, number: int) -> list[bytes]:
        """The RTP payloads of a picture (RFC 6184, RFC 7798)."""
        found = []
        for unit in self.pictures[number]:
            if len(unit) <= _PAYLOAD:
                found.append(unit)
                continue
            if self.codec == "h264":
                head, kind, body = bytes([unit[0] & 0xE0 | 28]), unit[0] & 31, unit[1:]
            else:
                head = bytes([unit[0] & 0x81 | 49 << 1, unit[1]])
                kind, body = unit[0] >> 1 & 63, unit[2:]
            size = _PAYLOAD - len(head) - 1
            pieces = [body[i : i + size] for i in range(0, len(body), size)]
            for i, piece in enumerate(pieces):
                first, last = 0x80 * (i == 0), 0x40 * (i == len(pieces) - 1)
                found.append(head + bytes([first | last | kind]) + piece)
        return found


class Camera(socketserver.ThreadingTCPServer):
    """The camera; entered, it is there.

    Attributes:
        film: what it sends; another one goes into the running stream.
        faults: what is wrong now; may be changed at any time.
        epoch: seconds since the epoch at which it took the first picture; what it sends then goes
            by the time, as of several cameras that see the same. At each connection, by default.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, path: Path, rate: float = 10, port: int = 0, sound: bool = False) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.film = Film(path)
        self.faults = Faults()
        self.rate = rate
        self.sound = sound
        self.epoch: float | None = None
        self.chance = random.Random(0)  # what is lost and late, the same each time
        self.sessions: set[_Session] = set()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.server_address[1]}/cam"

    def __enter__(self) -> Camera:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()
        self.hang_up()

    def hang_up(self) -> None:
        """End all connections."""
        for session in list(self.sessions):
            session.end()


class _Session(socketserver.StreamRequestHandler):
    server: Camera

    def setup(self) -> None:
        super().setup()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._udp: tuple[socket.socket, int] | None = None
        self.server.sessions.add(self)

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set() and (first := self.rfile.read(1)):
                if first == b"$":  # a report about what arrived
                    self.rfile.read(struct.unpack(">xH", self.rfile.read(3))[0])
                    continue
                line = first + self.rfile.readline()
                heads = {}
                while (head := self.rfile.readline().strip()) and not self._over.is_set():
                    name, _, value = head.decode().partition(":")
                    heads[name.lower()] = value.strip()
                if line.strip():
                    self._answer(line.decode(), heads)

    def finish(self) -> None:
        self._over.set()
        self.server.sessions.discard(self)
        if self._udp is not None:
            self._udp[0].close()
        super().finish()

    def end(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _say(
        self, heads: dict[str, str], status: str, more: tuple[str, ...] = (), body: str = ""
    ) -> None:
        lines = [
            f"RTSP/1.0 {status}",
            f"CSeq: {heads.get('cseq', '0')}",
            "Session: 1;timeout=60",
            *more,
        ]
        lines += [f"Content-Length: {len(body)}"] * bool(body)
        self._write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _write(self, data: bytes) -> None:
        with self._lock:
            self.wfile.write(data)

    def _answer(self, line: str, heads: dict[str, str]) -> None:
        method, address = line.split()[:2]
        refuse = self.server.faults.refuse
        if method == "OPTIONS":
            self._say(heads, "200 OK", ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN",))
        elif refuse:
            asks = ('WWW-Authenticate: Basic realm="camera"',) if refuse == 401 else ()
            self._say(heads, f"{refuse} Refused", asks)
        elif method == "DESCRIBE":
            self._say(
                heads,
                "200 OK",
                ("Content-Type: application/sdp",),
                self.server.film.description(self.server.sound),
            )
        elif method == "SETUP":
            way = self._way(heads["transport"], silent=address.endswith("sound"))
            self._say(heads, "200 OK", (f"Transport: {way}",))
        else:
            self._say(heads, "200 OK")
            if method == "PLAY":
                threading.Thread(target=self._play, daemon=True).start()

    def _way(self, asked: str, silent: bool) -> str:
        if "TCP" in asked:
            return f"RTP/AVP/TCP;unicast;interleaved={'2-3' if silent else '0-1'}"
        port = int(re.findall(r"client_port=(\d+)", asked)[0])
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind(("127.0.0.1", 0))
        if not silent:
            self._udp = sender, port
        mine = sender.getsockname()[1]
        return f"RTP/AVP;unicast;client_port={port}-{port + 1};server_port={mine}-{mine + 1}"

    def _send(self, packet: bytes, report: bool = False) -> None:
        if not report and self.server.chance.random() < self.server.faults.loss:
            return
        if self._udp is None:
            self._write(struct.pack(">cBH", b"$", report, len(packet)) + packet)
        else:
            self._udp[0].sendto(packet, ("127.0.0.1", self._udp[1] + report))

    def _play(self) -> None:
        with contextlib.suppress(OSError):
            self._pictures()

    def _pictures(self) -> None:
        camera, sequence, stamp = self.server, random.getrandbits(15), random.getrandbits(31)
        film, position, reported = camera.film, 0, 0.0
        number, began = 0, time.monotonic()
        if camera.epoch is not None:
            number = math.ceil((time.time() - camera.epoch) * camera.rate)
            began += camera.epoch - time.time()
            position = number % len(film.pictures)
        while not self._over.is_set():
            if film is not camera.film:
                film, position = camera.film, 0
            faults = camera.faults
            late = camera.chance.random() * faults.jitter_s
            late += faults.delay_s
            time.sleep(max(began + number / camera.rate + late - time.monotonic(), 0))
            while faults.frozen and not self._over.is_set():
                time.sleep(0.02)
            stamp += round(90000 * faults.speed / camera.rate)
            at = stamp + round(90000 * faults.stamp_s) & 0xFFFFFFFF
            if not faults.silent and time.monotonic() - reported >= _REPORT_S:
                reported = time.monotonic()
                # The picture was taken when it was due.
                taken = (
                    time.time() - (reported - began - number / camera.rate) + faults.report_s + _NTP
                )
                clock = int(taken), int(taken % 1 * 2**32)
                self._send(
                    struct.pack(">BBHIIIIII", 0x80, 200, 6, _SSRC, *clock, at, 0, 0), report=True
                )
            payloads = film.payloads(position)
            for i, payload in enumerate(payloads):
                mark = 0x80 * (i == len(payloads) - 1) | 96
                self._send(
                    struct.pack(">BBHII", 0x80, mark, sequence & 0xFFFF, at, _SSRC) + payload
                )
                sequence += 1
            position = (position + 1) % len(film.pictures)
            number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    with Camera(args.file, args.rate, args.port) as camera:
        print(camera.url, flush=True)
        for line in sys.stdin:
            name, _, value = line.strip().partition(" ")
            if name == "film":
                camera.film = Film(Path(value))
            elif name == "hang_up":
                camera.hang_up()
            else:
                kind = type(getattr(camera.faults, name))
                setattr(camera.faults, name, kind(float(value)))
    os._exit(0)


if __name__ == "__main__":
    main()
