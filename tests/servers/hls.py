"""A live HLS stream over HTTP, in threads of this process: segments appear as time goes by."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from pathlib import Path
from typing import Any

import av


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


class HlsServer:
    """Sends a clip over and over, in real time, from a folder of its own."""

    def __init__(self, clip: Path, folder: Path, segment_s: float) -> None:
        self._clip = clip
        self._list = folder / "live.m3u8"
        self._segment_s = segment_s
        self._stop = threading.Event()
        handler = functools.partial(_Quiet, directory=str(folder))
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._threads = [
            threading.Thread(target=self._http.serve_forever, daemon=True),
            threading.Thread(target=self._send, daemon=True),
        ]
        #: Monotonic time at which the stream's second 0 was sent.
        self.began = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/{self._list.name}"

    def __enter__(self) -> HlsServer:
        for thread in self._threads:
            thread.start()
        while not self._list.exists():
            time.sleep(0.1)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._http.shutdown()
        self._http.server_close()
        for thread in self._threads:
            thread.join(5)

    def _send(self) -> None:
        options = {
            "hls_time": str(self._segment_s),
            "hls_list_size": "5",
            "hls_flags": "delete_segments",
        }
        with av.open(str(self._list), "w", format="hls", options=options) as out:
            stream, base, self.began = None, 0.0, time.monotonic()
            while not self._stop.is_set():
                with av.open(str(self._clip)) as clip:
                    video = clip.streams.video[0]
                    stream = stream or out.add_stream_from_template(video)
                    last = self._pass(clip, video, out, (stream, base))
                base = last + float(1 / video.average_rate)

    def _pass(self, clip: Any, video: Any, out: Any, target: tuple[Any, float]) -> float:
        """Send the clip once; the time of its last picture in the stream."""
        stream, base = target
        at = base
        for packet in clip.demux(video):
            if packet.dts is None or self._stop.is_set():
                break
            at = base + float(packet.pts * video.time_base)
            self._stop.wait(max(self.began + at - time.monotonic(), 0.0))
            shift = round(base / video.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
            out.mux(packet)
        return at
