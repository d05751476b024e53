"""What every source owes, run over every kind that can run here."""

from __future__ import annotations

import contextlib
import itertools
import re
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
import pytest
from support import cut

from pipeline.errors import SourceError, SourceRefusedError
from pipeline.settings.schema import CameraConfig
from pipeline.sources import open_source, scheme_of

KINDS = ["file", "image", "http", "hls", "mjpeg", "rtsp", "gstreamer file", "gstreamer rtsp"]


class Web(SimpleHTTPRequestHandler):
    """Files of a folder, and an endless motion JPEG camera at /cam."""

    def do_GET(self) -> None:
        if self.path != "/cam":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with contextlib.suppress(OSError):
            for i in range(400):
                _, packed = cv2.imencode(".jpg", np.full((48, 64, 3), i % 200, np.uint8))
                head = (
                    f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(packed)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + packed.tobytes() + b"\r\n")
                time.sleep(0.02)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path):
    """A web server over a temporary folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Web, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=KINDS)
def camera(request, tmp_path):
    """A camera or recording of every kind that can be read here."""
    reader, _, kind = request.param.rpartition(" ")
    if reader:
        request.getfixturevalue("gstreamer")
    url = location(kind, request, tmp_path)
    return CameraConfig(url=url, id="door", reader=reader or "ffmpeg")


def location(kind, request, tmp_path):
    if kind == "image":
        path = tmp_path / "photo.png"
        cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))
        return str(path)
    if kind == "rtsp":
        return request.getfixturevalue("rtsp")().url()
    if kind == "mjpeg":
        return f"{request.getfixturevalue('web')}/cam"
    if kind == "hls":
        cut(tmp_path / "live.m3u8", 40, "hls")
        return f"{request.getfixturevalue('web')}/live.m3u8"
    cut(tmp_path / "a.mp4", 12)
    return f"{request.getfixturevalue('web')}/a.mp4" if kind == "http" else str(tmp_path / "a.mp4")


def test_frames_are_whole_ordered_and_timed(camera):
    frames = []
    with open_source(camera) as source:
        assert source.id == "door"
        for frame in source:
            frames.append(frame)
            if len(frames) == 10:
                break
    assert [frame.index for frame in frames] == list(range(len(frames)))
    times = [frame.pts for frame in frames]
    assert all(a < b for a, b in itertools.pairwise(times))
    assert all(a.captured_at <= b.captured_at for a, b in itertools.pairwise(frames))
    for frame in frames:
        assert frame.source == "door"
        assert frame.luma.dtype == np.uint8
        assert frame.luma.shape == (frame.height, frame.width)
        assert frame.rgb((32, 24)).shape == (24, 32, 3)
        assert frame.utc > 1_700_000_000


def test_pixels_survive_the_next_frames(camera):
    """A frame owns its planes: decoding further must not write into them."""
    with open_source(camera) as source:
        frames = iter(source)
        first = next(frames)
        before = first.luma.copy()
        for _ in zip(range(5), frames, strict=False):
            pass
        assert (first.luma == before).all()


def test_opening_again_works(camera):
    for _ in range(2):
        with open_source(camera) as source:
            assert next(iter(source)).width > 0


def test_live_means_cameras(camera):
    with open_source(camera) as source:
        assert source.live == (scheme_of(camera.url) == "rtsp" or camera.url.endswith("/cam"))
        assert source.live or source.length_s is not None


def test_a_recording_gives_every_frame(clip):
    with open_source(CameraConfig(url=str(clip))) as source:
        frames = [(frame.index, frame.pts) for frame in source]
        assert source.length_s == pytest.approx(40)
    assert len(frames) == 400
    assert frames[-1][1] == pytest.approx(39.9, abs=0.01)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_gstreamer_gives_the_pictures_that_ffmpeg_gives(clip, gstreamer):
    readers = [CameraConfig(url=str(clip), reader=name) for name in ("ffmpeg", "gstreamer")]
    with open_source(readers[0]) as one, open_source(readers[1]) as two:
        assert two.length_s == pytest.approx(40)
        pairs = list(zip(one, two, strict=True))
    assert len(pairs) == 400
    for first, second in pairs[::40]:
        assert second.pts == pytest.approx(first.pts, abs=0.001)
        assert (first.planes.y == second.planes.y).all()
        assert (first.planes.u == second.planes.u).all()
        assert (first.planes.v == second.planes.v).all()
        assert first.planes.matrix == second.planes.matrix


@pytest.mark.parametrize(
    ("url", "words", "final"),
    [
        ("/nowhere.mp4", "not found", True),
        ("rtsp://user:secret@127.0.0.1:1/x", "rtsp://127.0.0.1:1/x", False),
        ("csi://0", "nvarguscamerasrc", True),
        ("csi://0?width=many", "whole numbers", True),
        ("http://127.0.0.1:1/a.mp4", "use reader: ffmpeg", True),
    ],
)
def test_what_gstreamer_cannot_read_is_said(gstreamer, url, words, final):
    with (
        pytest.raises(SourceError, match="(?i)" + re.escape(words)) as caught,
        open_source(CameraConfig(url=url, reader="gstreamer")),
    ):
        pass
    assert isinstance(caught.value, SourceRefusedError) == final
    assert "secret" not in str(caught.value)


def test_a_gstreamer_camera_that_falls_silent_is_noticed(gstreamer, rtsp):
    server = rtsp()
    camera = CameraConfig(url=server.url(), reader="gstreamer", timeout_s=1.0)
    with open_source(camera) as source:
        frames = iter(source)
        next(frames)
        server.pause()
        began = time.monotonic()
        with pytest.raises(SourceError, match="in time"):
            for _ in frames:
                pass
        assert time.monotonic() - began < 3.0
        server.pause(False)


def test_without_gstreamer_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "gi", None)
    camera = CameraConfig(url="rtsp://127.0.0.1:1/x", reader="gstreamer")
    with (
        pytest.raises(SourceRefusedError, match=r"python3-gi.*reader: ffmpeg"),
        open_source(camera),
    ):
        pass
