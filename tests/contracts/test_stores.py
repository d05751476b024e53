"""What every store owes, run on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import random
import re
import uuid
from collections import Counter
from datetime import datetime

import pytest
from servers.postgres import PostgresServer
from sqlalchemy import insert, select
from store_support import (
    BLACK_JEANS,
    BLUE_JEANS,
    HAT,
    RED_JACKET,
    T0,
    Run,
    brand,
    crowd,
    stamp,
    tag,
)

from pipeline.errors import ConfigError, StoreError
from pipeline.store.calendar import Buckets, instant
from pipeline.store.counts import Counts
from pipeline.store.dictionary import Dictionary
from pipeline.store.loading import load
from pipeline.store.migrate import upgrade
from pipeline.store.opening import made, reading, writing
from pipeline.store.query import Garment, Query
from pipeline.store.retention import Retention
from pipeline.store.schema import event, metadata, presence, roll, visit
from pipeline.store.schema import tag as tag_table
from pipeline.store.settings import KeepSettings
from pipeline.store.visits import counted

MS = round(T0 * 1000)
HOUR = 3_600_000
DAY = 24 * HOUR
JACKET = Garment((("label", "jacket"), ("category", "jacket")), ("red",))
JEANS = Garment((("label", "jeans"),))
BLUE = Garment((("label", "jeans"),), ("blue",))
HATS = Garment((("label", "hat"), ("category", "hat")))


@pytest.fixture(scope="module")
def server():
    if why := PostgresServer.why_not():
        pytest.skip(why)
    pytest.importorskip("psycopg")
    with PostgresServer() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "threadline.db")
    return request.getfixturevalue("server").fresh()


@pytest.fixture
def store(place):
    with writing(place, "test", "Europe/Berlin") as store:
        yield store


def found(store, *either, **more) -> list[int]:
    """Tracks found, newest first."""
    return [one.track for one in store.search(Query(either, **more), limit=1000).visits]


def forget(store, query, counts):
    return store.forget_visits([one.name for one in store.search(query).visits], counts)


def rolls(store) -> dict:
    with store.reading() as connection:
        return {tuple(row[:5]): row[5] for row in connection.execute(select(roll)) if row[5]}


def recounted(store) -> dict:
    """The counts by what the tables hold now."""
    names = Dictionary()
    with store.reading() as connection:
        names.load(connection)
        counts = Counts(Buckets(store.zone), names)
        for one in load(connection, names, connection.execute(select(visit.c.id)).scalars()):
            counts.add_all(one.began, one.camera, counted(one), 1)
        return {key: n for key, n in counts.changes.items() if n}


def test_people_are_found_by_what_they_wear(store):
    run = Run()
    store.write(run.visit(RED_JACKET, BLUE_JEANS))
    store.write(run.visit(RED_JACKET, BLACK_JEANS, camera="exit", at=T0 + 60))
    store.write(run.visit(tag("jacket", "jacket", "blue"), HAT, at=T0 + 120))
    store.write(run.visit(brand("nike", on="jacket"), at=T0 + 180))
    store.write(run.visit(at=T0 + 240))
    assert found(store) == [5, 4, 3, 2, 1]
    assert found(store, (JACKET,)) == [2, 1]
    assert found(store, (JACKET, BLUE)) == [1]
    assert found(store, (JACKET,), (HATS,)) == [3, 2, 1], "one or the other"
    assert found(store, (JEANS,), without=(BLUE,)) == [2]
    assert found(store, without=(JEANS,)) == [5, 4, 3]
    assert found(store, (JACKET,), cameras=("exit",)) == [2]
    assert found(store, cameras=("exit", "entrance")) == [5, 4, 3, 2, 1]
    assert found(store, (Garment((("brand", "nike"),)),)) == [4]
    assert found(store, (Garment(colours=("blue",)),)) == [3, 1]
    assert found(store, since=MS + 60_000, until=MS + 180_000) == [3, 2]
    assert found(store, (JACKET,), until=MS + 60_000) == [1]
    assert found(store, (Garment((("label", "kilt"),)),)) == []
    assert found(store, cameras=("roof",)) == []


def test_what_holds_of_one_garment_is_not_mixed_with_another(store):
    run = Run()
    striped = tag("shirt", "shirt, blouse", "red", attributes={"pattern": "striped"})
    plain = tag("shirt", "shirt, blouse", "red", attributes={"pattern": "plain"})
    store.write(run.visit(striped, tag("skirt", "skirt", "blue", attributes={"pattern": "plain"})))
    store.write(run.visit(plain, tag("skirt", "skirt", "red", attributes={"pattern": "striped"})))
    store.write(run.visit(tag("shirt", "shirt, blouse", "red", "white")))
    asked = Garment((("label", "shirt"),), ("red",), ("pattern=striped",))
    assert found(store, (asked,)) == [1]
    assert found(store, (Garment((("label", "shirt"),)),), without=(asked,)) == [3, 2]
    assert found(store, (Garment((("label", "shirt"),), ("red", "white")),)) == [3]
    never = Garment((("label", "shirt"),), ("purple",), ("pattern=striped",))
    assert found(store, without=(never,)) == [3, 2, 1]
    assert found(store, (never,), (asked,)) == [1]


def test_pages_follow_each_other_without_gaps(store):
    for part in crowd(120):
        store.write(part)
    cursor, pages = None, []
    while True:
        page = store.search(Query(), cursor, 50)
        pages.append([one.id for one in page.visits])
        cursor = page.next
        if cursor is None:
            break
    assert [len(page) for page in pages] == [50, 50, 20]
    ids = [id_ for page in pages for id_ in page]
    assert ids == sorted(set(ids), reverse=True)
    with pytest.raises(ConfigError, match="cursor"):
        store.search(Query(), "1; drop table visit")


def test_a_visit_is_told_as_it_was(store):
    run = Run()
    jacket = tag("jacket", "jacket", "red", "white", attributes={"sleeve": "long"}, score=0.57)
    loose = tag("jacket", "jacket", "blue")
    records = run.visit(jacket, HAT, brand("acme", on="hat"), left=False)
    who = {"track_id": 1, "visit": records[0]["visit"]}
    records.append(run.record("changed", "entrance", T0 + 1, **who, tag=loose))
    records.append(run.record("vanished", "entrance", T0 + 2, **who, tag=HAT))
    store.write(records)
    [one] = store.search(Query(), tags=True).visits
    assert (one.open, one.began, one.ended) == (True, MS, MS + 2000)
    assert str(uuid.UUID(bytes=one.name)) == records[0]["visit"]
    assert one.picture.startswith("snapshots/entrance/1-")
    shown = {(t.label, t.colours, t.gone) for t in one.tags.values()}
    assert shown == {
        ("jacket", ("blue",), False),
        ("hat", ("black",), True),
        ("acme", (), False),
    }
    store.write([run.record("left", "entrance", T0 + 9, **who, tags=[jacket])])
    [one] = store.search(Query(), tags=True).visits
    [kept] = [t for t in one.tags.values() if t.label == "jacket"]
    assert (one.open, one.ended) == (False, MS + 9000)
    assert (kept.colours, kept.attributes) == (("red", "white"), (("sleeve", "long"),))
    assert (kept.score, kept.box, kept.model) == (0.57, (1, 2, 30, 40), "garments-lite0")
    assert found(store, (Garment((("label", "jacket"),), ("blue",)),)) == [], "it was red, at last"


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_twice_changes_nothing(place, seed):
    chance = random.Random(seed)
    records = [record for part in crowd(60, seed) for record in part]
    with writing(place, "test", "Europe/Berlin") as store:
        for at in range(0, len(records), 37):
            store.write(records[at : at + 37])
        once, visits = rolls(store), store.search(Query(), limit=500, tags=True).visits
        assert once == recounted(store)
        for _ in range(5):
            at = chance.randrange(len(records))
            done = store.write(records[at : at + 50])
            assert done.news == 0
    with writing(place, "test") as store:
        assert store.write(records).news == 0
        assert rolls(store) == once
        assert store.search(Query(), limit=500, tags=True).visits == visits
        assert store.check() == []


def test_counts_are_those_of_the_visits_also_after_a_restart_in_between(place):
    records = [record for part in crowd(80, 7) for record in part]
    for at in range(0, len(records), 61):
        with writing(place, "test", "Europe/Berlin") as store:
            store.write(records[at : at + 61])
    with reading(place) as store:
        assert rolls(store) == recounted(store)
        n = Counter(r["event"] for r in records)["entered"]
        assert store.count(Query()).n == n


def test_old_recordings_come_later_and_keep_the_order_of_time(store):
    store.write(Run().visit(RED_JACKET, at=T0 + 1000))
    store.write(Run(recorded=True).visit(RED_JACKET, HAT, at=T0 - 5000))
    store.write(Run(recorded=True).visit(RED_JACKET, at=T0, camera="other"))
    began = [one.began for one in store.search(Query(((JACKET,),))).visits]
    assert began == [MS + 1_000_000, MS, MS - 5_000_000]


def test_the_same_recording_again_takes_the_place_of_what_was_found(store):
    for _ in range(2):
        run = Run(recorded=True)
        store.write([*run.visit(RED_JACKET), *run.visit(HAT, at=T0 + 20)])
        assert store.count(Query()).n == 2
        assert rolls(store) == recounted(store)
    store.write(Run(recorded=True).visit(HAT, at=T0, camera="other"))
    assert store.count(Query()).n == 3
    for name in ("a", "a", "b"):
        store.write(Run().visit(BLUE_JEANS, at=T0 + 99, camera=name), {name: "file-1"})
    assert store.count(Query()).n == 4, "known by its file, whatever the camera is called"


def test_more_visits_in_a_moment_than_a_tenth_has_numbers(store):
    run = Run()
    store.write([record for _ in range(150) for record in run.visit(HAT)])
    assert store.count(Query(((HATS,),))).n == 150
    store.write([record for _ in range(10) for record in run.visit(HAT)])
    assert len({one.id for one in store.search(Query(), limit=200).visits}) == 160


def test_zones_lines_and_presence_are_kept(store):
    run = Run()
    records = run.visit(HAT, left=False)
    who = {"track_id": 1, "visit": records[0]["visit"]}
    records += [
        run.record("zone_entered", "entrance", T0 + 1, **who, zone="till", box=[1, 2, 3, 4]),
        run.record("zone_left", "entrance", T0 + 5.5, **who, zone="till", dwell_s=4.5),
        run.record("crossed", "entrance", T0 + 6, **who, line="door", direction="out"),
        {"event": "presence", "source": "entrance", "hour": stamp(T0),
         "grid": [[0, 0, 3.2], [47, 26, 1]]},
        run.record("left", "entrance", T0 + 9, **who, tags=[HAT]),
        run.record("appeared", "entrance", T0 + 9, tag=brand("acme")),
    ]  # fmt: skip
    store.write(records)
    store.write(records)
    assert found(store, zones=("till",)) == [1]
    assert found(store, (HATS,), zones=("roof",)) == []
    span = (MS, MS + HOUR)
    assert store.top("dwell", *span) == [("till", 4500)]
    assert store.top("zones", *span) == [("till", 1)]
    assert (store.top("in", *span), store.top("out", *span)) == ([], [("door", 1)])
    with store.reading() as connection:
        cells = {row.cell: row.n for row in connection.execute(select(presence))}
        events = connection.execute(select(event)).all()
    assert cells == {0: 32, 27 * 48 - 1: 10}
    assert len(events) == 5
    forget(store, Query(zones=("till",)), counts=True)
    assert not any(store.top(what, *span) for what in ("dwell", "zones", "out", "garments"))


def test_facets_are_counted_beside_the_results(store):
    run = Run()
    store.write(run.visit(RED_JACKET, BLUE_JEANS))
    store.write(run.visit(RED_JACKET, BLACK_JEANS, brand("nike"), camera="exit"))
    facets = store.facets_of(Query(((JACKET,),)))
    assert (facets.of, facets.exact) == (2, True)
    assert facets.counts["label"] == {"jacket": 2, "jeans": 2}
    assert facets.counts["colour"] == {"red": 2, "blue": 1, "black": 1}
    assert facets.counts["brand"] == {"nike": 1}
    assert facets.counts["camera"] == {"entrance": 1, "exit": 1}
    assert (store.count(Query(((JACKET, BLUE),))).n, store.count(Query()).exact) == (1, True)


def test_many_are_told_as_at_least_so_many(store, monkeypatch):
    monkeypatch.setattr("pipeline.store.search.MOST_COUNTED", 10)
    monkeypatch.setattr("pipeline.store.search.MOST_FACETS", 5)
    for part in crowd(12):
        store.write(part)
    tally, facets = store.count(Query()), store.facets_of(Query())
    assert (tally.n, tally.exact) == (10, False)
    assert (facets.of, facets.exact) == (5, False)
    monkeypatch.setattr("pipeline.store.search._READ", 2)
    facets = store.facets_of(Query(), within_s=0)
    assert (facets.of, facets.exact) == (2, False), "no more than there is time for"
    monkeypatch.setattr("pipeline.store.search.MOST_VERIFIED", 3)
    striped = Garment((), ("red",), ("pattern=striped",))
    tally = store.count(Query(without=(striped, Garment((("label", "jacket"),), ("red", "blue")))))
    assert (tally.n, tally.exact) == (3, False)


def test_statistics_by_hour_and_day(store):
    run = Run()
    for i in range(30):
        tags = [RED_JACKET] if i % 3 else [BLUE_JEANS]
        store.write(run.visit(*tags, at=T0 + 3600 * i, camera="a" if i % 2 else "b"))
    hours = store.series("hour", MS, MS + 5 * HOUR)
    assert (hours.starts[1] - hours.starts[0], list(hours.counts)) == (HOUR, [1] * 5)
    days = store.series("day", MS, MS + 48 * HOUR)
    assert list(days.counts) == [10, 20, 0], "in Berlin, from 14:00 on"
    midnight = days.starts[1]
    day = (midnight, midnight + 24 * HOUR)
    assert store.top("garments", *day) == [("jacket", 14), ("jeans", 6)]
    assert store.top("garments and colours", *day) == [("red jacket", 14), ("blue jeans", 6)]
    assert store.top("garments", *day, camera="a")[0] == ("jacket", 7)
    part = store.top("garments", midnight + HOUR, midnight + 13 * HOUR)
    assert sum(n for _, n in part) == 12
    assert store.series("hour", MS, MS + HOUR, camera="nowhere").counts == [0]


@pytest.mark.parametrize(("day", "hours"), [((2026, 10, 25), 25), ((2026, 3, 29), 23)])
def test_a_day_on_which_clocks_are_set_has_all_its_hours(store, day, hours):
    begin, end = (instant(datetime(*day[:2], day[2] + i, tzinfo=store.zone)) for i in (0, 1))
    run = Run()
    for i in range(-1, hours + 1):  # one an hour, also on the days beside it
        store.write(run.visit(HAT, at=begin / 1000 + 3600 * i + 1800))
    assert list(store.series("hour", begin, end).counts) == [1] * hours
    assert list(store.series("day", begin, end).counts) == [hours]
    assert store.top("garments", begin, end) == [("hat", hours)]
    assert store.count(Query(since=begin, until=end)).n == hours
    assert rolls(store) == recounted(store)


@pytest.mark.parametrize("counts", [True, False])
def test_what_is_forgotten_is_in_no_table(store, counts):
    run = Run()
    store.write(run.visit(RED_JACKET, HAT))
    store.write(run.visit(RED_JACKET, at=T0 + 60))
    before = rolls(store)
    [gone] = forget(store, Query(((HATS,),)), counts)
    assert gone.picture.startswith("snapshots/entrance/1-")
    assert gone.picture.endswith(f"{gone.visit[-6:]}.jpg")
    assert forget(store, Query(((HATS,),)), counts) == []
    assert found(store) == [2]
    assert found(store, (HATS,)) == []
    assert store.check() == []
    assert (rolls(store) == before) is not counts
    if counts:
        assert rolls(store) == recounted(store)
    [last] = store.search(Query()).visits
    assert [one.name for one in store.named([last.name])] == [last.name]
    store.forget_visits([last.name])
    assert store.named([last.name]) == []
    with store.reading() as connection:
        assert not connection.execute(select(tag_table)).all()
        assert not connection.execute(select(visit)).all()


def test_statistics_mode_keeps_nothing_but_counts(place):
    records = [record for part in crowd(50, 3) for record in part]
    with writing(place, "test", "Europe/Berlin", counts_only=True) as store:
        store.write(records[:100])
        store.write(records[50:])
        assert store.write(records).news == 0
        n = Counter(r["event"] for r in records)["entered"]
        assert sum(store.series("day", MS - 48 * HOUR, MS + 99 * HOUR).counts) == n
        assert store.top("garments", MS, MS + 60 * HOUR)
        with store.reading() as connection:
            for table in (visit, tag_table, event):
                assert not connection.execute(select(table)).all()


NAMES = [
    "O'Neill; DROP TABLE visit",
    "100% wool",
    "a_b%c",
    'say "hi"',
    "🧥 Mäntel",
    "x" * 300,
    "NUL\0L",
    "half \ud83d",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_may_hold_anything(store, name):
    run = Run()
    store.write(run.visit(tag(name, name, name), brand(name), camera="entrance"))
    store.write(run.visit(HAT))
    kept = [n for kind, n in store.names("label", "brand", "camera", "colour") if n != "hat"]
    assert found(store, (Garment((("brand", kept[-1]),)),)) in ([1], [])
    kept_label = next(n for k, n in store.names("label") if n != "hat")
    assert found(store, (Garment((("label", kept_label),), (kept_label,)),)) == [1]
    assert found(store, (HATS,)) == [2]


def test_records_that_no_run_has_written_are_counted_and_the_others_kept(store):
    run = Run()
    good = run.visit(HAT)
    bad = [
        {},
        {"event": "entered"},
        good[0] | {"visit": "no uuid"},
        good[0] | {"utc": "yesterday"},
        good[0] | {"utc": "9999-01-01T00:00:00Z", "visit": run.visit()[0]["visit"]},
        good[0] | {"camera": 7},
        good[1] | {"event_id": 5},
        good[1] | {"tag": {"label": "x"}, "event_id": run._ids.next(T0)},
        run.record("presence", "a", T0, hour=stamp(T0), grid=[[99, 0, 1]]),
        run.record("presence", "a", T0, hour=stamp(T0), grid=7),
    ]
    done = store.write([*bad, *good])
    assert done.malformed >= len(bad) - 1
    assert found(store, (HATS,)) == [1]


def test_a_clock_that_is_put_back_costs_nothing(store):
    run = Run()
    records = [*run.visit(HAT, at=T0 + 3600), *run.visit(RED_JACKET, at=T0)]
    first = run.visit(BLUE_JEANS, at=T0 + 7200, lasts=-3600)  # put back while in view
    store.write([*records, *first])
    assert store.count(Query()).n == 3
    assert rolls(store) == recounted(store)


def test_two_processes_on_one_store(place):
    with writing(place, "threadline run") as store:
        store.write(Run().visit(HAT))
        other = made(place)
        with pytest.raises(StoreError, match="in use by `threadline run`"):
            other.open("", "second")
        with reading(place) as reader:
            assert reader.count(Query()).n == 1
    with writing(place, "after") as store:
        assert store.count(Query()).n == 1


def test_a_store_of_a_newer_version_is_refused(place):
    with writing(place, "test") as store, store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for opened in (writing(place, "test"), reading(place)):
        with pytest.raises(StoreError, match="newer version"), opened:
            pass


def test_the_tables_are_as_the_program_knows_them(store):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    def ours(thing, name, kind, reflected, compared_to):
        only = getattr(thing, "_ddl_if", None)  # which alembic overlooks
        elsewhere = only is not None and only.dialect != connection.dialect.name
        return not elsewhere and not re.match(r"facet|visit_terms|\w+_\d{4}_\d\d", name or "")

    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        differences = compare_metadata(context, metadata)
    assert not differences


def test_a_database_that_is_closed_is_one_file(tmp_path):
    path = tmp_path / "threadline.db"
    with writing(str(path), "test") as store:
        store.write(Run().visit(RED_JACKET))
        assert found(store, (JACKET,)) == [1], "by a connection that reads"
    assert not list(tmp_path.glob("threadline.db-*")), (
        "SQLite's log would have to be copied with it"
    )


def test_a_label_that_is_called_like_its_category_is_counted_once(store):
    run = Run()
    store.write(run.visit(tag("pants", "pants", "black")))
    store.write(run.visit(tag("pants", "pants", "black", level="category"), at=T0 + 60))
    assert store.top("garments", MS, MS + HOUR) == [("pants", 2)]


def months_of(store) -> list[str]:
    """PostgreSQL's tables of visits."""
    with store.reading() as connection:
        if connection.dialect.name == "sqlite":
            return []
        query = "SELECT relname FROM pg_class WHERE relname ~ '^visit_[0-9]{4}_[0-9]{2}$'"
        return sorted(connection.exec_driver_sql(query).scalars())


def test_a_month_that_is_past_goes_and_recordings_found_since_stay(store, tmp_path):
    before = months_of(store)
    run, filmed = Run(), Run(recorded=True)  # of today
    for days in (40, 70, 71):
        store.write(run.visit(HAT, BLUE_JEANS, at=T0 - days * 86_400))
    store.write(filmed.visit(HAT, at=T0 - 72 * 86_400))
    store.write(run.visit(HAT))
    assert found(store, (HATS,)) == [4, 1, 2, 3, 1], "over all months, newest first"
    if before:
        assert {"visit_2026_09", "visit_2026_10", "visit_2026_11"} <= set(months_of(store))
    keep = KeepSettings(pictures_h=None, rows_d=30)
    Retention(store, keep, tmp_path, now=MS).some(30)
    assert found(store, (HATS,)) == [4, 1]
    Retention(store, keep, tmp_path, now=MS + 100 * DAY).some(30)
    Retention(store, keep, tmp_path, now=MS + 100 * DAY).some(30)
    assert found(store) == []
    assert store.series("day", MS - 80 * DAY, MS).counts.count(1) == 5, "counts stay"
    assert not [name for name in months_of(store) if name <= "visit_2026_12"]
    store.write(run.visit(HAT, at=T0 - 40 * 86_400))
    assert found(store, (HATS,)) == [5]


def test_a_store_of_an_older_version_is_brought_up_to_date(place, tmp_path):
    records = [record for part in crowd(60, hours=24 * 70) for record in part]
    with writing(str(tmp_path / "new.db"), "test", "Europe/Berlin") as store:
        store.write(records)
        before, counts = store.search(Query(), limit=500, tags=True).visits, rolls(store)
        with store.reading() as connection:
            content = {
                table: [dict(row) for row in connection.execute(select(table)).mappings()]
                for table in metadata.sorted_tables
            }
    older = made(place)
    with older.writing() as connection:
        upgrade(connection, place, "0001")
        for table, rows in content.items():
            for row in rows:
                row.pop("heads", None)
            if rows:
                connection.execute(insert(table), rows)
            if table is visit:
                older.facets.change(connection, (), [(row["id"], row["terms"]) for row in rows])
    older.close()
    with pytest.raises(StoreError, match="older version"), reading(place):
        pass
    with writing(place, "test") as store:
        assert store.search(Query(), limit=500, tags=True).visits == before
        assert rolls(store) == counts
        assert store.write(records).news == 0
        assert store.write(Run().visit(HAT, at=T0 + 90 * 86_400)).news == 3
        assert store.check() == []
        assert found(store, since=MS + 80 * DAY) == [1]


def test_what_was_done_to_heads_is_kept_with_the_picture(store):
    run = Run()
    kept, hidden = run.visit(HAT), run.visit(HAT, at=T0 + 60, left=False)
    store.write([record | {"heads": "keep"} for record in kept])
    store.write([record | {"heads": "pixelate"} for record in hidden])
    store.write([record | {"heads": 7} for record in run.visit(HAT, at=T0 + 120)])
    heads = [one.heads for one in store.search(Query()).visits]
    assert heads == [None, "pixelate", "keep"], "an event of an older version tells nothing"
    who = {"track_id": 2, "visit": hidden[0]["visit"]}
    store.write([run.record("left", "entrance", T0 + 70, **who, tags=[HAT], heads="keep")])
    assert [one.heads for one in store.search(Query()).visits] == [None, "keep", "keep"]


def test_one_visit_is_told_with_those_beside_it(store):
    run = Run()
    records = [
        run.visit(RED_JACKET, at=T0),
        run.visit(HAT, camera="exit", at=T0 + 5),
        run.visit(BLUE_JEANS, at=T0 + 10),
        run.visit(at=T0 + 20),
    ]
    for part in records:
        store.write(part)
    first, _, second, third = (uuid.UUID(part[0]["visit"]).bytes for part in records)
    [one] = store.named([second])
    assert [tag.label for tag in one.tags.values()] == ["jeans"]
    assert store.beside(one) == (first, third)
    assert store.beside(*store.named([first])) == (None, second)
    assert store.beside(*store.named([third])) == (second, None)
    assert store.oldest() == store.oldest(pictures=True) == MS
    store.forget_visits([first])
    assert store.oldest() == MS + 5_000


def test_density_says_when_people_came(store):
    assert store.density(Query(since=MS, until=MS + HOUR), 4) == [0, 0, 0, 0]
    run, chance = Run(), random.Random(5)
    times = sorted(round(chance.uniform(0, 3600), 1) for _ in range(60))
    for i, at in enumerate(times):
        store.write(run.visit(RED_JACKET if i % 3 else HAT, camera=f"cam{i % 2}", at=T0 + at))
    for bins in (1, 7, 360):
        width = 3600 / bins
        expected = Counter(int(at // width) for at in times)
        found = store.density(Query(since=MS, until=MS + HOUR), bins)
        assert sum(found) == 60
        near = sum(abs(n - expected[i]) for i, n in enumerate(found))
        assert near <= 4, "but for those on the border of two"
    worn = Query(((JACKET,),), cameras=("cam0",), since=MS, until=MS + HOUR)
    assert sum(store.density(worn, 12)) == len(found_by(store, worn))
    assert store.density(Query(cameras=("roof",), since=MS, until=MS + HOUR), 3) == [0, 0, 0]


def found_by(store, query) -> list[int]:
    return [one.id for one in store.search(query, limit=1000).visits]


def test_presence_says_where_people_stood(store):
    run = Run()
    grid = {"hour": stamp(T0), "grid": [[3, 2, 12.5], [47, 26, 1]]}
    for camera in ("entrance", "exit"):
        store.write([run.record("presence", camera, T0 + 3600, **grid)])
    assert sorted(store.presence("entrance", MS, MS + HOUR)) == [(99, 125), (26 * 48 + 47, 10)]
    assert store.presence("entrance", MS + HOUR, MS + 2 * HOUR) == []
    assert store.presence("roof", MS, MS + HOUR) == []
