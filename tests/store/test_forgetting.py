"""What was forgotten is nowhere; what is too old goes by itself."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path

import pytest
from sqlalchemy import select
from store_support import HAT, RED_JACKET, T0, Run, brand, crowd

from pipeline.ids import new_id
from pipeline.pictures import snapshot_file
from pipeline.settings.section import Fixed
from pipeline.sinks import SINKS, Place
from pipeline.store import retention
from pipeline.store.events_file import drop_lines
from pipeline.store.forgetting import Request, forget
from pipeline.store.journal import Journal
from pipeline.store.opening import writing
from pipeline.store.query import Garment, Query
from pipeline.store.retention import Retention, delete_pictures
from pipeline.store.schema import event, roll
from pipeline.store.settings import KeepSettings

MS = round(T0 * 1000)
HATS = Query(((Garment((("label", "hat"),)),),))
ALL = KeepSettings(pictures_h=None, rows_d=None)


class Shop:
    """A folder as runs leave it: store, journal, events.jsonl and pictures."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.store_context = writing(str(folder / "threadline.db"), "test", "Europe/Berlin")

    def __enter__(self):
        self.store = self.store_context.__enter__()
        return self

    def __exit__(self, *error):
        self.store_context.__exit__(*error)

    def add(self, records):
        for record in records:
            if record["snapshot"]:
                who = (record["camera"], record["track_id"], record["visit"])
                record["snapshot"] = snapshot_file(*who)
                path = self.folder / record["snapshot"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"JPEG " + record["visit"].encode())
        self.store.write(records)
        with Journal(self.folder) as journal:
            journal.append([(r["event_id"], json.dumps(r)) for r in records])
        with (self.folder / "events.jsonl").open("a") as file:
            file.writelines(json.dumps(r) + "\n" for r in records)
        return records

    def traces(self, records) -> list[str]:
        """Files in which something of a visit is still to be found, byte by byte."""
        wanted = {record["visit"] for record in records if record["visit"]}
        marks = [name.encode() for name in wanted]
        marks += [uuid.UUID(name).bytes for name in wanted]
        marks += [record["event_id"].encode() for record in records]
        return [
            path.name
            for path in self.folder.rglob("*")
            if path.is_file() and any(mark in path.read_bytes() for mark in marks)
        ]

    @property
    def pictures(self) -> list[Path]:
        return sorted(self.folder.rglob("*.jpg"))


@pytest.fixture
def shop(tmp_path):
    with Shop(tmp_path) as shop:
        yield shop


def test_what_was_forgotten_is_in_no_file(shop):
    run = Run()
    for part in crowd(30):
        shop.add(part)
    gone = shop.add(run.visit(HAT, RED_JACKET, brand("acme"), camera="zebra"))
    kept = shop.add(run.visit(RED_JACKET, camera="zebra", at=T0 + 60))
    assert set(shop.traces(gone)) > {"events.jsonl"}
    query = Query(HATS.either, cameras=("zebra",))
    assert forget(shop.store, shop.folder, Request(query)) == 1
    assert shop.traces(gone) == []
    assert len(set(shop.traces(kept)) & {"events.jsonl", "journal.db", "threadline.db"}) == 3
    assert shop.store.check() == []


def test_a_time_at_a_camera_is_forgotten_with_what_happened_besides(shop):
    run = Run()
    sign = run.record("appeared", "door", T0 + 10, tag=brand("acme"))
    line = run.record("crossed", "door", T0 + 11, track_id=9, line="gate", direction="in")
    before = shop.add(run.visit(HAT, camera="door", at=T0 - 60))
    gone = shop.add([*run.visit(HAT, camera="door"), sign, line])
    other = shop.add(run.visit(HAT, camera="exit"))
    query = Query(cameras=("door",), since=MS, until=MS + 600_000)
    assert forget(shop.store, shop.folder, Request(query, counts=True)) == 1
    assert shop.traces(gone) == []
    assert shop.traces(before)
    assert shop.traces(other)
    with shop.store.reading() as connection:
        assert not connection.execute(select(event)).all()


def test_one_visit_is_forgotten_and_its_hour_still_counts(shop):
    records = shop.add(Run().visit(HAT))
    request = Request(Query(), records[0]["visit"])
    assert forget(shop.store, shop.folder, request) == 1
    assert shop.traces(records) == []
    assert shop.store.series("hour", MS, MS + 1).counts == [1]
    assert forget(shop.store, shop.folder, request) == 0


def test_old_pictures_go_then_old_rows_and_counts_stay(shop):
    run, day = Run(), 24 * 3_600_000
    old = shop.add(run.visit(HAT, at=T0 - 40 * 86_400))
    middle = shop.add(run.visit(HAT, at=T0 - 5 * 86_400))
    young = shop.add(run.visit(HAT, at=T0))
    for path, records in zip(shop.pictures, (old, middle, young), strict=True):
        assert records[0]["visit"].encode() in path.read_bytes()
    sweep = Retention(shop.store, KeepSettings(), shop.folder, now=MS + 60_000)
    while not sweep.some(0.0):
        pass
    assert len(shop.pictures) == 1
    assert set(shop.traces(old)) <= {"journal.db", "journal.db-wal"}, "a run tidies its journal"
    found = shop.store.search(Query()).visits
    assert [one.picture is not None for one in found] == [True, False]
    with shop.store.reading() as connection:
        days = connection.execute(select(roll).where(roll.c.size == 1, roll.c.dim == 0)).all()
    assert len(days) == 6, "three days, at the camera and at all"
    assert shop.store.series("day", MS - 40 * day, MS).counts[0] == 1


def test_people_in_recordings_are_as_old_as_the_run_that_found_them(shop):
    long_ago = Run(T0, recorded=True)  # a run of today, of what was filmed long ago
    shop.add(long_ago.visit(HAT, at=T0 - 400 * 86_400))
    for days, left in ((1, 1), (2, 1), (40, 0)):
        now = MS + days * 24 * 3_600_000
        Retention(shop.store, KeepSettings(), shop.folder, now=now).some(30)
        assert shop.store.count(Query()).n == left
        assert len(shop.pictures) == left


def put(shop, name: str, at: float, size: int = 100) -> Path:
    path = shop.folder / "snapshots" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (at, at))
    return path


def test_pictures_that_are_in_no_store_go_as_well(shop):
    days = (T0 - 4 * 86_400, T0 - 60)
    strays = [put(shop, snapshot_file("door", 7, new_id(at))[10:], at) for at in days]
    killed = put(shop, "door/2026-11-20/.0123456789ab.part", days[0])
    Retention(shop.store, KeepSettings(), shop.folder, now=MS).some(10)
    assert [path.exists() for path in (*strays, killed)] == [False, True, False]


NOT_OURS = [
    "door/2026-11-20/holiday.jpg",
    "door/2026-11-20/052312-person-0012-9f3a1c (1).jpg",
    "door/2026-11-20/052312-person-0012-9F3A1C.jpg",
    "door/2026-11-20/052312-person-0012-9f3a1c.jpg.jpg",
    "door/2026-11-20/052312-person-0012-9f3a1c.jpg/inside.jpg",
    "door/2026-11-20/inner/052312-person-0012-9f3a1c.jpg",
    "door/2026-11-20/.part",
    "door/052312-person-0012-9f3a1c.jpg",
    "door/notes/052312-person-0012-9f3a1c.jpg",
    "door/picture.jpg",
    "052312-person-0012-9f3a1c.jpg",
    ".threadline",
]


@pytest.mark.parametrize("gb", [None, 1e-9])
def test_what_somebody_put_beside_the_pictures_is_never_deleted(shop, gb):
    theirs = [put(shop, name, T0 - 400 * 86_400) for name in NOT_OURS]
    ours = put(shop, snapshot_file("door", 7, new_id(T0 - 9 * 86_400))[10:], T0 - 9 * 86_400)
    keep = KeepSettings(pictures_gb=gb, pictures_h=None if gb else 72)
    Retention(shop.store, keep, shop.folder, now=MS).some(10)
    assert all(path.exists() for path in theirs)
    assert not ours.exists()


def test_too_many_pictures_lose_the_oldest(shop):
    for i in range(10):
        shop.add(Run().visit(HAT, at=T0 + 60 * i))
    for i, path in enumerate(shop.pictures):
        path.write_bytes(bytes(1000))
        os.utime(path, (T0 + i, T0 + i))
    last = shop.pictures[-4:]
    keep = KeepSettings(pictures_h=None, rows_d=None, pictures_gb=4000 / 1e9)
    assert Retention(shop.store, keep, shop.folder).some(10)
    assert shop.pictures == last
    assert Retention(shop.store, ALL, shop.folder).some(10)
    assert shop.pictures == last


def test_deleting_is_done_in_parts_so_that_writing_goes_on(shop, monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 5)
    run = Run()
    for i in range(23):
        shop.store.write(run.visit(HAT, at=T0 - 50 * 86_400 + i))
    sweep, parts, n = Retention(shop.store, KeepSettings(), shop.folder, now=MS), 0, 23
    while not sweep.some(0.0):
        parts += 1
        left = shop.store.count(Query()).n
        assert n - left <= 5
        n = left
        shop.store.write(run.visit(HAT, at=T0 + parts))
        n += 1
    assert parts > 5


def test_pictures_outside_of_the_folder_are_never_deleted(tmp_path):
    out, victim = tmp_path / "out", tmp_path / "victim.jpg"
    (out / "snapshots").mkdir(parents=True)
    victim.write_bytes(b"x")
    (out / "other.jpg").write_bytes(b"x")
    (out / "snapshots" / "door").mkdir()
    names = [
        "snapshots/door",
        "snapshots/" + "x" * 300,
        "../victim.jpg",
        str(victim),
        "snapshots/../../victim.jpg",
        "other.jpg",
        "\0",
    ]
    delete_pictures(out, names)
    assert victim.exists()
    assert (out / "snapshots" / "door").is_dir()
    assert (out / "other.jpg").exists()


def test_lines_go_while_a_run_appends(tmp_path):
    entry = SINKS["events"]
    run = Run()
    first, second, third = (run.visit(HAT, at=T0 + i) for i in range(3))
    with entry.make(Fixed(entry.settings(enabled=True)), Place(tmp_path, True)) as sink:
        sink.deliver(first)
        sink.deliver(second)
        assert drop_lines(tmp_path, lambda r: r["visit"] == first[0]["visit"]) == 3
        sink.deliver(third)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["event_id"] for line in lines] == [
        r["event_id"] for r in (*second, *third)
    ]
    began = time.monotonic()
    assert drop_lines(tmp_path, lambda r: False) == 0
    assert time.monotonic() - began < 1
