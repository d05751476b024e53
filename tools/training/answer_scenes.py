"""People as a camera may have them before it: put together of parts, dressed up, turned, seen from
above, cut and hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training.answer_data import CARRIED, F64, LOWER, UPPER, Bools, Names, Piece
from training.answer_parts import LEGS, Part, foreground
from training.garment_data import PAD, Image, Rng, crop_window, jitter_box, person_box

#: Cells, as a share of the crop, above which something is seen and below which it is not.
SEEN, UNSEEN = 0.02, 0.004


def composed(top: Part, bottom: Part | None, names: Names, rng: Rng) -> Piece:
    """A top on a bottom: one person on nothing."""
    width, height = 200, 420
    canvas = np.full((height, width, 3), PAD, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    waist, middle, wide = top.waist
    whole = bottom is None or "dress" in top.answers["upper"]
    answers = dict(top.answers)
    if bottom is not None and not whole:
        row, centre, broad = bottom.waist
        scale = float(np.clip(wide / broad * rng.uniform(0.95, 1.12), 0.5, 1.8))
        shift = [width / 2 - centre * scale, waist - 1.5 - row * scale]
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        legs = cv2.warpAffine(bottom.rgb, matrix, (width, height), flags=cv2.INTER_LINEAR)
        labels = cv2.warpAffine(bottom.mask, matrix, (width, height), flags=cv2.INTER_NEAREST)
        labels[: int(waist)] = 0
        keep = (labels > 0) & ~names.cells(labels, UPPER)
        canvas[keep], mask[keep] = legs[keep], labels[keep]
        answers |= bottom.answers
    matrix = np.array([[1, 0, width / 2 - middle], [0, 1, 0.0]])
    rgb = cv2.warpAffine(top.rgb, matrix, (width, height))
    labels = cv2.warpAffine(top.mask, matrix, (width, height), flags=cv2.INTER_NEAREST)
    keep = cv2.erode((labels > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not whole:
        keep &= ~names.cells(labels, [*LEGS, "belt"])
        below = np.arange(height)[:, None] > waist + 12
        keep &= ~(below & names.cells(labels, ["skin"]))
    canvas[keep], mask[keep] = rgb[keep], labels[keep]
    answers |= {question: ("none",) for question in ("hat", "scarf") if _has_head(mask, names)}
    if bottom is not None and not whole:
        answers["bag"] = ("none",)
    return Piece("composed", canvas, mask, answers, person_box(mask))


def _has_head(mask: Image, names: Names) -> bool:
    return bool(names.cells(mask, ["hair"]).sum() > 60)


def put(
    person: tuple[Image, Image],
    thing: Image,
    value: int,
    place: tuple[float, float, float],
    rng: Rng,
) -> None:
    """Lay a product (RGB on white) over a picture and its labels, in place: middle x, top y and
    width."""
    rgb, mask = person
    here = foreground(thing)
    ys, xs = np.nonzero(here)
    if len(xs) < 200:
        return
    x, y, width = place
    box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = width / (xs.max() + 1 - xs.min())
    size = (rgb.shape[1], rgb.shape[0])
    turn = np.deg2rad(rng.normal(0, 6))
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.hstack([linear, np.array([[x - width / 2], [y]])])
    if scale < 0.7:
        thing = np.asarray(cv2.blur(thing, (round(1 / scale),) * 2), np.uint8)
    over = cv2.warpAffine(thing[box], matrix, size, flags=cv2.INTER_LINEAR)
    cover = cv2.erode(here[box].astype(np.uint8), np.ones((3, 3), np.uint8)) * np.uint8(255)
    alpha = cv2.warpAffine(cover, matrix, size).astype(np.float32)[..., None] / 255
    shade = rng.uniform(0.7, 1.1)
    rgb[:] = (alpha * np.clip(over * shade, 0, 255) + (1 - alpha) * rgb).astype(np.uint8)
    mask[alpha[..., 0] > 0.5] = value


@dataclass(frozen=True, slots=True)
class _Trunk:
    """Where hats, scarves and bags go: the trunk's top row, height, middle and width, and the
    head's top row, middle and width; pixels."""

    top: float
    tall: float
    middle: float
    wide: float
    crown: float
    head: tuple[float, float]


def _trunk(hair: Bools, upper: Bools) -> _Trunk:
    hy, hx = np.nonzero(hair)
    ty, tx = np.nonzero(upper)
    x0, x1 = np.percentile(tx, (8, 92))
    top, tall = float(ty.min()), float(np.percentile(ty, 95) - ty.min())
    crown = float(np.percentile(hy, 2))
    left, right = np.percentile(hx[hy < crown + 0.12 * tall + 4], (5, 95))
    return _Trunk(top, tall, (x0 + x1) / 2, x1 - x0, crown, ((left + right) / 2, right - left))


def dressed_up(piece: Piece, things: Mapping[str, list[Image]], names: Names, rng: Rng) -> Piece:
    """A person with a hat, a scarf or a bag put on, where the mask tells where these go."""
    hair, upper = names.cells(piece.mask, ["hair"]), names.cells(piece.mask, UPPER)
    if piece.kind == "coco" or not hair.any() or not upper.any():
        return piece
    answers, at = dict(piece.answers), _trunk(hair, upper)
    rgb, mask = piece.rgb.copy(), piece.mask.copy()

    def lay(kind: str, x: float, y: float, width: float) -> None:
        thing = things[kind][int(rng.integers(len(things[kind])))]
        put((rgb, mask), thing, names.index[kind], (x, y, width), rng)
        answers[kind] = (kind,)

    if answers.get("hat") == ("none",) and rng.random() < 0.2 and at.head[1] > 6:
        size = at.head[1] * rng.uniform(1.05, 1.45)
        lay("hat", at.head[0], at.crown - size * rng.uniform(0.15, 0.35), size)
    if answers.get("scarf") == ("none",) and rng.random() < 0.12:
        lay("scarf", at.middle, at.top - 0.08 * at.tall, at.wide * rng.uniform(0.4, 0.8))
    if answers.get("bag") == ("none",) and rng.random() < 0.45:
        answers["bag"] = ("bag",)
        if rng.random() < 0.3:
            _turned(rgb, mask, hair, at, names, rng)
            x = at.middle + rng.normal(0, 0.05) * at.wide
            y = at.top + at.tall * rng.uniform(0.02, 0.2)
            lay("bag", x, y, at.wide * rng.uniform(0.65, 1.05))
        else:
            end = _strapped(rgb, mask, at, names, rng)
            if end:
                lay("bag", *end, at.wide * rng.uniform(0.45, 0.95))
    return Piece(piece.kind, rgb, mask, answers, piece.box)


def _turned(rgb: Image, mask: Image, hair: Bools, at: _Trunk, names: Names, rng: Rng) -> None:
    """Seen from behind: the face becomes hair, in place."""
    face = names.cells(mask, ["skin"])
    face[int(at.top + 0.1 * at.tall) :] = False
    rgb[face] = np.clip(rgb[hair].mean(axis=0) + rng.normal(0, 8, (face.sum(), 3)), 0, 255)
    mask[face] = names.index["hair"]


def _strapped(
    rgb: Image, mask: Image, at: _Trunk, names: Names, rng: Rng
) -> tuple[float, float] | None:
    """Draw the straps of a backpack, or one across or over a shoulder, in place.

    Returns:
        Where the bag hangs, if it is to be seen.
    """
    how, side = rng.uniform(0.3, 1), rng.choice((-1.0, 1.0))
    colour = np.clip(rng.uniform(0, 180) + rng.normal(0, 25, 3), 0, 255)
    lines = np.zeros(mask.shape, np.uint8)
    thick = max(int(at.wide * rng.uniform(0.05, 0.11)), 1)
    edge = at.middle + side * at.wide * rng.uniform(0.4, 0.65)
    low = at.top + at.tall * rng.uniform(0.7, 1.2)
    if how < 0.55:
        for s in (-1, 1):
            x = at.middle + s * at.wide * rng.uniform(0.2, 0.3)
            end = (int(x + s * at.wide * 0.1), int(at.top + at.tall * rng.uniform(0.4, 0.7)))
            cv2.line(lines, (int(x), int(at.top)), end, (1,), thick)
    elif how < 0.85:
        start = at.middle - side * at.wide * rng.choice((0.3, -0.35))
        cv2.line(lines, (int(start), int(at.top + 2)), (int(edge), int(low)), (1,), thick)
    on = (lines > 0) & names.cells(mask, UPPER)
    rgb[on], mask[on] = colour, names.index["bag"]
    return (edge, low) if how >= 0.55 else None


def from_above(window: F64, size: tuple[int, int], rng: Rng) -> F64:
    """Homography from a crop of ``size`` to the picture: a window, turned a little, and for some as
    a camera above sees it: feet small, the lower body short."""
    width, height = size
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    steep = rng.uniform(0, 0.35) * (rng.random() < 0.4)
    corners[2:, 0] *= 1 + steep
    corners[2:, 1] *= 1 + 0.5 * steep * rng.random()
    corners[:2, 0] *= 1 - 0.3 * steep
    turn = rng.normal(0, 0.07)
    scale = window[2:] - window[:2]
    spun = corners * scale @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    there = spun + (window[:2] + window[2:]) / 2
    here = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    if rng.random() < 0.5:
        here[:, 0] = width - here[:, 0]
    return np.asarray(cv2.getPerspectiveTransform(here.astype(np.float32),
                                                  there.astype(np.float32)))  # fmt: skip


def shown(piece: Piece, grounds: Sequence[Image], height: int, rng: Rng) -> tuple[Image, Image]:
    """A person's crop, ``height`` pixels of a camera's picture high: RGB (h, w, 3) and labels."""
    size = (height // 2, height)
    window = crop_window(jitter_box(piece.box, rng))
    matrix = from_above(window, size, rng)
    scale = (window[3] - window[1]) / height
    rgb = piece.rgb
    if scale > 1.4:
        rgb = np.asarray(cv2.blur(rgb, (round(scale),) * 2), np.uint8)
    near, flags = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST, cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    beyond = cv2.warpPerspective(np.ones(piece.mask.shape, np.uint8), matrix, size, flags=near) == 0
    mask = cv2.warpPerspective(piece.mask, matrix, size, flags=near)
    image = cv2.warpPerspective(rgb, matrix, size, flags=flags, borderValue=(PAD,) * 3)
    if piece.kind == "composed" or (piece.kind != "coco" and rng.random() < 0.5):
        alpha = cv2.GaussianBlur(((mask > 0) * np.float32(1)), (0, 0), 0.6)[..., None]
        image = (alpha * image + (1 - alpha) * ground(grounds, size, rng)).astype(np.uint8)
        beyond[:] = False
    if rng.random() < 0.2:
        hidden = _hidden(mask.shape, rng)
        image = np.where(hidden[..., None], ground(grounds, size, rng), image)
        mask = np.where(hidden, 0, mask)
    if rng.random() < 0.1:
        beyond |= _cut(mask.shape, rng)
    mask = np.where(beyond, 0, mask).astype(np.uint8)
    return np.where(beyond[..., None], PAD, image).astype(np.uint8), mask


def _hidden(shape: tuple[int, ...], rng: Rng) -> Bools:
    """What a counter, a shelf or a passer-by hides."""
    height, width = shape
    hidden = np.zeros(shape, bool)
    if rng.random() < 0.5:
        hidden[int(height * rng.uniform(0.5, 0.95)) :] = True
        return hidden
    y, x = int(height * rng.uniform(0, 0.8)), int(width * rng.uniform(-0.3, 0.8))
    hidden[y : y + int(height * rng.uniform(0.1, 0.35)), max(x, 0) : x + width // 2] = True
    return hidden


def _cut(shape: tuple[int, ...], rng: Rng) -> Bools:
    """What lies beyond an edge of the camera's picture."""
    beyond = np.zeros(shape, bool)
    share, axis = rng.uniform(0.05, 0.3), int(rng.integers(2))
    cells = np.moveaxis(beyond, axis, 0)
    cut = int(shape[axis] * share)
    cells[:cut] = rng.random() < 0.5
    if not beyond.any():
        cells[shape[axis] - cut :] = True
    return beyond


def ground(grounds: Sequence[Image], size: tuple[int, int], rng: Rng) -> Image:
    """A piece of some picture, at ``size`` (width, height)."""
    rgb = grounds[int(rng.integers(len(grounds)))]
    high = int(rgb.shape[0] * rng.uniform(0.3, 1))
    wide = min(int(high * rng.uniform(0.4, 0.7)) + 1, rgb.shape[1])
    y, x = rng.integers(rgb.shape[0] - high + 1), rng.integers(rgb.shape[1] - wide + 1)
    part = rgb[y : y + high, x : x + wide]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def visible(piece: Piece, mask: Image, names: Names) -> dict[str, tuple[str, ...]]:
    """The answers to what is still to be seen in a crop."""
    answers = dict(piece.answers)
    if piece.kind == "coco":
        return answers
    upper = float(names.cells(mask, UPPER).mean())
    lower = float(names.cells(mask, LOWER).mean())
    for part, questions in ((upper, ("upper", "sleeve", "pattern")), (lower, ("lower",))):
        for question in questions:
            # What a source never knows must not be told by its look to be unseen.
            if part <= UNSEEN and question in answers:
                answers[question] = ("none",)
            elif part < SEEN:
                answers.pop(question, None)
    # The parser misses hats and bags that tags know of: there, what they are worn on must be seen.
    head = float(names.cells(mask[: int(0.35 * len(mask))], ["hair", "skin", "hat"]).mean()) > 0.01
    around = {"hat": head, "scarf": head and upper >= SEEN, "bag": min(upper, lower) >= SEEN}
    for question, labels in CARRIED.items():
        cells = float(names.cells(mask, labels).mean())
        tagged = piece.kind == "image" and around[question]
        if answers.get(question) == (question,) and cells < 0.0015 and not tagged:
            answers.pop(question)
    return answers
