"""Colours as cameras show them: in coloured light, and at night."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.picture.colour import (
    BASIC,
    BEYOND,
    NAMES,
    colour_map,
    colour_names,
    evenly_lit,
    is_grey,
)


def scene(cloth: tuple[int, int, int]) -> np.ndarray:
    """A grey street with white, dark and green things in it, and a garment in its middle."""
    rgb = np.full((80, 40, 3), (120, 118, 116), np.uint8)
    rgb[:20] = (225, 225, 222)
    rgb[60:] = (60, 60, 62)
    rgb[20:60, :6] = (70, 110, 60)
    rgb[25:55, 12:28] = cloth
    return rgb


def named(rgb: np.ndarray) -> str:
    mask = np.zeros(rgb.shape[:2], bool)
    mask[25:55, 12:28] = True
    return colour_names(colour_map(rgb), mask)[0][0]


@pytest.mark.parametrize(
    ("light", "cloth", "seen", "name"),
    [
        ((1.06, 1.0, 0.9), (170, 170, 170), "beige", "grey"),
        ((0.93, 1.0, 1.07), (205, 205, 203), "blue", "grey"),
        ((1.06, 1.0, 0.9), (40, 90, 190), "blue", "blue"),
    ],
)
def test_the_colour_of_the_light_is_taken_out(light, cloth, seen, name):
    lit = np.clip(scene(cloth) * np.array(light), 0, 255).astype(np.uint8)
    assert named(lit) == seen
    assert named(evenly_lit(lit)) == name


def test_grey_beyond_the_picture_is_no_part_of_the_scene():
    warm = np.clip(scene((140, 140, 140)) * np.array([1.12, 1.0, 0.8]), 0, 255).astype(np.uint8)
    wide = np.full((80, 160, 3), BEYOND, np.uint8)
    wide[:, 60:100] = warm
    assert (evenly_lit(wide)[:, 60:100] == evenly_lit(warm)).all()


def test_night_has_no_colours_even_if_it_is_tinted_and_compressed():
    night = cv2.cvtColor(cv2.cvtColor(scene((40, 90, 190)), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert is_grey(night)
    tinted = np.clip(night * np.array([1.015, 0.99, 1.015]), 0, 255).astype(np.uint8)
    assert is_grey(cv2.imdecode(cv2.imencode(".jpg", tinted)[1], cv2.IMREAD_COLOR))
    assert not is_grey(scene((140, 140, 140)))


def test_every_name_has_a_basic_one():
    assert set(BASIC) == set(NAMES)
    assert len(set(BASIC.values())) == 11
    assert all(BASIC[name] == name for name in BASIC.values())
