"""Recordings with a proxy: which picture of the large file is that of a moment, and what is decoded
for it."""

from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceRefusedError
from pipeline.sources import open_source, proxy
from pipeline.sources.camera import CameraSettings

RATE, LENGTH = 15, 90
LARGE, SMALL = (320, 180), (160, 90)
GROUP = 15


def shown(number: int, size: tuple[int, int], part=(0.0, 0.0, 1.0, 1.0)) -> np.ndarray:
    """A scene with edges, and a number in the grey of its lower third."""
    rng = np.random.default_rng(3)
    scene = cv2.resize(rng.integers(0, 256, (6, 8), np.uint8), LARGE, interpolation=cv2.INTER_CUBIC)
    scene[120:] = 40 + 2 * number
    x0, y0, x1, y1 = (round(share * side) for share, side in zip(part, LARGE * 2, strict=True))
    cut = cv2.resize(scene[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    return np.repeat(cut[..., None], 3, axis=2)


def written(path, size, *, length=LENGTH, b_frames=0, rate=RATE, make=shown, start=0):
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20", "bf": str(b_frames),
                          "x264-params": "scenecut=0"}  # fmt: skip
        stream.codec_context.gop_size = GROUP
        for i in range(length):
            picture = av.VideoFrame.from_ndarray(make(i, size), format="rgb24")
            picture.pts, picture.time_base = start + i, Fraction(1, rate)
            target.mux(stream.encode(picture.reformat(format="yuv420p")))
        target.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxies")
    large = {b: written(folder / f"large{b}.mp4", LARGE, b_frames=b) for b in (0, 3)}
    return large, written(folder / "small.mp4", SMALL)


def opened(large, small, **more):
    return open_source(CameraSettings(url=str(large), sub=str(small), id="shop", **more))


def number(picture) -> int:
    return round((float(np.median(picture.y[-20:, 20:-20])) - 40) / 2 / 219 * 255 + 2.9)


def numbers(source, wanted):
    """Numbers shown by the frames themselves, and by the recording, of the wanted ones."""
    found = []
    for frame in source:
        if frame.index in wanted:
            picture, _ = frame.larger.picture()
            found.append((number(frame.planes), number(picture)))
    return found


@pytest.mark.parametrize("b_frames", [0, 3])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(wanted=st.sets(st.integers(0, LENGTH - 1), min_size=1))
def test_a_picture_is_that_of_its_frames_moment(files, b_frames, wanted):
    large, small = files
    with opened(large[b_frames], small) as source:
        found = numbers(source, wanted)
    assert len(found) == len(wanted)
    assert all(abs(one - other) <= 1 for one, other in found), found


def test_only_what_leads_to_a_picture_is_decoded(files, monkeypatch):
    decoded = []
    kept = proxy.LargeSource.dated
    monkeypatch.setattr(
        proxy.LargeSource, "dated", lambda self, one: decoded.append(1) or kept(self, one)
    )
    with opened(files[0][0], files[1]) as source:
        numbers(source, {5 * GROUP + 1})
    assert len(decoded) < 8, "the group's first pictures, and what threads of the decoder hold back"
    decoded.clear()
    with opened(files[0][0], files[1]) as source:
        numbers(source, set(range(LENGTH)))
    assert len(decoded) <= LENGTH, "nothing twice"


def test_what_is_held_for_a_moment_is_bounded(files, monkeypatch):
    monkeypatch.setattr(proxy, "MOST_BYTES", 2000)
    with opened(files[0][0], files[1]) as source:
        [(one, other)] = numbers(source, {80})
    assert abs(one - other) <= 1


def test_frames_may_ask_once_the_source_was_left(files):
    with opened(files[0][0], files[1]) as source:
        frames = list(source)
    assert frames[40].sub
    picture, place = frames[40].larger.picture()
    assert (picture.width, picture.height) == frames[40].larger.size == LARGE
    assert place == (0, 0, 1, 1)
    assert abs(number(picture) - number(frames[40].planes)) <= 1


def test_nothing_stays_open_once_no_frame_may_ask(files):
    """Without the collector's help: each recording has a file and a decoder's threads."""
    opened_files = lambda: len(list(Path("/proc/self/fd").iterdir()))  # noqa: E731
    gc.collect()
    gc.disable()
    try:
        before = opened_files()
        with opened(files[0][3], files[1]) as source:
            frame = next(iter(source))
            assert frame.larger.picture() is not None
            assert opened_files() > before
        del source, frame
        assert opened_files() == before
    finally:
        gc.enable()


def test_a_proxy_that_shows_a_part(files, tmp_path):
    part = (0.1, 0.1, 0.9, 0.9)
    small = written(tmp_path / "part.mp4", SMALL, make=lambda i, size: shown(i, size, part))
    with opened(files[0][0], small) as source:
        frame = next(iter(source))
        _, place = frame.larger.picture()
    assert place == pytest.approx(part, abs=0.03)


def test_areas_are_painted_out_where_the_frame_has_them(files):
    with opened(files[0][0], files[1]) as source:
        frame = next(iter(source))
        picture, _ = frame.larger.hiding(
            [((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5))]
        ).picture()
    assert (picture.y[:80, :150] == 40).all()
    assert np.std(picture.y[:80, 170:]) > 5


def test_another_scene_is_told_once_and_gives_nothing(files, tmp_path, caplog):
    noise = np.random.default_rng(8).integers(0, 256, (5, 9), np.uint8)
    other = cv2.resize(noise, SMALL, interpolation=cv2.INTER_NEAREST)
    small = written(
        tmp_path / "other.mp4", SMALL, make=lambda i, size: np.repeat(other[..., None], 3, axis=2)
    )
    with opened(files[0][0], small) as source:
        assert [frame.larger.picture() for frame in source] == [None] * LENGTH
    [told] = [one.getMessage() for one in caplog.records if "proxy" in one.getMessage()]
    assert "shows something else" in told


def test_a_recording_that_breaks_off_is_told_once(files, tmp_path, caplog):
    with av.open(str(files[0][0])) as whole, av.open(str(tmp_path / "x.mkv"), "w") as target:
        stream = target.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    content = (tmp_path / "x.mkv").read_bytes()
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(content[: len(content) // 2])
    with opened(broken, files[1]) as source:
        found = [frame.larger.picture() for frame in source]
    assert found[0] is not None
    assert found[-1] is None
    assert len(found) == LENGTH
    [told] = [one.getMessage() for one in caplog.records if "proxy" in one.getMessage()]
    assert "it ends before its proxy does" in told


def test_a_file_of_another_length_is_no_proxy(files, tmp_path):
    small = written(tmp_path / "short.mp4", SMALL, length=30)
    with pytest.raises(SourceRefusedError, match=r"6\.0 s long and its proxy 2\.0 s"):
        opened(files[0][0], small).__enter__()


def test_one_of_both_is_missing(files):
    for large, small in ((files[0][0], "missing.mp4"), ("missing.mp4", files[1])):
        with pytest.raises(SourceRefusedError, match=r"missing\.mp4"):
            opened(large, small).__enter__()
