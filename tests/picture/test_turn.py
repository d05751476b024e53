"""All eight ways in which a picture can lie, by every name they have."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from pipeline.picture.turn import UPRIGHT, Turn, exif_turn, matrix_turn, quarter_turn

#: Corners, from above left to below right.
F = np.array([[1, 2, 3], [4, 5, 6]])


def clockwise(degrees):
    return np.rot90(F, -degrees // 90)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_cameras_are_turned_clockwise_and_mirrored_then(degrees):
    assert (quarter_turn(degrees)(F) == clockwise(degrees)).all()
    assert (quarter_turn(degrees, mirrored=True)(F) == clockwise(degrees)[:, ::-1]).all()
    assert (quarter_turn(degrees, flipped=True)(F) == clockwise(degrees)[::-1]).all()


#: EXIF orientation -> rotation clockwise of the stored picture, and whether it is mirrored first.
EXIF = {
    1: (0, False), 2: (0, True), 3: (180, False), 4: (180, True),
    5: (270, True), 6: (90, False), 7: (90, True), 8: (270, False),
}  # fmt: skip


@pytest.mark.parametrize("orientation", EXIF)
def test_exif(orientation):
    degrees, mirrored = EXIF[orientation]
    first = F[:, ::-1] if mirrored else F
    assert (exif_turn(orientation)(F) == np.rot90(first, -degrees // 90)).all()


@pytest.mark.parametrize("orientation", [0, 9, -1, 65535])
def test_exif_that_means_nothing(orientation):
    assert exif_turn(orientation) == UPRIGHT


@pytest.mark.parametrize("turn", [exif_turn(orientation) for orientation in EXIF])
@pytest.mark.parametrize("bent", [0, 4000])
def test_display_matrices_do_what_they_say(turn, bent):
    """(x, y) goes to (ax + cy, bx + dy); those that are slightly off go to the nearest quarter."""
    x, y = (-65536 if turn.mirrored else 65536), (-65536 if turn.flipped else 65536)
    a, b, c, d = (bent, y, x, -bent) if turn.transposed else (x, bent, -bent, y)
    assert matrix_turn(struct.pack("=9i", a, b, 0, c, d, 0, 5, 7, 1 << 30)) == turn
    points = np.argwhere(F)[:, ::-1]  # x and y of every place
    moved = np.rint(points @ (np.array([[a, b], [c, d]]) / 65536)).astype(int)
    moved -= moved.min(axis=0)
    there = turn(F)
    assert [there[y, x] for x, y in moved] == F.ravel().tolist()


def test_a_matrix_of_nothing_turns_nothing():
    assert matrix_turn(bytes(36)) == UPRIGHT


@pytest.mark.parametrize("turn", [exif_turn(orientation) for orientation in EXIF])
def test_turned_pictures_are_views_that_opencv_takes(turn):
    image = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    there = turn(image)
    assert np.shares_memory(there, image)
    assert (there.shape[1], there.shape[0]) == turn.size(9, 6)
    assert cv2.resize(there, (3, 3)).shape == (3, 3, 3)


def test_there_are_eight():
    assert len({exif_turn(orientation) for orientation in EXIF} | {Turn()}) == 8
