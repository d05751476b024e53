"""Tools that need no training: comparing outputs, the tables of the benchmarks."""

from __future__ import annotations

import json

import compare_outputs
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
