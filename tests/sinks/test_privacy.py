"""Whatever is written of a frame, heads in it are hidden."""

from __future__ import annotations

import ast
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support import make_frame

from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.sinks import SINKS, Place
from pipeline.sinks.privacy import shown
from pipeline.types import Frame, Heads, Tag, TaggedFrame, Track

PIPELINE = Path(__file__).parents[2] / "pipeline"
VISIT = "01a21640-2425-7eb2-9f90-ddc0323a3496"
SIZE = (320, 240)
#: Followed, only predicted, and known to be somewhere without being followed.
PEOPLE = ((20.0, 20.0, 80.0, 200.0), (130.0, 30.0, 180.0, 200.0))
OTHER = (220.0, 10.0, 290.0, 70.0)


def result(heads: Heads, pts: float = 0.0) -> TaggedFrame:
    """A chessboard of single pixels, in which whatever is not hidden is sharp."""
    board = np.indices((SIZE[1], SIZE[0])).sum(axis=0) % 2 * 255
    grey = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    plain = make_frame(pts, SIZE)
    frame = Frame("cam", plain.index, pts, plain.captured_at, plain.utc, from_bgr(grey))
    tag = Tag("garment", "jeans", "pants", 0.8, PEOPLE[0], track_id=1)
    tracks = (
        Track(1, PEOPLE[0], 0.9, best=True, tags=(tag,), visit=VISIT),
        Track(2, PEOPLE[1], 0.9, predicted=True, visit=VISIT),
    )
    return TaggedFrame(frame, tracks=tracks, others=(OTHER,), heads=heads)


def sharpness(image: np.ndarray, box: tuple[float, ...]) -> float:
    """Mean step from pixel to pixel, of 255, in the inner half of a box."""
    x0, y0, x1, y1 = box
    dx, dy = (x1 - x0) / 4, (y1 - y0) / 4
    part = image[int(y0 + dy) : int(y1 - dy), int(x0 + dx) : int(x1 - dx), 1].astype(int)
    return float(np.abs(np.diff(part, axis=1)).mean())


HEADS = [*((x0, y0, x1, y0 + 0.2 * (y1 - y0)) for x0, y0, x1, y1 in PEOPLE), OTHER]


def written(name: str, folder: Path, heads: Heads) -> np.ndarray:
    entry = SINKS[name]
    with entry.make(Fixed(entry.settings(enabled=True)), Place(folder, False)) as sink:
        for i in range(3):
            sink.write(result(heads, i / 10))
    if name == "video":
        with av.open(str(folder / "cam.mp4")) as container:
            return next(container.decode(video=0)).to_ndarray(format="bgr24")
    [path] = folder.rglob("*.jpg")
    return cv2.imread(str(path))


@pytest.mark.parametrize("head", HEADS, ids=["followed", "predicted", "not followed"])
def test_heads_in_videos_are_hidden_unless_they_are_to_be_kept(tmp_path, head):
    assert sharpness(written("video", tmp_path / "a", "pixelate"), head) < 30
    assert sharpness(written("video", tmp_path / "b", "keep"), head) > 60


def test_heads_in_snapshots_are_hidden_unless_they_are_to_be_kept(tmp_path):
    head = (70, 10, 130, 50)  # of the person, drawn 256 pixels high
    assert sharpness(written("snapshots", tmp_path / "a", "pixelate"), head) < 30
    assert sharpness(written("snapshots", tmp_path / "b", "keep"), head) > 60


def test_a_cut_hides_what_the_whole_picture_hides():
    whole = shown(result("pixelate"))
    part = shown(result("pixelate"), (10, 0, 200, 120))
    for head in HEADS[:2]:
        x0, y0, x1, y1 = (int(v) for v in head)
        assert sharpness(whole, head) < 30
        assert sharpness(part, (x0 - 10, y0, x1 - 10, y1)) < 30


def test_every_frame_is_hidden_unless_somebody_says_otherwise():
    assert TaggedFrame(make_frame()).heads == "pixelate"


def test_nothing_else_makes_pictures_of_frames():
    """A sink that took the pixels itself would forget to hide them."""
    for path in [*(PIPELINE / "sinks").rglob("*.py"), *(PIPELINE / "cli").rglob("*.py")]:
        if path.name in ("privacy.py", "measure.py"):  # calibrating keeps what it was given
            continue
        called = {
            node.func.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not called & {"rgb", "crop", "points"}, path
