"""The commands that ask the store."""

from __future__ import annotations

import csv
import io
import json
import time

import numpy as np
import pytest
from store_support import BLUE_JEANS, HAT, RED_JACKET, Run, brand, tag
from support import QUICK, command

from pipeline.pictures import snapshot_file
from pipeline.store.opening import writing

NOON = time.time() - 3600


@pytest.fixture
def shop(tmp_path):
    """A folder with four people in its store, the first with a picture."""
    run = Run()
    with writing(str(tmp_path / "threadline.db"), "test", "Europe/Berlin") as store:
        first = run.visit(RED_JACKET, BLUE_JEANS, at=NOON)
        for record in first:
            record["snapshot"] = snapshot_file("entrance", 1, first[0]["visit"])
        store.write(first)
        store.write(run.visit(RED_JACKET, camera="exit", at=NOON + 1))
        store.write(run.visit(BLUE_JEANS, HAT, brand("nike"), at=NOON + 2))
        evil = tag("[red]=cmd|x", "hat", "<b>")
        store.write(run.visit(evil, camera="-1+1", at=NOON - 400 * 86_400))
    path = tmp_path / first[0]["snapshot"]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"JPEG")
    return tmp_path


def found(*args, shop) -> list[dict]:
    done = command("search", *args, "--json", "--out", shop)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_searches_as_the_guide_shows_them(shop):
    def tracks(*args):
        return [len(row["tags"]) for row in found(*args, shop=shop)]

    assert tracks("red jacket") == [1, 2]
    assert tracks("red", "jacket", "--camera", "ENTRANCE") == [2]
    assert tracks("rote jacke", "--last", "2h") == [1, 2]
    assert tracks("--brand", "nike", "--and", "blue jeans", "--not", "jacket") == [3]
    assert tracks("hat", "--or", "red jacket", "--from", "7d") == [3, 1, 2]
    assert tracks("blue jeans", "--not", "hat") == [2]
    assert tracks("red jacket", "--to", "2020-01-01") == []
    assert tracks() == [3, 1, 2, 1]


def test_the_table_names_pictures_and_counts(shop):
    done = command("search", "red jacket", "--out", shop)
    assert "red jacket · " in done.stdout or "blue jeans · red jacket" in done.stdout
    assert "2 found, in the time zone Europe/Berlin" in done.stdout
    assert "colour: red 2, blue 1" in done.stdout
    assert str(shop / "snapshots" / "entrance") in done.stdout


def test_pages_go_on_where_the_last_ended(shop):
    first = command("search", "--limit", "3", "--json", "--out", shop)
    cursor = first.stderr.split("--cursor ")[1].split()[0]
    second = found("--limit", "3", "--cursor", cursor, shop=shop)
    assert (len(first.stdout.splitlines()), len(second)) == (3, 1)


def test_a_spreadsheet_computes_nothing(shop):
    done = command("search", "--camera=-1+1", "--csv", "--out", shop)
    [row] = csv.DictReader(io.StringIO(done.stdout))
    assert row["camera"] == "'-1+1"
    assert row["wears"] == "<b> [red]=cmd|x"


def test_the_page_shows_pictures_and_runs_nothing(shop, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert command("search", "--open", "--out", shop).returncode == 0
    page = (shop / "search.html").read_text(encoding="utf-8")
    assert opened == [(shop / "search.html").as_uri()]
    assert page.count("<figure>") == 4
    assert page.count("data:image/jpeg;base64,SlBFRw==") == 1
    assert "<b>[red]" not in page
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["red jaket"], 2, "not understood: 'jaket' (jacket"),
        (["--camera", "roof"], 2, "there are: -1+1, entrance, exit"),
        (["--brand", "nope"], 2, "there are: nike"),
        (["--from", "soon"], 2, "no time that is understood"),
        (["--from", "today", "--to", "yesterday"], 2, "before"),
        (["--last", "7x"], 2, "no length of time"),
        (["--last", "7d", "--from", "today"], 2, "give one of them"),
        (["--cursor", "x"], 2, "none that a search has given"),
        (["--csv", "--json"], 2, "give one of them"),
        (["--store", "mysql://u:secret@h/x"], 2, "no database that is known"),
        (["--store", "postgresql://u:secret@127.0.0.1:1/x"], 1, "cannot be used"),
        (["--store", "nowhere.db"], 1, "no store"),
    ],
)
def test_mistakes_are_one_line(shop, args, code, said):
    done = command("search", *args, "--out", shop)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "secret" not in done.stderr


def test_names_lists_what_can_be_asked_for(shop):
    done = command("search", "--names", "--out", shop)
    assert "brand: nike" in done.stdout
    assert "camera: -1+1, entrance, exit" in done.stdout


def test_statistics(shop):
    done = command("stats", "--out", shop)
    assert "3 people, by day, in the time zone Europe/Berlin" in done.stdout
    assert "red jacket" in done.stdout
    data = json.loads(command("stats", "--last", "7d", "--json", "--out", shop).stdout)
    assert len(data["people"]) == 7
    assert data["tables"]["brands"] == [["nike", 1]]
    rows = command("stats", "--per", "hour", "--last", "1d", "--csv", "--out", shop).stdout
    assert sum(int(row.split(",")[1]) for row in rows.splitlines()[1:]) in (0, 3)
    assert "1 people at exit" in command("stats", "--camera", "exit", "--out", shop).stdout
    assert command("stats", "--to", "today", "--out", shop).returncode == 2


def test_a_chart_is_drawn(shop):
    import cv2

    done = command("stats", "--png", shop / "chart.png", "--out", shop)
    assert done.returncode == 0, done.stderr
    picture = cv2.imread(str(shop / "chart.png"))
    assert picture is not None
    assert np.any(np.all(picture == (180, 110, 40), axis=2)), "a bar"
    assert command("stats", "--png", shop / "chart.svg", "--out", shop).returncode == 2


def test_forgetting(shop, monkeypatch):
    monkeypatch.setattr("pipeline.store.requests.TAKEN_S", 0.3)
    assert command("forget", "--out", shop).returncode == 2
    assert command("forget", "--visit", "x", "--out", shop).returncode == 2
    [row] = found("hat", "--from", "7d", shop=shop)
    assert command("forget", "--visit", row["visit"], "--out", shop).stdout == "1 deleted\n"
    done = command("forget", "--search", "red jacket", "--camera", "entrance", "-y", "--out", shop)
    assert done.stdout == "1 deleted\n"
    assert not list(shop.rglob("*.jpg"))
    assert len(found(shop=shop)) == 2
    done = command("forget", "--from", "2020-01-01", "--yes", "--out", shop)
    assert done.stdout == "2 deleted\n"
    with writing(str(shop / "threadline.db"), "threadline run"):
        done = command("forget", "--last", "7d", "-y", "--out", shop)
    assert done.returncode == 1
    assert "in use by `threadline run`" in done.stderr, "and nobody does it for us"
    assert not list(shop.glob(".forget-*"))


def test_checking_backing_up_importing_and_copying(shop, tmp_path):
    assert "4 people" in command("db", "check", "--out", shop).stdout
    backup = tmp_path / "backup.db"
    assert command("db", "backup", backup, "--out", shop).returncode == 0
    assert command("db", "backup", backup, "--out", shop).returncode == 1
    assert len(found("--store", backup, shop=shop)) == 4
    copied = command("db", "copy", tmp_path / "copy.db", "--out", shop)
    assert copied.returncode == 0, copied.stderr
    assert len(found("--store", tmp_path / "copy.db", shop=shop)) == 4
    events = tmp_path / "old" / "events.jsonl"
    events.parent.mkdir()
    events.write_text("".join(json.dumps(r) + "\n" for r in Run().visit(HAT)), encoding="utf-8")
    for news in (3, 0):
        done = command("db", "import", events.parent, "--out", tmp_path / "new")
        assert f"3 lines, {news} new" in done.stdout, done.stderr
    assert command("db", "check", "--out", tmp_path / "nowhere").returncode == 1
    assert not (tmp_path / "nowhere").exists()


def test_an_index_that_lost_something_is_mended(shop):
    import sqlite3

    with sqlite3.connect(shop / "threadline.db") as connection:
        connection.execute("INSERT INTO facet(facet) VALUES ('delete-all')")
    connection.close()
    assert found("red jacket", shop=shop) == []
    done = command("db", "check", "--out", shop)
    assert done.returncode == 1
    assert "made anew" in done.stderr
    assert len(found("red jacket", shop=shop)) == 2
    assert command("db", "check", "--out", shop).returncode == 0


def test_a_run_makes_a_store_and_another_of_the_same_recording_changes_nothing(
    few_frames, tmp_path
):
    people = []
    for _ in range(2):
        done = command("run", few_frames, "--out", tmp_path, "--no-video", "-q", *QUICK)
        assert done.returncode == 0, done.stderr
        rows = found("--last", "1d", shop=tmp_path)
        people.append([(row["seconds"], row["wears"]) for row in rows])
    assert people[0] == people[1] != []
    assert any(row["picture"] for row in rows)


def test_a_run_for_statistics_leaves_counts_and_nothing_else(few_frames, tmp_path):
    config, out = tmp_path / "my.yaml", tmp_path / "out"
    config.write_text("store: {mode: statistics, zone: Europe/Berlin}")
    done = command("run", few_frames, "--config", config, "--out", out, "-q", *QUICK)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {
        "threadline.db",
        "threadline.db.lock",
        "journal.db",
        ".threadline.lock",
    }
    assert b'"visit"' not in (out / "journal.db").read_bytes()
    data = json.loads(command("stats", "--last", "1d", "--json", "--out", out).stdout)
    assert sum(n for _, n in data["people"]) > 0
    assert data["zone"] == "Europe/Berlin"
    assert data["tables"]["garments"]
    assert found(shop=out) == []


def test_without_a_store_nothing_is_made(few_frames, tmp_path):
    config = tmp_path / "my.yaml"
    config.write_text("store: false\noutputs: {video: false}")
    out = tmp_path / "out"
    assert (
        command("run", few_frames, "--config", config, "--out", out, "-q", *QUICK).returncode == 0
    )
    assert not (out / "threadline.db").exists()
    done = command("search", "--out", out)
    assert (done.returncode, "no store" in done.stderr) == (1, True)
