"""The evaluation code of tools/evaluation, on cases made by hand."""

from __future__ import annotations

import pytest
from evaluation.fusion import Tally
from evaluation.weights import weights

from engines import zoo
from pipeline.types import Tag

TRUTH = {"wears": [["jacket", "coat"], ["pants"]], "maybe": ["glasses"]}


def tags(*categories):
    return tuple(Tag("garment", name, name, 0.5, (0, 0, 1, 1)) for name in categories)


@pytest.mark.parametrize(
    ("said", "f1"),
    [
        (("coat", "pants"), 1.0),
        (("coat", "pants", "glasses"), 1.0),
        ((), 0.0),
        (("dress", "hat"), 0.0),
        (("jacket", "coat", "pants"), 0.8),
        (("jacket",), 2 / 3),
    ],
    ids=["perfect", "arguable", "empty", "swapped", "two names for one", "half"],
)
def test_one_person_in_one_frame(said, f1):
    tally = Tally()
    tally.count(0, TRUTH, tags(*said))
    assert tally.f1() == pytest.approx(f1)


def test_labels_that_come_and_go_are_changes():
    tally = Tally()
    for said in (("coat",), ("coat",), ("jacket",), ("jacket", "pants"), ()):
        tally.count(0, TRUTH, tags(*said))
    tally.count(1, TRUTH, tags("dress"))
    assert tally.changes == 0 + 2 + 1 + 2, "another person is no change"


def test_other_weights_are_measured_in_the_place_of_registered_ones(tmp_path):
    shipped = zoo.find("garment-types-lite0")
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    with weights([f"garment-types-lite0={other}"]):
        assert zoo.verify(zoo.find("garment-types-lite0")).read_bytes() == b"other"
        assert zoo.verify(zoo.find("person-store"))
        assert zoo.labels("garments-lite0")
    assert zoo.find("garment-types-lite0") == shipped
    assert zoo.verify(shipped).stat().st_size > 1000
    with pytest.raises(zoo.ModelFileError, match="not registered"), weights(["nothing=x.onnx"]):
        pass
