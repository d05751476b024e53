"""Tools that need no training: comparing outputs, the tables of the benchmarks, what long runs and
sudden ends are judged by."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from datetime import datetime, timezone
from math import isnan

import compare_outputs
import pytest
import soak
from benchmark import ends
from benchmark.file import stage_rows

EVENT = {"event": "entered", "track_id": 1, "utc": 1.5, "pts": 0.2}


def written(folder, *records, name="cam/events.jsonl"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def compared(tmp_path, before, after):
    """Exit status of the command on a file of events each."""
    folders = written(tmp_path / "a", *before), written(tmp_path / "b", *after)
    return compare_outputs.main([str(folder) for folder in folders])


def test_only_the_time_of_the_day_may_differ(tmp_path, capsys):
    assert compared(tmp_path, [EVENT], [{**EVENT, "utc": 9.0, "camera_utc": 3.0}]) == 0
    assert "1 records before, 1 after, 0 differ" in capsys.readouterr().out


def test_differences_are_counted_and_the_first_two_shown_by_field(tmp_path, capsys):
    later = [{**EVENT, "pts": 0.3 + i} for i in range(3)]
    assert compared(tmp_path, [EVENT] * 3, later) == 1
    out = capsys.readouterr().out
    assert "3 differ" in out
    assert "line 2, pts:\n    before: 0.2\n    after: 1.3" in out
    assert "line 3" not in out
    assert "track_id" not in out


def test_missing_records_fields_and_files_are_differences(tmp_path, capsys):
    assert compared(tmp_path, [EVENT, EVENT], [EVENT]) == 1
    assert compared(tmp_path, [EVENT], [{**EVENT, "zone": None}]) == 1
    assert "line 1, zone:\n    before: missing\n    after: null" in capsys.readouterr().out
    assert compared(tmp_path, [EVENT], [EVENT]) == 0
    written(tmp_path / "b", EVENT, name="photos/tags.jsonl")
    assert compared(tmp_path, [EVENT], [EVENT]) == 1
    assert "photos/tags.jsonl: 0 records before, 1 after" in capsys.readouterr().out


def test_two_folders_without_records_are_no_comparison(tmp_path, capsys):
    assert compare_outputs.main([str(tmp_path), str(tmp_path)]) == 2
    assert "holds events.jsonl or frames.jsonl or tags.jsonl" in capsys.readouterr().err


def test_every_second_of_a_run_counts_once():
    stages = {
        "looks": {"calls": 10, "seconds": 4.0},
        "write video": {"calls": 10, "seconds": 1.0},
        "logos": {"calls": 2, "seconds": 0.5},
        "garments": {"calls": 5, "seconds": 3.0},
    }
    assert stage_rows({"duration_s": 10.0, "stages": stages}) == [
        "| looks | 10 | 50.00 | 5 % |",
        "| garments | 5 | 600.00 | 30 % |",
        "| logos | 2 | 250.00 | 5 % |",
        "| write video | 10 | 100.00 | 10 % |",
    ]


# -- Long runs and sudden ends -------------------------------------------------------------------


def held(slope_an_hour, minutes=30):
    """Samples of memory that grows evenly, but for one in ten that is far off."""
    return [
        soak.Sample(at, 500 + slope_an_hour * at / 3600 + 300 * (i % 10 == 0), 14, 20)
        for i, at in enumerate(range(0, 60 * minutes, 5))
    ]


def test_growth_is_not_moved_by_outliers_or_by_the_start():
    samples = held(6.0)
    for i in range(20):
        samples[i] = replace(samples[i], memory_mb=10.0 * i)
    assert soak.growth(samples, "memory_mb") == pytest.approx(6.0, abs=0.5)
    assert soak.growth(samples, "files") == 0
    assert isnan(soak.growth(samples[:20], "memory_mb"))


NAMES = [("127.0.0.1:1/", "camera-0:"), ("127.0.0.1:2/", "camera-1:")]


def log(*rows):
    return [
        {"time": datetime.fromtimestamp(at, timezone.utc).isoformat(), "message": text}
        for at, text in rows
    ]


def test_every_fault_and_its_end_have_to_be_told_once():
    faults = [soak.Fault(0, "killed", 10.0), soak.Fault(1, "killed", 20.0)]
    lost = "rtsp://127.0.0.1:{}/cam0: gone; trying again until it is back"
    told = [(11, lost.format(1)), (15, "camera-0: back again"), (21, lost.format(2))]
    good = log(*told, (25, "camera-1: back again"))
    assert soak.untold(faults, good, NAMES) == []
    [silent] = soak.untold(faults, log(*told), NAMES)
    assert silent == "camera 1, killed: its end is told 0 times"
    [twice] = soak.untold(faults, [*good, *log((22, lost.format(2)))], NAMES)
    assert "its outage is told 2 times" in twice


@pytest.fixture
def results(tmp_path):
    """What a run of two seconds left that was killed at 102."""
    frames = [{"camera": "cam", "utc": f"1970-01-01T00:01:{40 + i / 10:06.3f}Z", "pts": i / 10}
              for i in range(20)]  # fmt: skip
    written(tmp_path, *frames, name="frames.jsonl")
    written(tmp_path, {"event": "entered", "event_id": "a"}, name="events.jsonl")
    done = ends.Round(began=99.0, ended=102.0, under_way=True, idle_s=0.1)
    return tmp_path, done


def test_a_kill_that_lost_nothing_is_told_by_its_age(results):
    out, done = results
    age, wrong = ends.killed(done, out, set())
    assert age == pytest.approx(0.1, abs=1e-3)
    assert wrong == []


def test_what_a_kill_must_not_leave_is_named(results):
    out, done = results
    with (out / "events.jsonl").open("a") as file:
        file.write('{"event": "left", "event_id": "a"}\n{"event": "en')
    done.idle_s = 0.9
    (out / "cam-1.mp4").write_bytes(b"no video")
    done.errors = "Traceback (most recent call last):"
    frames = [{"camera": "cam", "utc": "1970-01-01T00:01:42.000Z", "pts": 9.0}]
    with (out / "frames.jsonl").open("a") as file:
        file.write(json.dumps(frames[0]) + "\n")
    wrong = "\n".join(ends.killed(done, out, set())[1])
    for words in ("1 lines are no JSON", "1 events have another's id", "0.90 s before the kill",
                  "cam-1.mp4", "Traceback"):  # fmt: skip
        assert words in wrong


def test_what_a_stop_must_not_leave_is_named(tmp_path):
    stats = tmp_path / "stats.json"
    people = {"id": "cam", "people": 2, "analysed": 3}
    outlet = {"name": "frames", "left_out": 1}
    stats.write_text(json.dumps({"cameras": [people], "outlets": [outlet]}))
    entered = [{"event": "entered", "camera": "cam", "track_id": i} for i in (1, 2)]
    left = [{**event, "event": "left"} for event in entered]
    frames = [{"camera": "cam"}] * 2
    written(tmp_path, *entered, *left, name="events.jsonl")
    written(tmp_path, *frames, name="frames.jsonl")
    done = ends.Round(0.0, code=0)
    assert ends.stopped(done, tmp_path, stats, True, signal.SIGTERM) == []
    written(tmp_path, *entered, left[0], name="events.jsonl")
    written(tmp_path, frames[0], name="frames.jsonl")
    done.code, done.errors = -11, "Fatal Python error"
    wrong = "\n".join(ends.stopped(done, tmp_path, stats, True, signal.SIGTERM))
    for words in (
        "exit status -11",
        "Fatal",
        "2 entered and 1 left",
        "3 analysed, 1 on disk, 1 left out",
    ):
        assert words in wrong
    done.code = -signal.SIGTERM
    assert ends.stopped(done, tmp_path / "none", stats, True, signal.SIGTERM) == [], "too early"
