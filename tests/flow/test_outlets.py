"""Outlets: a sink's fault is that sink's, and events outlive all of them."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from support import Silent, make_frame, wait_until

from pipeline.errors import SinkError
from pipeline.events import EventStage
from pipeline.flow import journaling, outlet
from pipeline.flow.health import STEADY_S, Health
from pipeline.flow.outlets import Outlets
from pipeline.flow.stats import OutletStats, Stats
from pipeline.settings.section import Fixed
from pipeline.sinks import SINKS, Place
from pipeline.store.journal import Journal
from pipeline.types import TaggedFrame, Track

BOX = (5.0, 5.0, 30.0, 40.0)


class Results:
    """Frames with people who come and go: two events each, ``entered`` and ``left``."""

    def __init__(self):
        self._stage = EventStage("run")
        self._count = 0

    def next(self, live: bool = True, news: bool = True) -> TaggedFrame:
        self._count += 1
        frame = replace(make_frame(self._count * 0.1, source="cam"), live=live)
        tracks = (Track(self._count, BOX, 0.9),) if news else ()
        [seen] = self._stage([TaggedFrame(frame, tracks=tracks)])
        [left] = self._stage([TaggedFrame(frame, ended=(self._count,))])
        return replace(seen, events=seen.events + left.events)


class Receiver:
    """A sink for events that notes what it is given, and fails when it is told to."""

    name = "receiver"

    def __init__(self):
        self.got: list[str] = []
        self.last = None
        self.fail = False
        self.pause_s = 0.0
        self.left = False

    def deliver(self, records):
        time.sleep(self.pause_s * len(records))
        if self.fail:
            raise SinkError("the broker is away")
        self.got += [record["event_id"] for record in records]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.left = True


class Pictures(Silent):
    """A sink for frames that counts them."""

    name = "pictures"

    def __init__(self):
        self.count = 0
        self.left_by = ""

    def write(self, tagged):
        self.count += 1

    def __exit__(self, *error):
        self.left_by = threading.current_thread().name


@contextmanager
def running(folder, *sinks, anew=False):
    stats = Stats()
    with Outlets(folder, sinks, stats, anew) as outlets:
        workers = outlets.start(lambda worker: None)
        try:
            yield outlets
        finally:
            outlets.close()
            for worker in workers:
                worker.join(15)
            assert all(worker.error is None for worker in workers)


def counters(outlets, name: str):
    return next(one for one in outlets._stats.outlets if one.name == name)


def event_lines(folder, live=True):
    entry = SINKS["events"]
    return entry.make(Fixed(entry.settings(enabled=True)), Place(folder, live))


def in_file(folder) -> list[str]:
    path = folder / "events.jsonl"
    return [json.loads(line)["event_id"] for line in path.read_text().splitlines()]


def in_journal(folder) -> list[str]:
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM events ORDER BY seq")]


def test_what_is_handed_over_arrives_in_order_everywhere(tmp_path):
    results, receiver, pictures = Results(), Receiver(), Pictures()
    with running(tmp_path, receiver, pictures, event_lines(tmp_path)) as outlets:
        told = [outlets.put(results.next()) for _ in range(20)]
        wait_until(lambda: len(receiver.got) == 40, 20, "all events")
    assert all(told)
    assert pictures.count == 20
    assert receiver.got == sorted(receiver.got) == in_file(tmp_path) == in_journal(tmp_path)
    assert receiver.left
    assert pictures.left_by == "sink pictures", "by the thread that used it"


class Hanging(Silent):
    """A sink that never answers."""

    name = "hanging"

    def __init__(self):
        self.answer = threading.Event()

    def write(self, tagged):
        self.answer.wait()


def test_a_sink_that_never_answers_costs_nobody_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(outlet, "PATIENCE_S", 0.3)
    results, receiver, hanging, pictures = Results(), Receiver(), Hanging(), Pictures()
    with running(tmp_path, hanging, receiver, pictures) as outlets:
        began = time.monotonic()
        for _ in range(200):
            outlets.put(results.next())
            time.sleep(0.002)
        assert time.monotonic() - began < 10, "handing over never waits: that would take a minute"
        wait_until(lambda: len(receiver.got) == 400, 20, "all events")
        wait_until(lambda: pictures.count == 200, 20, "all frames")
        missing = counters(outlets, "hanging").left_out
        assert missing == 200 - 1 - outlet.NEWS
        outlets.close()
        journal = next(worker for worker in outlets._workers if worker.name == "journal")
        journal.join(5)
        assert not journal.is_alive(), "nobody waits for it for ever"
        hanging.answer.set()


def test_a_failing_sink_misses_results_is_reported_once_and_goes_on(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("pipeline.flow.health.FIRST_S", 0.05)

    class Failing(Pictures):
        broken = True

        def write(self, tagged):
            if self.broken:
                raise ValueError("a defect")
            super().write(tagged)

    results, failing = Results(), Failing()
    with running(tmp_path, failing) as outlets, caplog.at_level(logging.WARNING):
        for _ in range(30):
            outlets.put(results.next())
            time.sleep(0.01)
        wait_until(lambda: counters(outlets, "pictures").failures > 1, 20, "it is tried again")
        assert counters(outlets, "pictures").state == "failing"
        failing.broken = False
        wait_until(lambda: outlets.put(results.next()) and failing.count > 0, 20, "it works again")
        assert counters(outlets, "pictures").state == "up"
    assert caplog.text.count("a defect; it is tried again") == 1
    assert caplog.text.count("works again") == 1


def test_events_wait_for_a_sink_that_fails_and_come_in_order_without_gaps(tmp_path):
    results, receiver = Results(), Receiver()
    receiver.fail = True
    with running(tmp_path, receiver, event_lines(tmp_path)) as outlets:
        for _ in range(300):
            outlets.put(results.next())
        wait_until(lambda: len(in_file(tmp_path)) == 600, 20, "the file has them")
        wait_until(lambda: counters(outlets, "receiver").waiting == 600, 20, "it is counted")
        receiver.fail = False
        wait_until(lambda: len(receiver.got) == 600, 20, "so has the sink")
    assert receiver.got == in_file(tmp_path)


def test_a_restart_goes_on_where_a_sink_stopped(tmp_path):
    results, first, second = Results(), Receiver(), Receiver()
    with running(tmp_path, first) as outlets:
        outlets.put(results.next())
        wait_until(lambda: len(first.got) == 2, 20, "delivered")
        first.fail = True
        for _ in range(10):
            outlets.put(results.next())
    assert len(first.got) == 2
    with running(tmp_path, second) as outlets:
        outlets.put(results.next())
        wait_until(lambda: len(second.got) == 22, 20, "what was missing, and what is new")
    assert first.got + second.got == in_journal(tmp_path)


def test_a_file_of_events_gets_none_twice_though_nobody_kept_how_far_it_was(tmp_path):
    results = Results()
    with running(tmp_path, event_lines(tmp_path)) as outlets:
        for _ in range(3):
            outlets.put(results.next())
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection, connection:
        connection.execute("UPDATE cursors SET seq = 1")  # killed before that was written
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    (tmp_path / "events.jsonl").write_text("\n".join(lines[:4]) + '\n{"event_id": "cut sh')
    with running(tmp_path, event_lines(tmp_path)) as outlets:
        outlets.put(results.next())
    text = (tmp_path / "events.jsonl").read_text().replace('{"event_id": "cut sh\n', "")
    assert [json.loads(line)["event_id"] for line in text.splitlines()] == in_journal(tmp_path)


def test_recordings_begin_anew_and_a_new_sink_gets_nothing_old(tmp_path):
    results = Results()
    with running(tmp_path, event_lines(tmp_path)) as outlets:
        outlets.put(results.next())
    receiver = Receiver()
    with running(tmp_path, event_lines(tmp_path, live=False), receiver, anew=True) as outlets:
        outlets.put(results.next(live=False))
    assert in_file(tmp_path) == receiver.got == in_journal(tmp_path)[2:]


def test_recordings_wait_for_a_slow_sink_but_not_for_one_that_hangs(tmp_path, monkeypatch):
    monkeypatch.setattr(outlet, "PATIENCE_S", 0.5)
    results, hanging = Results(), Hanging()
    stop = threading.Event()
    with running(tmp_path, hanging) as outlets:
        for _ in range(1 + outlet.DEPTH):
            outlets.put(results.next(live=False))
        began = time.monotonic()
        outlets.wait_for_room(stop)
        assert 0.3 < time.monotonic() - began < 10
        outlets.wait_for_room(stop)
        hanging.answer.set()


def test_a_slow_sink_for_events_is_left_behind_and_the_rest_stays_in_the_journal(tmp_path):
    results, slow = Results(), Receiver()
    slow.pause_s = 0.2
    with running(tmp_path, slow, event_lines(tmp_path)) as outlets:
        for _ in range(50):
            outlets.put(results.next())
        wait_until(lambda: len(slow.got) >= 1, 30, "the first arrive")
        outlets.stop()
    assert len(in_file(tmp_path)) == 100
    receiver = Receiver()
    with running(tmp_path, receiver) as outlets:
        wait_until(lambda: len(slow.got) + len(receiver.got) >= 100, 20, "the rest")
    assert Counter(slow.got + receiver.got).keys() == set(in_journal(tmp_path))


class SlowDisk(Receiver):
    """Few events take as long as many."""

    gather_s = 0.5
    most = 2_000

    def deliver(self, records):
        time.sleep(0.3)
        super().deliver(records)


def test_a_database_that_is_slow_to_commit_gets_many_events_at_a_time(tmp_path):
    results, slow = Results(), SlowDisk()
    began = time.monotonic()
    with running(tmp_path, slow) as outlets:
        for _ in range(400):
            outlets.put(results.next())
        wait_until(lambda: len(slow.got) == 800, 30, "all")
    assert time.monotonic() - began < 30, "one at a time, they take minutes"
    assert slow.got == in_journal(tmp_path)


def test_a_journal_that_cannot_be_written_keeps_events_in_memory_and_catches_up(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(journaling, "MOST_WAITING", 60)
    monkeypatch.setattr("pipeline.flow.health.FIRST_S", 0.05)
    real, full = Journal.append, threading.Event()
    full.set()

    def append(self, rows):
        if full.is_set():
            raise SinkError("journal.db: cannot be used: database or disk is full")
        return real(self, rows)

    monkeypatch.setattr(Journal, "append", append)
    results, receiver = Results(), Receiver()
    with running(tmp_path, receiver) as outlets:
        outlets.put(results.next())
        wait_until(lambda: counters(outlets, "journal").state == "failing", 20, "it fails")
        told = [outlets.put(results.next()) for _ in range(40)]
        assert told.count(False) == 10
        full.clear()
        wait_until(lambda: len(receiver.got) == 62, 20, "what was kept arrives")
        assert counters(outlets, "journal").left_out == 20
        assert "20 results were not written" in counters(outlets, "journal").lacking
    assert caplog.text.count("events are lost") == 1


def test_a_sink_that_cannot_be_entered_leaves_nothing_open(tmp_path):
    class Refusing(Pictures):
        def __enter__(self):
            raise SinkError("no room; choose another --out")

    receiver = Receiver()
    with pytest.raises(SinkError, match="no room"), running(tmp_path, receiver, Refusing()):
        pass
    assert receiver.left


def test_an_output_that_fails_on_and_off_is_told_of_twice(caplog, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("pipeline.flow.health.time.monotonic", lambda: now)
    counters = OutletStats("disk")
    health = Health(counters)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            health.failed(SinkError("no room"))
            now += 1
            health.worked(1)
            now += 1
        assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "ERROR"]
        assert "again and again" in caplog.text
        assert (counters.state, counters.failures) == ("up", 20)
        now += STEADY_S
        health.worked(1)
        assert caplog.messages[-1].startswith("disk: works again")
        now += 1
        health.failed(SinkError("no room"))
    assert len(caplog.records) == 5, "a minute later it is news"
