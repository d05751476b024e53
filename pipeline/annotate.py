"""Drawing for people: boxes, labels, snapshots. The only place that needs a full BGR picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.types import Box, Tag, TaggedFrame, Track

Bgr = npt.NDArray[np.uint8]
_FONT = cv2.FONT_HERSHEY_SIMPLEX
#: Distinct box colours (BGR), by track id.
_PALETTE = (
    (66, 133, 244), (83, 168, 52), (244, 133, 66), (171, 71, 188), (0, 172, 193), (53, 67, 234),
    (112, 130, 56), (158, 158, 0), (99, 30, 233), (0, 124, 245),
)  # fmt: skip


def tag_text(tag: Tag) -> str:
    """A tag in words: ``navy jeans``."""
    return f"{tag.colour} {tag.label}" if tag.colour else tag.label


def colour_of(track_id: int) -> tuple[int, int, int]:
    """Box colour (BGR) of a track."""
    return _PALETTE[track_id % len(_PALETTE)]


def _write(
    image: Bgr, text: str, at: tuple[int, int], scale: float, colour: tuple[int, ...]
) -> None:
    cv2.putText(image, text, at, _FONT, scale, colour, 1, cv2.LINE_AA)


def draw_lines(
    image: Bgr, lines: Sequence[str], corner: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """Write lines on a darkened plate whose top left is ``corner``, moved to fit the picture."""
    height, width = image.shape[:2]
    scale = min(max(height / 1500, 0.38), 1.2)
    row = round(scale * 34)
    wide = max((cv2.getTextSize(line, _FONT, scale, 1)[0][0] for line in lines), default=0) + 8
    x = max(min(corner[0], width - wide), 0)
    y = max(min(corner[1], height - row * len(lines)), 0)
    plate = image[y : y + row * len(lines), x : x + wide]
    np.copyto(plate, (plate * 0.25).astype(np.uint8))
    cv2.rectangle(image, (x, y), (x + 2, y + row * len(lines) - 1), colour, -1)
    for i, line in enumerate(lines):
        _write(image, line, (x + 6, y + round(row * (i + 0.75))), scale, (255, 255, 255))


def draw_box(image: Bgr, box: Box, colour: tuple[int, int, int], predicted: bool = False) -> None:
    """Outline a box; thin where it is only predicted."""
    thick = 1 if predicted else max(round(image.shape[0] / 400), 2)
    first, last = (int(box[0]), int(box[1])), (int(box[2]) - 1, int(box[3]) - 1)
    cv2.rectangle(image, first, last, colour, thick)


def draw_tracks(image: Bgr, tracks: Sequence[Track]) -> None:
    """Outline people and write their tags beside them, in place. Lower (nearer) people on top."""
    ordered = sorted(tracks, key=lambda track: track.box[3])
    for track in ordered:
        draw_box(image, track.box, colour_of(track.id), track.predicted)
    for track in ordered:
        lines = [f"#{track.id}", *(tag_text(tag) for tag in track.tags[:5])]
        corner = (int(track.box[2]) + 2, int(track.box[1]))
        draw_lines(image, lines, corner, colour_of(track.id))


def annotated(tagged: TaggedFrame) -> Bgr:
    """The frame in BGR with everything drawn on it."""
    image = np.ascontiguousarray(tagged.frame.rgb()[:, :, ::-1])
    draw_tracks(image, tagged.tracks)
    return image


def snapshot(crop: Bgr, title: str, tags: Sequence[Tag]) -> Bgr:
    """A person's picture with a caption below it."""
    scale = 256 / max(crop.shape[0], 1)
    width = max(round(crop.shape[1] * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    person = cv2.resize(crop, (width, 256), interpolation=how)
    lines = [title, *(f"{tag_text(tag)}  {tag.score:.2f}" for tag in tags)]
    out = np.full((256 + 18 * len(lines) + 8, max(width, 200), 3), 255, np.uint8)
    left = (out.shape[1] - width) // 2
    out[:256, left : left + width] = person
    for i, line in enumerate(lines):
        _write(out, line, (6, 256 + 18 * (i + 1)), 0.42, (30, 30, 30))
    return out
