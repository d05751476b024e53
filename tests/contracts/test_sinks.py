"""What every sink owes, run over all of them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import av
import jsonschema
import numpy as np
import pytest
from support import make_frame

from pipeline.errors import SinkError
from pipeline.ids import Ids, new_id
from pipeline.picture.yuv import Planes
from pipeline.pictures import look_file, snapshot_file
from pipeline.settings.section import Fixed
from pipeline.sinks import (
    SINKS,
    Place,
    SinkEntry,
    SinkSettings,
    files_written,
    open_sinks,
    output_settings,
)
from pipeline.sinks.records import event_record
from pipeline.sinks.table import sink_entries
from pipeline.types import Event, Moment, Tag, TaggedFrame, Track

VISIT = "01a21640-2425-7eb2-9f90-ddc0323a3496"
IDS = Ids()
BOX = (5.0, 5.0, 30.0, 40.0)
TAG = Tag("garment", "jeans", "pants", 0.8, BOX, ("blue",), track_id=1, model="garments-lite0")


def tagged(pts: float, size: tuple[int, int] = (64, 48), source: str = "cam") -> TaggedFrame:
    frame = make_frame(pts, size, source=source)
    track = Track(1, BOX, 0.9, best=True, tags=(TAG,), visit=VISIT)
    event = Event("appeared", Moment.of(frame), 1, TAG, id=IDS.next(1.8e9), run="r", visit=VISIT)
    return TaggedFrame(frame, tracks=(track,), events=(event,))


def give(sink, *results: TaggedFrame) -> None:
    """What the threads of outlets do."""
    for result in results:
        if hasattr(sink, "deliver"):
            sink.deliver([event_record(event) for event in result.events])
        else:
            sink.write(result)


def let_go(sink, source: str) -> None:
    if hasattr(sink, "forget"):
        sink.forget(source)


def noisy(pts: float) -> TaggedFrame:
    """What takes much room in a video."""
    y = np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8)
    result = tagged(pts, (640, 480))
    planes = Planes(y, result.frame.planes.u, result.frame.planes.v)
    return replace(result, frame=replace(result.frame, planes=planes))


def opened(name, folder, live=False, **by_source):
    """A sink that is wanted, but of the cameras in ``by_source`` only where that is true."""
    entry = SINKS[name]
    others = {source: entry.settings(enabled=wanted) for source, wanted in by_source.items()}
    return entry.make(Fixed(entry.settings(enabled=True), others), Place(folder, live))


@pytest.fixture(params=list(SINKS))
def make(request):
    def make(folder, live=False, **by_source):
        return opened(request.param, folder, live, **by_source)

    return make


def written(folder):
    return [p for p in folder.rglob("*") if p.is_file() and p.stat().st_size > 0]


def test_what_is_written_is_there_before_the_end(make, tmp_path):
    with make(tmp_path / "deep" / "out") as sink:
        for i in range(3):
            give(sink, tagged(i * 0.1))
        if sink.name != "video":
            assert written(tmp_path)
    assert written(tmp_path)
    assert not list(tmp_path.rglob("*.part"))


def test_frames_without_anything_on_them_are_fine(make, tmp_path):
    with make(tmp_path) as sink:
        give(sink, TaggedFrame(make_frame()))


@pytest.mark.parametrize("size", [(1, 1), (17, 9), (64, 48)])
def test_odd_sizes_and_a_change_of_size(make, tmp_path, size):
    with make(tmp_path) as sink:
        give(sink, tagged(0.0))
        give(sink, tagged(0.1, size))


def test_a_folder_that_cannot_be_made_is_a_sink_error(make, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(SinkError, match="--out"), make(blocker / "out") as sink:
        give(sink, tagged(0.0))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("name", ["events", "frames", "video"])
def test_a_full_disk_is_a_sink_error(name, tmp_path):
    file = "cam.mp4" if name == "video" else f"{name}.jsonl"
    (tmp_path / file).symlink_to("/dev/full")

    def fill() -> None:
        with opened(name, tmp_path) as sink:
            for i in range(60):
                give(sink, tagged(i * 0.1, (640, 480)))

    with pytest.raises(SinkError, match="free space"):
        fill()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    asked = [mount, "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder]
    if mount is None or subprocess.run(asked, capture_output=True).returncode:
        pytest.skip("needs root, to mount a disk that is soon full")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", list(SINKS))
def test_a_disk_that_fills_up_is_a_sink_error(name, small_disk):
    def fill() -> None:
        with opened(name, small_disk) as sink:
            for i in range(600):
                result = noisy(i * 0.1)
                track = replace(result.tracks[0], id=i, visit=new_id(1.8e9))
                give(sink, replace(result, tracks=(track,)))

    with pytest.raises(SinkError, match="No space left on device; free space"):
        fill()


def test_a_video_that_fills_the_disk_at_its_very_end_is_a_sink_error(small_disk):
    (small_disk / "other").write_bytes(bytes(190_000))
    sink = opened("video", small_disk).__enter__()
    give(sink, noisy(0.0))
    with pytest.raises(SinkError, match="No space left on device"):
        sink.__exit__(None, None, None)


@pytest.mark.parametrize("cut", [b'{"event": "app', b"\0\0\0", "Caf\u00e9".encode()[:-1]])
@pytest.mark.parametrize("name", ["events", "frames"])
def test_after_a_power_cut_the_next_record_has_a_line_of_its_own(name, cut, tmp_path):
    path = tmp_path / f"{name}.jsonl"
    path.write_bytes(b'{"whole": 1}\n' + cut)
    for _ in range(2):
        with opened(name, tmp_path, live=True) as sink:
            give(sink, tagged(0.0))
    whole, broken, *rest = path.read_bytes().splitlines()
    assert (whole, broken) == (b'{"whole": 1}', cut)
    assert [json.loads(line)["camera"] for line in rest] == ["cam", "cam"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_what_is_written_of_people_is_their_owners_alone(make, tmp_path, umask):
    before = os.umask(umask)
    try:
        for live in (True, False):
            with make(tmp_path / "new" / "out", live) as sink:
                give(sink, tagged(0.0))
    finally:
        os.umask(before)
    for path in (tmp_path / "new").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_what_a_video_holds_is_there_before_the_end(tmp_path):
    """A process that is killed loses the last second or two, not the file."""
    with opened("video", tmp_path) as sink:
        for i in range(100):
            give(sink, tagged(i * 0.2))
        (tmp_path / "now.mp4").write_bytes((tmp_path / "cam.mp4").read_bytes())
    with av.open(str(tmp_path / "now.mp4")) as container:
        assert len(list(container.decode(video=0))) >= 90
    with av.open(str(tmp_path / "cam.mp4")) as container:
        assert len(list(container.decode(video=0))) == 100


def test_a_live_video_is_written_over_no_other(tmp_path):
    for _ in range(3):
        with opened("video", tmp_path, live=True) as sink:
            first = tagged(0.0)
            give(sink, replace(first, frame=replace(first.frame, utc=1e9)))
    names = sorted(path.name for path in tmp_path.glob("*.mp4"))
    assert names == [f"cam-20010909T014640Z{end}.mp4" for end in ("-2", "-3", "")]


def test_sinks_tell_the_files_they_may_write_over(tmp_path):
    section = output_settings().model_validate({"frames": True})
    files = files_written(tmp_path, Fixed(section), False, ["a", "b"])
    assert sorted({path.name for path in files}) == [
        "a.mp4",
        "b.mp4",
        "events.jsonl",
        "frames.jsonl",
    ]
    with_live = files_written(tmp_path, Fixed(section), True, ["a"])
    assert [path.name for path in with_live] == ["events.jsonl", "frames.jsonl"]


def test_live_runs_add_and_recordings_start_anew(tmp_path):
    for live, lines in ((False, 1), (False, 1), (True, 2), (True, 3)):
        with opened("events", tmp_path, live) as sink:
            give(sink, tagged(0.0))
        assert len((tmp_path / "events.jsonl").read_text().splitlines()) == lines


def test_events_follow_the_documented_shape(tmp_path):
    with opened("events", tmp_path) as sink:
        give(sink, tagged(1.5))
    record = json.loads((tmp_path / "events.jsonl").read_text())
    assert set(record) == {
        "version", "event_id", "event", "run", "camera", "utc", "camera_utc", "recorded_at", "pts",
        "frame", "track_id", "visit", "snapshot", "heads", "tag",
    }  # fmt: skip
    assert record["version"] == 2
    assert set(record["tag"]) == {
        "kind", "label", "category", "level", "colour", "colours", "attributes", "score", "box",
        "track_id", "model",
    }  # fmt: skip


def test_video_keeps_time_and_size(tmp_path):
    with opened("video", tmp_path) as sink:
        for pts in (0.0, 0.1, 0.5, 0.5, 0.4, 2.0):
            give(sink, tagged(pts))
    with av.open(str(tmp_path / "cam.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times[0] == pytest.approx(0)
    assert times[-1] == pytest.approx(2.0, abs=0.01)
    assert len(times) == 6


def test_snapshots_follow_the_tags(tmp_path):
    with opened("snapshots", tmp_path) as sink:
        first = tagged(0.0)
        give(sink, first)
        path = tmp_path / snapshot_file("cam", 1, VISIT)
        before = path.read_bytes()
        other = replace(first.tracks[0], best=False, tags=(replace(TAG, colours=("black",)),))
        give(sink, replace(first, tracks=(other,)))
        assert path.read_bytes() != before


def test_video_goes_on_when_a_camera_was_connected_anew(tmp_path):
    with opened("video", tmp_path) as sink:
        for pts in (0.0, 5.0, 10.0, 0.0, 5.0):
            give(sink, tagged(pts))
    with av.open(str(tmp_path / "cam.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([0, 5, 10, 10.04, 15.04], abs=0.01)


def test_a_forgotten_source_is_finished_and_the_others_go_on(make, tmp_path):
    with make(tmp_path, a=True, b=True) as sink:
        for source in ("a", "b"):
            give(sink, tagged(0.0, source=source))
        let_go(sink, "a")
        let_go(sink, "a")
        let_go(sink, "never seen")
        if sink.name == "video":
            with av.open(str(tmp_path / "a.mp4")) as container:
                assert len(list(container.decode(video=0))) == 1
        before = len(written(tmp_path))
        give(sink, tagged(0.1, source="b"))
        assert len(written(tmp_path)) >= before


def test_more_pictures_are_kept_of_who_stays_ever_more_rarely(tmp_path):
    with opened("snapshots", tmp_path) as sink:
        first = tagged(0.0)
        for pts in np.arange(0.0, 60.0, 0.5):
            seen = tagged(float(pts))
            track = replace(first.tracks[0], best=pts == 0, quality=1.0 if pts != 3 else 0.1)
            give(sink, replace(seen, tracks=(track,)))
    names = sorted(path.name for path in written(tmp_path) if path.suffix == ".jpg")
    best = Path(snapshot_file("cam", 1, VISIT)).name
    assert names == sorted([best, *(look_file(best, n) for n in (2, 3, 4))])


def test_snapshots_of_a_forgotten_source_are_not_continued(tmp_path):
    with opened("snapshots", tmp_path) as sink:
        first = tagged(0.0)
        give(sink, first)
        let_go(sink, "cam")
        path = tmp_path / snapshot_file("cam", 1, VISIT)
        path.unlink()
        other = replace(first.tracks[0], best=False, tags=(replace(TAG, colours=("black",)),))
        give(sink, replace(first, tracks=(other,)))
        assert not path.exists(), "its best crop is gone"


def test_a_video_that_cannot_be_finished_is_a_sink_error(tmp_path, monkeypatch):
    with opened("video", tmp_path) as sink:
        give(sink, tagged(0.0))

        def fail(*given):
            raise av.error.UnknownError(1, "no")

        monkeypatch.setattr(sink._writers["cam"], "_stream", SimpleNamespace(encode=fail))
        with pytest.raises(SinkError, match="video: false"):
            let_go(sink, "cam")


def test_nothing_is_written_of_a_camera_that_does_not_want_it(make, tmp_path):
    with make(tmp_path, a=False) as sink:
        give(sink, tagged(0.0, source="a"))
    assert not written(tmp_path)


def test_cameras_that_do_not_want_it_are_left_out(tmp_path):
    with opened("events", tmp_path, a=False) as sink:
        for source in ("a", "b", "a"):
            give(sink, tagged(0.0, source=source))
    [line] = (tmp_path / "events.jsonl").read_text().splitlines()
    assert json.loads(line)["camera"] == "b"


def outputs(**given):
    return output_settings().model_validate(given)


def test_configuration_chooses_the_sinks(tmp_path):
    def names(section, live: bool, **by_source) -> set[str]:
        opened = open_sinks(tmp_path, Fixed(section, by_source), live, by_source)
        return {sink.name for sink in opened}

    assert names(outputs(), live=True) == {"events", "snapshots"}
    assert names(outputs(), live=False) == {"events", "snapshots", "video"}
    assert names(outputs(video=True, frames=True), live=True) == set(SINKS)
    assert names(outputs(snapshots=False), live=True, a=outputs(video=True)) == {
        "events", "snapshots", "video"
    }  # fmt: skip
    assert not list(tmp_path.iterdir()), "nothing is made before they are entered"


@pytest.mark.parametrize("value", [True, False, "auto"])
def test_a_bare_value_is_shorthand(value):
    short, long = outputs(video=value), outputs(video={"enabled": value})
    assert short == long
    assert short.video.wanted(live=True) == (value is True)
    assert short.video.wanted(live=False) == (value is not False)
    schema = output_settings().model_json_schema()
    for given in ({"video": value}, {"video": {"enabled": value}}, short.model_dump()):
        jsonschema.validate(given, schema)
        assert output_settings().model_validate(given).video == short.video


@pytest.mark.parametrize(
    "given", [{"events": "auto"}, {"video": "maybe"}, {"events": None}, {"events": {"on": 1}}]
)
def test_impossible_outputs_are_refused(given):
    with pytest.raises(ValueError, match="OutputSettings"):
        output_settings().model_validate(given)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, output_settings().model_json_schema())


class Bell:
    """A sink of somebody else's."""

    name = "bell"

    def __init__(self, settings, place):
        self.tone = settings.of("a").tone

    def write(self, tagged):
        pass

    def forget(self, source):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class BellSettings(SinkSettings):
    """A bell that rings."""

    enabled: bool = False
    tone: int = 440


@pytest.fixture
def third_party(monkeypatch):
    """Sinks that other packages add: one that works, and all ways not to."""

    def point(name, load):
        return SimpleNamespace(name=name, value=f"bells:{name}", load=load)

    def broken():
        raise ImportError("no module named 'bells'")

    def points(group):
        assert group == "threadline.sinks"
        return [
            point("broken", broken), point("odd", lambda: 7),
            point("bell", lambda: SinkEntry(BellSettings, Bell)),
            point("events", lambda: SinkEntry(BellSettings, Bell)),
        ]  # fmt: skip

    monkeypatch.setattr(metadata, "entry_points", points)
    for cached in (sink_entries, output_settings):
        cached.cache_clear()
    yield
    monkeypatch.undo()
    for cached in (sink_entries, output_settings):
        cached.cache_clear()


def test_other_packages_add_sinks(third_party, tmp_path, caplog):
    assert list(sink_entries()) == [*SINKS, "bell"]
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "threadline.sinks 'broken' is not used",
        "threadline.sinks 'odd' is not used",
    ]
    section = outputs(events=False, snapshots=False, bell={"enabled": True, "tone": 880})
    [bell] = open_sinks(tmp_path, Fixed(section), live=True)
    assert isinstance(bell, Bell)
    assert bell.tone == 880
    assert sink_entries()["events"] is SINKS["events"], "ours are not replaced"
