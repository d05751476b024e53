"""Pictures to learn from, as people keep them, and what may be wrong with them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from engines.teach.lesson import TeachError
from pipeline.models.examples import read_lesson


def paint(path, seed, size=(40, 30)):
    """A picture of soft noise, different for every seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rough = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    cv2.imencode(path.suffix, cv2.resize(rough, size))[1].tofile(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """Two classes of three pictures, with a space and letters beyond ASCII in their names."""
    for i in range(3):
        paint(tmp_path / "photos" / "Hüte & Mützen" / f"{i}.png", i)
        paint(tmp_path / "photos" / "long  coat" / f"{i}.jpg", 10 + i)
    return tmp_path / "photos"


def test_folders_are_classes(photos):
    lesson = read_lesson(photos)
    assert lesson.names == ("Hüte & Mützen", "long coat")
    assert lesson.classes.tolist() == [0, 0, 0, 1, 1, 1]
    assert lesson.notes == ()


def test_a_name_is_one_label_however_its_letters_are_composed(photos):
    paint(photos / "Hu\u0308te & Mu\u0308tzen" / "9.png", 9)
    assert read_lesson(photos).counts.tolist() == [4, 3]


def test_what_cannot_be_read_is_left_out_and_told(photos):
    (photos / "long  coat" / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    paint(photos / "long  coat" / "tiny.png", 7, (8, 8))
    huge = b"P6 60000 60000 255\n"
    (photos / "long  coat" / "huge.ppm").write_bytes(huge)
    (photos / "long  coat" / "list.txt").write_text("no picture")
    (photos / "nothing").mkdir()
    (photos / ".hidden").mkdir()
    lesson = read_lesson(photos)
    assert lesson.counts.tolist() == [3, 3]
    told = " ".join(lesson.notes)
    for what in ("broken.jpg", "tiny.png: 8 x 8", "huge.ppm", "1 .txt", "'nothing'"):
        assert what in told, told
    assert "hidden" not in told
    assert str(photos) not in told, "a card names no folder of this machine"


def test_a_class_of_one_picture_is_left_out_and_one_class_is_refused(photos, tmp_path):
    paint(photos / "lone" / "a.png", 50)
    lesson = read_lesson(photos)
    assert "lone" not in lesson.names
    assert any("single picture each: lone" in note for note in lesson.notes)
    only = tmp_path / "only"
    paint(only / "coat" / "a.png", 1)
    paint(only / "coat" / "b.png", 2)
    with pytest.raises(TeachError, match=r"1 class.*needs two.*class 'other'"):
        read_lesson(only)


@pytest.mark.parametrize("place", ["empty", "nowhere", "file.txt"])
def test_places_without_pictures_are_refused(tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(TeachError, match=place):
        read_lesson(tmp_path / place)


def test_the_same_picture_in_two_classes_is_told_and_never_parted(photos):
    copy = (photos / "long  coat" / "0.jpg").read_bytes()
    (photos / "Hüte & Mützen" / "copy.jpg").write_bytes(copy)
    lesson = read_lesson(photos)
    assert any("long  coat/0.jpg" in n and "copy.jpg" in n for n in lesson.notes), lesson.notes
    origins = [one.origin for one in lesson.pictures]
    pair = origins.index("Hüte & Mützen/copy.jpg"), origins.index("long  coat/0.jpg")
    assert lesson.together[pair[0]] == lesson.together[pair[1]]


def test_boxes_cut_what_is_meant(tmp_path):
    for i in range(4):
        paint(tmp_path / f"{i}.png", i, (100, 60))
    rows = [
        {"image": f"{i}.png", "label": "ab"[i // 2], "box": [10, -5, 60.2, 35]} for i in range(4)
    ]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lines = [f"{row['image']},{row['label']},10,-5,60.2,35" for row in rows]
    text = "\n".join(["image,label,x0,y0,x1,y1", *lines])
    (tmp_path / "list.csv").write_text(text, encoding="utf-8-sig")
    for name in ("list.jsonl", "list.csv"):
        lesson = read_lesson(tmp_path / name)
        assert {one.rgb.shape for one in lesson.pictures} == {(35, 51, 3)}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"image": "0.png"}', "line 1: lacks 'label'"),
        ('{"image": "0.png", "label": "a", "box": [5, 5, 5, 9]}', "x0 < x1"),
        ('{"image": "0.png", "label": "a", "box": [5, 5]}', "line 1"),
        ('{"image": "0.png", "label": "a", "box": [0, 0, 1e400, 9]}', "x0 < x1"),
        ('{"image": "0.png", "label": "  "}', "1 to 60 printable"),
        ('{"image": "0.png", "label": "a\\u0007b"}', "1 to 60 printable"),
        ('{"image": 3, "label": "a"}', "must be text"),
        ("[1, 2]", "no JSON object"),
        ("{", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, told):
    path = tmp_path / "list.jsonl"
    path.write_text(line)
    with pytest.raises(TeachError) as error:
        read_lesson(path)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_list_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "list.csv").write_bytes("image,label\n0.png,Mütze\n".encode("latin-1"))
    with pytest.raises(TeachError, match="UTF-8"):
        read_lesson(tmp_path / "list.csv")


def test_large_pictures_are_kept_small_and_unbalanced_classes_are_told(tmp_path):
    for i in range(22):
        paint(tmp_path / "many" / f"{i}.jpg", i, (800, 400))
    for i in range(2):
        paint(tmp_path / "few" / f"{i}.jpg", 100 + i)
    lesson = read_lesson(tmp_path)
    assert max(one.rgb.shape[1] for one in lesson.pictures) == 320
    assert any("unbalanced: 22 pictures of 'many', 2 of 'few'" in note for note in lesson.notes)
