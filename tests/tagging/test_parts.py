"""What is reported where nothing exact is likely enough: a category, or a part of the body."""

from __future__ import annotations

import pytest

from pipeline.tagging.garments.parts import COVERS, LOWER, PARTS, UPPER, chances
from pipeline.tagging.vote import Vote, VoteSettings
from pipeline.types import Tag

BOX = (0.0, 0.0, 10.0, 10.0)


def part(name: str, score: float, colour: str = "blue") -> Tag:
    return Tag("garment", name, name, score, BOX, (colour,), level="part", covers=(name,))


def category(name: str, score: float) -> Tag:
    covers = COVERS.get(name, ())
    return Tag("garment", name, name, score, BOX, ("red",), level="category", covers=covers)


def labels(*evidence: Tag) -> list[str]:
    vote = Vote(VoteSettings(looks=1))
    vote.add(evidence)
    return [tag.label for tag in vote.result()]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([category("jacket", 0.3), category("coat", 0.3), part(UPPER, 0.9)], [UPPER]),
        ([category("jacket", 0.6), part(UPPER, 0.9)], ["jacket"]),
        ([category("pants", 0.6), part(UPPER, 0.9), part(LOWER, 0.9)], [UPPER, "pants"]),
        ([category("dress", 0.6), part(UPPER, 0.9), part(LOWER, 0.7)], ["dress"]),
        ([category("hat", 0.6), part(UPPER, 0.9)], [UPPER, "hat"]),
        ([category("coat", 0.3), part(UPPER, 0.3)], []),
    ],
    ids=["unsure", "sure", "one part each", "one piece", "covers none", "nothing there"],
)
def test_a_part_is_reported_where_no_garment_of_it_is(evidence, expected):
    assert labels(*evidence) == expected


def test_a_part_keeps_its_colour():
    vote = Vote(VoteSettings(looks=1))
    vote.add([category("jacket", 0.3), part(UPPER, 0.9, "green")])
    [tag] = vote.result()
    assert (tag.colours, tag.level, tag.score) == (("green",), "part", 0.9)


def test_something_is_surer_than_what():
    found = chances(("coat", "dress", "hat", "jacket"), (0.5, 0.2, 0.9, 0.5))
    assert found[UPPER] == pytest.approx(1 - 0.5 * 0.8 * 0.5)
    assert found[LOWER] == pytest.approx(0.2)
    assert set(found) == set(PARTS)
