"""Measure the store: make millions of tags, then ask, write and delete.

python tools/bench_store.py make FOLDER --tags 10000000
python tools/bench_store.py ask FOLDER [--postgres postgresql://...]
python tools/bench_store.py write FOLDER
python tools/bench_store.py delete FOLDER
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.ids import Ids, new_id
from pipeline.store.calendar import Buckets, instant
from pipeline.store.dictionary import Dictionary
from pipeline.store.numbering import first_of
from pipeline.store.opening import reading, writing
from pipeline.store.query import Garment, Query
from pipeline.store.schema import packed, unpacked
from pipeline.store.visits import garment_terms, pair, stored

ZONE = ZoneInfo("Europe/Berlin")
CAMERAS = [f"cam{i:02}" for i in range(1, 17)]
DAYS = 30
BEGIN = datetime(2026, 10, 20, tzinfo=ZONE)
LABELS = {
    "jeans": "pants", "pants": "pants", "shoes": "shoe", "sneakers": "shoe", "jacket": "jacket",
    "coat": "coat", "t-shirt": "top, t-shirt, sweatshirt", "shirt": "shirt, blouse",
    "sweater": "sweater", "dress": "dress", "skirt": "skirt", "hat": "hat", "bag": "bag, wallet",
    "scarf": "scarf", "shorts": "shorts", "blazer": "jacket", "boots": "shoe", "vest": "vest",
}  # fmt: skip
COLOURS = ("black", "blue", "grey", "white", "red", "navy", "brown", "beige", "green", "pink",
           "yellow", "purple", "orange")  # fmt: skip
#: Visits in one commit of ``write``; six events each, of which a run commits at most 2,000.
PER_COMMIT = (20, 200, 333)
BRANDS = [f"brand{i:03}" for i in range(200)]


def a_tag(chance: random.Random, used: set[str]) -> dict[str, object]:
    """A garment at random, the first ones oftener (Zipf), of a category not worn yet."""
    while True:
        label = chance.choices(list(LABELS), [1 / (i + 1) for i in range(len(LABELS))])[0]
        if LABELS[label] not in used:
            break
    used.add(LABELS[label])
    colour = chance.choices(COLOURS, [1 / (i + 1) for i in range(len(COLOURS))])[0]
    pattern = chance.choices(("plain", "striped", "printed"), (8, 1, 1))[0]
    return {
        "kind": "garment", "label": label, "category": LABELS[label], "level": "fine",
        "colours": [colour], "attributes": {"pattern": pattern}, "score": 0.7,
        "box": [chance.randrange(1900), chance.randrange(900), 1910, 1070], "model": "garments",
    }  # fmt: skip


def outfits(seed: int, count: int = 20_000) -> list[list[dict[str, object]]]:
    """What people wear, to choose from."""
    chance, found = random.Random(seed), []
    for _ in range(count):
        used: set[str] = set()
        tags = [a_tag(chance, used) for _ in range(4)]
        if chance.random() < 0.12:
            tags[3] |= {"kind": "logo", "label": chance.choice(BRANDS), "category": None,
                        "colours": [], "attributes": {}}  # fmt: skip
        found.append(tags)
    return found


def people(count: int, seed: int = 1) -> Iterator[tuple[int, int, int]]:
    """When (ms), at which camera and in which outfit, in the order of time: 08 to 21 o'clock,
    cameras skewed."""
    chance = random.Random(seed)
    weights = [1 / (i + 2) for i in range(len(CAMERAS))]
    for day in range(DAYS):
        begin = instant(BEGIN + timedelta(days=day, hours=8))
        of_day = count * (day + 1) // DAYS - count * day // DAYS
        times = sorted(chance.choices(range(13 * 3_600_000), k=of_day))
        cameras = chance.choices(range(len(CAMERAS)), weights, k=of_day)
        for at, camera, outfit in zip(times, cameras, chance.choices(range(20_000), k=of_day)):  # noqa: B905
            yield begin + at, camera, outfit


class Maker:
    """Rows as the writer makes them, put in by the million; ``check`` compares afterwards."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "threadline.db"
        with writing(str(self.path), "bench", ZONE.key):
            pass
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.names = Dictionary()
        self.buckets = Buckets(ZONE)
        self.counts: Counter[tuple[int, ...]] = Counter()
        self.run = new_id(BEGIN.timestamp())

    def make(self, count: int) -> None:
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("PRAGMA cache_size = -200000")
        chance = random.Random(3)
        cameras = [self.names.id(("camera", camera)) for camera in CAMERAS]
        known = [self._known(worn) for worn in outfits(1)]
        visits, tags, words, last = [], [], [], 0
        for i, (at, place, outfit) in enumerate(people(count)):
            id_ = last = max(at // 100 * 64, last + 1)
            camera, (terms, counts, rows) = cameras[place], known[outfit]
            numbers = sorted((camera, *terms))
            name = at.to_bytes(6, "big") + chance.randbytes(10)
            visits.append((id_, name, camera, camera, i, at, at + 20_000, at % 10**7, 0, at << 12,
                           "", packed(numbers), 0))  # fmt: skip
            words.append((id_, " ".join(map(str, numbers))))
            tags += [(id_, *row) for row in rows]
            self._count(at, camera, counts)
            if len(visits) == 20_000:
                self._put(visits, tags, words)
                print(f"{i + 1} visits", flush=True)
                visits, tags, words = [], [], []
        self._put(visits, tags, words)
        self._finish(cameras)

    def _finish(self, cameras: list[int]) -> None:
        rows = [(*key, n) for key, n in sorted(self.counts.items())]
        streams = [(camera, self.run, camera) for camera in cameras]
        new = [(row["id"], row["kind"], row["name"]) for row in self.names._new]
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO roll VALUES (?,?,?,?,?,?)", rows)
        self.db.executemany("INSERT INTO stream VALUES (?,?,?,NULL,NULL,-1)", streams)
        self.db.executemany("INSERT INTO term VALUES (?,?,?)", new)
        self.db.execute("COMMIT")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _count(self, at: int, camera: int, counts: list[tuple[int, int]]) -> None:
        hour, day = self.buckets.of(at)
        for dim, value in counts:
            self.counts[1, dim, camera, day, value] += 1
            self.counts[1, dim, 0, day, value] += 1
            if dim != 4:
                self.counts[0, dim, camera, hour, value] += 1
            if dim == 0:
                self.counts[0, dim, 0, hour, value] += 1

    def _known(
        self, worn: list[dict[str, object]]
    ) -> tuple[set[int], list[tuple[int, int]], list[tuple[object, ...]]]:
        """An outfit's terms, what it adds one to, and its rows."""
        terms: set[int] = set()
        counts: set[tuple[int, int]] = {(0, 0)}
        for one in worn:
            tag = stored(one)
            named, id_ = tag.named, self.names.id
            terms |= {id_(term) for term in garment_terms(tag)}
            counts.add((3 if named[0] == "brand" else 1, id_(named)))
            for colour in tag.colours:
                counts |= {(2, id_(("colour", colour))), (4, id_(pair(named, ("colour", colour))))}
        return terms, sorted(counts), [(n, *self._tag(one)) for n, one in enumerate(worn)]

    def _tag(self, one: dict[str, object]) -> tuple[object, ...]:
        names, logo = self.names, one["kind"] == "logo"
        colours: list[str] = one["colours"]  # type: ignore[assignment]
        attributes: dict[str, str] = one["attributes"]  # type: ignore[assignment]
        values = [names.id(("attribute", f"{k}={v}")) for k, v in attributes.items()]
        category = one["category"]
        return (
            names.id(("kind", str(one["kind"]))),
            names.id(("brand" if logo else "label", str(one["label"]))),
            names.id(("category", str(category))) if category else None,
            0,
            names.id(("colour", colours[0])) if colours else None,
            None,
            f",{','.join(map(str, values))}," if values else None,
            700, 0, *one["box"], names.id(("model", "garments")),  # type: ignore[misc]
        )  # fmt: skip

    def _put(self, visits: list[object], tags: list[object], words: list[object]) -> None:
        self.db.execute("BEGIN")
        self.db.executemany(f"INSERT INTO visit VALUES ({','.join('?' * 13)})", visits)
        self.db.executemany(f"INSERT INTO tag VALUES ({','.join('?' * 16)})", tags)
        self.db.executemany("INSERT INTO facet(rowid, t) VALUES (?, ?)", words)
        self.db.execute("COMMIT")


def forgotten_by_the_system(folder: Path) -> str:
    """Have the disk be read again; how that was done."""
    for path in folder.glob("threadline.db*"):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
    return "posix_fadvise: no page of the database is in memory"


def questions() -> dict[str, Callable[[object, int], object]]:
    """What is asked; the second argument makes each try another one."""

    def garment(label: str, colour: str) -> Garment:
        names = tuple({("label", label), ("category", LABELS[label])})
        return Garment(names, (colour,))

    red = garment("jacket", "red")
    end = instant(BEGIN + timedelta(days=DAYS))

    def day(i: int) -> tuple[int, int]:
        begin = instant(BEGIN + timedelta(days=DAYS - 2 - i, hours=14))
        return begin, begin + 2 * 3_600_000

    def two_hours(store, i):  # type: ignore[no-untyped-def]
        since, until = day(i)
        return store.search(Query(((red,),), cameras=(CAMERAS[i % 4],), since=since, until=until))

    def newest(store, i):  # type: ignore[no-untyped-def]
        return store.search(Query(((garment("jacket", COLOURS[i]),),)))

    def two(store, i):  # type: ignore[no-untyped-def]
        return store.search(Query(((red, garment("jeans", COLOURS[i])),), until=end))

    def brand(store, i):  # type: ignore[no-untyped-def]
        return store.search(Query(((Garment((("brand", BRANDS[i]),)),),)))

    span = (instant(BEGIN), end)
    return {
        "red jacket, one camera, two hours, page of 50": two_hours,
        "jacket of a colour, newest 50 of 30 days": newest,
        "red jacket and jeans of a colour, newest 50 of 30 days": two,
        "a brand, newest 50": brand,
        "top garments, 30 days": lambda store, i: store.top("garments", *span),  # type: ignore[attr-defined]
        "top garments and colours, 30 days": lambda store, i: store.top(  # type: ignore[attr-defined]
            "garments and colours", *span
        ),
        "people per hour, 30 days": lambda store, i: store.series("hour", *span),  # type: ignore[attr-defined]
        "count of red jackets, 30 days": lambda store, i: store.count(Query(((red,),))),  # type: ignore[attr-defined]
        "facets of red jackets and jeans": lambda store, i: store.facets_of(  # type: ignore[attr-defined]
            Query(((red, garment("jeans", COLOURS[i])),))
        ),
    }


def ask(folder: Path, postgres: str | None, tries: int) -> None:
    place = postgres or str(folder / "threadline.db")
    way = "warm, as a server keeps it" if postgres else forgotten_by_the_system(folder)
    print(f"{way}; load {os.getloadavg()[0]:.1f}")
    print(f"| question | median ms | worst of {tries} | of that processor |\n|---|---|---|---|")
    with reading(place) as store:
        for name, question in questions().items():
            times = []
            question(store, len(COLOURS) - 1)  # SQL is compiled once, as in whatever stays open
            for i in range(tries):
                if postgres:
                    question(store, i)
                else:
                    store._reader.dispose()  # type: ignore[attr-defined]  # no page of its own
                    forgotten_by_the_system(folder)
                began, busy = time.perf_counter(), time.process_time()
                question(store, i)
                took = 1000 * (time.perf_counter() - began)
                times.append((took, 1000 * (time.process_time() - busy)))
            took, cpu = (statistics.median(of) for of in zip(*times, strict=True))
            worst = max(of for of, _ in times)
            print(f"| {name} | {took:.1f} | {worst:.1f} | {cpu:.1f} |", flush=True)


def to_postgres(folder: Path, url: str) -> None:
    """Copy by COPY, far quicker than rows."""
    import psycopg

    days = [first_of(instant(BEGIN + timedelta(days=day))) for day in range(DAYS + 1)]
    with writing(url, "bench", ZONE.key) as store, store.writing() as connection:
        store.facets.make_room(connection, days)
    source = sqlite3.connect(folder / "threadline.db")
    began = time.perf_counter()
    with psycopg.connect(url) as target:
        target.execute("DROP INDEX visit_terms")  # quicker made at once
        for table in ("term", "stream", "visit", "tag", "roll"):
            with target.cursor().copy(f"COPY {table} FROM STDIN") as put:
                for row in source.execute(f"SELECT * FROM {table}"):
                    if table == "visit":
                        row = (*row[:11], unpacked(row[11]), *row[12:])
                    put.write_row(row)
        target.execute("CREATE INDEX visit_terms ON visit USING gin (terms)")
        target.commit()
        target.autocommit = True
        target.execute("VACUUM ANALYZE")
        size = target.execute("SELECT pg_database_size(current_database())").fetchone()
    print(f"copied in {time.perf_counter() - began:.0f} s, {size[0] / 1e6:.0f} MB")  # type: ignore[index]


def records(count: int) -> list[dict[str, object]]:
    """Whole visits as events, one after the other."""
    ids, run, found, worn = Ids(), new_id(1.8e9), [], outfits(2)
    for i, (at, camera, outfit) in enumerate(people(count * 30, seed=2)):
        if i == count:
            break
        tags = worn[outfit]
        who = {
            "version": 2,
            "run": run,
            "camera": CAMERAS[camera],
            "pts": i / 10,
            "frame": i,
            "track_id": i,
            "visit": new_id(at / 1000 + 1e8),
            "snapshot": f"snapshots/{i}.jpg",
        }
        stamp = datetime.fromtimestamp(at / 1000 + 1e8, ZONE).isoformat(timespec="milliseconds")
        who |= {"utc": stamp, "recorded_at": None}
        made = [{"event": "entered"}, *({"event": "appeared", "tag": tag} for tag in tags),
                {"event": "left", "tags": tags}]  # fmt: skip
        found += [{**who, **one, "event_id": ids.next(1.8e9 + i)} for one in made]
    return found


def write(folder: Path, count: int) -> None:
    """Visits a second by batches of events, into a store that holds millions."""
    some = records(count)
    per_visit = len(some) // count
    with writing(str(folder / "threadline.db"), "bench") as store:
        for i, visits in enumerate(PER_COMMIT):
            waits, size, each = [], visits * per_visit, count // len(PER_COMMIT) * per_visit
            part = some[i * each : (i + 1) * each]
            began, busy = time.perf_counter(), time.process_time()
            for at in range(0, len(part), size):
                before = time.perf_counter()
                store.write(part[at : at + size])
                waits.append(1000 * (time.perf_counter() - before))
            took, busy = time.perf_counter() - began, time.process_time() - busy
            n = len(part) / per_visit
            print(
                f"{visits} visits a commit: {n / took:.0f} visits/s, {n / busy:.0f} a second of "
                f"processor time, load {os.getloadavg()[0]:.1f}; "
                f"commit median {statistics.median(waits):.0f} ms, worst {max(waits):.0f} ms",
                flush=True,
            )


def delete(folder: Path) -> None:
    """The oldest day, in chunks."""
    from pipeline.store.retention import CHUNK

    end = instant(BEGIN + timedelta(days=1))
    with writing(str(folder / "threadline.db"), "bench") as store:
        waits, gone, began = [], 0, time.perf_counter()
        while True:
            before = time.perf_counter()
            found = store.forget_old(end, CHUNK)
            if found is None:
                break
            waits.append(1000 * (time.perf_counter() - before))
            gone += len(found)
        print(
            f"{gone} visits deleted in {time.perf_counter() - began:.1f} s, chunks of {CHUNK}: "
            f"median {statistics.median(waits):.0f} ms, worst {max(waits):.0f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["make", "ask", "copy", "write", "delete"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tags", type=int, default=10_000_000)
    parser.add_argument("--postgres")
    parser.add_argument("--tries", type=int, default=7)
    parser.add_argument("--visits", type=int, default=21_000)
    args = parser.parse_args()
    if args.what == "make":
        began = time.perf_counter()
        Maker(args.folder).make(args.tags // 4)
        size = (args.folder / "threadline.db").stat().st_size
        took = time.perf_counter() - began
        print(f"{args.tags} tags in {took:.0f} s: {size / args.tags:.1f} MB per million tags")
    elif args.what == "ask":
        ask(args.folder, args.postgres, args.tries)
    elif args.what == "copy":
        to_postgres(args.folder, args.postgres)
    elif args.what == "write":
        write(args.folder, args.visits)
    else:
        delete(args.folder)


if __name__ == "__main__":
    main()
