"""Whatever happens to the store: what it has acknowledged is there, and analysis goes on."""

from __future__ import annotations

import errno
import json
import os
import random
import select as polling
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from servers.postgres import PostgresServer
from store_support import HAT, T0, Run
from support import HERE, command, make_frame, wait_until

from pipeline.errors import StoreAwayError, StoreError
from pipeline.events import EventStage
from pipeline.flow.outlets import Outlets
from pipeline.flow.stats import Stats
from pipeline.settings.section import Fixed
from pipeline.sinks import SINKS, Place
from pipeline.store import disk
from pipeline.store.forgetting import Request
from pipeline.store.opening import reading, writing
from pipeline.store.outlet import StoreSink, known_by
from pipeline.store.query import Garment, Query
from pipeline.store.requests import Requests, ask
from pipeline.store.settings import StoreSettings
from pipeline.types import TaggedFrame, Track

HATS = Query(((Garment((("label", "hat"),)),),))
#: Times the writer is killed; more with THREADLINE_KILLS.
KILLS = int(os.environ.get("THREADLINE_KILLS", "12"))
#: Seconds for which a database server is away; 600 with THREADLINE_AWAY_S=600.
AWAY_S = float(os.environ.get("THREADLINE_AWAY_S", "5"))

_WRITER = """
import os, sys
sys.path[:0] = sys.argv[2:]
from store_support import HAT, RED_JACKET, T0, Run
from pipeline.store.opening import writing
import sqlalchemy.dialects.sqlite
while True:
    line = sys.stdin.readline()
    if not line:
        break
    child = os.fork()
    if not child:
        run = Run(T0 + int(line))
        with writing(sys.argv[1], "writer") as store:
            for i in range(10_000):
                store.write(run.visit(HAT, RED_JACKET, at=T0 + 10 * i))
                os.write(1, b"%d\\n" % i)
        os._exit(0)
    os.write(2, b"%d\\n" % child)
    os.waitpid(child, 0)
    os.write(2, b"over\\n")
"""


class Writer:
    """A process that starts writers, which note every commit, to be killed one after the other."""

    def __init__(self, place: Path):
        words = [sys.executable, "-c", _WRITER, str(place), str(HERE), str(HERE.parent)]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def start(self, number: int) -> int:
        """Start a writer; its process."""
        assert self.process.stdin
        assert self.process.stderr
        self.process.stdin.write(b"%d\n" % number)
        self.process.stdin.flush()
        return int(self.process.stderr.readline())

    def acknowledged(self, wait_s: float = 0.0) -> int:
        """How many commits were noted since the last time; waits so long for the first."""
        assert self.process.stdout
        pipe, found = self.process.stdout.fileno(), b""
        while polling.select([pipe], [], [], wait_s)[0]:
            found += os.read(pipe, 65536)
            wait_s = 0.0
        return found.count(b"\n")

    def over(self) -> None:
        assert self.process.stderr
        assert self.process.stderr.readline() == b"over\n"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        assert self.process.stdin
        self.process.stdin.close()
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()


def whole(path: Path) -> int:
    """How many visits a store holds, which has to be sound."""
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tags = "SELECT count(*) FROM tag WHERE visit = v.id"
        lacking = f"SELECT count(*) FROM visit v WHERE ({tags}) <> 2"
        assert connection.execute(lacking).fetchone() == (0,)
        n = connection.execute("SELECT count(*) FROM visit").fetchone()[0]
        camera = "SELECT id FROM term WHERE kind = 'camera'"
        facet = f"SELECT count(*) FROM facet WHERE facet MATCH ({camera})"
        assert connection.execute(facet).fetchone() == (n,)
        roll = "SELECT sum(n) FROM roll WHERE size = 1 AND dim = 0 AND camera = 0"
        assert connection.execute(roll).fetchone() == (n or None,)
    connection.close()
    return int(n)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_writer_that_is_killed_loses_nothing_it_has_acknowledged(tmp_path):
    """At any moment; and a copy of database and log as they are at any moment, as after a power
    cut."""
    place, chance, total = tmp_path / "threadline.db", random.Random(5), 0
    with Writer(place) as writer:
        for i in range(KILLS):
            child = writer.start(1_000_000 * i)
            total += writer.acknowledged(30)
            time.sleep(chance.uniform(0, 0.15))
            os.kill(child, signal.SIGSTOP)
            total += writer.acknowledged()
            copy = tmp_path / f"copy{i}" / place.name
            copy.parent.mkdir()
            for more in ("", "-wal"):
                if Path(f"{place}{more}").exists():
                    shutil.copy(f"{place}{more}", f"{copy}{more}")
            os.kill(child, signal.SIGKILL)
            writer.over()
            total += writer.acknowledged()
            assert whole(copy) >= total
            shutil.rmtree(copy.parent)
            assert total <= whole(place) <= total + KILLS
    assert total >= KILLS


def events(count: int, stage: EventStage | None = None) -> list[TaggedFrame]:
    """People who come and go."""
    stage, found = stage or EventStage("01a21640-0a80-726e-9efe-442f4ac1d8fc"), []
    for i in range(count):
        frame = make_frame(i * 0.1, source="cam")
        track = Track(events.calls, (5.0, 5.0, 30.0, 40.0), 0.9)  # type: ignore[attr-defined]
        found += stage([TaggedFrame(frame, tracks=(track,))])
        found += stage([TaggedFrame(frame, ended=(track.id,))])
        events.calls += 1  # type: ignore[attr-defined]
    return found


events.calls = 1  # type: ignore[attr-defined]


class Running:
    """A run's outlets with a store among them."""

    def __init__(self, folder: Path, settings: StoreSettings):
        self.stats = Stats()
        self.handed: set[str] = set()
        self.sink = StoreSink(settings, folder, lambda camera: None)
        entry = SINKS["events"]
        lines = entry.make(Fixed(entry.settings(enabled=True)), Place(folder, True))
        sinks = [self.sink] if settings.counts_only else [self.sink, lines]
        self.outlets = Outlets(folder, sinks, self.stats, anew=False)

    def __enter__(self):
        self.outlets.__enter__()
        self.workers = self.outlets.start(lambda worker: None)
        return self

    def hand(self, *results: TaggedFrame) -> None:
        for result in results:
            assert self.outlets.put(result)
            self.handed |= {event.visit for event in result.events}

    def put(self, count: int) -> float:
        """Hand people over; the longest that one hand-over took."""
        worst = 0.0
        for result in events(count):
            began = time.monotonic()
            self.hand(result)
            worst = max(worst, time.monotonic() - began)
        return worst

    @property
    def counters(self):
        return next(one for one in self.stats.outlets if one.name == "store")

    def __exit__(self, *error):
        self.outlets.close()
        for worker in self.workers:
            worker.join(20)
            assert not worker.is_alive()
            assert worker.error is None


def everybody(store):
    return store.search(Query(), limit=1 << 30).visits


def kept(place: str) -> int:
    with reading(place) as store:
        return store.count(Query()).n


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    asked = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    if mount is None or subprocess.run(asked, capture_output=True).returncode:
        pytest.skip("needs root, to mount a disk that is soon full")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_stops_nobody_and_what_came_meanwhile_follows(
    small_disk, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("pipeline.flow.health.LONGEST_S", 0.5)
    place = small_disk / "threadline.db"
    with Running(tmp_path / "out", StoreSettings(url=str(place))) as run:
        run.put(5)
        wait_until(lambda: run.counters.written == 10, 10, "what comes first")
        filler = (small_disk / "filler").open("wb", buffering=0)
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017  # it is full at some time
        assert run.put(400) < 0.1, "nobody waits"
        wait_until(lambda: run.counters.failures >= 2, 20, "failures")
        said = [r.getMessage() for r in caplog.records if "free space" in r.getMessage()]
        assert len(said) == 1, "it is said once"
        assert run.counters.waiting
        filler.close()
        (small_disk / "filler").unlink()
        wait_until(lambda: run.counters.written == 810, 30, "the rest")
    assert kept(str(place)) == 405


@pytest.fixture
def server():
    if why := PostgresServer.why_not():
        pytest.skip(why)
    pytest.importorskip("psycopg")
    with PostgresServer() as running:
        yield running


def test_a_database_server_that_is_away_for_long_is_waited_for(
    server, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("pipeline.flow.health.LONGEST_S", 0.5)
    place, handed = server.fresh(), 5
    with Running(tmp_path, StoreSettings(url=place)) as run:
        run.put(5)
        wait_until(lambda: run.counters.written == 10, 10, "what comes first")
        server.stop()  # as by a power cut, whatever is being written
        until = time.monotonic() + AWAY_S
        while time.monotonic() < until:
            assert run.put(2) < 1.0, "nobody waits, as they would for a connection"
            handed += 2
            time.sleep(AWAY_S / 100)
        assert run.counters.failures >= 2
        missing = 2 * (handed - 5)
        wait_until(lambda: run.counters.waiting == missing, 10, "what is not written to be counted")
        with pytest.raises(StoreAwayError, match="cannot be used"):
            kept(place)
        server.start()
        wait_until(lambda: run.counters.written == 2 * handed, 30, "the rest")
        assert run.counters.left_out == 0
    said = [record.getMessage() for record in caplog.records if "store:" in record.getMessage()]
    assert [("tried again" in line, "works again" in line) for line in said] == [
        (True, False),
        (False, True),
    ], said
    with reading(place) as store:
        assert {str(uuid.UUID(bytes=one.name)) for one in everybody(store)} == run.handed
        now = round(time.time() * 1000)
        counts = store.series("day", now - 86_400_000, now).counts
        assert (sum(counts), len(everybody(store))) == (handed, handed), "nothing is there twice"


def test_a_database_server_that_is_away_from_the_beginning_on(
    server, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("pipeline.flow.health.LONGEST_S", 0.5)
    place = server.fresh()
    server.stop()
    with Running(tmp_path, StoreSettings(url=place)) as run:
        run.put(5)
        wait_until(lambda: run.counters.failures >= 1, 20, "failures")
        server.start()
        wait_until(lambda: run.counters.written == 10, 30, "all")
        with pytest.raises(StoreError, match="in use by `threadline run`"), writing(place, "b"):
            pass
        second = StoreSink(StoreSettings(url=place), tmp_path, lambda camera: None)
        with pytest.raises(StoreError, match="in use by `threadline run`"), second:
            pass
    assert kept(place) == 5
    assert "password" not in caplog.text


def test_events_of_a_run_that_was_killed_follow_from_the_journal(tmp_path):
    settings = StoreSettings()
    with Running(tmp_path, settings) as run:
        run.put(5)
    (tmp_path / "threadline.db").unlink()  # lost; the journal still has the last events
    with Running(tmp_path, settings) as run:
        run.put(3)
    assert kept(str(tmp_path / "threadline.db")) == 3, "what the store has taken is not sent again"


def test_a_broken_store_is_moved_aside_and_said(tmp_path, caplog):
    place = tmp_path / "threadline.db"
    with writing(str(place), "test") as store:
        store.write(Run().visit(HAT))
    place.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreError, match="not a database"), reading(str(place)):
        pass
    with writing(str(place), "test") as store:
        assert store.count(Query()).n == 0
    [aside] = tmp_path.glob("threadline.db.broken-*")
    assert aside.read_bytes().startswith(b"this is no database")
    assert "damaged" in caplog.text
    assert "db import" in caplog.text


def test_a_page_that_broke_is_found_after_an_end_that_was_not_clean(tmp_path, caplog):
    place = tmp_path / "threadline.db"
    with writing(str(place), "test") as store:
        for i in range(50):
            store.write(Run().visit(HAT, at=T0 + i))
    content = bytearray(place.read_bytes())
    for at in range(8192 * 2, len(content), 8192):
        content[at : at + 100] = b"\xff" * 100
    place.write_bytes(bytes(content))
    (tmp_path / "threadline.db.lock").write_text("`threadline run` (process 1)")
    with writing(str(place), "test") as store:
        assert store.count(Query()).n == 0
    assert list(tmp_path.glob("threadline.db.broken-*"))
    assert "damaged" in caplog.text


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("host:/x /mnt/nas nfs4 rw 0 0", "nfs4"),
        ("//h/x /mnt/nas cifs rw 0 0", "cifs"),
        ("h /mnt/nas fuse.sshfs rw 0 0", "fuse.sshfs"),
        ("/dev/sda1 /mnt/nas fuseblk rw 0 0", None),
        ("/dev/sda1 /mnt/na ext4 rw 0 0", None),
        ("h:/x /mnt/nas\\040two nfs rw 0 0", None),
    ],
)
def test_network_disks_are_refused(tmp_path, monkeypatch, line, kind):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\n{line}\n")
    monkeypatch.setattr(disk, "_MOUNTS", mounts)
    if kind is None:
        disk.refuse_far_disks(Path("/mnt/nas/shop/threadline.db"))
    else:
        with pytest.raises(StoreError, match=kind):
            disk.refuse_far_disks(Path("/mnt/nas/shop/threadline.db"))


def test_a_recording_is_known_by_what_is_in_it(tmp_path):
    one, two = tmp_path / "a.mp4", tmp_path / "b.mp4"
    one.write_bytes(bytes(3_000_000))
    shutil.copy(one, two)
    assert known_by(one) == known_by(two)
    two.write_bytes(bytes(2_999_999) + b"x")
    assert known_by(one) != known_by(two)
    assert known_by(tmp_path) is None
    assert known_by(tmp_path / "nothing") is None


def test_what_is_too_old_goes_while_a_run_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.store.outlet.SWEEP_S", 0.1)
    with writing(str(tmp_path / "threadline.db"), "test") as store:
        store.write(Run().visit(HAT, at=time.time() - 40 * 86_400))
    with Running(tmp_path, StoreSettings()) as run:
        run.put(2)
        wait_until(lambda: kept(str(tmp_path / "threadline.db")) == 2, 10, "the old one to go")


def test_statistics_mode_leaves_nothing_about_people_in_any_file(tmp_path):
    with Running(tmp_path, StoreSettings(mode="statistics")) as run:
        run.outlets._journal._kept_s = 0.0  # as the runner sets it
        results = events(20)
        for result in results:
            run.outlets.put(result)
        wait_until(lambda: run.counters.written == 40, 10, "all events")
    with reading(str(tmp_path / "threadline.db")) as store:
        now = round(time.time() * 1000)
        assert sum(store.series("day", now - 86_400_000, now).counts) == 20
    marks = [event.id.encode() for result in results for event in result.events]
    marks += [event.visit.encode() for result in results for event in result.events]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [mark for mark in marks if mark in content], path


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr("pipeline.store.requests.LOOK_S", 0.1)
    monkeypatch.setattr("pipeline.store.requests.LATE_S", 0.3)


def named_in(folder: Path, visit: str) -> set[str]:
    """Files in which a visit is named, one way or the other."""
    marks = (visit.encode(), uuid.UUID(visit).bytes)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name for path in files if any(mark in path.read_bytes() for mark in marks)}


def finished(folder: Path) -> None:
    """Wait for what outlets had in hand to be forgotten as well."""
    wait_until(lambda: not list(folder.glob(".forget-*")), 10, "all of it")


def test_people_are_forgotten_while_a_run_goes_on(tmp_path, soon):
    with Running(tmp_path, StoreSettings()) as run:
        run.put(5)
        one, *others = sorted(run.handed)
        [seen, left] = events(1)  # somebody who is in view for now
        run.hand(seen)
        [staying] = run.handed - {one, *others}
        wait_until(lambda: run.counters.written == 11, 10, "all events")
        assert named_in(tmp_path, one) >= {"events.jsonl"}
        done = command("forget", "--visit", one, "--out", tmp_path)
        assert done.stdout == "1 deleted\n", done.stderr
        assert named_in(tmp_path, one) <= {path.name for path in tmp_path.glob(".forget-*.late")}
        finished(tmp_path)
        assert named_in(tmp_path, one) == set(), "while the run holds all of these files"
        done = command("forget", "--last", "1h", "--yes", "--out", tmp_path)
        assert (done.returncode, done.stdout) == (1, "4 deleted\n")
        assert "1 stayed: they are in view" in done.stderr
        finished(tmp_path)
        assert not any(named_in(tmp_path, visit) for visit in others)
        run.hand(left)
        run.put(3)
        wait_until(lambda: run.counters.written == 18, 10, "what comes later")
        done = command("forget", "--visit", staying, "--out", tmp_path)
        assert done.stdout == "1 deleted\n", done.stderr
        finished(tmp_path)
        assert named_in(tmp_path, staying) == set()
    with reading(str(tmp_path / "threadline.db")) as store:
        visits = {str(uuid.UUID(bytes=visit.name)) for visit in everybody(store)}
    assert visits == run.handed - {one, staying, *others}
    with writing(str(tmp_path / "threadline.db"), "test") as store:
        assert store.check() == []


def test_what_a_run_was_asked_to_forget_when_it_was_killed_is_forgotten_by_the_next(
    tmp_path, soon, caplog
):
    with Running(tmp_path, StoreSettings()) as run:
        run.put(2)
    one = min(run.handed)
    request = TypeAdapter(Request).dump_json(Request(Query(), one))
    (tmp_path / ".forget-0.taken").write_bytes(request)
    (tmp_path / ".forget-1.asked").write_text("nobody")
    (tmp_path / ".forget-2.asked").write_text('{"query": {}, "visit": "nobody"}')
    with Running(tmp_path, StoreSettings()):
        wait_until(lambda: not list(tmp_path.glob(".forget-*ed")), 10, "all requests")
        wait_until(lambda: not list(tmp_path.glob(".forget-*.taken")), 10, "all requests")
    assert named_in(tmp_path, one) == set()
    assert kept(str(tmp_path / "threadline.db")) == 1
    assert caplog.text.count("no request to forget somebody") == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_outlets_had_in_hand_when_a_run_was_killed_after_its_answer_is_forgotten_by_the_next(
    tmp_path,
):
    run, lines = Run(), tmp_path / "events.jsonl"
    gone, stays = run.visit(HAT), run.visit(HAT, camera="exit")
    one, other = gone[0]["visit"], stays[0]["visit"]
    lines.write_text("".join(json.dumps(record) + "\n" for record in (*gone, *stays)))
    with writing(str(tmp_path / "threadline.db"), "test") as store:
        store.write([*gone, *stays])
        [found] = store.named([uuid.UUID(one).bytes])
    killed = os.fork()
    if not killed:
        with writing(str(tmp_path / "threadline.db"), "killed") as store:
            requests = Requests(store, tmp_path)
            while True:
                requests.some(1.0, None, None)
                time.sleep(0.02)
    assert ask(tmp_path, Request(Query(), one)) == (1, 0)
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    picture = tmp_path / (found.picture or "")
    assert one not in lines.read_text()
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"JPEG")  # what an outlet had in hand
    with lines.open("a", encoding="utf-8") as file:
        file.write(json.dumps(gone[-1]) + "\n")
    with Running(tmp_path, StoreSettings()):
        finished(tmp_path)
    assert not picture.exists()
    assert named_in(tmp_path, one) == set()
    assert named_in(tmp_path, other)


def test_answers_are_not_taken_from_those_who_still_wait(tmp_path):
    with writing(str(tmp_path / "threadline.db"), "test") as store:
        requests, answers = Requests(store, tmp_path), []
        asking = [
            threading.Thread(target=lambda: answers.append(ask(tmp_path, Request(HATS))))
            for _ in range(4)
        ]
        for thread in asking:
            thread.start()
        while any(thread.is_alive() for thread in asking):
            requests.some(1.0, None, None)
            requests._looked = float("-inf")
            time.sleep(0.005)
    assert answers == [(0, 0)] * 4


def test_who_ends_waits_for_no_answer(tmp_path):
    began = time.monotonic()
    assert ask(tmp_path, Request(HATS), lambda: True) is None
    assert time.monotonic() - began < 1
    assert not list(tmp_path.iterdir())


def test_root_may_ask_a_run_that_is_another_users(tmp_path, monkeypatch):
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("needs root, which may give files away")
    monkeypatch.setattr("pipeline.store.requests.DONE_S", 0.1)
    os.chown(tmp_path, 12345, 12345)
    owners = []

    def look():
        wait_until(lambda: list(tmp_path.glob(".forget-*.asked")), 10, "the request")
        [asked] = tmp_path.glob(".forget-*.asked")
        owners.append((asked.stat().st_uid, asked.stat().st_mode & 0o777))
        asked.rename(asked.with_suffix(".done")).write_text('{"error": "somebody is asleep"}')

    run = threading.Thread(target=look)
    run.start()
    with pytest.raises(StoreError, match="somebody is asleep"):
        ask(tmp_path, Request(Query()))
    run.join()
    assert owners == [(12345, 0o600)]
