"""Drawing for people: boxes, labels, snapshots. It draws on what ``privacy`` gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from pipeline.finest import finest
from pipeline.sinks.privacy import Bgr, shown
from pipeline.types import Box, Place, Tag, TaggedFrame, Track

_FONT = cv2.FONT_HERSHEY_SIMPLEX
#: Distinct box colours (BGR), by track id.
_PALETTE = (
    (66, 133, 244),
    (83, 168, 52),
    (244, 133, 66),
    (171, 71, 188),
    (0, 172, 193),
    (53, 67, 234),
    (112, 130, 56),
    (158, 158, 0),
    (99, 30, 233),
    (0, 124, 245),
)
#: Height in pixels of the person on a snapshot, which the caption is below.
SNAPSHOT = 256
#: What is lighter is white, for all that JPEG does to it.
_WHITE = 240

#: Colour (BGR) of zones and lines, and how much of it a zone is tinted with.
_PLACES = (235, 235, 235)
_TINT = 0.08
#: A pattern that goes without saying.
PLAIN = "plain"


def tag_text(tag: Tag) -> str:
    """A tag in words: ``navy jeans``, ``red plaid shirt``; a category by the first of its names;
    ``Acme on top``; ``object 7 42.3 cm``."""
    known = dict(tag.attributes)
    on = known.get("on")
    if on is not None:
        return f"{tag.label} on {on.split(',')[0]}"
    if "fits" in known:
        return f"{tag.label} fits {known['fits']}"
    for size in ("height_cm", "length_cm"):
        if size in known:
            return f"{tag.label} {known[size]} cm"
    name = tag.label.split(",")[0] if tag.level == "category" else tag.label
    pattern = known.get("pattern", PLAIN)
    return " ".join(filter(None, (tag.colour, pattern if pattern != PLAIN else "", name)))


def colour_of(track_id: int) -> tuple[int, int, int]:
    """Box colour (BGR) of a track."""
    return _PALETTE[track_id % len(_PALETTE)]


def _write(
    image: Bgr, text: str, at: tuple[int, int], scale: float, colour: tuple[int, ...]
) -> None:
    cv2.putText(image, text, at, _FONT, scale, colour, 1, cv2.LINE_AA)


Plate = tuple[int, int, int, int]


def text_scale(image: Bgr) -> float:
    """Font scale that stays readable at the picture's height."""
    height = float(image.shape[0])
    return min(max(height / 1500, 0.38), 1.2)


def plate_size(lines: Sequence[str], scale: float) -> tuple[int, int]:
    """Width and height in pixels of a plate for these lines."""
    wide = max((cv2.getTextSize(line, _FONT, scale, 1)[0][0] for line in lines), default=0)
    return wide + 10, round(scale * 34) * len(lines)


def place(box: Box, size: tuple[int, int], taken: Sequence[Plate], image: Bgr) -> Plate:
    """Where a person's plate covers the least of other plates and people: one of four sides."""
    width, height = size
    x0, y0, x1, y1 = (int(v) for v in box)
    corners = ((x1 + 2, y0), (x0 - width - 2, y0), (x0, y0 - height - 2), (x0, y1 + 2))

    def fitted(corner: tuple[int, int]) -> Plate:
        x = max(min(corner[0], image.shape[1] - width), 0)
        y = max(min(corner[1], image.shape[0] - height), 0)
        return x, y, x + width, y + height

    def covered(plate: Plate) -> int:
        return sum(
            max(min(plate[2], t[2]) - max(plate[0], t[0]), 0)
            * max(min(plate[3], t[3]) - max(plate[1], t[1]), 0)
            for t in taken
        )

    return min((fitted(corner) for corner in corners), key=covered)


def draw_plate(
    image: Bgr, lines: Sequence[str], plate: Plate, colour: tuple[int, int, int]
) -> None:
    """Write lines on a darkened plate."""
    x0, y0, x1, y1 = plate
    scale = text_scale(image)
    area = image[y0:y1, x0:x1]
    np.copyto(area, (area * 0.25).astype(np.uint8))
    cv2.rectangle(image, (x0, y0), (x0 + 2, y1 - 1), colour, -1)
    row = round(scale * 34)
    for i, line in enumerate(lines):
        _write(image, line, (x0 + 6, y0 + round(row * (i + 0.75))), scale, (255, 255, 255))


def draw_labels(image: Bgr, people: Sequence[tuple[Box, int, Sequence[str]]]) -> None:
    """Write every person's lines beside the box, off all others where there is room, in place."""
    outlines = [tuple(int(v) for v in box) for box, _, _ in people]
    taken: list[Plate] = []
    for i, (box, number, lines) in enumerate(people):
        if lines:
            others = cast(list[Plate], outlines[:i] + outlines[i + 1 :])
            plate = place(box, plate_size(lines, text_scale(image)), taken + others, image)
            taken.append(plate)
            draw_plate(image, lines, plate, colour_of(number))


def draw_box(image: Bgr, box: Box, colour: tuple[int, int, int], predicted: bool = False) -> None:
    """Outline a box; thin where it is only predicted."""
    thick = 1 if predicted else max(round(image.shape[0] / 400), 2)
    first, last = (int(box[0]), int(box[1])), (int(box[2]) - 1, int(box[3]) - 1)
    cv2.rectangle(image, first, last, colour, thick)


def draw_tracks(image: Bgr, tracks: Sequence[Track], loose: Sequence[Tag] = ()) -> None:
    """Outline people and write their tags beside them, in place, lower (nearer) people on top.

    ``loose`` tags, attached to no person, have a box of their own. Tags of people have none here:
    their boxes are of the frame they were last seen in, and people move on.
    """
    ordered = sorted(tracks, key=lambda track: track.box[3])
    for track in ordered:
        draw_box(image, track.box, colour_of(track.id), track.predicted)
    labels = [
        (track.box, track.id, [f"#{track.id}", *(tag_text(tag) for tag in finest(track.tags)[:5])])
        for track in ordered
    ]
    for tag in loose:
        draw_box(image, tag.box, colour_of(0))
        labels.append((tag.box, 0, [tag_text(tag)]))
    draw_labels(image, labels)


def draw_places(image: Bgr, places: Sequence[Place]) -> None:
    """Tint zones lightly, draw lines with a tick to the side in, and name both, in place."""
    scale = text_scale(image) * 0.8
    for place in places:
        points = np.round(place.points).astype(np.int32)
        if place.is_zone:
            tint = image.copy()
            cv2.fillPoly(tint, [points], _PLACES)
            cv2.addWeighted(tint, _TINT, image, 1 - _TINT, 0, image)
        cv2.polylines(image, [points], place.is_zone, _PLACES, 1, cv2.LINE_AA)
        text = f"{place.name} {place.count}" if place.is_zone else place.name
        if not place.is_zone:
            middle = points.mean(axis=0)
            along = (points[1] - points[0]) / max(np.linalg.norm(points[1] - points[0]), 1)
            tip = middle + 30 * scale * np.array([-along[1], along[0]])
            start, end = ((int(x), int(y)) for x, y in (middle, tip))
            cv2.arrowedLine(image, start, end, _PLACES, 1, cv2.LINE_AA, tipLength=0.4)
        top = points[points[:, 1].argmin()]
        at = (max(int(top[0]), 2), max(int(top[1]) - 4, round(30 * scale)))
        _write(image, text, at, scale, _PLACES)


def annotated(tagged: TaggedFrame) -> Bgr:
    """The frame in BGR, heads hidden, with everything drawn on it."""
    image = shown(tagged)
    draw_places(image, tagged.places)
    draw_tracks(image, tagged.tracks, tagged.tags)
    return image


def without_caption(picture: Bgr) -> Bgr:
    """The person of a snapshot that was read again: without the caption below, and the white beside
    narrow people."""
    image = picture[:SNAPSHOT]
    seen = np.flatnonzero((image < _WHITE).any(axis=(0, 2)))
    image = image[:, seen[0] : seen[-1] + 1] if len(seen) else image
    return np.ascontiguousarray(image)


def snapshot(crop: Bgr, title: str, tags: Sequence[Tag]) -> Bgr:
    """A person's picture with a caption below it."""
    scale = SNAPSHOT / max(crop.shape[0], 1)
    width = max(round(crop.shape[1] * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    person = cv2.resize(crop, (width, SNAPSHOT), interpolation=how)
    lines = [title, *(f"{tag_text(tag)}  {tag.score:.2f}" for tag in tags)]
    out = np.full((SNAPSHOT + 18 * len(lines) + 8, max(width, 200), 3), 255, np.uint8)
    left = (out.shape[1] - width) // 2
    out[:SNAPSHOT, left : left + width] = person
    for i, line in enumerate(lines):
        _write(out, line, (6, SNAPSHOT + 18 * (i + 1)), 0.42, (30, 30, 30))
    return out
