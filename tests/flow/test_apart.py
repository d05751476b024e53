"""Cameras that are received in processes of their own: what travels, and what goes wrong."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import live_support
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import Silent, wait_until

from pipeline.flow.apart import child, parent
from pipeline.flow.apart.memory import MOST, SIZE, Memory, Shelves
from pipeline.flow.apart.messages import Alive, Packet, Post
from pipeline.picture.yuv import Planes

SIZES = [(8, 6), (16, 12), (640, 360), (641, 361)]


@pytest.fixture
def memory():
    ours = Memory()
    yield Memory(os.dup(ours.fd)), Shelves(ours)
    ours.close()


def drawn(size: tuple[int, int], seed: int, grey: bool = False) -> Planes:
    rng, (width, height) = np.random.default_rng(seed), size
    y = rng.integers(0, 256, (height, width), np.uint8)
    u, v = rng.integers(0, 256, (2, -(-height // 2), -(-width // 2)), np.uint8)
    return Planes(y) if grey else Planes(y, u, v, "bt709", True, "pq")


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(SIZES), st.integers(1, 3), st.booleans(), st.integers(0, 5)),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_pictures_stay_as_they_are_for_as_long_as_they_are_held(steps):
    """Whatever is let go of in between, and its room used again."""
    ours = Memory()
    theirs, shelves = Memory(os.dup(ours.fd)), Shelves(ours)
    held: list[tuple[int, Planes, Planes]] = []
    for i, (size, owner, grey, drop) in enumerate(steps):
        picture = drawn(size, i, grey)
        placed = shelves.put(owner, picture, 4)
        assert (placed is None) == (sum(one[0] == owner for one in held) >= 4)
        if placed is not None:
            held.append((owner, picture, theirs.picture(placed)))
        del held[len(held) - min(drop, len(held)) :]
        for _, was, now in held:
            assert (was.matrix, was.full_range, was.light) == (
                now.matrix,
                now.full_range,
                now.light,
            )
            for one, other in ((was.y, now.y), (was.u, now.u), (was.v, now.v)):
                assert one is other is None or np.array_equal(one, other)
    ours.close()
    theirs.close()


def test_a_view_keeps_the_whole_picture(memory):
    theirs, shelves = memory
    placed = shelves.put(1, drawn((64, 48), 0), 1)
    corner = theirs.picture(placed).u[:2, :2]
    assert shelves.put(1, drawn((64, 48), 1), 1) is None
    del corner
    gc.collect()
    assert shelves.put(1, drawn((64, 48), 2), 1) is not None


def test_turned_pictures_lie_upright(memory):
    theirs, shelves = memory
    picture = drawn((64, 48), 0)
    turned = Planes(picture.y.T[::-1], picture.u.T[::-1], picture.v.T[::-1])
    there = theirs.picture(shelves.put(1, turned, 1))
    assert np.array_equal(there.y, turned.y)
    assert there.y.flags.c_contiguous


def test_what_has_no_room_is_left_out_and_room_serves_again(memory):
    theirs, shelves = memory
    large = Planes(np.zeros((1, SIZE - MOST), np.uint8)[:, :1].repeat(1 << 20, 1))
    many = 0
    while placed := shelves.put(1, large, MOST):
        many += 1
        theirs.picture(placed)  # and let go of
        if many == 3 * MOST:
            break
    assert many == 3 * MOST, "for ever"
    held = [shelves.put(2, large, 10_000) for _ in range(MOST)]
    assert held[-1] is None, "more than there is room for"


@given(lengths=st.lists(st.integers(0, 300_000), max_size=8))
@settings(max_examples=20, deadline=None)
def test_messages_arrive_whole_and_in_order(lengths):
    ours, theirs = socket.socketpair()
    sent = [Packet(i, os.urandom(n), i, None, 0.1, True, 1.5) for i, n in enumerate(lengths)]
    post, found = Post(theirs), []
    sender = threading.Thread(target=lambda: [Post(ours).send(one) for one in (*sent, Alive())])
    sender.start()
    while not found or found[-1] != Alive():
        found += post.receive()
    sender.join()
    assert found[:-1] == sent
    ours.close()
    with pytest.raises(EOFError):
        post.receive()
    post.close()


class Seen(Silent):
    """The times of the frames of each camera, and pictures that are kept."""

    name = "seen"

    def __init__(self, keep: int = 0):
        self.pts: dict[str, list[float]] = {}
        self.kept = []
        self.keep = keep

    def write(self, tagged):
        self.pts.setdefault(tagged.frame.source, []).append(tagged.frame.pts)
        if len(self.kept) < self.keep:
            self.kept.append((tagged.frame.planes.y, tagged.frame.planes.y.copy()))


@contextmanager
def running(tmp_path, *cameras, sink=None, processes=1):
    pace, sinks = {"processes": processes}, [sink or Silent()]
    with live_support.running(tmp_path, *cameras, sinks=sinks, pace=pace, most_s=4) as runner:
        yield runner
    wait_until(lambda: children() == [], 4, "the processes end")


def children() -> list[int]:
    """Capture processes of this one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent_id = int(stat.read_text().rpartition(")")[2].split()[1])
            line = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if parent_id == os.getpid() and b"pipeline.flow.apart" in line:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.live
@pytest.mark.rtsp
def test_a_process_that_dies_is_begun_again_and_loses_no_camera(rtsp, tmp_path, caplog):
    server, sink = rtsp(2), Seen(keep=12)
    login = {"user": "anna", "password": "hunter2"}  # the server asks for none
    cameras = [{"url": server.url(i), "id": name, **login} for i, name in enumerate(("in", "out"))]
    with running(tmp_path, *cameras, sink=sink) as runner:
        both = [runner.stats.camera(name) for name in ("in", "out")]
        wait_until(lambda: all(one.analysed > 5 for one in both), 30, "both are looked at")
        [process] = children()
        for name in ("cmdline", "environ"):
            assert b"hunter2" not in (Path("/proc") / str(process) / name).read_bytes()
        assert {one.state for one in both} == {"up"}
        decoded = [one.decoded for one in both]
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: both[0].state == "down", 3, "it is noticed")
        assert "was ended by signal 9" in both[0].note
        wait_until(
            lambda: all(one.decoded > n + 5 for one, n in zip(both, decoded, strict=True)),
            20,
            "both are back",
        )
        assert {one.state for one in both} == {"up"}
        assert [one.reconnects for one in both] == [1, 1]
        again = children()
        assert process not in again
        assert len(again) == 1
        assert sink.kept
        for was, copied in sink.kept:
            assert np.array_equal(was, copied), "pictures outlive who wrote them"
    assert caplog.text.count("capture process 1 was ended by signal 9") == 1
    assert "hunter2" not in caplog.text
    assert sink.pts.keys() == {"in", "out"}


@pytest.mark.live
@pytest.mark.rtsp
def test_a_camera_that_ends_its_process_again_and_again_is_alone_in_the_end(
    rtsp, tmp_path, monkeypatch, caplog
):
    """As one whose stream crashes a decoder."""
    monkeypatch.setattr(parent, "backoff_s", lambda failures, chance: 0.1)
    server, names = rtsp(4), ["c0", "c1", "c2", "c3"]
    cameras = [{"url": server.url(i), "id": name} for i, name in enumerate(names)]
    with running(tmp_path, *cameras) as runner:
        stats = {name: runner.stats.camera(name) for name in names}
        crew = runner.cameras._crew
        wait_until(lambda: all(one.decoded > 3 for one in stats.values()), 30, "all are received")
        for _ in range(6):
            [process] = [
                one for one in crew._crew.values()
                if "c1" in [seat.camera.name for seat in one._seats.values()]
            ]  # fmt: skip
            if process.streams == 1:
                break
            before = stats["c1"].decoded
            process._child.kill()
            wait_until(lambda: stats["c1"].decoded > before, 20, "it is back")  # noqa: B023
        assert process.streams == 1
        wait_until(lambda: all(one.state == "up" for one in stats.values()), 20, "all are back")
        alone, before = process._child, {name: one.reconnects for name, one in stats.items()}
        alone.kill()
        wait_until(lambda: stats["c1"].reconnects > before["c1"], 20, "it is back")
        del before["c1"]
        assert {name: stats[name].reconnects for name in before} == before
        assert {one.state for one in stats.values()} == {"up"}
        runner.cameras.remove("c1")
        wait_until(lambda: len(children()) == 2, 4, "nobody needs its process")
    assert caplog.text.count("every other one of its cameras goes to") == 2


@pytest.mark.live
@pytest.mark.rtsp
def test_a_process_that_says_nothing_is_ended(rtsp, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(parent, "SILENT_S", 2.0)
    with running(tmp_path, {"url": rtsp().url(), "id": "in"}) as runner:
        stats = runner.stats.camera("in")
        wait_until(lambda: stats.analysed > 3, 30, "it is looked at")
        [process] = children()
        os.kill(process, signal.SIGSTOP)
        wait_until(lambda: stats.state == "down", 8, "it is given up")
        before = stats.decoded
        wait_until(lambda: stats.decoded > before, 20, "it is back")
        assert children() != [process]
        os.kill(children()[0], signal.SIGSTOP)  # and one that stops then delays no end
    assert "says nothing any more" in caplog.text


@pytest.mark.live
@pytest.mark.rtsp
def test_cameras_come_and_go_and_empty_processes_end(rtsp, tmp_path):
    server, sink = rtsp(3), Seen()
    cameras = [{"url": server.url(i), "id": f"c{i}"} for i in range(3)]
    with running(tmp_path, *cameras[:2], sink=sink, processes=2) as runner:
        wait_until(lambda: len(sink.pts) == 2, 30, "both are looked at")
        assert len(children()) == 2
        assert len(runner.cameras.workers()) == 2
        runner.cameras.remove("c0")
        wait_until(lambda: len(children()) == 1, 4, "nobody needs it")
        runner.cameras.add(cameras[2])
        wait_until(lambda: "c2" in sink.pts, 20, "it is looked at")
        assert len(children()) == 2
        runner.cameras.replace(cameras[1] | {"rotate": 90})
        shown = len(sink.pts["c1"])
        wait_until(lambda: len(sink.pts["c1"]) > shown + 3, 20, "the one in its place")


@pytest.mark.live
def test_a_run_ends_when_no_camera_can_be_read(tmp_path):
    """What is no RTSP address is refused for good, there as here."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with running(tmp_path, {"url": url, "id": "in", "timeout_s": 0.3}) as runner:
            stats = runner.stats.camera("in")
            wait_until(lambda: stats.state == "down", 15, "it times out")
            assert "in time" in stats.note
            assert not runner.finished.is_set()


@pytest.mark.live
@pytest.mark.rtsp
def test_a_process_that_cannot_be_started_is_tried_again(rtsp, tmp_path, monkeypatch, caplog):
    """As when a machine is out of memory for a moment."""
    start, tries = parent.subprocess.Popen, []

    def popen(command, **more):
        tries.append(command)
        if len(tries) == 1 and "apart" in command[3]:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return start(command, **more)

    url = rtsp().url()
    monkeypatch.setattr(parent.subprocess, "Popen", popen)
    with running(tmp_path, {"url": url, "id": "in"}) as runner:
        wait_until(lambda: runner.stats.camera("in").analysed > 1, 20, "it is looked at")
    assert caplog.text.count("cannot be started") == 1
    assert len(tries) == 2


def test_a_defect_in_there_ends_the_run_as_one_in_here_does(monkeypatch):
    """Nothing dies in silence: what a capture thread raises is told."""
    ours, theirs = socket.socketpair()
    memory = Memory()
    there = child.Child(Post(theirs), memory, 1)
    there._seats[7] = child._Seat(child.CameraStats("in"), threading.Event())

    def defect():
        raise KeyError("x")

    there._run(7, defect, True)
    told = Post(ours).receive()
    assert told[-1] == child.Ended(7, "KeyError: 'x'")
    for one in (ours, theirs):
        one.close()
    memory.close()
