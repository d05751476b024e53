"""What a training or an evaluation does to ``pack.toml``."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from evaluation.weights import weights
from training.pack_file import refresh

from engines import PackError
from engines.packs import SHIPPED, find, labels, read_pack, shipped, verify

NAME = "logo-embedder-lite0"


def test_new_files_get_their_hashes_and_thresholds_and_nothing_else_changes(tmp_path):
    folder = tmp_path / NAME
    shutil.copytree(SHIPPED / NAME, folder)
    before = (folder / "pack.toml").read_text()
    refresh(folder)
    assert (folder / "pack.toml").read_text() == before
    (folder / "model.onnx").write_bytes(b"new")
    assert "new hashes" in refresh(folder, {"likeness": 0.5, "rival": 0.25})
    pack = read_pack(folder)
    assert verify(pack) == folder / "model.onnx"
    assert pack.sha256 == hashlib.sha256(b"new").hexdigest()
    assert pack.thresholds == {**find(NAME).thresholds, "likeness": 0.5, "rival": 0.25}
    changed = (folder / "pack.toml").read_text().splitlines()
    assert sum(a != b for a, b in zip(before.splitlines(), changed, strict=True)) == 3
    with pytest.raises(ValueError, match="'nothing' 0 times"):
        refresh(folder, {"nothing": 1.0})


def test_a_folder_elsewhere_gets_the_file_of_the_shipped_pack(tmp_path):
    folder = tmp_path / "person-store"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"new")
    refresh(folder)
    assert verify(read_pack(folder)).read_bytes() == b"new"
    other = tmp_path / "other"
    other.mkdir()
    assert "no pack.toml" in refresh(other)


def test_other_weights_are_measured_in_the_place_of_shipped_ones(tmp_path):
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    with weights([f"garments-lite0={other}"]) as packs:
        pack = packs.find("garments-lite0")
        assert verify(pack).read_bytes() == b"other"
        assert packs.find(pack.name) is pack
        assert labels(pack) == labels(find("garments-lite0"))
        assert packs.find("person-store") == find("person-store")
        again = read_pack(pack.folder)
        assert again == pack, "its folder serves as --packs"
    assert not pack.folder.exists()
    assert shipped().find("garments-lite0").folder == SHIPPED / "garments-lite0"
    with pytest.raises(PackError, match="unknown"), weights(["nothing=x.onnx"]):
        pass
