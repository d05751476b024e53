"""The views of a mark's picture that a gallery keeps: on light, on dark, and in one colour."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.tagging.logos.marks import Rgba

#: RGB picture (H, W, 3) uint8.
Rgb = npt.NDArray[np.uint8]

#: Views of each picture.
VIEWS = 4
#: Room around a mark on each side, as a share of its longer side: that of a detected one.
ROOM = 0.12
#: The same of the views of a photo: a found mark is cut now tighter, now wider.
ROOMS = (0.12, 0.0, 0.2, 0.06)
#: Mean difference, of 255, from which a mark in its own colours can be seen on a ground.
LEAST_CONTRAST = 50.0
#: Weights of R, G, B in luma, ITU-R BT.601.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def _square(mark: Rgba, side: int) -> Rgba:
    """The mark in the middle of a transparent square, room around it."""
    scale = side / ((1 + 2 * ROOM) * max(mark.shape[:2]))
    size = (max(round(mark.shape[1] * scale), 1), max(round(mark.shape[0] * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # Colours weighed by coverage: what is transparent has none.
    cover = mark[..., 3:].astype(np.float32) / 255
    flat = cv2.resize(mark[..., :3] * cover, size, interpolation=how)
    cover = cv2.resize(cover, size, interpolation=how)[..., None]
    colour = flat / np.maximum(cover, 1e-3)
    out = np.zeros((side, side, 4), np.uint8)
    y, x = (side - size[1]) // 2, (side - size[0]) // 2
    spot = out[y : y + size[1], x : x + size[0]]
    spot[..., :3], spot[..., 3:] = np.clip(colour, 0, 255), np.clip(cover * 255, 0, 255)
    return out


def _framed(photo: Rgb, side: int, room: float) -> Rgb:
    """A photo in the middle of a square; what is around it goes on as its edges are."""
    scale = side / ((1 + 2 * room) * max(photo.shape[:2]))
    size = (max(round(photo.shape[1] * scale), 1), max(round(photo.shape[0] * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(photo, size, interpolation=how), np.uint8)
    y, x = (side - size[1]) // 2, (side - size[0]) // 2
    around = ((y, side - size[1] - y), (x, side - size[0] - x), (0, 0))
    return np.pad(small, around, mode="edge")


def _on(square: Rgba, ground: float, colour: float | None = None) -> Rgb:
    cover = square[..., 3:].astype(np.float32) / 255
    mark = square[..., :3].astype(np.float32) if colour is None else np.full(3, colour, np.float32)
    return np.asarray(cover * mark + (1 - cover) * ground, np.uint8)


def _own(square: Rgba, ground: float) -> Rgb:
    """The mark in its own colours; on grey if it can hardly be seen on the ground wanted."""
    cover = square[..., 3].astype(np.float32)
    apart = np.abs(square[..., :3].astype(np.float32) - ground).max(axis=2)
    visible = float((apart * cover).sum()) >= LEAST_CONTRAST * max(float(cover.sum()), 1.0)
    return _on(square, ground if visible else 128.0)


def _grey(square: Rgba, ground: float) -> Rgb:
    """The mark as it is printed in one colour, black on white or white on black: what is as light
    as the ground is left out, so that what tells parts of several colours apart stays."""
    own = _on(square, ground).astype(np.float32) @ LUMA
    apart = np.abs(own - ground)
    inside = apart[square[..., 3] > 127]
    most = float(np.quantile(inside, 0.95)) if len(inside) else 0.0
    if most < LEAST_CONTRAST / 2:  # all of it is as light as the ground: its outline
        return _on(square, ground, 255.0 - ground)
    share = np.minimum(apart / most, 1.0)[..., None]
    return np.repeat(np.abs(ground - 255.0 * share), 3, axis=2).astype(np.uint8)


def views(mark: Rgba, side: int) -> list[Rgb]:
    """``VIEWS`` pictures (side, side, 3) of a mark: in its own colours on white and on black, black
    on white and white on black. One without transparency, a photo, is shown as it is, with more and
    less room around it: its ground belongs to it."""
    if bool((mark[..., 3] > 247).all()):
        return [_framed(mark[..., :3], side, room) for room in ROOMS]
    square = _square(mark, side)
    return [
        _own(square, 255.0),
        _own(square, 0.0),
        _grey(square, 255.0),
        _grey(square, 0.0),
    ]
