"""Colours, votes and events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import make_frame

from engines.packs import Label
from pipeline.events import EventStage
from pipeline.flow.stats import CameraStats
from pipeline.picture.colour import NAMES, colour_map, colour_names, colour_table
from pipeline.tagging.garments.attributes import attributes, body_of, hem, sleeve
from pipeline.tagging.vote import Vote, VoteSettings
from pipeline.types import Tag, TaggedFrame, Track

BOX = (0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((10, 10, 12), "black"), ((245, 245, 240), "white"), ((128, 128, 128), "grey"),
        ((200, 20, 30), "red"), ((240, 130, 20), "orange"), ((245, 220, 40), "yellow"),
        ((40, 140, 60), "green"), ((40, 90, 200), "blue"), ((20, 25, 70), "navy"),
        ((110, 40, 150), "purple"), ((250, 160, 190), "pink"), ((101, 67, 33), "brown"),
        ((222, 205, 175), "beige"), ((90, 115, 150), "blue"), ((120, 20, 30), "red"),
        ((130, 20, 65), "red"), ((228, 230, 238), "white"), ((90, 20, 75), "purple"),
    ],
)  # fmt: skip
def test_colours_have_the_names_people_give_them(rgb, name):
    picture = np.full((10, 10, 3), rgb, np.uint8)
    assert colour_names(colour_map(picture), np.ones((10, 10), bool)) == [(name, 1.0)]


@given(rgb=st.tuples(*[st.integers(0, 255)] * 3), size=st.integers(1, 8))
def test_every_colour_has_a_name(rgb, size):
    picture = np.full((size, size, 3), rgb, np.uint8)
    [(name, share)] = colour_names(colour_map(picture), np.ones((size, size), bool))
    assert name in NAMES
    assert share == 1
    assert colour_table().shape == (32768,)


def test_only_the_mask_counts():
    picture = np.full((20, 20, 3), (200, 20, 30), np.uint8)
    picture[:, 10:] = (40, 90, 200)
    mask = np.zeros((20, 20), bool)
    mask[:, 12:] = True
    assert colour_names(colour_map(picture), mask) == [("blue", 1.0)]


def test_a_second_colour_is_named_when_it_is_large():
    picture = np.full((20, 30, 3), (200, 20, 30), np.uint8)
    picture[:, 20:] = (40, 90, 200)
    assert [name for name, _ in colour_names(colour_map(picture), np.ones((20, 30), bool))] == [
        "red",
        "blue",
    ]
    picture[:, 25:] = (200, 20, 30)
    assert [name for name, _ in colour_names(colour_map(picture), np.ones((20, 30), bool))] == [
        "red"
    ]


def tag(label: str, score: float, category: str | None = "pants", colour: str = "blue") -> Tag:
    return Tag("garment", label, category, score, BOX, (colour,))


def crop(score: float, colour: str = "blue", category: str = "pants", **labels: float) -> list[Tag]:
    """One crop's evidence: how likely the category and each of its labels is."""
    whole = Tag("garment", category, category, score, BOX, (colour,), level="category")
    return [whole, *(tag(name, p, category, colour) for name, p in labels.items())]


def reported(vote: Vote) -> list[str]:
    return [t.label for t in vote.result()]


def test_nothing_is_reported_before_enough_looks():
    vote = Vote(VoteSettings(looks=2))
    vote.add(crop(0.9, jeans=0.9))
    assert vote.result() == ()
    vote.add(crop(0.9, jeans=0.9))
    assert reported(vote) == ["jeans"]


def test_one_wrong_crop_changes_nothing():
    vote = Vote(VoteSettings())
    for _ in range(4):
        vote.add(crop(0.9, jeans=0.8))
    vote.add(crop(0.95, "black", leggings=0.95))
    assert [(t.label, t.colour) for t in vote.result()] == [("jeans", "blue")]


def test_a_lasting_change_wins():
    vote = Vote(VoteSettings())
    for _ in range(4):
        vote.add(crop(0.9, jeans=0.8))
    for _ in range(6):
        vote.add(crop(0.9, leggings=0.8))
    assert reported(vote) == ["leggings"]


def test_a_better_crop_weighs_more():
    vote = Vote(VoteSettings(looks=1))
    vote.add(crop(0.9, jeans=0.8))
    vote.add(crop(0.9, leggings=0.9), quality=0.2)
    assert reported(vote) == ["jeans"]
    level = Vote(VoteSettings(looks=1))
    level.add(crop(0.9, jeans=0.8), quality=0.2)
    level.add(crop(0.9, leggings=0.9))
    assert reported(level) == ["leggings"]


def test_an_unsure_label_falls_back_to_its_category():
    vote = Vote(VoteSettings(looks=1, fine=0.5))
    vote.add(crop(0.9, jeans=0.3, leggings=0.35))
    [shown] = vote.result()
    assert (shown.label, shown.level, shown.score) == ("pants", "category", 0.9)
    for _ in range(3):
        vote.add(crop(0.9, jeans=0.9))
    [shown] = vote.result()
    assert (shown.label, shown.level) == ("jeans", "fine")


def test_near_equals_do_not_alternate():
    vote = Vote(VoteSettings(looks=1, memory=0.5))
    heard = []
    for i in range(8):
        pair = {"jeans": 0.52, "leggings": 0.5} if i % 2 == 0 else {"jeans": 0.5, "leggings": 0.52}
        vote.add(crop(0.9, **pair))
        heard += reported(vote)
    assert set(heard) == {"jeans"}


def test_hysteresis_keeps_a_shown_tag_through_the_band():
    settings = VoteSettings(appear=0.5, vanish=0.3, fine=0.0, looks=1, memory=0.5)
    vote = Vote(settings)
    vote.add(crop(0.4, jeans=0.4))
    assert vote.result() == ()
    vote.add(crop(0.8, jeans=0.8))
    assert len(vote.result()) == 1
    vote.add(crop(0.2, jeans=0.2))
    assert len(vote.result()) == 1
    vote.add([])
    assert vote.result() == ()


def test_different_categories_stand_side_by_side():
    vote = Vote(VoteSettings(looks=1))
    vote.add(
        [*crop(0.9, jeans=0.8), *crop(0.9, category="shoe", shoes=0.6), tag("ring", 0.7, None)]
    )
    assert reported(vote) == ["jeans", "ring", "shoes"]


KNOWN = tuple(Label(*row) for row in (
    ("null", None), ("skin", None), ("shirt", "shirt, blouse"), ("skirt", "skirt"),
    ("shoes", "shoe"),
))  # fmt: skip


def person(sleeve_cells: int, hem_row: int, shod: bool = True) -> np.ndarray:
    """A figure of 140 rows: head, a shirt with sleeves so long, a skirt so long, legs, shoes."""
    labels = np.zeros((160, 80), np.uint8)
    labels[8:26, 34:46] = 1
    labels[26:70, 30:50] = 2
    for arm in (np.s_[26:80, 24:30], np.s_[26:80, 50:56]):
        labels[arm] = 1
        labels[arm][:sleeve_cells] = 2
    labels[70:148, 32:48] = 1
    labels[70:hem_row, 30:50] = 3
    if shod:
        labels[140:148, 32:48] = 4
    return labels


@pytest.mark.parametrize(("cells", "name"), [(54, "long"), (24, "short"), (0, "short")])
def test_sleeves_are_read_from_bare_arms(cells, name):
    labels = person(cells, 100)
    assert sleeve(body_of(labels, KNOWN), labels == 2) == name


@pytest.mark.parametrize(
    ("row", "name"), [(92, "mini"), (110, "knee"), (125, "midi"), (140, "maxi")]
)
def test_hems_are_read_from_the_body(row, name):
    labels = person(54, row)
    assert hem(body_of(labels, KNOWN), labels == 3) == name


def test_a_body_cut_by_the_frame_has_no_hem_and_an_empty_crop_no_body():
    labels = person(54, 100, shod=False)
    assert hem(body_of(labels, KNOWN), labels == 3) is None
    assert body_of(np.zeros((160, 80), np.uint8), KNOWN) is None
    body = body_of(labels, KNOWN)
    assert attributes(body, labels == 3, "skirt") == ()
    assert attributes(body, labels == 2, "shirt, blouse") == (("sleeve", "long"),)


def test_events_come_on_change_only():
    stats = CameraStats("cam")
    stage = EventStage("run")

    def step(tags: tuple[Tag, ...], ended: tuple[int, ...] = ()) -> list[tuple[str, str | None]]:
        tracks = () if ended else (Track(1, BOX, 0.9, tags=tags),)
        [out] = stage([TaggedFrame(make_frame(), tracks=tracks, ended=ended)])
        stats.count(out, 0.0)
        return [(e.name, e.tag.label if e.tag else None) for e in out.events]

    jeans, shoes = tag("jeans", 0.9), tag("shoes", 0.9, "shoe")
    assert step(()) == [("entered", None)]
    assert step((jeans,)) == [("appeared", "jeans")]
    assert step((jeans,)) == []
    assert step((tag("jeans", 0.5),)) == [], "a score alone is no news"
    assert step((tag("leggings", 0.9), shoes)) == [("changed", "leggings"), ("appeared", "shoes")]
    assert step((shoes,)) == [("vanished", "leggings")]
    assert step((), ended=(1,)) == [("left", None)]
    assert stats.people == 1


def test_a_source_that_is_forgotten_begins_anew_and_the_others_go_on():
    stage = EventStage("run")

    def step(source: str) -> list[str]:
        track = Track(1, BOX, 0.9, tags=(tag("jeans", 0.9),))
        [out] = stage([TaggedFrame(make_frame(source=source), tracks=(track,))])
        return [event.name for event in out.events]

    for source in ("a", "b"):
        assert step(source) == ["entered", "appeared"]
    stage.forget("a")
    assert step("b") == []
    assert step("a") == ["entered", "appeared"]
