"""Brand marks to train on: those of the npm package ``simple-icons`` (CC0), each of one colour."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines.marks import MarkError, Rgba, read_mark

U8 = npt.NDArray[np.uint8]

#: Longest side in pixels of a mark's coverage.
SIDE = 128
#: Shares of the brands for training and validation; the rest is for tests.
TRAIN, VALIDATION = 0.64, 0.16
#: Marks at least this alike (correlation of their coverage) are one brand for training and tests.
TWINS = 0.97


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand: its name, the coverage of its mark (H, W) uint8, its colour RGB."""

    name: str
    cover: U8
    colour: tuple[int, int, int]

    def drawn(self) -> Rgba:
        """The mark in its colour, RGBA."""
        colour = np.broadcast_to(np.array(self.colour, np.uint8), (*self.cover.shape, 3))
        return np.dstack([colour, self.cover])


def load_brands(package: Path, cache: Path | None = None) -> list[Brand]:
    """All marks of an unpacked ``simple-icons`` package, by name; drawn once if there is a
    ``cache`` to keep them in."""
    titles = json.loads((package / "data" / "simple-icons.json").read_text(encoding="utf-8"))
    if cache is not None and cache.exists():
        covers = dict(np.load(cache).items())
    else:
        covers = {path.stem: cover for path, cover in _drawn(package / "icons")}
        if cache is not None:
            cache.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(cache, **covers)
    colours = {row["slug"]: bytes.fromhex(row["hex"]) for row in titles if "slug" in row}
    return [
        Brand(slug, cover, tuple(colours.get(slug, b"\0\0\0")))  # type: ignore[arg-type]
        for slug, cover in sorted(covers.items())
    ]


def brands_in(folder: Path) -> list[Brand]:
    """The marks of a folder of SVG files, each a brand named like its file, of one colour."""
    found = []
    for path in sorted(folder.glob("*.svg")):
        mark = read_mark(path)
        weight = mark[..., 3:].astype(np.float64)
        colour = (mark[..., :3] * weight).sum((0, 1)) / weight.sum()
        found.append(Brand(path.stem, _small(mark), tuple(colour.round().astype(int).tolist())))
    return found


def _small(mark: Rgba) -> U8:
    cover = mark[..., 3]
    scale = SIDE / max(cover.shape)
    size = (max(round(cover.shape[1] * scale), 2), max(round(cover.shape[0] * scale), 2))
    return np.asarray(cv2.resize(cover, size, interpolation=cv2.INTER_AREA), np.uint8)


def _drawn(folder: Path) -> list[tuple[Path, U8]]:
    found = []
    for path in sorted(folder.glob("*.svg")):
        try:
            found.append((path, _small(read_mark(path))))
        except MarkError:
            continue
    return found


def turned(brands: list[Brand]) -> list[Brand]:
    """Marks nobody ever saw: those of brands, turned by a quarter and mirrored."""
    return [
        replace(brand, name=f"{brand.name}-turned", cover=np.ascontiguousarray(brand.cover.T))
        for brand in brands
    ]


def looks(covers: list[U8], side: int = 24) -> npt.NDArray[np.float32]:
    """Coarse looks of marks (n, side * side), unit vectors without mean: alike marks have a product
    close to 1."""
    out = np.zeros((len(covers), side * side), np.float32)
    for i, cover in enumerate(covers):
        square = np.zeros((max(cover.shape),) * 2, np.uint8)
        y, x = ((np.array(square.shape) - cover.shape) // 2).tolist()
        square[y : y + cover.shape[0], x : x + cover.shape[1]] = cover
        small = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
        out[i] = (small - small.mean()).ravel()
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)


def without_twins(brands: list[Brand]) -> list[Brand]:
    """Brands whose mark is not that of an earlier one: nobody could tell them apart."""
    vectors = looks([brand.cover for brand in brands])
    twins = (np.triu(vectors @ vectors.T, 1) > TWINS).any(axis=0)
    return [brand for brand, twin in zip(brands, twins, strict=True) if not twin]


def split_brands(brands: list[Brand], seed: int) -> tuple[list[Brand], list[Brand], list[Brand]]:
    """Training, validation and test brands, fixed by ``seed``."""
    order = np.random.default_rng(seed).permutation(len(brands))
    ends = np.cumsum([round(TRAIN * len(brands)), round(VALIDATION * len(brands))])
    parts = [[brands[i] for i in sorted(part)] for part in np.split(order, ends)]
    return parts[0], parts[1], parts[2]
