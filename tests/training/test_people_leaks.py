"""No picture or clip that people are measured on has been learnt from."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from evaluation.people import HAND_LABELS, held_back

LIST = Path(__file__).parents[2] / "tools" / "training" / "people_pictures.txt"
DATA = Path(__file__).parents[3] / "shared" / "data"
LEARNT = frozenset(LIST.read_text().split())
#: Folders of pictures for trainings; all others at hand are for measuring alone.
FOLDERS = {"clothing", "coco_train128", "luma", "products", "street_fashion"}

pytestmark = pytest.mark.train


def test_only_pictures_for_trainings_are_learnt_from():
    assert len(LEARNT) > 1000
    assert {name.split("/")[0] for name in LEARNT} == FOLDERS


def test_no_labelled_clip_is_learnt_from():
    clips = {path.stem for path in HAND_LABELS.glob("*.json")}
    assert {"vtest", "one_by_one_person", "store_aisle"} <= clips
    assert not [name for name in LEARNT if any(clip in name for clip in clips)]


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the pictures in ../shared/data")
def test_no_picture_held_back_is_learnt_from():
    held = held_back(DATA, 0)
    assert {name.split("/")[0] for name in held} == FOLDERS - {"luma", "products"}
    assert not held & LEARNT
