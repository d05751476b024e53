"""The journal: what it has acknowledged is there, whatever happens."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time

import pytest

from pipeline.errors import SinkError
from pipeline.ids import Ids, began, new_id
from pipeline.store import journal as journal_module
from pipeline.store.journal import Journal

IDS = Ids()


def rows(count: int) -> list[tuple[str, str]]:
    return [(IDS.next(1.8e9), "{}") for _ in range(count)]


def numbers(journal: Journal, after: int = 0) -> list[int]:
    reader = journal.reader()
    found = [seq for seq, _ in reader.after(after, 10_000)]
    reader.close()
    return found


def test_events_are_numbered_and_stay(tmp_path):
    some = rows(3)
    with Journal(tmp_path) as journal:
        assert journal.last() == 0
        assert journal.append(some) == 3
        journal.keep({"a": 2, "b": 0})
        journal.keep({"a": 3})
    with Journal(tmp_path) as journal:
        assert numbers(journal, 1) == [2, 3]
        assert (journal.cursor("a"), journal.cursor("b"), journal.cursor("c")) == (3, 0, None)
        assert (journal.number(some[1][0]), journal.number("other")) == (2, None)
        assert journal.append(rows(1)) == 4


def test_all_of_a_batch_is_written_or_none(tmp_path):
    some = rows(2)
    with Journal(tmp_path) as journal:
        journal.append(some)
        with pytest.raises(sqlite3.IntegrityError):
            journal.append([*rows(1), some[0]])
        assert numbers(journal) == [1, 2]


def test_what_everybody_has_goes_and_what_is_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "KEPT", 10)
    monkeypatch.setattr(journal_module, "MOST", 50)
    with Journal(tmp_path) as journal:
        journal.append(rows(100))
        assert journal.tidy(taken=20) == 30, "numbers 21 to 50 are given up"
        assert numbers(journal) == list(range(51, 101))
        assert journal.tidy(taken=100) == 0
        assert numbers(journal) == list(range(91, 101)), "some are kept"
        assert journal.append(rows(1)) == 101, "numbers never return"


def test_it_is_its_owners_alone(tmp_path):
    before = os.umask(0)
    try:
        with Journal(tmp_path / "new") as journal:
            journal.append(rows(1))
            modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()]
    finally:
        os.umask(before)
    assert len(modes) >= 2
    assert set(modes) == {0o600}


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 9000]
)
def test_a_damaged_one_is_put_aside(tmp_path, content, caplog):
    (tmp_path / "journal.db").write_bytes(content)
    with Journal(tmp_path) as journal:
        assert journal.append(rows(2)) == 2
    [aside] = tmp_path.glob("journal.db.broken-*")
    assert aside.read_bytes() == content
    assert "is damaged" in caplog.text


def test_a_folder_that_cannot_be_written_is_a_sink_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="--out"), Journal(tmp_path / "file" / "out"):
        pass


WRITER = """
import sys
from pathlib import Path
from pipeline.ids import Ids
from pipeline.store.journal import Journal
ids = Ids()
with Journal(Path(sys.argv[1])) as journal:
    while True:
        batch = [(ids.next(1.8e9), "{}") for _ in range(7)]
        print(journal.append(batch), flush=True)
"""


def test_nothing_acknowledged_is_missing_after_a_kill(tmp_path):
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, tmp_path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.1)
            process.kill()
            told = process.stdout.read().split()
        with Journal(tmp_path) as journal:
            last = journal.last()
            assert numbers(journal) == list(range(1, last + 1))
            assert last >= int(told[-1])
            assert last % 7 == 0, "whole batches"


def test_ids_rise_and_tell_when(monkeypatch):
    ids = Ids()
    made = [ids.next(at) for at in [1.8e9] * 10_000 + [1.7e9] * 100]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert began(made[0]) == pytest.approx(1.8e9, abs=0.001)
    assert all(name[14] == "7" and name[19] in "89ab" for name in made)
    assert began(new_id(1_234_567.891)) == pytest.approx(1_234_567.891, abs=0.001)
