"""How long what people wear is, by their feet and the parsing, on made floors."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation.floor_scenes import SIZE, body, floor_camera, parsed
from evaluation.measures_made import garment_lengths

from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.tagging.measures.people import lengths
from pipeline.tagging.measures.plane import Plane, plane_of_rectangle
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.measures.tagger import MeasureTagger
from pipeline.tagging.parsing import Parsing
from pipeline.tagging.tagger import Subject
from pipeline.types import Frame

FLOOR = np.array([[-100, -100, 0], [100, -100, 0], [100, 200, 0], [-100, 200, 0]], float)


def somebody(seed=3):
    """Their box, parsing, true lengths, and the floor's calibration without error."""
    camera = floor_camera(np.random.default_rng(seed))
    seen = camera.project(body(172.0, np.array([10.0, 40.0]), 0.2, 0.0))
    (x0, y0), (x1, y1) = seen.min(0), seen.max(0)
    box = (float(x0), float(y0), float(x1), float(y1))
    parsing, truth = parsed(camera, 172.0, np.array([10.0, 40.0]), 0.2, box)
    corners = tuple((float(x), float(y)) for x, y in camera.project(FLOOR))
    return box, parsing, truth, plane_of_rectangle(corners, (200, 300), SIZE, 0.002, camera.lens)


def test_garments_on_made_floors_are_as_long_as_they_are():
    found = garment_lengths(21, looks=40)
    assert found["garments"] >= 60
    assert found["error, cm"] <= 3.5
    assert 0.5 <= found["root mean square, cm"] / found["told, cm"] <= 1.5


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_garment_is_measured_from_top_to_hem(seed):
    box, parsing, truth, settings = somebody(seed)
    found = lengths(parsing, box, Plane(settings, SIZE))
    assert found.keys() == truth.keys()
    for name, one in found.items():
        assert one.cm == pytest.approx(truth[name], abs=4)
        assert 0.5 < one.error_cm < 8


def test_few_cells_hats_and_nothing_have_no_length():
    box, parsing, _, settings = somebody()
    plane = Plane(settings, SIZE)
    few = np.zeros_like(parsing.labels)
    few[50:53, 20:30] = 1
    assert not lengths(Parsing(parsing.window, few, parsing.scores, parsing.categories), box, plane)
    hats = (None, "hat", "hat")
    assert not lengths(Parsing(parsing.window, parsing.labels, parsing.scores, hats), box, plane)


def test_a_speck_beside_a_garment_does_not_make_it_longer():
    box, parsing, _, settings = somebody()
    plane = Plane(settings, SIZE)
    before = lengths(parsing, box, plane)["pants length"]
    labels = parsing.labels.copy()
    labels[2:5, 5:8] = 1
    after = lengths(Parsing(parsing.window, labels, parsing.scores, parsing.categories), box, plane)
    assert after["pants length"].cm == pytest.approx(before.cm)


def test_lengths_become_tags_only_where_asked_for_and_where_a_parsing_is_given():
    box, parsing, _, plane = somebody()
    frame = Frame("shop", 0, 0.0, 0.0, 0.0, from_bgr(np.zeros((SIZE[1], SIZE[0], 3), np.uint8)))

    def labels(given, **asked):
        settings = MeasureSettings(enabled=True, plane=plane, objects=False, **asked)
        tagger = MeasureTagger(Fixed(settings))
        [evidence] = tagger.look([Subject("person", frame, box, 1, given=given)])
        return {tag.label: dict(tag.attributes) for tag in evidence.tags}

    found = labels({"parsing": parsing}, heights=True, lengths=True)
    assert found.keys() == {"height", "pants length", "top, t-shirt, sweatshirt length"}
    assert float(found["pants length"]["length_cm"]) > 0
    assert float(found["pants length"]["error_cm"]) > 0
    assert labels({}, lengths=True) == {}
    assert labels({"parsing": parsing}, heights=True).keys() == {"height"}
