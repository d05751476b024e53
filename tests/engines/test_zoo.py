from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import ModelFileError
from engines.zoo import MODELS, find, fitted_size, labels, verify


@pytest.mark.parametrize("name", list(MODELS))
def test_shipped_files_are_the_registered_ones(name):
    spec = find(name)
    assert verify(spec) == spec.path
    assert spec.licence in spec.card.read_text()


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("engines.zoo.PACKS", tmp_path)
    folder = tmp_path / "person-ssdlite"
    folder.mkdir()
    with pytest.raises(ModelFileError, match="cannot read"):
        verify(find("person-ssdlite"))
    (folder / "model.onnx").write_bytes(b"changed")
    with pytest.raises(ModelFileError, match=r"damaged or was changed.*reinstall"):
        verify(find("person-ssdlite"))


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ModelFileError, match="did you mean 'garments-lite0'"):
        find("garment-lite0")


def test_labels_are_the_59_with_their_categories():
    names = labels("garments-lite0")
    assert len(names) == 59
    assert names[0].name == "null"
    assert {n.name: n.category for n in names}["jeans"] == "pants"


def test_specs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        find("person-ssdlite").name = "x"  # type: ignore[misc]


@given(width=st.integers(60, 8000), height=st.integers(60, 8000))
def test_fitted_inputs_keep_aspect_and_area(width, height):
    w, h = fitted_size(width, height, 448 * 256, 32)
    assert w % 32 == h % 32 == 0
    assert w * h <= 1.05 * 448 * 256
    if 0.4 < width / height < 2.5:
        assert abs(math.log(w * height / (h * width))) < 0.17
        assert w * h > 0.75 * 448 * 256


def test_fitted_inputs_of_usual_pictures():
    assert fitted_size(1920, 1080, 448 * 256, 32) == (448, 256)
    assert fitted_size(768, 576, 448 * 256, 32) == (384, 288)
    assert fitted_size(1080, 1920, 448 * 256, 32) == (256, 448)
    assert find("person-ssdlite").input_size(1920, 1080, 500_000) == (300, 300)
