"""The evaluation code of tools/evaluation, on cases made by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the train extra")

from evaluation.fusion import Tally
from evaluation.logo_photos import Shot, shots
from evaluation.logo_photos import Tally as Tallied
from evaluation.logo_tracks import Person, Watcher, judged
from support import cut

from pipeline.types import Tag

pytestmark = pytest.mark.train

TRUTH = {"wears": [["jacket", "coat"], ["pants"]], "maybe": ["glasses"]}


def tags(*categories):
    return tuple(Tag("garment", name, name, 0.5, (0, 0, 1, 1)) for name in categories)


@pytest.mark.parametrize(
    ("said", "f1"),
    [
        (("coat", "pants"), 1.0),
        (("coat", "pants", "glasses"), 1.0),
        ((), 0.0),
        (("dress", "hat"), 0.0),
        (("jacket", "coat", "pants"), 0.8),
        (("jacket",), 2 / 3),
    ],
    ids=["perfect", "arguable", "empty", "swapped", "two names for one", "half"],
)
def test_one_person_in_one_frame(said, f1):
    tally = Tally()
    tally.count(0, TRUTH, tags(*said))
    assert tally.f1() == pytest.approx(f1)


def test_labels_that_come_and_go_are_changes():
    tally = Tally()
    for said in (("coat",), ("coat",), ("jacket",), ("jacket", "pants"), ()):
        tally.count(0, TRUTH, tags(*said))
    tally.count(1, TRUTH, tags("dress"))
    assert tally.changes == 0 + 2 + 1 + 2, "another person is no change"


def test_tracks_are_judged_by_whom_they_show(tmp_path):
    frames = range(40)
    clip = cut(tmp_path / "composed.mp4", 3)
    left, right = (0.0, 0.0, 50.0, 100.0), (200.0, 0.0, 250.0, 100.0)
    mark = [10, 20, 50, 40]
    truth = [
        {
            "brand": "a",
            "people": dict.fromkeys(frames, left),
            "marks": dict.fromkeys(frames, mark),
        },
        {"brand": "b", "people": dict.fromkeys(frames, right), "marks": {0: mark}},
    ]
    clip.with_suffix(".json").write_text(json.dumps(truth))
    sink = Watcher()
    sink.people[1] = Person(dict.fromkeys(frames, left), Counter(a=20, b=3))
    sink.people[2] = Person(dict.fromkeys(frames, right), Counter(c=5))
    sink.people[3] = Person({f: left if f < 22 else right for f in frames}, Counter(b=9))
    sink.loose["d"] = 1
    assert judged(clip, sink) == {
        "tracks": 2, "brand right": 1, "tracks of one wearer": 1, "of these, some brand said": 1,
        "of these, brand right": 1, "wrong brands": 3,
    }  # fmt: skip


def test_photos_count_as_right_wrong_or_strangers():
    tally = Tallied()
    known = frozenset({"acme", "other"})
    mark = (("acme", (0.0, 0.0, 50.0, 40.0)),)
    for said in ({"acme"}, {"acme", "other"}, {"other"}, set()):
        tally.count(Shot(Path("a.jpg"), frozenset({"acme"}), mark), known, said)
    for said in ({"other"}, set()):
        tally.count(Shot(Path("b.jpg"), frozenset({"stranger"}), mark), known, said)
    figures = tally.figures()
    assert figures["brand reported"] == figures["wrong brand reported"] == 0.5
    assert figures["any brand reported on those"] == 0.5


def test_marks_of_photos_are_those_of_32_pixels_or_more(tmp_path):
    row = {"image": "a.jpg", "boxes": [["Acme", 0, 0, 31, 20], ["Acme", 0, 0, 20, 32]]}
    (tmp_path / "logo_photos.jsonl").write_text(json.dumps(row) + "\n")
    [shot] = shots(tmp_path)
    assert shot.brands == {"acme"}
    assert shot.marks == (("acme", (0.0, 0.0, 20.0, 32.0)),)
