"""Colours of marks as evidence: which pictures have them, and when they are seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tagging.logos.colours import HUES, NEUTRAL, agreement, own_hues, seen_hues
from pipeline.tagging.logos.decision import View
from pipeline.tagging.logos.gallery import Gallery
from pipeline.tagging.logos.gallery_file import BrandEntry, Index, PictureEntry

RED, BLUE, GREEN, WHITE = (220, 20, 30), (20, 40, 220), (20, 200, 40), (250, 250, 250)


def mark(*colours, opaque=False):
    """Bars of these colours on transparent ground."""
    out = np.zeros((60, 20 * len(colours) + 20, 4), np.uint8)
    for i, colour in enumerate(colours):
        out[10:50, 10 + 20 * i : 30 + 20 * i] = (*colour, 255)
    if opaque:
        out[..., 3] = 255
    return out


def crop(picture):
    """As a camera sees it on white, cut with the room of a gallery's picture."""
    shown = np.where(picture[..., 3:] > 0, picture[..., :3], 255).astype(np.uint8)
    return cv2.resize(shown[10:50, 10:-10], (96, 96), interpolation=cv2.INTER_NEAREST)


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (mark(RED, BLUE), True),
        (mark(RED, WHITE), True),
        (mark(RED), False),
        (mark((0, 0, 0), WHITE), False),
        (mark(RED, BLUE, opaque=True), False),
    ],
    ids=["two colours", "red and white", "one colour", "no colour", "a photo"],
)
def test_only_drawings_of_several_colours_have_hues(picture, told):
    hues = own_hues(picture)
    assert len(hues) == (HUES if told else 0)
    assert sum(hues) <= 1000 + HUES


def test_a_mark_s_own_colours_agree_and_others_do_not_in_other_light_too():
    own = np.array(own_hues(mark(RED, BLUE)), np.float32)
    box = (100.0, 100.0, 140.0, 140.0)
    same, other = crop(mark(RED, BLUE)), crop(mark(GREEN, GREEN))
    assert agreement(own, seen_hues(same, box)) > 0.9
    dark = (same * np.array([0.45, 0.5, 0.5])).astype(np.uint8)
    assert agreement(own, seen_hues(dark, box)) > 0.9
    assert agreement(own, seen_hues(other, box)) < 0.1
    half = agreement(own, seen_hues(crop(mark(RED, WHITE)), box))
    assert 0.3 < half < 0.8, "one of its colours is half of the evidence"


@given(
    st.lists(st.integers(0, 1000), min_size=HUES, max_size=HUES),
    st.lists(st.floats(0, 1, width=32), min_size=HUES, max_size=HUES),
)
def test_agreement_is_a_share(own, seen):
    assert 0 <= agreement(np.array(own, np.float32), np.array(seen, np.float32)) <= 1.0001


def test_colours_of_the_nearest_picture_are_evidence_where_it_has_some():
    pictures = [
        PictureEntry(file="marks/0000000000000000.svg", source="a", hues=own_hues(mark(RED, BLUE))),
        PictureEntry(file="marks/0000000000000001.png", source="b"),
    ]
    brand = BrandEntry(name="acme", files=pictures)
    index = Index(model="", sha256="", vectors="", brands=[brand])
    gallery = Gallery(None, index, np.eye(8, dtype=np.float32))  # type: ignore[arg-type]
    box = (0.0, 0.0, 40.0, 40.0)
    right, wrong = (View(hues=seen_hues(crop(mark(c, c)), box)) for c in (RED, GREEN))
    drawn, photo = np.eye(8, dtype=np.float32)[[0, 4]]

    def colour(vector, *views):
        [(_, likeness)] = gallery.judged(vector[None], views)
        return likeness.colour

    assert colour(drawn, wrong) == pytest.approx(-NEUTRAL)
    assert colour(drawn, right) > colour(drawn, wrong)
    assert colour(photo, wrong) == 0, "a photo's ground belongs to it"
    assert colour(drawn) == colour(drawn, View()) == 0, "nobody looked"
