"""Cameras with a sub-stream: two real RTSP streams of one scene, of other sizes, groups of pictures
and delays, and what goes wrong with them."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from servers.camera import Camera
from support import CLIP, Silent, wait_until

from pipeline.flow import capture
from pipeline.flow.runner import Runner
from pipeline.picture.registration import Registration
from pipeline.settings.schema import make_config
from pipeline.tagging.closeups import Closeups
from pipeline.tagging.failures import Failures

pytestmark = pytest.mark.live

RATE = 10
MAIN = (768, 576)
SUB = (384, 288)
#: Pictures of the clip.
LENGTH = 400
#: One that compiles nothing.
ENGINE = {"backend": "onnxruntime", "threads": 1}


def encoded(out: Path, size: tuple[int, int], gop: int, *, still=False, part=None) -> Path:
    """The clip as one stream of a camera: scaled, or of one picture, or a part of each picture."""
    with av.open(str(CLIP)) as source, av.open(str(out), "w", format="h264") as target:
        stream = target.add_stream("libx264", rate=RATE)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryfast", "tune": "zerolatency", "crf": "24",
                          "x264-params": "sliced-threads=0:scenecut=0"}  # fmt: skip
        stream.codec_context.gop_size = gop
        every = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
        if still:  # what is there most of the time: nobody
            every = [np.median(every[::20], axis=0).astype(np.uint8)] * 60
        for i, shown in enumerate(every):
            if part is not None:
                x0, y0, x1, y1 = part
                shown = shown[y0:y1, x0:x1].copy()
            picture = av.VideoFrame.from_ndarray(shown, format="rgb24")
            picture = picture.reformat(*size, format="yuv420p")
            picture.pts = i
            target.mux(stream.encode(picture))
        target.mux(stream.encode())
    return out


@pytest.fixture(scope="session")
def streams(tmp_path_factory):
    """Made when first asked for: ``streams(name)``."""
    folder, made = tmp_path_factory.mktemp("streams"), {}
    kinds = {
        "main": lambda out: encoded(out, MAIN, 10),
        "sub": lambda out: encoded(out, SUB, 10),
        "stretched": lambda out: encoded(out, (512, 288), 10),
        "cut": lambda out: encoded(out, (512, 288), 10, part=(0, 72, 768, 504)),
        "still main": lambda out: encoded(out, MAIN, 10, still=True),
        "still sub": lambda out: encoded(out, SUB, 10, still=True),
    }

    def stream(name: str) -> Path:
        if name not in made:
            made[name] = kinds[name](folder / f"{name.replace(' ', '-')}.h264")
        return made[name]

    return stream


@dataclass
class Pair:
    """A camera's two streams; ``main`` may be put out of and back to work."""

    stack: ExitStack
    path: Path
    main: Camera
    sub: Camera

    @property
    def settings(self):
        return {"url": self.main.url, "sub": self.sub.url, "id": "door", "timeout_s": 1.0}

    def again(self, which: str) -> Camera:
        """The stream that was ended, at its address again."""
        old = getattr(self, which)
        new = Camera(old.path, RATE, old.server_address[1])
        new.epoch, new.faults = old.epoch, old.faults
        setattr(self, which, self.stack.enter_context(new))
        return new


@contextmanager
def pair(streams, main="main", sub="sub"):
    with ExitStack() as stack:
        epoch = time.time() - 1
        cameras = []
        for name in (main, sub):
            camera = Camera(streams(name), RATE)
            camera.path, camera.epoch = streams(name), epoch
            cameras.append(camera)
        for camera in cameras:
            stack.enter_context(camera)
        yield Pair(stack, streams(main), *cameras)


def end(camera: Camera) -> None:
    camera.__exit__()


@pytest.fixture(scope="session")
def numbered():
    """Tells which picture of the clip a picture shows, whatever its size."""
    with av.open(str(CLIP)) as source:
        small = [
            cv2.resize(frame.to_ndarray(format="gray"), (96, 72), interpolation=cv2.INTER_AREA)
            for frame in source.decode(video=0)
        ]
    every = np.stack(small).astype(np.int16)

    def number(picture) -> int:
        luma = np.ascontiguousarray(picture.y)
        own = cv2.resize(luma, (96, 72), interpolation=cv2.INTER_AREA).astype(np.int16)
        return int(np.abs(every - own).mean(axis=(1, 2)).argmin())

    return number


@dataclass
class Shot:
    """A picture that a tagger was shown."""

    size: tuple[int, int]
    pts: float
    number: int


class Looks(Silent):
    """What taggers were shown, and the frames that came out."""

    name = "looks"

    def __init__(self, patch, numbered):
        self.shown: list[Shot] = []
        self.frames: list[Shot] = []
        self.results = []
        self.closeups: list[Registration] = []
        self.pictures = []
        self.numbered = numbered
        kept, collected = Failures.look, Closeups._collect

        def collect(closeups, beside, main, frame):
            collected(closeups, beside, main, frame)
            self.closeups += [one.closeup.registration for one in beside.pictures]

        patch.setattr(Closeups, "_collect", collect)

        def look(failures, tagger, subjects):
            self.shown += [self.shot(subject.frame) for subject in subjects]
            return kept(failures, tagger, subjects)

        patch.setattr(Failures, "look", look)

    def shot(self, frame) -> Shot:
        self.pictures = [*self.pictures[-30:], frame.planes]
        return Shot((frame.width, frame.height), frame.pts, self.numbered(frame.planes))

    def write(self, tagged):
        self.frames.append(self.shot(tagged.frame))
        self.results.append(tagged.tracks)

    def large(self) -> list[Shot]:
        return [shot for shot in self.shown if shot.size == MAIN]

    def wrong(self, since: int = 0) -> list[float]:
        """By how many pictures each look at the main stream missed the moment it was taken for."""
        return [min((self._apart(shot, one) for one in self.frames), key=abs)
                for shot in self.large()[since:]]  # fmt: skip

    def _apart(self, shot: Shot, frame: Shot) -> float:
        passed = frame.number + (shot.pts - frame.pts) * RATE
        return (shot.number - passed + LENGTH / 2) % LENGTH - LENGTH / 2


@pytest.fixture
def looks(monkeypatch, numbered):
    return Looks(monkeypatch, numbered)


@contextmanager
def running(tmp_path, settings, sink, processes=0):
    config = make_config(
        cameras=[settings],
        outputs={"video": False},
        pace={"processes": processes},
        engine=ENGINE,
    )
    with Runner(config, tmp_path, (sink,)) as runner:
        runner.start()
        yield runner.stats.camera("door")
        runner.stop()
        runner.wait()


@pytest.mark.parametrize("processes", [0, 1])
def test_tags_come_from_the_large_picture_of_the_same_moment(streams, tmp_path, looks, processes):
    with pair(streams) as two:
        two.main.faults.delay_s = 0.4
        with running(tmp_path, two.settings, looks, processes) as stats:
            wait_until(lambda: len(looks.large()) > 12, 30, "looks at the main stream")
            wait_until(lambda: any(t.tags for r in looks.results for t in r), 10, "tags")
    assert {shot.size for shot in looks.frames} == {SUB}, "people are searched on the small ones"
    assert np.abs(looks.wrong()).max() <= 1
    main = stats.as_json()["main"]
    assert main["clock"] == "reports"
    assert main["offset_s"] == pytest.approx(0.4, abs=0.15)
    assert main["decoded"] < main["packets"] / 2
    assert main["looks"] >= 12


def test_without_reports_pictures_are_matched_by_what_they_show(streams, tmp_path, looks, caplog):
    with pair(streams) as two:
        two.main.faults.silent = two.sub.faults.silent = True
        two.main.faults.delay_s = 0.8
        with running(tmp_path, two.settings, looks) as stats:
            wait_until(lambda: len(looks.large()) > 6, 40, "looks at the main stream")
            assert stats.main.clock == "arrival"
            assert stats.main.offset_s == pytest.approx(0.8, abs=0.2)
            wait_until(lambda: "behind its sub-stream" in caplog.text, 20, "it is told")
    assert np.abs(looks.wrong()).max() <= 1, "not even the first ones are of another moment"
    assert caplog.text.count("behind its sub-stream") == 1


def test_a_clock_that_drifts_by_two_seconds_is_found_out(streams, tmp_path, looks):
    with pair(streams) as two, running(tmp_path, two.settings, looks) as stats:
        wait_until(lambda: len(looks.large()) > 4, 30, "looks at the main stream")
        two.main.faults.report_s = 2.0
        time.sleep(2.5)
        before = len(looks.large())
        wait_until(lambda: len(looks.large()) > before + 6, 40, "and later")
        assert stats.main.doubtful > 0
    assert np.abs(looks.wrong()).max() <= 1


def test_a_main_stream_that_dies_is_done_without_until_it_is_back(streams, tmp_path, looks, caplog):
    with pair(streams) as two, running(tmp_path, two.settings, looks) as stats:
        wait_until(lambda: stats.main.looks > 4, 30, "looks at the main stream")
        end(two.main)
        wait_until(lambda: stats.main.state == "down", 5, "the loss is noticed")
        before = stats.main.sub_looks
        wait_until(lambda: stats.main.sub_looks > before + 3, 20, "looks at the sub-stream")
        assert stats.state == "up"
        two.again("main")
        wait_until(lambda: stats.main.state == "up", 10, "it is back")
        after = stats.main.looks
        wait_until(lambda: stats.main.looks > after + 3, 30, "looks at it again")
    assert np.abs(looks.wrong()).max() <= 1
    assert caplog.text.count("its main stream is down") == 1
    assert caplog.text.count("its main stream is back") == 1


@pytest.mark.parametrize("processes", [0, 1])
def test_the_main_stream_stands_in_for_a_sub_stream_that_dies(streams, tmp_path, looks, processes):
    with pair(streams) as two, running(tmp_path, two.settings, looks, processes) as stats:
        wait_until(lambda: stats.main.looks > 2, 30, "looks at the main stream")
        end(two.sub)
        wait_until(lambda: looks.frames[-1].size == MAIN, 10, "frames of the main stream")
        assert stats.state == "up"
        assert "its main stream stands in" in stats.note
        before = len(looks.shown)
        wait_until(lambda: len(looks.shown) > before + 3, 25, "looks at them")
        two.again("sub")
        wait_until(lambda: looks.frames[-1].size == SUB, 15, "frames of the sub-stream")
        assert "stands in" not in stats.note
        before = stats.main.looks
        wait_until(lambda: stats.main.looks > before + 3, 30, "looks at the main stream")
    assert stats.reconnects == 1


def test_a_sub_stream_that_refuses_from_the_start_does_not_end_the_camera(
    streams, tmp_path, looks, monkeypatch
):
    monkeypatch.setattr(capture, "denied_backoff_s", lambda refusals, jitter: 0.3)
    with pair(streams) as two:
        two.sub.faults.refuse = 404
        with running(tmp_path, two.settings, looks) as stats:
            wait_until(lambda: looks.frames and looks.frames[-1].size == MAIN, 30, "frames")
            wait_until(lambda: stats.state == "up", 0.2, "the state, between two tries")
            assert "404" in stats.note
            two.sub.faults.refuse = 0
            wait_until(lambda: looks.frames[-1].size == SUB, 20, "frames of the sub-stream")
            assert stats.note == ""


def test_areas_are_painted_out_of_both_streams(streams, tmp_path, looks):
    left = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
    with pair(streams) as two:
        settings = two.settings | {"privacy": {"mask": [left]}}
        with running(tmp_path, settings, looks) as stats:
            wait_until(lambda: stats.main.looks > 3, 40, "looks at the main stream")
            end(two.sub)
            wait_until(lambda: looks.frames[-1].size == MAIN, 15, "frames of the main stream")
    sizes = {picture.y.shape for picture in looks.pictures}
    assert sizes == {SUB[::-1], MAIN[::-1]}
    for picture in looks.pictures:
        width = picture.y.shape[1]
        assert np.ptp(picture.y[:, : width // 2]) == 0


@pytest.mark.parametrize(
    ("sub", "told", "registration"),
    [
        ("stretched", "another aspect ratio", (1, 1, 0, 0)),
        ("cut", "shows 100 % of the width and 75 % of the height", (1, 0.75, 0, 0.125)),
    ],
)
def test_another_aspect_ratio_is_found_and_told_once(
    streams, tmp_path, looks, caplog, sub, told, registration
):
    with pair(streams, sub=sub) as two, running(tmp_path, two.settings, looks) as stats:
        wait_until(lambda: stats.main.looks > 4, 40, "looks at the main stream")
        found = looks.closeups[-1]
    assert (found.x, found.y, found.left, found.top) == pytest.approx(registration, abs=0.01)
    assert caplog.text.count(told) == 1


def test_a_still_scene_decodes_no_main_picture(streams, tmp_path, looks):
    still = pair(streams, "still main", "still sub")
    with still as two, running(tmp_path, two.settings, looks) as stats:
        wait_until(lambda: stats.analysed > 30, 30, "the camera is watched")
        wait_until(lambda: stats.main.packets > 60, 30, "the main stream is received")
    assert stats.main.decoded == 0
    assert looks.shown == []


@pytest.mark.rtsp
def test_both_streams_of_gstreamers_server(rtsp, streams, tmp_path, looks):
    epoch = time.time() - 1
    main, sub = (rtsp(file=streams(name), epoch=epoch) for name in ("main", "sub"))
    settings = {"url": main.url(), "sub": sub.url(), "id": "door"}
    with running(tmp_path, settings, looks) as stats:
        wait_until(lambda: len(looks.large()) > 8, 40, "looks at the main stream")
        assert stats.main.clock == "reports"
    assert np.abs(looks.wrong()).max() <= 1


def test_a_camera_with_a_sub_stream_is_removed_and_leaves_no_thread(streams, tmp_path, looks):
    with pair(streams) as two:
        config = make_config(cameras=[two.settings], outputs={"video": False}, engine=ENGINE)
        with Runner(config, tmp_path, (looks,), stay=True) as runner:
            runner.start()
            stats = runner.stats.camera("door")
            wait_until(lambda: stats.analysed > 3, 30, "the camera is watched")
            assert len(runner.cameras.workers()) == 2
            runner.cameras.remove("door")
            wait_until(lambda: not runner.cameras.workers(), 5, "both threads end")
            assert runner.cameras.main("door") is None
            runner.stop()
            runner.wait()
