"""Lengths of labelled folders: the loader on a small set in AutoFish's layout, with run lengths,
polygons and compressed masks."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from evaluation import belt_folder
from evaluation.measures import folder_figures
from measure_support import FISH_CM as CM
from measure_support import FISH_SIZE as SIZE
from measure_support import arc, autofish, runs
from support import command

from engines.teach.lesson import TeachError
from pipeline.models.masks import mask_of
from pipeline.models.measured import labelled


@pytest.fixture
def folder(tmp_path):
    return autofish(tmp_path)


def test_all_is_read_with_its_group_and_whether_it_is_occluded(folder):
    found = list(labelled(folder))
    assert len(found) == 18
    assert {one.group for one in found} == {2, 3, 10}
    assert sum(one.occluded for one in found) == 9
    for one in found:
        assert one.mask.sum() == pytest.approx(24 * one.length / CM, rel=0.06)


def test_the_scale_is_of_the_training_groups_and_the_error_of_the_test_group(folder):
    figures = folder_figures(folder)
    assert figures["cm per pixel"] == pytest.approx(CM, rel=0.01)
    assert figures["all: objects"] == 6
    assert figures["separate: objects"] == figures["occluded: objects"] == 3
    assert figures["separate: mean absolute error, cm"] < 0.1
    file = folder / "group_10" / "annotations.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        annotation["length"] += 1
    file.write_text(json.dumps(content))
    wrong = folder_figures(folder)
    assert wrong["cm per pixel"] == figures["cm per pixel"], "nothing of the test group is used"
    assert wrong["separate: mean absolute error, cm"] == pytest.approx(1, abs=0.1)


def test_lengths_of_a_calibrated_plane_need_no_scale(folder, tmp_path):
    picture = tmp_path / "belt.jpg"
    cv2.imwrite(str(picture), np.full((SIZE[1], SIZE[0], 3), 200, np.uint8))
    plane = tmp_path / "plane.yaml"
    made = command(
        "measure", "calibrate", picture, "--rectangle", "100,100 500,100 500,400 100,400",
        "--size", f"{400 * CM}x{300 * CM}", "--out", plane,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    figures = folder_figures(folder, plane)
    assert "cm per pixel" not in figures
    assert figures["separate: mean absolute error, cm"] < 0.1


def test_folders_without_groups_are_split_by_identity_and_touching_masks_are_occluded(tmp_path):
    annotations = []
    images = [
        {"id": i, "width": SIZE[0], "height": SIZE[1], "file_name": f"x{i}a.png"} for i in range(30)
    ]
    for i in range(30):
        mask, place = arc(140 + i, 20, 0.6)
        annotations.append(
            {"id": i, "image_id": i, "segmentation": runs(mask, place), "length": (140 + i) * CM}
        )
    annotations.append({**annotations[0], "id": 99})
    annotations.append({"id": 100, "image_id": 1, "segmentation": [], "length": 3.0})
    annotations.append({"id": 101, "image_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]})
    (tmp_path / "labels.json").write_text(
        json.dumps({"images": images, "annotations": annotations})
    )
    (tmp_path / "notes.json").write_text("[]")
    found = list(labelled(tmp_path))
    assert len(found) == 31
    assert sum(one.occluded for one in found) == 2
    figures = folder_figures(tmp_path)
    assert 0 < figures["all: objects"] < 20
    assert figures["separate: mean absolute error, cm"] < 0.1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ('{"images": [], "annotations": []}', "no COCO JSON"),
        ('{"images": [], "annotations": [{"image_id": 3}]}', "not listed"),
    ],
)
def test_broken_folders_are_told_in_one_line(text, said, tmp_path):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(TeachError, match=said):
        folder_figures(tmp_path)


def test_masks_without_pixels_are_none():
    assert mask_of([], SIZE) is None
    assert mask_of({"size": [SIZE[1], SIZE[0]], "counts": [SIZE[0] * SIZE[1]]}, SIZE) is None


def test_made_belts_are_labelled_as_they_were_painted(tmp_path, monkeypatch):
    monkeypatch.setattr(belt_folder, "PICTURES", 1)
    monkeypatch.setattr(belt_folder, "LENGTH", 120.0)
    plane = belt_folder.belt_folder(tmp_path, 3, (2,))
    found = list(labelled(tmp_path))
    assert {one.occluded for one in found} == {True, False}
    picture = cv2.imread(str(found[0].file), cv2.IMREAD_GRAYSCALE)
    for one in found:
        (h, w), (x, y) = one.mask.shape, one.at
        assert picture[y : y + h, x : x + w][one.mask > 0].mean() < 150 < np.median(picture)
        assert one.length <= 60
    figures = folder_figures(tmp_path, plane)
    assert figures["separate: objects"] > 0
    assert figures["separate: mean absolute error, cm"] < 0.5
