"""No picture or clip of an evaluation is in a training list."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the train extra")

from training import colours, garments
from training.garment_data import read_index
from training.people_data import coco_split
from training.type_data import read_types

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not on this machine"),
]


def training_files() -> list[Path]:
    """Every picture that a training of garments, types or colours may read."""
    street = DATA / "street_fashion"
    held = set(garments.split_ids(street, 0)[1])
    photos = [row["id"] for row in read_index(street) if row["id"] not in held]
    coco, clothing = DATA / "coco_train128", DATA / "clothing"
    return [
        *(street / "photos" / f"{name}.jpg" for name in photos),
        *(coco / "images" / f"{stem}.jpg" for stem in coco_split(coco, 0)[0]),
        *(clothing / "images" / f"{name}.jpg" for name, _ in read_types(clothing)[1]),
        *(DATA / name for name in colours.split(DATA, 0)[0]),
    ]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_no_picture_of_an_evaluation_is_trained_on():
    files = training_files()
    assert len(files) > 9000
    assert not [f for f in files if {"cctv_people", "logo_photos", "videos"} & set(f.parts)]
    measured = {digest(path) for path in (DATA / "cctv_people").glob("*.jpg")}
    street = DATA / "street_fashion" / "photos"
    measured |= {digest(street / f"{name}.jpg") for name in garments.split_ids(street.parent, 0)[1]}
    assert not measured & {digest(path) for path in files}


def test_recoloured_copies_of_a_garment_are_on_one_side():
    train, held = colours.split(DATA, 0)
    sku = {image: group for image, group, _, _ in colours.listed(DATA)}
    assert held
    assert not {sku[image] for image in train} & {sku[image] for image in held}
