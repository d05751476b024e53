"""Cameras with an address: their clocks, losses, certificates, and what they may open."""

from __future__ import annotations

import itertools
import shutil
import socket
import threading
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from servers.camera import Camera
from servers.hls import HlsServer
from servers.tls import Front, authority, certificate
from servers.web import WebCamera
from support import CLIP, cut

from pipeline.errors import SourceDeniedError, SourceError, SourceRefusedError
from pipeline.sources import clock, open_source
from pipeline.sources.camera import CameraSettings

VERSION = tuple(int(part) for part in av.__version__.split(".")[:2])
#: Older ones do not tell of the camera's clock.
TELLS = VERSION >= (16, 1)
JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()


def read(camera, count, then=None, **settings):
    """Frames of a camera; at the 20th, something happens to it."""
    frames = []
    with open_source(CameraSettings(url=camera.url, **settings)) as source:
        for frame in source:
            frames.append(frame)
            if len(frames) == 20 and then:
                then(camera)
            if len(frames) == count:
                return frames, source
    raise AssertionError("it ended")


def put(**faults):
    def change(camera):
        for name, value in faults.items():
            setattr(camera.faults, name, value)

    return change


@pytest.mark.parametrize(
    ("sound", "faults"),
    [
        (False, {"stamp_s": 37_600.0}),
        (False, {"stamp_s": -3600.0}),
        (True, {"report_s": 3600.0}),
        (True, {"report_s": -3600.0}),
    ],
)
def test_a_stream_whose_clock_jumps_goes_on_by_ours(annexb, sound, faults, monkeypatch):
    """With a second track FFmpeg makes stamps of the camera's clock."""
    monkeypatch.setattr(clock, "BELIEVED_S", 0.3)
    with Camera(annexb, rate=25, sound=sound) as camera:
        frames, source = read(camera, 120, put(**faults))
    assert all(0 < b.pts - a.pts < 2 for a, b in itertools.pairwise(frames))
    assert source.jumps == 1
    if TELLS:
        off = faults.get("report_s", 0.0)
        assert frames[-1].camera_utc - frames[-1].utc == pytest.approx(off, abs=3)


@pytest.mark.skipif(not TELLS, reason="PyAV before 16.1 does not tell of it")
def test_the_camera_s_clock_is_known_and_followed_when_it_is_set(annexb, monkeypatch):
    monkeypatch.setattr(clock, "BELIEVED_S", 0.3)
    with Camera(annexb, rate=25) as camera:
        camera.faults.report_s = 7200.0
        frames, source = read(camera, 120, put(report_s=60.0))
    assert frames[15].camera_utc - frames[15].utc == pytest.approx(7200, abs=1.5)
    assert frames[-1].camera_utc - frames[-1].utc == pytest.approx(60, abs=1.5)
    assert source.jumps == 0, "its own time went on"


def test_pictures_lost_on_the_way_are_counted(annexb):
    with Camera(annexb, rate=25) as camera:
        frames, source = read(camera, 60, put(loss=0.015), transport="udp")
    sent = round((frames[-1].pts - frames[0].pts) * 25) + 1
    assert 0.5 * (sent - len(frames)) <= source.lost <= sent - len(frames) + 25
    assert sent > len(frames)


def test_nothing_is_lost_where_nothing_is(annexb):
    with Camera(annexb, rate=25) as camera:
        _, source = read(camera, 60, put(jitter_s=0.3), transport="udp")
    assert (source.lost, source.corrupt, source.jumps) == (0, 0, 0)


def test_schemes_may_be_written_large(annexb):
    with Camera(annexb, rate=25) as camera:
        address = camera.url.replace("rtsp", "RTSP")
        with open_source(CameraSettings(url=address)) as source:
            assert next(iter(source)).width == 768


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:{}", "http://127.0.0.1:{}/live"])
def test_bare_h264_goes_by_the_clock(annexb, url):
    """FFmpeg takes it for 25 pictures a second; it has none but those that come."""
    pictures, over = annexb.read_bytes().split(b"\0\0\0\1")[1:], threading.Event()

    def send(listener):
        while not over.is_set():
            client, _ = listener.accept()
            with client:
                try:
                    if url.startswith("http"):
                        client.recv(4096)
                        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/h264\r\n\r\n")
                    for unit in pictures:
                        client.sendall(b"\0\0\0\1" + unit)
                        over.wait(0.02 if unit[0] & 31 in (1, 5) else 0)
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=send, args=(listener,), daemon=True).start()
        address = url.format(listener.getsockname()[1])
        with open_source(CameraSettings(url=address)) as source:
            assert source.live
            frames = list(itertools.islice(source, 150))
        over.set()
        with socket.create_connection(listener.getsockname()):
            pass
    passed = frames[-1].captured_at - frames[60].captured_at
    assert frames[-1].pts - frames[60].pts == pytest.approx(passed, rel=0.05)
    assert passed == pytest.approx(89 * 0.02, rel=0.4)


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    """An authority, and certificates: right, for another host, by nobody."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl command")
    folder = tmp_path_factory.mktemp("certificates")
    shop = authority(folder)
    return {
        "shop": shop,
        "right": certificate(folder, "IP:127.0.0.1", shop),
        "another host": certificate(folder, "DNS:example.org", shop),
        "self-signed": certificate(folder, "IP:127.0.0.1"),
    }


@pytest.fixture
def trusting(issued, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(issued["shop"]))


def first(url, **settings):
    with open_source(CameraSettings(url=url, timeout_s=2, **settings)) as source:
        return next(iter(source))


def test_certificates_that_cannot_be_checked_are_not_trusted(monkeypatch):
    """FFmpeg 7, of PyAV 15, ignores what it is told of those of RTSP."""
    monkeypatch.setattr(av, "library_versions", {"libavformat": (61, 7, 100)})
    camera = CameraSettings(url="rtsps://127.0.0.1:1/x")
    with pytest.raises(SourceRefusedError, match=r"av>=16.*tls: insecure"):
        open_source(camera)
    open_source(camera.model_copy(update={"tls": "insecure"}))


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("rtsps", marks=pytest.mark.skipif(VERSION < (16,), reason="not with PyAV 15")),
        *("https", "hls", "recording"),
    ],
)
def test_certificates_are_checked(issued, annexb, tmp_path, kind):
    folder = Path(cut(tmp_path / "live.m3u8", 40, "hls")).parent
    recording = cut(tmp_path / "a.mp4", 20).read_bytes()
    with Camera(annexb, rate=25) as camera, WebCamera([]) as web:
        web.pictures = [JPEG]
        for path in folder.iterdir():
            web.other[path.name] = 200, {}, path.read_bytes()
        web.other["a.mp4"] = 200, {"Content-Type": "video/mp4"}, recording
        port = camera.server_address[1] if kind == "rtsps" else web.port
        path = {"rtsps": "cam", "https": "right", "hls": "live.m3u8", "recording": "a.mp4"}[kind]
        scheme = "rtsps" if kind == "rtsps" else "https"
        for name, words in (("another host", "mismatch"), ("self-signed", "self.signed")):
            with Front(issued[name], port) as front:
                url = f"{scheme}://127.0.0.1:{front.port}/{path}"
                with pytest.raises(SourceError, match=rf"not trusted \(.*{words}") as caught:
                    first(url)
                assert "tls: insecure" in str(caught.value)
                late = SourceRefusedError if kind == "recording" else SourceDeniedError
                assert isinstance(caught.value, late)
                assert first(url, tls="insecure").width > 0
        with Front(issued["right"], port) as front:
            assert first(f"{scheme}://127.0.0.1:{front.port}/{path}").width > 0


@pytest.mark.usefixtures("trusting")
def test_who_sends_the_parts_of_a_stream_is_checked_as_well(issued, tmp_path):
    cut(tmp_path / "live.m3u8", 40, "hls")
    text = (tmp_path / "live.m3u8").read_text()
    with WebCamera([JPEG]) as web, WebCamera([JPEG]) as other:
        for path in tmp_path.iterdir():
            other.other[path.name] = web.other[path.name] = 200, {}, path.read_bytes()
        with (
            Front(issued["right"], web.port) as front,
            Front(issued["self-signed"], other.port) as false,
        ):
            for place, words in (
                (f"https://127.0.0.1:{false.port}", "not trusted"),
                (f"http://127.0.0.1:{other.port}", "without a certificate"),
            ):
                elsewhere = text.replace("live0", f"{place}/live0").replace(
                    "live1", f"{place}/live1"
                )
                web.other["live.m3u8"] = 200, {}, elsewhere.encode()
                with pytest.raises(SourceError, match=words):
                    first(f"https://127.0.0.1:{front.port}/live.m3u8")
        assert other.asked == []


@pytest.mark.usefixtures("trusting")
def test_live_hls_with_a_certificate(issued, tmp_path):
    with (
        HlsServer(CLIP, tmp_path, 2) as server,
        Front(issued["right"], int(server.url.split(":")[2].split("/")[0])) as front,
        open_source(CameraSettings(url=f"https://127.0.0.1:{front.port}/live.m3u8")) as source,
    ):
        frames = list(itertools.islice(source, 45))
    assert frames[-1].pts - frames[0].pts == pytest.approx(4.4, abs=0.01), "two segments and more"


@pytest.mark.parametrize(
    "part",
    [
        "file:///etc/hostname",
        "concat:/etc/hostname|/etc/hosts",
        "subfile,,start,0,end,9,,:/etc/hosts",
        "data:text/plain,hello",
        "/etc/hostname",
        "gopher://127.0.0.1/x",
        "ftp://127.0.0.1/x.ts",
    ],
)
def test_a_playlist_opens_nothing_but_http(part):
    lines = ("#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", "#EXTINF:2,", part)
    with WebCamera([JPEG]) as web:
        web.other["x.m3u8"] = 200, {}, "\n".join((*lines, "#EXT-X-ENDLIST", "")).encode()
        with pytest.raises(SourceError):
            first(web.url("x.m3u8"))


def test_what_a_recording_on_the_disk_names_is_not_fetched(tmp_path):
    with WebCamera([JPEG]) as web:
        path = tmp_path / "x.mp4"
        path.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{web.url('a.ts')}\n#EXT-X-ENDLIST\n"
        )
        with pytest.raises(SourceRefusedError):
            first(str(path))
        assert web.asked == []
