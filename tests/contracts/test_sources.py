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
from importlib import metadata
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from servers.camera import Camera
from support import cut

from pipeline.errors import SourceError, SourceRefusedError
from pipeline.sources import SOURCES, Scheme, is_live, open_source, scheme_of, schemes
from pipeline.sources.camera import CameraSettings
from pipeline.sources.stream import StreamSource

VERSION = tuple(int(part) for part in av.__version__.split(".")[:2])
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
    return CameraSettings(url=url, id="door", reader=reader or "ffmpeg")


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
        assert frame.planes.y.dtype == np.uint8
        assert frame.planes.y.shape == (frame.height, frame.width)
        assert frame.rgb((32, 24)).shape == (24, 32, 3)
        assert frame.utc > 1_700_000_000


def test_pixels_survive_the_next_frames(camera):
    """A frame owns its planes: decoding further must not write into them."""
    with open_source(camera) as source:
        frames = iter(source)
        first = next(frames)
        before = first.planes.y.copy()
        for _ in zip(range(5), frames, strict=False):
            pass
        assert (first.planes.y == before).all()


def test_the_size_is_known_before_the_frames(camera):
    with open_source(camera) as source:
        assert source.size is not None
        frame = next(iter(source))
        assert source.size == (frame.width, frame.height)


def test_opening_again_works(camera):
    for _ in range(2):
        with open_source(camera) as source:
            assert next(iter(source)).width > 0


def test_live_means_cameras(camera):
    with open_source(camera) as source:
        assert source.live == (scheme_of(camera.url) == "rtsp" or camera.url.endswith("/cam"))
        assert source.live or source.length_s is not None


def test_a_recording_gives_every_frame(clip):
    with open_source(CameraSettings(url=str(clip))) as source:
        frames = [(frame.index, frame.pts) for frame in source]
        assert source.length_s == pytest.approx(40)
    assert len(frames) == 400
    assert frames[-1][1] == pytest.approx(39.9, abs=0.01)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_gstreamer_gives_the_pictures_that_ffmpeg_gives(clip, gstreamer):
    readers = [CameraSettings(url=str(clip), reader=name) for name in ("ffmpeg", "gstreamer")]
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
        ("csi://door", "the sensor's number", True),
        ("http://127.0.0.1:1/a.mp4", "use reader: ffmpeg", True),
    ],
)
def test_what_gstreamer_cannot_read_is_reported(gstreamer, url, words, final):
    with (
        pytest.raises(SourceError, match="(?i)" + re.escape(words)) as caught,
        open_source(CameraSettings(url=url, reader="gstreamer")),
    ):
        pass
    assert isinstance(caught.value, SourceRefusedError) == final
    assert "secret" not in str(caught.value)


def test_a_gstreamer_camera_that_falls_silent_is_noticed(gstreamer, rtsp):
    server = rtsp()
    camera = CameraSettings(url=server.url(), reader="gstreamer", timeout_s=1.0)
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
    camera = CameraSettings(url="rtsp://127.0.0.1:1/x", reader="gstreamer")
    with (
        pytest.raises(SourceRefusedError, match=r"python3-gi.*reader: ffmpeg"),
        open_source(camera),
    ):
        pass


@pytest.mark.parametrize(
    ("url", "scheme", "live"),
    [
        ("a.mp4", "file", False), ("/x/a.JPG", "image", False), ("/dev/video0", "v4l2", True),
        ("/dev/video", "file", False), ("concat:a.mp4|b.mp4", "file", False),
        ("RTSP://h/x", "rtsp", True), ("rtsps://h/x", "rtsps", True), ("csi://0", "csi", True),
        ("http://h/a.mp4?x=1", "http", False), ("https://h/cam", "https", True),
        ("http://h/live.m3u8", "http", True), ("http://[", "http", False),
        ("ftp://h/x", "ftp", True),
    ],
)  # fmt: skip
def test_kinds_of_locations(url, scheme, live):
    assert scheme_of(url) == scheme
    assert is_live(url) == live


def test_unknown_kinds_are_refused_and_the_known_named():
    with pytest.raises(SourceRefusedError, match=r"h/x: cannot read 'ftp://'; .*rtsp, rtsps"):
        open_source(CameraSettings(url="ftp://user:secret@h/x"))


def test_a_path_is_nothing_but_a_path(clip, tmp_path):
    """FFmpeg would read another URL into it."""
    for url in (f"concat:{clip}|{clip}", f"subfile,,start,0,end,0,,:{clip}", f"async:file:{clip}"):
        source = open_source(CameraSettings(url=url))
        with pytest.raises(SourceRefusedError, match="check the path"), source:
            pass


@pytest.mark.skipif(VERSION < (16, 1), reason="this is one")
def test_older_pyav_has_no_camera_clock(annexb, monkeypatch):
    """PyAV before 16.1 lacks what tells of RTCP sender reports; frames come all the same."""
    hear = StreamSource._hear

    def older(self, packet, whole):
        hear(self, SimpleNamespace(pts=packet.pts, time_base=packet.time_base), whole)

    with Camera(annexb, rate=50) as server:
        for known in (True, False):
            with open_source(CameraSettings(url=server.url)) as source:
                told = [frame.camera_utc for frame in itertools.islice(source, 20)]
            assert (told[-1] is not None) == known
            monkeypatch.setattr(StreamSource, "_hear", older)


@pytest.mark.parametrize(("user", "password"), [("admin", "p@ss/w#r?d% :"), ("u", "ü€;&=+")])
def test_any_password_opens_a_camera(rtsp, user, password):
    server = rtsp(user=f"{user}:{password}")
    camera = CameraSettings(url=server.url(), user=user, password=password)
    with open_source(camera) as source:
        assert next(iter(source)).width > 0
    wrong = CameraSettings(url=server.url(), user=user, password="other")
    with pytest.raises(SourceError) as caught, open_source(wrong):
        pass
    assert "other" not in str(caught.value)


class Dice:
    """A source of somebody else's."""

    def __init__(self, camera):
        self.id = camera.name


@pytest.fixture
def third_party(monkeypatch):
    """Schemes that other packages add: one that works, and all ways not to."""

    def point(name, load):
        return SimpleNamespace(name=name, value=f"dice:{name}", load=load)

    def broken():
        raise RuntimeError("no dice")

    def points(group):
        assert group == "threadline.sources"
        dice = Scheme(Dice, live=True, claims=lambda url: url.endswith(".dice"))
        return [
            point("broken", broken), point("odd", lambda: Dice), point("dice", lambda: dice),
            point("file", lambda: dice),
        ]  # fmt: skip

    monkeypatch.setattr(metadata, "entry_points", points)
    schemes.cache_clear()
    yield
    monkeypatch.undo()
    schemes.cache_clear()


def test_other_packages_add_schemes(third_party, caplog):
    for url in ("dice://6", "six.dice"):
        assert is_live(url)
        assert isinstance(open_source(CameraSettings(url=url)), Dice)
    assert [record.message for record in caplog.records] == [
        "threadline.sources 'broken' is not used: dice:broken: no dice",
        "threadline.sources 'odd' is not used: dice:odd is no Scheme",
    ]
    assert schemes()["file"] is SOURCES["file"], "ours are not replaced"
    assert not is_live("a.mp4")
