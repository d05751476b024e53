"""Events of earlier runs read into a store."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from sqlalchemy import select
from store_support import HAT, RED_JACKET, T0, Run, crowd, stamp, tag

from pipeline.errors import ConfigError, StoreError
from pipeline.store.archive import copy, event_files, import_events
from pipeline.store.opening import writing
from pipeline.store.query import Query
from pipeline.store.schema import roll


@pytest.fixture
def store(tmp_path):
    with writing(str(tmp_path / "store" / "threadline.db"), "test", "Europe/Berlin") as store:
        yield store


def written(path: Path, records) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


def rolls(store):
    with store.reading() as connection:
        return sorted(map(tuple, connection.execute(select(roll))))


def version_one(person: int, at: float, *tags, camera="door"):
    base = {"version": 1, "camera": camera, "camera_utc": None, "frame": 0, "track_id": person}
    times = [at, *(at + 1 for _ in tags), at + 9]
    names = ["entered", *("appeared" for _ in tags), "left"]
    more = [{}, *({"tag": one} for one in tags), {"tags": list(tags)}]
    return [
        {**base, "event": n, "utc": stamp(t), "pts": t - T0, **m}
        for n, t, m in zip(names, times, more, strict=True)
    ]


def test_the_same_file_twice_changes_nothing(store, tmp_path):
    path = written(tmp_path / "events.jsonl", [r for part in crowd(40) for r in part])
    first = import_events(store, path)
    before = rolls(store)
    again = import_events(store, path)
    assert (first.known, again.news, again.known) == (0, 0, first.news)
    assert rolls(store) == before
    assert store.count(Query()).n == 40


def test_version_one_is_read_and_its_people_told_apart(store, tmp_path):
    records = [
        *version_one(1, T0, RED_JACKET),
        *version_one(2, T0 + 5, HAT),
        *version_one(1, T0 + 100, HAT),  # another run: numbers begin anew
        *version_one(1, T0 + 100, HAT, camera="exit"),
        {**version_one(9, T0)[0], "event": "appeared", "track_id": None, "tag": tag("hat")},
    ]
    path = written(tmp_path / "events.jsonl", records)
    assert import_events(store, path).malformed == 0
    assert store.count(Query()).n == 4
    assert import_events(store, path).news == 0
    written(path, [*records, *version_one(5, T0 + 200, HAT)])
    assert import_events(store, path).news == 3, "what was appended since"
    assert store.count(Query()).n == 5


def test_lines_that_are_no_events_are_counted(store, tmp_path):
    good = [json.dumps(r).encode() for r in Run().visit(HAT)]
    bad = [
        b"", b"not json", b"[1, 2]", b"7", b'{"version": 3, "event": "x"}', b'{"event": "entered"}',
        b'{"version": 2}', b"\xff\xfe", b'{"a":' * 5000, b'{"version": 2, "event": "entered", '
        b'"camera": "a", "utc": "2026-01-01T00:00:00Z", "pts": 1e999, "visit": "zz"}',
    ]  # fmt: skip
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([*bad, *good]) + b"\n")
    done = import_events(store, path)
    assert (done.news, done.malformed) == (3, len(bad))
    assert done.newer == {"3"}


def test_folders_are_read_whole_with_what_was_rotated_away(store, tmp_path):
    run = Run()
    first, second = run.visit(HAT), run.visit(HAT, at=T0 + 60)
    written(tmp_path / "a" / "events.jsonl", second)
    with gzip.open(tmp_path / "a" / "events.jsonl.1.gz", "wt") as file:
        file.writelines(json.dumps(r) + "\n" for r in first)
    found = event_files([tmp_path / "a"])
    assert len(found) == 2
    for path in found:
        import_events(store, path)
    assert store.count(Query()).n == 2
    with pytest.raises(ConfigError, match="no such file"):
        event_files([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no events\.jsonl"):
        event_files([tmp_path / "empty"])
    (tmp_path / "b.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(StoreError, match="cannot be read"):
        import_events(store, tmp_path / "b.jsonl.gz")


def test_a_store_is_copied_whole(store, tmp_path):
    for part in crowd(30):
        store.write(part)
    with writing(str(tmp_path / "copy.db"), "test", "UTC") as target:
        assert copy(store, target) > 100
        assert rolls(target) == rolls(store)
        mine = store.search(Query(), limit=50, tags=True).visits
        assert target.search(Query(), limit=50, tags=True).visits == mine
        assert target.check() == []
        with pytest.raises(StoreError, match="holds something already"):
            copy(store, target)
