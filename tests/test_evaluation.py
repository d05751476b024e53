"""The evaluation code of tools/evaluation, on cases made by hand."""

from __future__ import annotations

import pytest
from evaluation.fusion import Tally

from pipeline.types import Tag

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
