"""What every sink owes, run over all of them."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import av
import pytest
from support import make_frame

from pipeline.errors import SinkError
from pipeline.settings.schema import OutputConfig
from pipeline.sinks import SINKS, open_sinks
from pipeline.types import Event, Tag, TaggedFrame, Track

BOX = (5.0, 5.0, 30.0, 40.0)
TAG = Tag("garment", "jeans", "pants", 0.8, BOX, ("blue",), track_id=1, model="garments-lite0")


def tagged(pts: float, size: tuple[int, int] = (64, 48)) -> TaggedFrame:
    frame = make_frame(pts, size)
    track = Track(1, BOX, 0.9, 0.0, best=True, tags=(TAG,))
    event = Event("appeared", "cam", 1, frame.index, pts, frame.utc, TAG)
    return TaggedFrame(frame, tracks=(track,), events=(event,))


@pytest.fixture(params=list(SINKS))
def make(request):
    return SINKS[request.param]


def written(folder):
    return [p for p in folder.rglob("*") if p.is_file() and p.stat().st_size > 0]


def test_what_is_written_is_there_before_the_end(make, tmp_path):
    with make(tmp_path / "deep" / "out", False) as sink:
        for i in range(3):
            sink.write(tagged(i * 0.1))
        if sink.name != "video":
            assert written(tmp_path)
    assert written(tmp_path)
    assert not list(tmp_path.rglob("*.part"))


def test_frames_without_anything_on_them_are_fine(make, tmp_path):
    with make(tmp_path, False) as sink:
        sink.write(TaggedFrame(make_frame()))


@pytest.mark.parametrize("size", [(1, 1), (17, 9), (64, 48)])
def test_odd_sizes_and_a_change_of_size(make, tmp_path, size):
    with make(tmp_path, False) as sink:
        sink.write(tagged(0.0))
        sink.write(tagged(0.1, size))


def test_a_folder_that_cannot_be_made_is_a_sink_error(make, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(SinkError, match="--out"), make(blocker / "out", False) as sink:
        sink.write(tagged(0.0))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("name", ["events", "frames", "video"])
def test_a_full_disk_is_a_sink_error(name, tmp_path):
    file = "cam.mp4" if name == "video" else f"{name}.jsonl"
    (tmp_path / file).symlink_to("/dev/full")

    def fill() -> None:
        with SINKS[name](tmp_path, False) as sink:
            for i in range(60):
                sink.write(tagged(i * 0.1, (640, 480)))

    with pytest.raises(SinkError, match="free space"):
        fill()


def test_live_runs_add_and_recordings_start_anew(tmp_path):
    for live, lines in ((False, 1), (False, 1), (True, 2), (True, 3)):
        with SINKS["events"](tmp_path, live) as sink:
            sink.write(tagged(0.0))
        assert len((tmp_path / "events.jsonl").read_text().splitlines()) == lines


def test_events_follow_the_documented_shape(tmp_path):
    with SINKS["events"](tmp_path, False) as sink:
        sink.write(tagged(1.5))
    record = json.loads((tmp_path / "events.jsonl").read_text())
    assert set(record) == {
        "version", "event", "camera", "utc", "camera_utc", "pts", "frame", "track_id", "tag",
    }  # fmt: skip
    assert record["version"] == 1
    assert set(record["tag"]) == {
        "kind", "label", "category", "level", "colour", "colours", "attributes", "score", "box",
        "track_id", "model",
    }  # fmt: skip


def test_video_keeps_time_and_size(tmp_path):
    with SINKS["video"](tmp_path, False) as sink:
        for pts in (0.0, 0.1, 0.5, 0.5, 0.4, 2.0):
            sink.write(tagged(pts))
    with av.open(str(tmp_path / "cam.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times[0] == pytest.approx(0)
    assert times[-1] == pytest.approx(2.0, abs=0.01)
    assert len(times) == 6


def test_snapshots_follow_the_tags(tmp_path):
    with SINKS["snapshots"](tmp_path, False) as sink:
        first = tagged(0.0)
        sink.write(first)
        path = tmp_path / "snapshots" / "cam" / "person-0001.jpg"
        before = path.read_bytes()
        other = replace(first.tracks[0], best=False, tags=(replace(TAG, colours=("black",)),))
        sink.write(replace(first, tracks=(other,)))
        assert path.read_bytes() != before


def test_configuration_chooses_the_sinks(tmp_path):
    def names(outputs: OutputConfig, live: bool) -> set[str]:
        return {sink.name for sink in open_sinks(tmp_path, outputs, live)}

    assert names(OutputConfig(), live=True) == {"events", "snapshots"}
    assert names(OutputConfig(), live=False) == {"events", "snapshots", "video"}
    assert names(OutputConfig(video=True, frames=True), live=True) == set(SINKS)
