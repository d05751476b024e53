"""Labels a garment parser was taught: evidence and vote beside those of garments."""

from __future__ import annotations

import numpy as np

from engines.packs.taught import TaughtLabels
from pipeline.tagging.garments.taught import BothVotes, evidence
from pipeline.tagging.vote import VoteSettings
from pipeline.types import Tag

KNOWN = TaughtLabels("spring", ("parka", "anorak", "other"), 0.5, ("other",))
BOX = (0.0, 0.0, 10.0, 20.0)
JEANS = Tag("garment", "jeans", "pants", 0.9, BOX)
PANTS = Tag("garment", "pants", "pants", 0.95, BOX, level="category")


def said(*scores):
    return tuple(evidence(KNOWN, np.array(scores, np.float32), BOX, "mine"))


def test_what_is_hopeless_or_ignored_is_no_evidence():
    assert [tag.label for tag in said(0.6, 0.01, 0.39)] == ["parka"]
    [tag] = said(0.06, 0.0, 0.94)
    assert (tag.kind, tag.label, tag.model, tag.box) == ("spring", "parka", "mine", BOX)


def test_each_has_its_own_vote():
    vote = BothVotes(VoteSettings(), KNOWN)
    for scores in ((0.8, 0.2, 0.0), (0.3, 0.6, 0.1), (0.8, 0.2, 0.0)):
        vote.add((JEANS, PANTS, *said(*scores)))
    assert vote.looks == 3
    told = {tag.kind: tag.label for tag in vote.result()}
    assert told == {"garment": "jeans", "spring": "parka"}
    assert len(vote.result()) == 2, "the others exclude each other"


def test_what_is_not_likely_enough_is_not_reported():
    vote = BothVotes(VoteSettings(), KNOWN)
    for _ in range(3):
        vote.add((JEANS, PANTS, *said(0.45, 0.4, 0.15)))
    assert [tag.kind for tag in vote.result()] == ["garment"]
