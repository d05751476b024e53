"""Colours, votes and events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import make_frame

from pipeline.colour import NAMES, colour_name, colour_table
from pipeline.stages import EventStage
from pipeline.stats import Stats
from pipeline.types import Tag, TaggedFrame, Track
from pipeline.vote import TrackVote, VotePolicy

BOX = (0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((10, 10, 12), "black"), ((245, 245, 240), "white"), ((128, 128, 128), "grey"),
        ((200, 20, 30), "red"), ((240, 130, 20), "orange"), ((245, 220, 40), "yellow"),
        ((40, 140, 60), "green"), ((40, 90, 200), "blue"), ((20, 25, 70), "navy"),
        ((110, 40, 150), "purple"), ((250, 160, 190), "pink"), ((101, 67, 33), "brown"),
        ((222, 205, 175), "beige"), ((90, 115, 150), "blue"), ((120, 20, 30), "red"),
        ((130, 20, 65), "red"), ((215, 222, 240), "white"), ((90, 20, 75), "purple"),
    ],
)  # fmt: skip
def test_colours_have_the_names_people_give_them(rgb, name):
    picture = np.full((10, 10, 3), rgb, np.uint8)
    assert colour_name(picture, np.ones((10, 10), bool)) == (name, 1.0)


@given(rgb=st.tuples(*[st.integers(0, 255)] * 3), size=st.integers(1, 8))
def test_every_colour_has_a_name(rgb, size):
    name, share = colour_name(np.full((size, size, 3), rgb, np.uint8), np.ones((size, size), bool))
    assert name in NAMES
    assert share == 1
    assert colour_table().shape == (32768,)


def test_only_the_mask_counts():
    picture = np.full((20, 20, 3), (200, 20, 30), np.uint8)
    picture[:, 10:] = (40, 90, 200)
    mask = np.zeros((20, 20), bool)
    mask[:, 12:] = True
    assert colour_name(picture, mask)[0] == "blue"


def tag(label: str, score: float, category: str | None = "pants", colour: str = "blue") -> Tag:
    return Tag("garment", label, category, score, BOX, colour)


def test_nothing_is_said_before_enough_looks():
    vote = TrackVote(VotePolicy(looks=2))
    vote.add([tag("jeans", 0.9)])
    assert vote.result() == ()
    vote.add([tag("jeans", 0.9)])
    assert [t.label for t in vote.result()] == ["jeans"]


def test_one_wrong_crop_changes_nothing():
    vote = TrackVote(VotePolicy())
    for _ in range(4):
        vote.add([tag("jeans", 0.8)])
    vote.add([tag("leggings", 0.95, colour="black")])
    result = vote.result()
    assert [(t.label, t.colour) for t in result] == [("jeans", "blue")]


def test_a_lasting_change_wins():
    vote = TrackVote(VotePolicy())
    for _ in range(4):
        vote.add([tag("jeans", 0.8)])
    for _ in range(6):
        vote.add([tag("leggings", 0.8)])
    assert [t.label for t in vote.result()] == ["leggings"]


def test_hysteresis_keeps_a_shown_tag_through_the_band():
    policy = VotePolicy(appear=0.5, vanish=0.3, looks=1, memory=0.5)
    vote = TrackVote(policy)
    vote.add([tag("jeans", 0.4)])
    assert vote.result() == ()
    vote.add([tag("jeans", 0.8)])
    assert len(vote.result()) == 1
    vote.add([tag("jeans", 0.2)])
    assert len(vote.result()) == 1
    vote.add([])
    assert vote.result() == ()


def test_different_categories_stand_side_by_side():
    vote = TrackVote(VotePolicy(looks=1))
    vote.add([tag("jeans", 0.8), tag("shoes", 0.6, "shoe"), tag("necklace", 0.7, None)])
    assert [t.label for t in vote.result()] == ["jeans", "necklace", "shoes"]


def test_events_come_on_change_only():
    stats = Stats()
    stage = EventStage(stats)

    def step(tags: tuple[Tag, ...], ended: tuple[int, ...] = ()) -> list[tuple[str, str | None]]:
        tracks = () if ended else (Track(1, BOX, 0.9, 0.0, tags=tags),)
        [out] = stage([TaggedFrame(make_frame(), tracks=tracks, ended=ended)])
        return [(e.name, e.tag.label if e.tag else None) for e in out.events]

    jeans, shoes = tag("jeans", 0.9), tag("shoes", 0.9, "shoe")
    assert step(()) == [("entered", None)]
    assert step((jeans,)) == [("appeared", "jeans")]
    assert step((jeans,)) == []
    assert step((tag("jeans", 0.5),)) == [], "a score alone is no news"
    assert step((tag("leggings", 0.9), shoes)) == [("changed", "leggings"), ("appeared", "shoes")]
    assert step((shoes,)) == [("vanished", "leggings")]
    assert step((), ended=(1,)) == [("left", None)]
    assert stats.camera("cam").people == 1
