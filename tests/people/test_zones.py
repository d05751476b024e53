"""Areas of a camera's picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.people.zones import Zones
from pipeline.picture.motion import changed_cells
from pipeline.settings.file import parse

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
CORNER = ((0.0, 0.8), (0.2, 0.8), (0.2, 1.0), (0.0, 1.0))
share = st.floats(0, 1)


@given(share, share, st.floats(1, 200), st.floats(1, 200))
def test_without_areas_everybody_counts_and_excluding_wins(x, y, w, h):
    box = (x * 640, y * 480, x * 640 + w, y * 480 + h)
    assert Zones().counts(box, 640, 480)
    assert not Zones(include=(LEFT,), exclude=(LEFT,)).counts(box, 640, 480)


@pytest.mark.parametrize(
    ("box", "left", "not_in_the_corner"),
    [
        ((100, 100, 140, 300), True, True),
        ((300, 100, 340, 300), True, True),
        ((330, 100, 370, 300), False, True),
        ((10, 100, 50, 420), True, False),
        ((10, 100, 50, 900), True, False),
    ],
    ids=["inside", "feet on the edge", "outside", "in the corner", "cut by the picture"],
)
def test_the_feet_decide(box, left, not_in_the_corner):
    assert Zones(include=(LEFT,)).counts(box, 640, 480) == left
    assert Zones(exclude=(CORNER,)).counts(box, 640, 480) == not_in_the_corner


def test_motion_counts_everywhere_but_in_excluded_areas():
    before, now = np.zeros((2, 40, 60), np.uint8)
    now[:, :20] = 200
    assert Zones(include=(CORNER,)).left_out((40, 60)) is None
    assert not changed_cells(before, now, Zones(exclude=(LEFT,)).left_out((40, 60))).any()
    now[:, 50:] = 200
    changed = changed_cells(before, now, Zones(exclude=(LEFT,)).left_out((40, 60)))
    assert changed[:, 50:].all()
    assert not changed[:, :50].any()


def test_areas_come_from_the_configuration_and_mistakes_are_named():
    text = "cameras:\n  - url: a.mp4\n    exclude: [[[0, 0], [1, 0], [{}, 1]]]\n"
    config = parse(text.format(0.5), "x.yaml")
    assert config.cameras[0].areas.exclude == (((0, 0), (1, 0), (0.5, 1)),)
    with pytest.raises(ConfigError, match=r"x.yaml:3: cameras.0.exclude.0.2.0: .*less than"):
        parse(text.format(50), "x.yaml")
    with pytest.raises(ConfigError, match="at least 3"):
        parse("cameras: [{url: a.mp4, include: [[[0, 0], [1, 1]]]}]", "x.yaml")


def test_far_areas_are_at_most_a_quarter_of_the_picture():
    config = parse("cameras: [{url: a.mp4, far: [[0, 0.1, 0.5, 0.4]]}]", "x.yaml")
    assert config.cameras[0].areas.windows(1920, 1080) == [(0, 108, 960, 432)]
    for area in ("[0, 0, 0.6, 0.2]", "[0.5, 0, 0.2, 0.2]", "[0, 0, 0.5, 0.001]"):
        with pytest.raises(ConfigError, match=r"x.yaml:1: cameras.0: far area .* half as wide"):
            parse(f"cameras: [{{url: a.mp4, far: [{area}]}}]", "x.yaml")


def test_a_single_area_needs_no_list_around_it():
    assert Zones(exclude=LEFT, include=LEFT).exclude == (LEFT,)
    text = "cameras: [{url: a.mp4, exclude: [[0, 0], [1, 0], [1, 1]], far: [0, 0, 0.5, 0.5]}]\n"
    zones = parse(text, "x.yaml").cameras[0].areas
    assert zones.exclude == (((0, 0), (1, 0), (1, 1)),)
    assert zones.far == ((0, 0, 0.5, 0.5),)
    for wrong in ("[[0, 0], [1, 0]]", "[0, 0, 1, 1]", "[[0, 0], [1, 0], [1, 50]]", "[[[[0, 0]]]]"):
        with pytest.raises(ConfigError, match=r"x.yaml:1: cameras\.0\.exclude"):
            parse(f"cameras: [{{url: a.mp4, exclude: {wrong}}}]\n", "x.yaml")
