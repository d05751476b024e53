"""Lengths of labelled folders: the loader on a small set in AutoFish's layout, with run lengths,
polygons and compressed masks."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from evaluation.measures import folder_figures, labelled, mask_of
from measure_support import arc, bar
from support import command

SIZE = (640, 480)
CM = 0.05  # of a pixel


def polygon(mask, at):
    fine = mask.repeat(8, 0).repeat(8, 1)
    [contour, *_], _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [((contour.reshape(-1, 2) + 0.5) / 8 + np.array(at)).ravel().tolist()]


def runs(mask, at):
    """COCO's run lengths, not compressed: column by column, beginning with what is not there."""
    whole = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    whole[at[1] : at[1] + mask.shape[0], at[0] : at[0] + mask.shape[1]] = mask
    flat = whole.T.ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *ends, len(flat)]).tolist()
    return {"size": [SIZE[1], SIZE[0]], "counts": counts}


def packed(counts):
    """Run lengths as COCO packs them into text."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            text += chr((bits | (32 if more else 0)) + 48)
    return text


@pytest.fixture
def folder(tmp_path):
    """Three groups of one test and two training groups, sixty pictures each, a few of them listed:
    fish lie apart on picture 1 and across each other on picture 41."""
    for group in (2, 3, 10):
        images, annotations = [], []
        for number in (1, 41):
            image_id = group * 100 + number
            images.append(
                {
                    "id": image_id, "width": SIZE[0], "height": SIZE[1],
                    "file_name": f"group_{group:02d}/{number:05d}.png",
                }
            )  # fmt: skip
            for i, turn in enumerate((0.0, 0.4, 1.2)):
                length = 120 + 40 * i + group
                at = (160.0 + 160 * i, 240.0) if number == 1 else (320.0, 240.0)
                mask, place = bar(length, 24, turn, at)
                shape = runs(mask, place) if i == 1 else polygon(mask, place)
                if i == 2:
                    found = runs(mask, place)
                    shape = {**found, "counts": packed(found["counts"])}
                annotations.append(
                    {
                        "id": len(annotations) + 1 + image_id * 10, "image_id": image_id,
                        "category_id": 1, "segmentation": shape, "iscrowd": 0,
                        "bbox": [*place, *mask.shape[::-1]], "area": int(mask.sum()),
                        "length": length * CM, "fish_id": group * 10 + i, "side_up": "L",
                        "group": group,
                    }
                )  # fmt: skip
        (tmp_path / f"group_{group:02d}").mkdir()
        content = {
            "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cod"}]
        }  # fmt: skip
        file = tmp_path / f"group_{group:02d}" / "annotations.json"
        file.write_text(json.dumps(content))
    return tmp_path


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
    with pytest.raises(SystemExit, match=said):
        folder_figures(tmp_path)


def test_masks_without_pixels_are_none():
    assert mask_of([], SIZE) is None
    assert mask_of({"size": [SIZE[1], SIZE[0]], "counts": [SIZE[0] * SIZE[1]]}, SIZE) is None
