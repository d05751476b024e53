"""Answers of heads over what a parser says of labels."""

from __future__ import annotations

import numpy as np
import pytest

from engines.packs import Label
from pipeline.tagging.garments import answers
from pipeline.tagging.garments.answers import Answers

KNOWN = (
    Label("null", None),
    Label("t-shirt", "top, t-shirt, sweatshirt"),
    Label("sweatshirt", "top, t-shirt, sweatshirt"),
    Label("hoodie", "top, t-shirt, sweatshirt"),
    Label("jacket", "jacket"),
    Label("jeans", "pants"),
    Label("skirt", "skirt"),
    Label("hat", "hat"),
)
GROUPS = ("hat", "jacket", "pants", "skirt", "top, t-shirt, sweatshirt")
QUESTIONS = {
    "upper": ("none", "t-shirt", "sweatshirt", "jacket"),
    "lower": ("none", "jeans", "skirt"),
    "sleeve": ("none", "long", "short"),
    "hat": ("none", "hat"),
}


@pytest.fixture
def heads_alone(monkeypatch):
    """What heads say, without the parser's half."""
    monkeypatch.setattr(answers, "SHARE", 1.0)


def told(**answers):
    known = {question: [1.0] + [0.0] * (len(own) - 1) for question, own in QUESTIONS.items()}
    return {q: np.array(v, np.float32) for q, v in (known | answers).items()}


def over(worn, groups, **answers):
    said = Answers(QUESTIONS, KNOWN, GROUPS).over(
        [worn.get(label.name, 0.0) for label in KNOWN], [groups.get(g, 0.0) for g in GROUPS],
        told(**answers),
    )  # fmt: skip
    names = [label.name for label in KNOWN]
    return (
        dict(zip(names, said.worn, strict=True)),
        dict(zip(GROUPS, said.groups, strict=True)),
        said,
    )


def test_heads_and_the_parser_count_half_each_and_hats_are_the_parsers():
    worn, groups, _ = over(
        {"skirt": 0.9, "hat": 0.8}, {"skirt": 0.9, "hat": 0.8}, lower=[0.1, 0.7, 0.2], hat=[1, 0]
    )
    assert groups["pants"] == pytest.approx(0.35)
    assert (groups["skirt"], worn["skirt"]) == pytest.approx((0.55, 0.55))
    assert (groups["hat"], worn["hat"]) == (0.8, 0.8)


@pytest.mark.usefixtures("heads_alone")
def test_the_answer_counts_instead_of_the_parser():
    worn, groups, _ = over({"skirt": 0.9}, {"skirt": 0.9}, lower=[0.1, 0.7, 0.2])
    assert groups["pants"] == pytest.approx(0.7)
    assert groups["skirt"] == pytest.approx(0.2)
    assert (worn["jeans"], worn["skirt"]) == pytest.approx((0.7, 0.2))


@pytest.mark.usefixtures("heads_alone")
def test_what_is_worn_under_the_outermost_is_still_the_parsers_to_tell():
    worn, groups, said = over(
        {"t-shirt": 0.8}, {"top, t-shirt, sweatshirt": 0.8}, upper=[0.0, 0.0, 0.0, 1.0]
    )
    assert groups["jacket"] == pytest.approx(1.0)
    assert groups["top, t-shirt, sweatshirt"] == pytest.approx(0.8)
    assert worn["t-shirt"] == pytest.approx(0.8)
    assert said.outermost == "jacket"


@pytest.mark.usefixtures("heads_alone")
def test_nothing_is_under_the_only_garment():
    _, groups, _ = over({}, {"jacket": 0.6}, upper=[0.0, 1.0, 0.0, 0.0])
    assert groups["jacket"] == pytest.approx(0.0), "no jacket is under a t-shirt"
    _, groups, _ = over({"skirt": 0.9}, {"skirt": 0.9}, lower=[0.95, 0.0, 0.05])
    assert groups["skirt"] == pytest.approx(0.05)


@pytest.mark.usefixtures("heads_alone")
def test_the_parser_tells_twins_apart():
    worn, groups, _ = over({"hoodie": 0.3, "sweatshirt": 0.1}, {}, upper=[0.0, 0.0, 0.8, 0.2])
    assert worn["hoodie"] == pytest.approx(0.6, abs=0.07)
    assert worn["hoodie"] > 2.5 * worn["sweatshirt"]
    assert groups["top, t-shirt, sweatshirt"] == pytest.approx(0.8, abs=0.01)


def test_attributes_are_of_the_outermost_garment_and_only_of_one_in_view():
    asked = Answers(QUESTIONS, KNOWN, GROUPS)
    _, _, said = over({}, {}, upper=[0, 0.1, 0, 0.9], sleeve=[0.1, 0.3, 0.6])
    seen = (("length", "hip"), ("sleeve", "long"))
    assert dict(asked.attributes(seen, "jacket", said)) == {"length": "hip", "sleeve": "short"}
    assert dict(asked.attributes(seen, "upper garment", said))["sleeve"] == "short"
    assert dict(asked.attributes(seen, "pants", said)) == {"length": "hip"}
    _, _, unseen = over({}, {}, upper=[0, 0.1, 0, 0.9], sleeve=[0.8, 0.1, 0.1])
    assert "sleeve" not in dict(asked.attributes(seen, "jacket", unseen))


def test_only_what_is_asked_about_is_known_without_a_cell_of_its_own():
    asked = Answers({q: QUESTIONS[q] for q in ("lower", "hat")}, KNOWN, GROUPS)
    assert asked.categories == {"pants", "skirt"}
    assert Answers({}, KNOWN, GROUPS).categories == frozenset()


def test_a_model_that_is_asked_nothing_changes_nothing():
    said = Answers({}, KNOWN, GROUPS).over([0.5] * len(KNOWN), [0.4] * len(GROUPS), {})
    assert said.worn == [0.5] * len(KNOWN)
    assert said.groups == [0.4] * len(GROUPS)
    asked = Answers({}, KNOWN, GROUPS)
    assert asked.attributes((("sleeve", "long"),), "jacket", said) == (("sleeve", "long"),)
