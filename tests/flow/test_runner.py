"""Faults inside of the program: every worker's, and what the others do then."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from support import CLIP

from engines import ModelFileError
from engines.packs import SHIPPED, Packs
from pipeline.errors import SinkError
from pipeline.flow import runner as runner_module
from pipeline.flow.runner import Runner
from pipeline.people.tracking import TrackStage
from pipeline.settings.schema import Config, make_config
from pipeline.store.journal import Journal


def config(*urls: str, **more: object) -> Config:
    """On an engine that compiles nothing."""
    cameras = [{"url": url, "id": f"c{i}"} for i, url in enumerate(urls)]
    engine = {"backend": "onnxruntime", "threads": 1}
    return make_config(cameras=cameras, outputs={"video": False}, engine=engine, **more)


def finish(runner: Runner) -> float:
    began = time.monotonic()
    runner.wait()
    return time.monotonic() - began


def test_an_error_on_the_inference_thread_ends_the_run_and_is_raised(tmp_path, monkeypatch):
    def fail(self, batch):
        raise ZeroDivisionError("stage is broken")

    monkeypatch.setattr(TrackStage, "__call__", fail)
    with Runner(config(str(CLIP)), tmp_path) as runner:
        runner.start()
        with pytest.raises(ZeroDivisionError, match="stage is broken"):
            finish(runner)
        assert runner.finished.is_set()


def broken_on(monkeypatch, *numbers: int) -> None:
    """Have tracking fail on frames of one camera."""
    real = TrackStage.__call__

    def fragile(self, batch):
        if any(tagged.frame.source == "c0" and tagged.frame.index in numbers for tagged in batch):
            raise KeyError("a defect")
        return real(self, batch)

    monkeypatch.setattr(TrackStage, "__call__", fragile)


def test_a_stage_that_fails_loses_that_frame_and_no_other(
    tmp_path, monkeypatch, caplog, few_frames
):
    broken_on(monkeypatch, 5, 6, 12)
    with Runner(config(str(few_frames), str(few_frames)), tmp_path) as runner:
        runner.start()
        finish(runner)
        counted = [runner.stats.camera(name) for name in ("c0", "c1")]
    assert [camera.failed for camera in counted] == [3, 0]
    assert [camera.analysed for camera in counted] == [12, 15]
    assert caplog.text.count("failed on a frame, which is lost") == 1
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert {event["camera"] for event in events if event["event"] == "entered"} == {"c0", "c1"}


def test_a_stage_that_fails_on_every_frame_of_one_camera_costs_the_others_nothing(
    tmp_path, monkeypatch, few_frames
):
    broken_on(monkeypatch, *range(15))
    with Runner(config(str(few_frames), str(few_frames)), tmp_path) as runner:
        runner.start()
        finish(runner)
        assert runner.stats.camera("c0").failed == 15
        assert runner.stats.camera("c1").analysed == 15


def test_an_unexpected_error_in_a_source_fails_that_camera_only(tmp_path, monkeypatch, few_frames):
    from pipeline.sources.stream import StreamSource

    real = StreamSource._frame

    def fragile(self, *args):
        if self.id == "c0":
            raise KeyError("a defect")
        return real(self, *args)

    monkeypatch.setattr(StreamSource, "_frame", fragile)
    with Runner(config(str(few_frames), str(few_frames)), tmp_path) as runner:
        runner.start()
        finish(runner)
        states = [runner.stats.camera(name).state for name in ("c0", "c1")]
        assert states == ["failed", "done"]
        assert runner.stats.camera("c1").analysed == 15


def test_a_damaged_model_is_reported_before_anything_starts(tmp_path):
    packs = tmp_path / "packs"
    shutil.copytree(SHIPPED, packs, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (packs / "person-store-int8" / "model.onnx").write_bytes(b"damaged")
    with (
        pytest.raises(ModelFileError, match="damaged or was changed"),
        Runner(config(str(CLIP)), tmp_path / "out", packs=Packs.read(packs)),
    ):
        pass


def test_people_only_without_garments(tmp_path, few_frames):
    settings = config(str(few_frames), garments={"enabled": False})
    with Runner(settings, tmp_path) as runner:
        runner.start()
        finish(runner)
        assert "garments" not in runner.stats.stages
        assert runner.stats.camera("c0").people > 0


def test_everybody_has_left_when_a_recording_ends(tmp_path, few_frames):
    with Runner(config(str(few_frames)), tmp_path) as runner:
        runner.start()
        finish(runner)
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    entered = [e["track_id"] for e in events if e["event"] == "entered"]
    assert entered
    assert sorted(entered) == sorted(e["track_id"] for e in events if e["event"] == "left")


def test_stopping_before_starting_is_fine(tmp_path, few_frames):
    with Runner(config(str(few_frames)), tmp_path) as runner:
        runner.stop()
        runner.start()
        assert finish(runner) < 3


def test_more_recordings_than_may_be_open_all_get_their_turn(tmp_path, few_frames):
    settings = config(*[str(few_frames)] * 6)
    with Runner(settings, tmp_path) as runner:
        runner.start()
        finish(runner)
        assert [c.analysed for c in runner.stats.cameras.values()] == [15] * 6


def test_a_still_scene_is_gated_and_refreshed(tmp_path):
    from support import encode, picture

    path = encode(tmp_path / "still.mp4", [picture(320, 240, (90, 90, 90))] * 200)
    with Runner(config(str(path)), tmp_path / "out") as runner:
        runner.start()
        finish(runner)
        stats = runner.stats.camera("c0")
    assert stats.analysed == 200
    assert stats.detector_runs == 11, "five a second for two seconds, once more 16 s later"
    assert stats.skipped["motion"] == 178
    assert stats.skipped["interval"] == 11, "the frame after each look is not even compared"


def test_a_run_of_recordings_ends_if_nothing_can_be_kept(tmp_path, monkeypatch):
    def full(self, rows):
        raise SinkError("journal.db: cannot be used: database or disk is full; free space")

    monkeypatch.setattr(Journal, "append", full)
    monkeypatch.setattr(runner_module, "GIVE_UP_S", 0.3)
    with Runner(config(str(CLIP)), tmp_path) as runner:
        runner.start()
        with pytest.raises(SinkError, match="disk is full; free space"):
            finish(runner)
        assert runner.stats.camera("c0").analysed < 400
