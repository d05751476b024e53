"""Cameras added, removed and replaced while others run: nothing is left behind, nobody waits."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import contextmanager

import pytest
from support import CLIP, Silent, free_port, wait_until

from pipeline.errors import ConfigError
from pipeline.flow.runner import Runner
from pipeline.settings.schema import make_config

CHANGES = 200
#: Longest time without a result of a camera that nobody touches: half a second is aimed at and
#: measured (docs/benchmarks.md), and a machine that is shared may take as long itself.
LONGEST_GAP_S = 1.0


class Told(Silent):
    """A sink that notes of which cameras it was told to let go."""

    name = "told"

    def __init__(self):
        self.forgotten: list[str] = []

    def forget(self, source):
        self.forgotten.append(source)


@contextmanager
def running(out, *cameras, sinks=(), backend="onnxruntime", **sections):
    """On an engine that compiles nothing, unless that is the point."""
    config = make_config(cameras=list(cameras), engine={"backend": backend}, **sections)
    with Runner(config, out, sinks, stay=True) as runner:
        runner.start()
        yield runner
        runner.stop()
        runner.wait()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


class Gaps(threading.Thread):
    """Watches counters: the longest time in which ``analysed`` of each stood still."""

    def __init__(self, counters):
        super().__init__(daemon=True)
        self._counters = counters
        self._over = threading.Event()
        self.longest = [0.0] * len(counters)

    def run(self):
        seen = [(c.analysed, time.monotonic()) for c in self._counters]
        while not self._over.wait(0.01):
            now = time.monotonic()
            for i, counter in enumerate(self._counters):
                self.longest[i] = max(self.longest[i], now - seen[i][1])
                if counter.analysed != seen[i][0]:
                    seen[i] = (counter.analysed, now)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self.join()


def left_of(runner, name: str) -> list[str]:
    """Everything of a run that still knows a name."""
    found = [f"slot {name}"] * (name in runner._inbox._slots)
    found += [f"counters {name}"] * (name in runner.stats.cameras)
    for view in (*runner.settings._views.values(), runner.settings.zones):
        found += [f"settings {name}"] * (name in view.own)
    found += [f"decoding {name}"] * (name in runner.pace.decoding._still)
    for owner in (*runner.stages.every, *runner.outlets.sinks):
        found += [f"{type(owner).__name__}.{where}" for where in mentions(owner, name)]
    found += [t.name for t in threading.enumerate() if t.name == f"capture {name}"]
    return found


def mentions(owner: object, name: str, depth: int = 4) -> list[str]:
    """Attributes, however deep, that are mappings with a key that is or begins with a name."""
    found = []
    for attribute, value in list(getattr(owner, "__dict__", {}).items()):
        if isinstance(value, dict):
            keys = [key[0] if isinstance(key, tuple) else key for key in list(value)]
            found += [attribute] * (name in keys)
        elif depth and type(value).__module__.startswith("pipeline"):
            found += [f"{attribute}.{more}" for more in mentions(value, name, depth - 1)]
    return found


class Changes:
    """Random changes of the cameras of a run."""

    def __init__(self, runner, urls: list[str], seed: int) -> None:
        self._random = random.Random(seed)
        self._cameras = runner.cameras
        self._urls = urls
        self.here: set[str] = set()

    def _camera(self, name: str) -> dict[str, object]:
        more = [
            {},
            {"person": {"score": 0.6}},
            {"garments": {"enabled": False}},
            {"exclude": [[[0, 0], [0.2, 0], [0.2, 0.2]]]},
        ]
        return {"id": name, "url": self._random.choice(self._urls), **self._random.choice(more)}

    def once(self) -> None:
        name = f"guest{self._random.randrange(6)}"
        if name not in self.here:
            self._cameras.add(self._camera(name))
            self.here.add(name)
        elif self._random.random() < 0.5:
            self._cameras.remove(name)
            self.here.remove(name)
        else:
            self._cameras.replace(self._camera(name))
        time.sleep(self._random.uniform(0, 0.12))

    def end(self) -> None:
        for name in sorted(self.here):
            self._cameras.remove(name)


@pytest.mark.alone
@pytest.mark.rtsp
def test_two_hundred_changes_leave_nothing_and_stop_nobody(rtsp, tmp_path):
    server, dead = rtsp(mounts=4), f"rtsp://127.0.0.1:{free_port()}/x"
    told = Told()
    names = ["resident0", "resident1"]
    residents = [{"id": name, "url": server.url(i)} for i, name in enumerate(names)]
    with running(
        tmp_path, *residents, sinks=(told,), backend="openvino", outputs={"video": True}
    ) as runner:
        counters = [runner.stats.camera(name) for name in names]
        wait_until(lambda: all(c.analysed > 20 for c in counters), 20, "the residents are analysed")
        wait_until(lambda: runner.preparation.idle, 20, "everything is compiled")
        threads, files = threading.active_count(), open_files()
        changes = Changes(runner, [server.url(2), server.url(3), dead, str(CLIP)], seed=17)
        with Gaps(counters) as gaps:
            for _ in range(CHANGES):
                changes.once()
            changes.end()
        print(f"longest gap {max(gaps.longest):.2f} s")  # noqa: T201
        assert max(gaps.longest) <= LONGEST_GAP_S
        guests = [f"guest{i}" for i in range(6)]
        deadline = time.monotonic() + 10
        while left := [what for name in guests for what in left_of(runner, name)]:
            assert time.monotonic() < deadline, f"left behind: {left}"
            time.sleep(0.1)
        wait_until(lambda: threading.active_count() <= threads, 5, "threads end")
        wait_until(lambda: open_files() <= files, 5, "files are closed")
        assert set(told.forgotten) <= set(guests)
        assert runner.cameras.names() == names
        assert runner.stats.removed > 50


def test_a_run_may_begin_without_a_camera_and_wait(tmp_path, short_clip):
    with running(tmp_path) as runner:
        time.sleep(0.3)
        assert not runner.finished.is_set()
        assert runner.cameras.add({"url": str(short_clip), "id": "late"}) == "late"
        stats = runner.stats.camera("late")
        wait_until(lambda: stats.state == "done" and stats.analysed == 30, 60, "it is analysed")
        assert not runner.finished.is_set(), "others may come"
    assert (tmp_path / "events.jsonl").stat().st_size > 0


def test_a_camera_s_own_settings_come_and_go_with_it(tmp_path, short_clip):
    nobody = {"url": str(short_clip), "id": "door", "person": {"score": 1.0}}
    with running(tmp_path, nobody) as runner:
        first = runner.stats.camera("door")
        wait_until(lambda: first.state == "done" and first.analysed == 30, 60, "the first pass")
        assert first.people == 0
        runner.cameras.replace({"url": str(short_clip), "id": "door"})
        second = runner.stats.camera("door")
        assert second is not first
        wait_until(lambda: second.state == "done" and second.analysed == 30, 60, "the second pass")
        assert second.people > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.add({"url": "x.mp4", "id": "door"}), "is there already"),
        (lambda c: c.add({"url": "x.mp4", "id": ".."}), "id"),
        (lambda c: c.add({"url": "x.mp4", "person": {"score": 7}}), "person.score"),
        (lambda c: c.add({"url": "x.mp4", "person": {"model": "x"}}), "person.model"),
        (lambda c: c.remove("window"), "no camera is called 'window'; there are: door"),
        (lambda c: c.replace({"url": "x.mp4", "id": "window"}), "no camera is called"),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(tmp_path, short_clip, change, words):
    with running(tmp_path, {"url": str(short_clip), "id": "door"}) as runner:
        with pytest.raises(ConfigError, match=words):
            change(runner.cameras)
        assert runner.cameras.names() == ["door"]


def test_a_tagger_that_the_run_began_without_is_not_silently_missing(tmp_path, short_clip):
    nobody = {"url": str(short_clip), "id": "door", "garments": {"enabled": True}}
    with running(tmp_path, garments={"enabled": False}) as runner:
        with pytest.raises(ConfigError, match="garments: no camera used it when the run began"):
            runner.cameras.add(nobody)
        assert runner.cameras.add({**nobody, "garments": {"enabled": False}}) == "door"


def test_no_camera_is_added_once_the_run_ends(tmp_path, short_clip):
    with running(tmp_path) as runner:
        runner.stop()
        with pytest.raises(ConfigError, match="ending"):
            runner.cameras.add({"url": str(short_clip), "id": "late"})
