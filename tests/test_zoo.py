from __future__ import annotations

import dataclasses

import pytest

from engines import ModelFileError
from engines.zoo import MODELS, find, labels, verify


@pytest.mark.parametrize("name", list(MODELS))
def test_shipped_files_are_the_registered_ones(name):
    spec = find(name)
    assert verify(spec) == spec.path
    assert spec.licence in spec.card.read_text()


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("engines.zoo.WEIGHTS", tmp_path)
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
