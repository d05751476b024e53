"""Real cameras that come, go, freeze and refuse: a real RTSP server and real sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from live_support import running
from servers.hls import HlsServer
from support import CLIP, Silent, free_port, wait_until

from pipeline.flow import capture
from pipeline.flow.capture import backoff_s, denied_backoff_s
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings

pytestmark = [pytest.mark.rtsp, pytest.mark.live]


def events(tmp_path) -> Counter[str]:
    path = tmp_path / "events.jsonl"
    text = path.read_text() if path.exists() else ""
    return Counter(line.split('"event": "')[1].split('"')[0] for line in text.splitlines())


def test_tags_arrive_and_arrive_again_after_the_server_was_killed(rtsp, tmp_path):
    server = rtsp()
    camera = {"url": server.url(), "id": "door"}
    with running(tmp_path, camera) as runner:
        stats = runner.stats.camera("door")
        wait_until(lambda: events(tmp_path)["appeared"], 20, "first tags")
        server.kill()
        wait_until(lambda: stats.state == "down", 4, "the loss is noticed")
        assert "door" not in stats.note or server.url() in stats.note
        before, seen = stats.decoded, events(tmp_path)["appeared"]
        server.start()
        wait_until(lambda: stats.decoded > before, 8, "frames after the restart")
        wait_until(lambda: events(tmp_path)["appeared"] > seen, 20, "tags after the restart")
        assert stats.reconnects == 1
        assert stats.state == "up"


@pytest.mark.alone
def test_a_frozen_camera_is_noticed_and_does_not_stall_the_others(rtsp, tmp_path):
    good, bad = rtsp(), rtsp()
    cameras = [{"url": s.url(), "id": n} for s, n in ((good, "good"), (bad, "bad"))]
    with running(tmp_path, *cameras) as runner:
        healthy, frozen = runner.stats.camera("good"), runner.stats.camera("bad")
        both = (healthy, frozen)
        wait_until(lambda: all(c.analysed > 5 for c in both), 15, "both cameras looked at")
        bad.pause()
        gap, last, at = 0.0, healthy.analysed, time.monotonic()
        deadline = time.monotonic() + 8
        while frozen.state == "up" and time.monotonic() < deadline:
            time.sleep(0.02)
            if healthy.analysed != last:
                gap, last, at = max(gap, time.monotonic() - at), healthy.analysed, time.monotonic()
        assert frozen.state == "down"
        assert "in time" in frozen.note
        assert gap < 1.5
        bad.pause(False)
        before = frozen.decoded
        wait_until(lambda: frozen.decoded > before, 10, "the camera is back")


class Slow(Silent):
    """A sink that takes half a second for every result: a fifth of the camera's frames."""

    name = "slow"

    def __init__(self):
        self.written = 0

    def write(self, tagged):
        self.written += 1
        time.sleep(0.5)


@pytest.mark.alone
def test_a_slow_sink_slows_no_camera_and_no_other_sink(rtsp, tmp_path):
    sink = Slow()
    with running(tmp_path, {"url": rtsp().url(), "id": "door"}, sinks=(sink,)) as runner:
        stats = runner.stats.camera("door")
        wait_until(lambda: stats.analysed > 20, 15, "the camera is looked at")
        before, began = stats.analysed, time.monotonic()
        time.sleep(4)
        assert (stats.analysed - before) / (time.monotonic() - began) > 4, "of 10 a second"
        assert stats.unwritten > 0
        wait_until(lambda: events(tmp_path)["entered"] >= 2, 10, "people")
    assert 0 < sink.written < stats.analysed / 3


def test_too_much_work_is_reported_once(rtsp, tmp_path, caplog):
    camera = {"url": rtsp().url(), "id": "door"}
    with running(tmp_path, camera, pace={"latency_s": 0.001}) as runner:
        wait_until(lambda: runner.pace.slowdown.factor > 3, 20, "the pace gives up a lot")
        assert runner.stats.as_json()["degraded"]["slowdown"] > 1
        wait_until(lambda: "too much for this machine" in caplog.text, 3, "the warning")
    assert caplog.text.count("too much for this machine") == 1


def test_everybody_has_left_soon_after_the_camera_is_lost_and_not_when_it_is_back(rtsp, tmp_path):
    server = rtsp()
    with running(tmp_path, {"url": server.url(), "id": "door"}) as runner:
        wait_until(lambda: events(tmp_path)["entered"] >= 2, 20, "people")
        server.kill()
        wait_until(
            lambda: events(tmp_path)["left"] == events(tmp_path)["entered"], 8, "all have left"
        )
        assert runner.stats.camera("door").state == "down"
        left = [e for e in map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
                if e["event"] == "left"]  # fmt: skip
        shown = max(e["pts"] for e in left)
        assert shown <= runner.stats.camera("door").pts, "dated with a frame that showed them"


def test_a_camera_that_refused_for_a_while_comes_back(rtsp, tmp_path, monkeypatch, caplog):
    """A recorder that boots answers 401 or 404 until it knows its cameras."""
    monkeypatch.setattr(capture, "denied_backoff_s", lambda refusals, jitter: 0.3)
    server = rtsp(user="admin:secret")
    with running(tmp_path, {"url": server.url(), "id": "door"}) as runner:
        stats = runner.stats.camera("door")
        wait_until(lambda: stats.state == "down" and "401" in stats.note, 10, "the refusal")
        assert not runner.finished.is_set(), "the only camera refuses, and the run goes on"
        server.kill()
        server.forget_user()
        server.start()
        wait_until(lambda: stats.state == "up", 10, "it is let in")
    assert caplog.text.count("401") == 1


def test_wrong_password_is_reported_once_and_not_repeated(rtsp, tmp_path, caplog):
    server = rtsp(user="admin:secret")
    right = {"url": server.url(login="admin:secret@"), "id": "right"}
    wrong = {"url": server.url(login="admin:hunter2@"), "id": "wrong"}
    with running(tmp_path, right, wrong) as runner:
        refused = runner.stats.camera("wrong")
        wait_until(lambda: refused.state == "down", 10, "the refusal")
        assert "password" in refused.note
        wait_until(lambda: runner.stats.camera("right").analysed, 15, "the other camera works")
    text = caplog.text + refused.note + (tmp_path / "events.jsonl").read_text()
    assert "hunter2" not in text
    assert "secret" not in text
    assert caplog.text.count("password") == 1


def test_a_camera_that_accepts_and_sends_nothing_times_out(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        camera = {"url": f"rtsp://127.0.0.1:{port}/s", "id": "mute", "timeout_s": 1}
        with running(tmp_path, camera) as runner:
            stats = runner.stats.camera("mute")
            wait_until(lambda: stats.state == "down", 5, "the silence is noticed")
            assert "no usable answer" in stats.note


def test_cameras_that_cannot_be_reached_leave_the_others_alone(tmp_path):
    cameras = (
        {"url": f"rtsp://127.0.0.1:{free_port()}/x", "id": "refused"},
        {"url": "rtsp://no-such-host.invalid/x", "id": "unknown"},
        {"url": str(CLIP), "id": "file"},
    )
    with running(tmp_path, *cameras) as runner:
        stats = runner.stats.cameras
        wait_until(lambda: stats["file"].analysed > 20, 20, "the recording goes on")
        wait_until(lambda: stats["refused"].state == "down", 5, "refused")
        wait_until(lambda: stats["unknown"].state == "down", 5, "unknown")
        assert "refused" in stats["refused"].note
        assert "network" in stats["unknown"].note


def test_several_mounts_at_once(rtsp, tmp_path):
    server = rtsp(mounts=3)
    cameras = [{"url": server.url(i), "id": f"cam{i}"} for i in range(3)]
    with running(tmp_path, *cameras) as runner:
        everyone = [runner.stats.camera(c["id"]) for c in cameras]
        wait_until(lambda: all(c.analysed > 15 for c in everyone), 40, "frames of all cameras")
    for camera in everyone:
        assert camera.decoded >= camera.analysed
        assert camera.decoded == camera.analysed + camera.dropped + camera.skipped["preparing"]


def test_the_picture_a_camera_begins_with_is_the_first_one_seen(rtsp):
    with open_source(CameraSettings(url=rtsp().url())) as source:
        assert next(iter(source)).pts < 0.1, "the next key frame is seconds away"


def test_stopping_while_a_camera_is_silent_takes_no_longer(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/s"
        with running(tmp_path, {"url": url, "timeout_s": 30}):
            time.sleep(0.5)
    wait_until(lambda: threading.active_count() < 50, 1, "threads end")


def test_backoff_is_quick_first_and_patient_later():
    assert backoff_s(1, 1.0) == 0.5
    assert [backoff_s(n, 1.0) for n in (2, 3, 60)] == [1.0, 1.0, 1.0]
    assert backoff_s(61, 1.0) == 2.0
    assert backoff_s(500, 1.0) == 30.0
    assert backoff_s(500, 0.0) == 15.0


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_refusals_are_tried_again_slowly_and_then_more_slowly(jitter):
    pauses = [denied_backoff_s(n, jitter) for n in range(1, 40)]
    assert all(20 <= pause <= 30 for pause in pauses[:10]), "back within half a minute"
    assert pauses == sorted(pauses)
    assert 400 <= pauses[-1] <= 600


@pytest.mark.alone
def test_live_hls_is_analysed_at_its_own_speed_each_picture_once(tmp_path, caplog):
    """Segments come in bursts, and further apart than a camera may be silent."""
    with ExitStack() as stack:
        cameras = []
        for segment_s in (2, 4):
            folder = tmp_path / f"s{segment_s}"
            folder.mkdir()
            server = stack.enter_context(HlsServer(CLIP, folder, segment_s))
            cameras.append({"url": server.url, "id": f"s{segment_s}"})
        runner = stack.enter_context(running(tmp_path / "out", *cameras))
        stats = [runner.stats.camera(camera["id"]) for camera in cameras]
        wait_until(lambda: all(one.analysed > 5 for one in stats), 30, "first pictures")
        before, began = [(c.analysed, c.pts, c.dropped) for c in stats], time.monotonic()
        time.sleep(8)  # four segments, and two
        seconds = time.monotonic() - began
        for camera, (analysed, pts, dropped) in zip(stats, before, strict=True):
            assert (camera.analysed - analysed) / seconds == pytest.approx(10, abs=1.5)
            assert (camera.pts - pts) / seconds == pytest.approx(1, abs=0.15), "at its own speed"
            assert camera.dropped - dropped <= 0.1 * camera.decoded
    assert [camera.reconnects for camera in stats] == [0, 0]
    assert "too much" not in caplog.text
