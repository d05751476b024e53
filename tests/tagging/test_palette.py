"""A garment's colour by its own cells and by what else the crop shows."""

from __future__ import annotations

import numpy as np
import pytest

from engines.packs import find, labels
from pipeline.picture.colour import NAMES
from pipeline.picture.colour_sense import AROUND, beside, features, likelihood
from pipeline.tagging.garments.palette import Palette
from pipeline.tagging.garments.parts import UPPER
from pipeline.tagging.parsing import Parsing

KNOWN = labels(find("garments-lite0-int8"))
INDEX = {label.name: i for i, label in enumerate(KNOWN)}


def person(upper: tuple[int, int, int], light: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A crop (160, 80, 3) of somebody in a shirt and dark trousers, and its cells."""
    rgb = np.full((160, 80, 3), (150, 148, 145), np.float32)
    cells = np.zeros((160, 80), np.uint8)
    for name, part, colour in (
        ("hair", np.s_[8:18, 32:48], (45, 35, 30)),
        ("skin", np.s_[18:30, 34:46], (205, 160, 135)),
        ("shirt", np.s_[30:80, 24:56], upper),
        ("pants", np.s_[80:150, 26:54], (40, 40, 45)),
    ):
        rgb[part], cells[part] = colour, INDEX[name]
    return np.clip(rgb * light, 0, 255).astype(np.uint8), cells


def named(upper: tuple[int, int, int], light: float = 1.0) -> str:
    crop, cells = person(upper, light)
    return Palette(crop, cells, KNOWN).names(cells == INDEX["shirt"], (UPPER,))[0]


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((235, 235, 235), "white"),
        ((200, 30, 40), "red"),
        ((30, 30, 32), "black"),
        ((40, 80, 190), "blue"),
        ((40, 140, 60), "green"),
    ],
)
def test_plain_colours_have_their_names(colour, name):
    assert named(colour) == name


def test_the_same_grey_is_rather_white_where_everything_is_dark():
    """The shirts' pixels are alike; hair, skin and ground tell which of them is in the dark."""

    def whiteness(light: float) -> float:
        hair, skin, ground = (
            np.tile(np.float32([lightness * light, a * light, b * light]), (90, 1))
            for lightness, a, b in ((25, 3, 6), (70, 14, 18), (62, 0, 2))
        )
        shirt = np.tile(np.float32([58, 0, 0]), (90, 1))
        found = likelihood(features(shirt, beside((hair[:0], skin, hair, ground))))
        return float(found[NAMES.index("white")] - found[NAMES.index("grey")])

    assert whiteness(0.6) > whiteness(1.0) + 0.5


def test_pictures_without_colours_name_none():
    crop, cells = person((200, 30, 40))
    night = np.repeat(crop.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    assert Palette(night, cells, KNOWN).names(cells == INDEX["shirt"], (UPPER,)) == ()


def test_likelihoods_are_probabilities_however_little_is_seen():
    nothing = np.zeros((0, 3), np.float32)
    for around in ([nothing] * 4, [np.full((n, 3), 20, np.float32) for n in AROUND]):
        found = likelihood(features(np.full((1, 3), 50, np.float32), beside(around)))
        assert found.shape == (len(NAMES),)
        assert np.exp(found).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("clothes", "bare", "dressed"), [(40, 60, True), (10, 60, False), (0, 0, False), (50, 0, True)]
)
def test_clothes_are_worn_where_they_are_a_fifth_of_what_is_seen(clothes, bare, dressed):
    cells = np.zeros((20, 10), np.uint8)
    cells.flat[:clothes] = INDEX["shirt"]
    cells.flat[clothes : clothes + bare] = INDEX["skin"]
    categories = tuple(label.category for label in KNOWN)
    assert (
        Parsing((0, 0, 10, 20), cells, np.ones_like(cells, np.float32), categories).dressed
        == dressed
    )
