"""Marks as things of the world carry them: printed, embossed, metallic or lit from behind, with
lettering beside them or lettering alone, on signs, bottles and caps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Drawing
from PIL import ImageDraw, ImageFont

from training.garment_data import Rng
from training.logo_marks import Brand
from training.logo_prints import F32, Print, bend, corners, luma, printed

#: How often a mark is made so.
MATERIALS = {"print": 0.66, "emboss": 0.1, "metal": 0.12, "light": 0.12}
#: Share of marks with lettering beside them, and of lettering alone.
LETTERED, WORDS = 0.3, 0.14
_BEGIN = (*"bcdfghklmnprstvwz", "br", "ch", "cr", "dr", "fl", "gr", "pl", "sh", "st", "tr")
_MIDDLE = (*"aeiouaeio", "ai", "ee", "io", "oo", "ou", "y")


@dataclass(frozen=True, slots=True)
class Piece:
    """Something to be put into a picture: colours (h, w, 3) of 255, coverage (h, w) 0 to 1, what
    shines beyond it (h, w, 3), and where each mark on it is (h, w) 0 to 1."""

    rgb: F32
    cover: F32
    glow: F32
    marks: tuple[F32, ...]

    def planes(self) -> F32:
        """All of it (h, w, 7 + marks)."""
        parts = (self.rgb, self.cover[..., None], self.glow, *(m[..., None] for m in self.marks))
        return np.concatenate(parts, axis=2)

    @staticmethod
    def of(planes: F32) -> Piece:
        """The piece with those planes."""
        marks = tuple(planes[..., i] for i in range(7, planes.shape[2]))
        return Piece(planes[..., :3], planes[..., 3], planes[..., 4:7], marks)


def face(
    brand: Brand, fonts: Sequence[Path], side: float, near: F32, surface: str, rng: Rng,
    rough: float,
) -> tuple[Piece, str]:  # fmt: skip
    """A mark, or lettering, or both, flat on what it is on, and of what it is made."""
    material = one_of(MATERIALS, rng)
    ground = near if surface == "bare" else _ground_colour(material, rng)
    pick = rng.random() if fonts else 1.0
    drawn = printed(brand, side, ground, rng, 0.0 if material == "emboss" else rough)
    if material != "print":
        drawn = replace(drawn, patch=None, patch_colour=None)
    if pick < WORDS:
        cover = word(fonts, side, rng)
        drawn = Print(cover, apart_from(ground, drawn.colour, rng))
    parts = [drawn]
    if WORDS <= pick < WORDS + LETTERED:
        letters = word(fonts, side * rng.uniform(0.8, 2.2), rng)
        parts.append(Print(letters, apart_from(ground, drawn.colour, rng)))
    piece = _made([_layer(p, material, ground, rng) for p in parts], material, rng)
    if surface != "bare":
        piece = _on_panel(piece, ground, rng)
    return piece, material


def apart_from(ground: F32, colour: F32, rng: Rng) -> F32:
    """A colour that can be told from the ground: the same if it can, else nearly black or white."""
    if np.abs(colour - ground).max() > 70:
        return colour
    light = luma(ground) < 128
    return np.full(3, rng.uniform(200, 255) if light else rng.uniform(0, 50), np.float32)


def _ground_colour(material: str, rng: Rng) -> F32:
    if material == "light":
        return rng.uniform(0, 70, 3).astype(np.float32)
    pick = rng.random()
    if pick < 0.35:
        return np.full(3, rng.uniform(215, 255), np.float32)
    if pick < 0.5:
        return np.full(3, rng.uniform(0, 40), np.float32)
    return rng.uniform(0, 255, 3).astype(np.float32)


def word(fonts: Sequence[Path], side: float, rng: Rng) -> F32:
    """Coverage (h, w) of a made-up word of three to nine letters in a display face."""
    name = "".join(
        str(rng.choice(_BEGIN)) + str(rng.choice(_MIDDLE)) for _ in range(int(rng.integers(1, 4)))
    )
    name = (name + str(rng.choice(["", "", "n", "r", "x", "s", "la", "co"])))[:9]
    name = (name.upper(), name.title(), name)[int(rng.choice(3, p=[0.4, 0.4, 0.2]))]
    font = ImageFont.truetype(str(fonts[int(rng.integers(len(fonts)))]), 64)
    box = font.getbbox(name)
    page = Drawing.new("L", (int(box[2]) + 8, int(box[3]) + 8), 0)
    ImageDraw.Draw(page).text((4, 4), name, fill=255, font=font)
    x0, y0, x1, y1 = page.getbbox() or (0, 0, 8, 8)
    plane = np.asarray(page, np.uint8)[y0:y1, x0:x1]
    scale = side / max(plane.shape)
    size = (max(round(plane.shape[1] * scale), 3), max(round(plane.shape[0] * scale), 3))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, size, interpolation=how).astype(np.float32) / 255)


def _layer(mark: Print, material: str, ground: F32, rng: Rng) -> Piece:
    """A print as a piece of its material."""
    cover = mark.cover
    colours = mark.colours if mark.colours is not None else np.broadcast_to(
        mark.colour, (*cover.shape, 3)
    )  # fmt: skip
    rgb = np.array(colours, np.float32)
    glow = np.zeros_like(rgb)
    solid = mark.solid
    if mark.patch is not None and mark.patch_colour is not None:
        rgb = cover[..., None] * rgb + (1 - cover[..., None]) * mark.patch_colour
        cover = np.maximum(cover, mark.patch)
    if material == "emboss":
        rgb, cover = _embossed(mark.cover, ground, rng)
    elif material == "metal":
        rgb = _metallic(mark.cover, rng)
    elif material == "light":
        rgb = np.clip(rgb * 0.4 + rng.uniform(140, 200), 0, 255).astype(np.float32)
        glow = rgb * rng.uniform(0.3, 0.9)
    return Piece(rgb, cover, glow, (solid,))


def _slope(cover: F32, rng: Rng) -> F32:
    """How much (h, w) a raised mark's edges face the light, about -1 to 1."""
    soft = cv2.GaussianBlur(cover, (0, 0), max(max(cover.shape) * 0.012, 0.7))
    angle = rng.uniform(-np.pi, np.pi)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0) * np.cos(angle)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1) * np.sin(angle)
    slope = across + down
    return np.asarray(slope / max(float(np.abs(slope).max()), 1e-3), np.float32)


def _embossed(cover: F32, ground: F32, rng: Rng) -> tuple[F32, F32]:
    """Of the ground's own colour: only its edges are lighter and darker."""
    slope = _slope(cover, rng) * rng.uniform(70, 150)
    rgb = ground + slope[..., None] + rng.uniform(-14, 14) * cover[..., None]
    return np.clip(rgb, 0, 255).astype(np.float32), np.clip(
        np.maximum(np.abs(slope) / 20, cover), 0, 1
    ).astype(np.float32)


def _metallic(cover: F32, rng: Rng) -> F32:
    """Bright and dark bands as metal mirrors a room, with edges that catch the light."""
    height, width = cover.shape
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    along = (ys + xs * rng.uniform(-0.4, 0.4)) / max(height, 1)
    band = np.sin(2 * np.pi * (along * rng.uniform(0.5, 2.2) + rng.random()))
    level = rng.uniform(110, 190) + 60 * band + 70 * _slope(cover, rng)
    tint = np.array([1.0, 1.0, 1.0]) if rng.random() < 0.65 else np.array([1.05, 0.88, 0.5])
    return np.clip(level[..., None] * tint, 0, 255).astype(np.float32)


def _made(layers: list[Piece], material: str, rng: Rng) -> Piece:
    """The layers on one canvas: a word under the mark or to its right."""
    first = layers[0]
    if len(layers) > 1:
        first = _beside(first, layers[1], rng)
    room = max(round(0.15 * max(first.cover.shape)), 4)
    planes = np.pad(first.planes(), [(room, room), (room, room), (0, 0)])
    for side in range(3):  # colours go on beyond the edge
        planes[..., side] = np.pad(first.rgb[..., side], room, mode="edge")
    piece = Piece.of(planes)
    if material == "light":
        wide = max(max(piece.cover.shape) * float(rng.uniform(0.02, 0.07)), 1.0)
        shine = cv2.GaussianBlur(piece.glow * piece.cover[..., None], (0, 0), wide)
        piece = replace(piece, glow=np.asarray(shine, np.float32))
    return piece


def _beside(one: Piece, other: Piece, rng: Rng) -> Piece:
    """Two pieces on one canvas, with a gap, their middles in one line."""
    (h0, w0), (h1, w1) = one.cover.shape, other.cover.shape
    gap = max(round(rng.uniform(0.02, 0.3) * max(h0, w0)), 1)
    below = rng.random() < 0.5
    if below:
        size, place = (h0 + gap + h1, max(w0, w1)), (h0 + gap, (max(w0, w1) - w1) // 2)
        start = (0, (max(w0, w1) - w0) // 2)
    else:
        size, place = (max(h0, h1), w0 + gap + w1), ((max(h0, h1) - h1) // 2, w0 + gap)
        start = ((max(h0, h1) - h0) // 2, 0)
    out = np.zeros((*size, 9), np.float32)
    for piece, (y, x), at in ((one, start, 7), (other, place, 8)):
        spot = out[y : y + piece.cover.shape[0], x : x + piece.cover.shape[1]]
        spot[..., :7], spot[..., at] = piece.planes()[..., :7], piece.marks[0]
    return Piece.of(out)


def _on_panel(piece: Piece, ground: F32, rng: Rng) -> Piece:
    """A piece on a sign, label or screen of a colour, with room around it."""
    height, width = piece.cover.shape
    up, left = (round(rng.uniform(0.02, 0.6) * max(height, width)) for _ in range(2))
    down, right = (round(side * rng.uniform(0.6, 1.6)) for side in (up, left))
    planes = np.pad(piece.planes(), [(up, down), (left, right), (0, 0)])
    high, wide = planes.shape[:2]
    shade = np.linspace(rng.uniform(0.75, 1.0), rng.uniform(1.0, 1.2), high)[:, None, None]
    if rng.random() < 0.5:
        shade = np.linspace(rng.uniform(0.75, 1.0), rng.uniform(1.0, 1.2), wide)[None, :, None]
    panel = np.clip(ground * shade + np.zeros((high, wide, 1)), 0, 255)
    if rng.random() < 0.3:  # a stripe or a field of another colour
        edge = rng.integers(0, high)
        away = slice(edge, high) if rng.random() < 0.5 else slice(0, edge)
        empty = planes[away, :, 7:].max(axis=(1, 2), initial=0.0) < 0.05
        panel[away][empty] = rng.uniform(0, 255, 3)
    share = planes[..., 3:4]
    planes[..., :3] = share * planes[..., :3] + (1 - share) * panel
    planes[..., 3] = 1.0
    return Piece.of(planes)


def shaped(piece: Piece, surface: str, rng: Rng, rough: float) -> Piece:
    """A piece bent around what it is on, turned and tilted."""
    planes = piece.planes()
    if surface in ("cylinder", "bulge"):
        planes = _round(planes, surface, rng)
    elif rng.random() < 0.5:
        height, width = planes.shape[:2]
        dx, dy = bend((width, height), rng, rough * rng.uniform(0.003, 0.025))
        xs, ys = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        planes = _remapped(planes, xs + dx, ys + dy)
    height, width = planes.shape[:2]
    ends = corners(width, height, rng, rough)
    low = ends.min(axis=0)
    size = np.ceil(ends.max(axis=0) - low).astype(int) + 2
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, ends - low)
    out = (max(int(size[0]), 4), max(int(size[1]), 4))
    parts = [
        cv2.warpPerspective(
            np.ascontiguousarray(planes[..., i]), matrix, out,
            borderMode=cv2.BORDER_REPLICATE if i < 3 else cv2.BORDER_CONSTANT,
        )
        for i in range(planes.shape[2])
    ]  # fmt: skip
    return Piece.of(np.stack(parts, axis=2))


def _remapped(planes: F32, xs: F32, ys: F32) -> F32:
    parts = [
        cv2.remap(
            np.ascontiguousarray(planes[..., i]), np.float32(xs), np.float32(ys), cv2.INTER_LINEAR
        )
        for i in range(planes.shape[2])
    ]
    return np.stack(parts, axis=2)


def _round(planes: F32, surface: str, rng: Rng) -> F32:
    """Planes as seen around a bottle or can, or on a cap: narrower to the sides, and shaded."""
    height, width = planes.shape[:2]
    reach = rng.uniform(0.5, 1.25)  # of the half turn, to either side
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    u = (xs + 0.5) / width * 2 - 1
    v = (ys + 0.5) / height * 2 - 1
    across = np.arcsin(np.clip(u * np.sin(reach), -1, 1)) / reach
    sag = rng.uniform(-0.12, 0.12) * (1 - u**2)
    down = v + sag
    if surface == "bulge":
        down = np.arcsin(np.clip(v * np.sin(reach), -1, 1)) / reach
    out = _remapped(planes, (across + 1) / 2 * width - 0.5, (down + 1) / 2 * height - 0.5)
    light = rng.uniform(-0.5, 0.5)
    shade = np.cos((u - light) * reach * rng.uniform(0.6, 1.0)) + 0.15
    if rng.random() < 0.4:  # a gleam
        shade = shade + rng.uniform(0.2, 0.7) * np.exp(-(((u - light) / 0.08) ** 2))
    out[..., :3] = np.clip(out[..., :3] * np.clip(shade, 0.25, 1.7)[..., None], 0, 255)
    return out


def one_of(shares: Mapping[str, float], rng: Rng) -> str:
    return str(rng.choice(list(shares), p=list(shares.values())))
