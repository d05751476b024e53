"""Brands from end to end: the shipped models, a gallery of files, a clip with marks printed on the
people of a real one, whose brand and place on every frame are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import command, lines

DATA = Path(__file__).parents[1] / "data"
CLIP, TRUTH = DATA / "brands.mp4", DATA / "brands.json"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """What a run over the clip leaves behind."""
    folder = tmp_path_factory.mktemp("brands")
    gallery = folder / "gallery"
    made = command("gallery", "import-svg", DATA / "brands", "--gallery", gallery)
    assert made.returncode == 0, made.stderr
    done = command(
        "run", CLIP, "--gallery", gallery, "--out", folder / "out", "--no-video", "--frames"
    )
    assert done.returncode == 0, done.stderr
    return folder / "out"


def logos(tags):
    return [tag for tag in tags if tag["kind"] == "logo"]


def test_people_are_said_to_wear_the_brand_printed_on_them(out):
    truth = json.loads(TRUTH.read_text(encoding="utf-8"))
    right, wrong = set(), set()
    for row in lines(out / "frames.jsonl"):
        frame = str(row["frame"])
        for person in row["persons"]:
            x0, y0, x1, y1 = person["box"]
            for tag in logos(person["tags"]):
                worn = {
                    wearer["brand"] for wearer in truth
                    if frame in wearer["marks"] and x0 <= sum(wearer["marks"][frame][::2]) / 2 < x1
                    and y0 <= sum(wearer["marks"][frame][1::2]) / 2 < y1
                }  # fmt: skip
                (right if tag["label"] in worn else wrong).add((person["track_id"], tag["label"]))
    assert len(right) >= 4, (right, wrong)
    assert len(wrong - right) <= 1, (right, wrong)


def test_a_brand_is_said_of_a_person_and_a_garment_as_an_event(out):
    events = lines(out / "events.jsonl")
    said = [e for e in events if e["event"] == "appeared" and e["tag"]["kind"] == "logo"]
    assert said
    for event in said:
        tag = event["tag"]
        assert tag["track_id"] == event["track_id"]
        assert 0 < tag["score"] <= 1
        assert tag["model"] == "logo-embedder-lite0"
    assert any("on" in event["tag"]["attributes"] for event in said)


def test_snapshots_say_it_as_well(out):
    said = [e for e in lines(out / "events.jsonl") if "tag" in e and logos([e["tag"]])]
    people = {e["track_id"] for e in said if e["track_id"] is not None}
    shots = {int(p.stem.split("-")[2]) for p in (out / "snapshots" / "brands").rglob("*.jpg")}
    assert people <= shots
