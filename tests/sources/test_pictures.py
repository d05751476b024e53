"""Cameras over HTTP: motion JPEG however it is sent, snapshots, and time by the clock."""

from __future__ import annotations

import itertools
import time

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from servers.web import DIGEST, WAYS, WebCamera

from pipeline.errors import SourceDeniedError, SourceError
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.sources.pictures import Cutter


def encoded(form: str, level: int, size: tuple[int, int] = (48, 64)) -> bytes:
    noise = np.random.default_rng(level).integers(0, 60, (*size, 3), np.uint8)
    return cv2.imencode(form, noise + np.uint8(level))[1].tobytes()


JPEGS = [encoded(".jpg", level) for level in (0, 50, 100, 150)]
END = b"\xff\xd9"


@pytest.fixture
def web():
    with WebCamera(JPEGS) as camera:
        yield camera


def read(url, count, **settings):
    with open_source(CameraSettings(url=url, **settings)) as source:
        assert source.size == (64, 48)
        return list(itertools.islice(source, count))


def level(frame):
    return round(float(frame.rgb().mean()) - 29.5)


@given(
    st.lists(st.integers(1, 400), max_size=30),
    st.sampled_from([b"", b"\r\n--cam\r\nContent-Length: 7\r\n\r\n", b"\xff\xd8", b"\0\xff\0"]),
)
def test_pictures_are_cut_out_however_the_bytes_come(sizes, between):
    data = between + between.join(JPEGS) + between
    cutter, found = Cutter(), []
    for size in [*sizes, len(data)]:
        found += cutter.feed(data[:size])
        data = data[size:]
    assert found == JPEGS


def test_a_picture_whose_end_is_missing_ends_where_the_next_one_begins():
    first, second = JPEGS[0].removesuffix(END), JPEGS[1]
    cutter = Cutter()
    assert cutter.feed(first + second + JPEGS[2][:-2]) == [first, second]
    assert cutter.rest() == JPEGS[2][:-2]


def test_a_preview_within_a_picture_is_not_the_picture():
    preview = b"\xff\xe1" + (len(JPEGS[1]) + 2).to_bytes(2, "big") + JPEGS[1]
    whole = JPEGS[0][:2] + preview + JPEGS[0][2:]
    assert Cutter().feed(whole) == [whole]


@given(st.lists(st.binary(max_size=300), max_size=8))
@example([JPEGS[0][:2] + b"\xff\x01\xff\x01" + bytes(9)])
@example([JPEGS[0][:900] + b"\xff\x05"])
def test_any_bytes_are_survived(parts):
    cutter = Cutter()
    for part in parts:
        cutter.feed(part)
    assert cutter.feed(END + 30 * (JPEGS[0] + JPEGS[1]))[-1] == JPEGS[1]


def test_what_does_not_end_is_given_up(monkeypatch):
    monkeypatch.setattr("pipeline.sources.pictures._MOST_BYTES", 10_000)
    cutter = Cutter()
    cutter.feed(JPEGS[0][:900] + bytes(9000))
    with pytest.raises(ValueError, match="a picture of more"):
        cutter.feed(bytes(9000))


@pytest.mark.parametrize("way", WAYS)
def test_motion_jpeg_is_read_however_it_is_sent(web, way):
    shown = {round(level(frame) / 50) for frame in read(web.url(way), 12)}
    assert shown <= {0, 1, 2, 3}
    assert len(shown) > 1


@pytest.mark.parametrize("step_s", [0.02, 0.3])
def test_its_time_is_the_clock_s(web, step_s):
    web.step_s = step_s
    frames = read(web.url("right"), 5)
    passed = frames[-1].captured_at - frames[1].captured_at
    assert passed >= 2 * step_s
    assert frames[-1].pts - frames[1].pts == pytest.approx(passed, rel=0.05)


def test_pictures_that_come_at_once_are_no_backlog(web):
    web.other["burst"] = 200, {"Content-Type": "image/jpeg"}, b"".join(5 * JPEGS)
    frames = []
    with open_source(CameraSettings(url=web.url("burst"))) as source:
        with pytest.raises(SourceError, match="ended"):
            frames.extend(source)
        assert level(frames[-1]) == pytest.approx(150, abs=8)
    assert len(frames) <= 5


def test_a_snapshot_is_asked_for_again_and_again(web):
    frames = read(web.url("snapshot"), 4, poll_s=0.2)
    assert [level(f) // 45 for f in frames] == [0, 1, 2, 3]
    passed = frames[3].captured_at - frames[1].captured_at
    assert 0.35 < passed < 2
    assert frames[3].pts - frames[1].pts == pytest.approx(passed, rel=0.05)


@pytest.mark.parametrize("form", [".png", ".webp", ".bmp"])
def test_snapshots_of_other_kinds(web, form):
    kind = {"Content-Type": f"image/{form[1:]}"}
    web.other["snap"] = 200, kind, encoded(form, 100)
    for frame in read(web.url("snap"), 2, poll_s=0.01):
        assert level(frame) == pytest.approx(100, abs=8)


def test_a_damaged_picture_is_counted_and_not_shown(web):
    hurt = JPEGS[1][:160] + bytes(len(JPEGS[1]) - 162) + END
    web.pictures = [JPEGS[0], hurt, JPEGS[2]]
    with open_source(CameraSettings(url=web.url("right"))) as source:
        frames = list(itertools.islice(source, 4))
        assert source.corrupt >= 1
    assert {round(level(f) / 50) for f in frames} == {0, 2}


def test_a_login_is_asked_for_once(web):
    web.login = ("admin", "p@s/s")
    assert len(read(web.url("right"), 2, user="admin", password="p@s/s")) == 2
    web.asked.clear()
    with pytest.raises(SourceDeniedError, match="401"):
        read(web.url("right"), 1, user="admin", password="wrong")
    assert web.asked == [("right", False), ("right", True)], "an account may be locked"
    with pytest.raises(SourceDeniedError, match="401"):
        read(web.url("right"), 1)


@pytest.mark.parametrize(
    "offers",
    [
        ['Basic realm="camera"'],
        [f"{DIGEST}, algorithm=SHA-256", DIGEST],
        ['Basic realm="camera"', DIGEST],
    ],
)
def test_one_of_the_ways_to_log_in_is_enough(web, offers):
    web.login, web.offers = ("admin", "p@s/s"), offers
    assert len(read(web.url("right"), 2, user="admin", password="p@s/s")) == 2


def test_a_login_does_not_go_to_another_server(web):
    with WebCamera(JPEGS) as other:
        other.login = ("admin", "secret")
        web.other["away"] = 302, {"Location": other.url("right")}, b""
        with pytest.raises(SourceDeniedError, match="401"):
            read(web.url("away"), 1, user="admin", password="secret")
        assert other.asked == [("right", False)]


@pytest.mark.parametrize(
    ("answer", "words", "denied"),
    [
        ((404, {}, b""), "nothing at this address", True),
        ((403, {}, b""), "forbidden", True),
        ((410, {}, b""), "answers 410", True),
        ((503, {}, b""), "answers 503", False),
        ((302, {"Location": "file:///etc/hostname"}, b""), "302", True),
        ((200, {"Content-Type": "text/html"}, b"<html>log in</html>"), "is it a camera", False),
        ((200, {"Content-Type": "image/jpeg"}, b""), "is it a camera", False),
    ],
)
def test_what_is_no_camera_is_reported(web, answer, words, denied):
    web.other["x"] = answer
    with pytest.raises(SourceError, match=words) as caught:
        read(web.url("x"), 1, timeout_s=1)
    assert isinstance(caught.value, SourceDeniedError) == denied


def test_a_camera_that_falls_silent_is_noticed(web):
    web.step_s = 2.0
    began = time.monotonic()
    with pytest.raises(SourceError, match="in time"):
        read(web.url("right"), 3, timeout_s=0.3)
    assert time.monotonic() - began < 1.5
