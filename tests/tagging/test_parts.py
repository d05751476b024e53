"""What is reported where nothing exact is likely enough: a category, or a part of the body."""

from __future__ import annotations

import pytest

from pipeline.tagging.garments.parts import COVERS, LAYERS, LOWER, PARTS, UPPER, chances
from pipeline.tagging.vote import Vote, VoteSettings
from pipeline.types import Tag

BOX = (0.0, 0.0, 10.0, 10.0)


def part(name: str, score: float, colour: str = "blue") -> Tag:
    return Tag("garment", name, name, score, BOX, (colour,), level="part", covers=(name,))


def category(name: str, score: float) -> Tag:
    worn = {"covers": COVERS.get(name, ()), "layers": LAYERS.get(name, ())}
    return Tag("garment", name, name, score, BOX, ("red",), level="category", **worn)


def labels(*evidence: Tag) -> list[str]:
    vote = Vote(VoteSettings(looks=1))
    vote.add(evidence)
    return [tag.label for tag in vote.result()]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([category("jacket", 0.2), category("coat", 0.2), part(UPPER, 0.9)], [UPPER]),
        ([category("jacket", 0.32), category("coat", 0.3), part(UPPER, 0.9)], ["jacket"]),
        ([category("jacket", 0.6), part(UPPER, 0.9)], ["jacket"]),
        ([category("pants", 0.6), part(UPPER, 0.9), part(LOWER, 0.9)], [UPPER, "pants"]),
        ([category("dress", 0.6), part(UPPER, 0.9), part(LOWER, 0.7)], ["dress"]),
        ([category("hat", 0.6), part(UPPER, 0.9)], [UPPER, "hat"]),
        ([category("coat", 0.35), part(UPPER, 0.3)], []),
        (
            [category("dress", 0.35), category("pants", 0.31), part(UPPER, 0.9), part(LOWER, 0.9)],
            ["dress"],
        ),
        (
            [category("shirt, blouse", 0.5), category("dress", 0.35), part(LOWER, 0.9)],
            [LOWER, "shirt, blouse"],
        ),
        ([category("dress", 0.33), category("pants", 0.32), part(LOWER, 0.9)], ["pants"]),
    ],
    ids=[
        "unsure",
        "likeliest",
        "sure",
        "one part each",
        "one piece",
        "covers none",
        "nothing there",
        "likeliest piece",
        "no two on one part",
        "part of a piece",
    ],
)
def test_a_part_is_reported_where_no_garment_of_it_is(evidence, expected):
    assert labels(*evidence) == expected


def test_a_part_keeps_its_colour():
    vote = Vote(VoteSettings(looks=1))
    vote.add([category("jacket", 0.2), part(UPPER, 0.9, "green")])
    [tag] = vote.result()
    assert (tag.colours, tag.level, tag.score) == (("green",), "part", 0.9)


def test_what_is_likeliest_by_a_hair_stays():
    vote, heard = Vote(VoteSettings(looks=1, memory=0.0)), []
    for jacket, coat in ((0.34, 0.32), (0.32, 0.34), (0.27, 0.31), (0.2, 0.2)):
        vote.add([category("jacket", jacket), category("coat", coat), part(UPPER, 0.9)])
        heard += [tag.label for tag in vote.result()]
    assert heard == ["jacket", "jacket", "jacket", UPPER]


def test_something_is_surer_than_what():
    found = chances(("coat", "dress", "hat", "jacket"), (0.5, 0.2, 0.9, 0.5))
    assert found[UPPER] == pytest.approx(1 - 0.5 * 0.8 * 0.5)
    assert found[LOWER] == pytest.approx(0.2)
    assert set(found) == set(PARTS)


@pytest.mark.parametrize(
    ("surer", "other", "both"),
    [
        ("shirt, blouse", "top, t-shirt, sweatshirt", False),
        ("sweater", "top, t-shirt, sweatshirt", False),
        ("coat", "jacket", False),
        ("dress", "pants", False),
        ("shirt, blouse", "sweater", True),
        ("shirt, blouse", "jacket", True),
        ("sweater", "coat", True),
        ("dress", "coat", True),
        ("pants", "hat", True),
    ],
)
def test_of_two_that_nobody_wears_one_over_the_other_the_likelier_is_reported(surer, other, both):
    assert labels(category(other, 0.45), category(surer, 0.6)) == [surer] + [other] * both


def test_a_garment_that_is_left_out_comes_once_it_is_the_likelier():
    vote = Vote(VoteSettings(looks=1, memory=0.5))
    vote.add([category("coat", 0.6), category("jacket", 0.5)])
    assert [tag.label for tag in vote.result()] == ["coat"]
    for _ in range(4):
        vote.add([category("coat", 0.4), category("jacket", 0.7)])
    assert [tag.label for tag in vote.result()] == ["jacket"]
