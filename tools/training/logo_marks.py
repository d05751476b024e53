"""Brand marks to train on: those of the npm package ``simple-icons`` (CC0), each of one colour."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.tagging.logos import marks, svg
from pipeline.tagging.logos.marks import MarkError, Rgba, read_mark

U8 = npt.NDArray[np.uint8]
Number = TypeVar("Number", np.uint8, np.float32)

#: Where marks are kept once drawn: minutes of every start.
DRAWN = Path("out/train")
#: Longest side in pixels of a mark's coverage.
SIDE = 128
#: Shares of the brands for training and validation; the rest is for tests.
TRAIN, VALIDATION = 0.64, 0.16
#: Marks at least this alike (correlation of their coverage) are one brand for training and tests.
TWINS = 0.97
#: Mean difference of a mark's colours from their mean, of 255, from which it has several.
SEVERAL = 12.0


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand: its name, the coverage of its mark (H, W) uint8, its colour RGB, and its colours
    (H, W, 3) uint8 if it has several."""

    name: str
    cover: U8
    colour: tuple[int, int, int]
    rgb: U8 | None = None

    def drawn(self) -> Rgba:
        """The mark in its colours, RGBA."""
        if self.rgb is not None:
            return np.dstack([self.rgb, self.cover])
        colour = np.broadcast_to(np.array(self.colour, np.uint8), (*self.cover.shape, 3))
        return np.dstack([colour, self.cover])


def load_brands(package: Path, cache: Path | None = None) -> list[Brand]:
    """All marks of an unpacked ``simple-icons`` package, by name; drawn once if there is a folder
    ``cache`` to keep them in."""
    titles = json.loads((package / "data" / "simple-icons.json").read_text(encoding="utf-8"))
    colours = {row["slug"]: bytes.fromhex(row["hex"]) for row in titles if "slug" in row}
    return [
        Brand(mark.name, mark.cover, tuple(colours.get(mark.name, b"\0\0\0")))  # type: ignore[arg-type]
        for mark in sorted(brands_in(package / "icons", cache), key=lambda mark: mark.name)
    ]


def brands_in(source: Path, cache: Path | None = None) -> list[Brand]:
    """The marks of a folder of SVG files, each a brand named like its file, or of the JSON file of
    an Iconify package (``@iconify-json/logos``); unreadable ones are left out. Drawn once if there
    is a folder ``cache`` to keep them in."""
    if source.is_file():
        with tempfile.TemporaryDirectory() as folder:
            unpack(source, Path(folder))
            return brands_in(Path(folder), cache)
    paths = sorted(source.glob("*.svg"))
    if cache is None:
        return _drawn(paths)
    kept = cache / f"marks-{_digest(paths)}.npz"
    if kept.exists():
        return _kept(kept)
    found = _drawn(paths)
    cache.mkdir(parents=True, exist_ok=True)
    _keep(found, kept)
    return found


def _digest(paths: Sequence[Path]) -> str:
    """What changes with the names and contents of files, and with how they are drawn."""
    digest = sha256()
    for path in [*paths, Path(__file__), Path(marks.__file__), Path(svg.__file__)]:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:16]


def _keep(brands: Sequence[Brand], path: Path) -> None:
    """Write brands to a file, whole or not at all."""
    planes: dict[str, Any] = {f"cover {i}": brand.cover for i, brand in enumerate(brands)}
    planes |= {f"rgb {i}": brand.rgb for i, brand in enumerate(brands) if brand.rgb is not None}
    rows = json.dumps([(brand.name, brand.colour) for brand in brands])
    new = path.with_name(f"new-{path.name}")
    np.savez_compressed(new, rows=np.array(rows), **planes)
    new.replace(path)


def _kept(path: Path) -> list[Brand]:
    planes = dict(np.load(path, allow_pickle=False).items())
    return [
        Brand(name, planes[f"cover {i}"], tuple(colour), planes.get(f"rgb {i}"))
        for i, (name, colour) in enumerate(json.loads(str(planes["rows"])))
    ]


def _drawn(paths: Sequence[Path]) -> list[Brand]:
    found = []
    for path in paths:
        try:
            mark = read_mark(path)
        except MarkError:
            continue
        weight = mark[..., 3:].astype(np.float64)
        colour = (mark[..., :3] * weight).sum((0, 1)) / weight.sum()
        several = float((np.abs(mark[..., :3] - colour).max(axis=2, keepdims=True) * weight).sum())
        rgb = _colours(mark) if several > SEVERAL * weight.sum() else None
        plain = tuple(colour.round().astype(int).tolist())
        found.append(Brand(path.stem, _small(mark[..., 3]), plain, rgb))
    return found


def unpack(package: Path, folder: Path) -> None:
    """Write every icon of an Iconify JSON file as an SVG."""
    content = json.loads(package.read_text(encoding="utf-8"))
    names = "xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'"
    for name, icon in content["icons"].items():
        if re.fullmatch(r"[\w-]+", name):
            every = {"left": 0, "top": 0, "width": 16, "height": 16, **content, **icon}
            box = " ".join(str(every[side]) for side in ("left", "top", "width", "height"))
            text = f"<svg {names} viewBox='{box}'>{icon['body']}</svg>"
            (folder / f"{name}.svg").write_text(text, encoding="utf-8")


def _small(plane: npt.NDArray[Number]) -> npt.NDArray[Number]:
    scale = SIDE / max(plane.shape[:2])
    size = (max(round(plane.shape[1] * scale), 2), max(round(plane.shape[0] * scale), 2))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), plane.dtype)


def _colours(mark: Rgba) -> U8:
    """Colours of a mark made smaller, weighed by coverage: what is transparent has none."""
    weight = np.asarray(mark[..., 3:] / 255, np.float32)
    flat, cover = _small(np.asarray(mark[..., :3] * weight, np.float32)), _small(weight)
    return np.asarray(flat / np.maximum(cover[..., None], 1e-3), np.uint8)


def turned(brands: list[Brand]) -> list[Brand]:
    """Marks nobody ever saw: those of brands, turned by a quarter and mirrored."""
    return [
        replace(
            brand,
            name=f"{brand.name}-turned",
            cover=np.ascontiguousarray(brand.cover.T),
            rgb=None if brand.rgb is None else np.ascontiguousarray(brand.rgb.swapaxes(0, 1)),
        )
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
    vectors = looks([_plane(brand) for brand in brands])
    twins = (np.triu(vectors @ vectors.T, 1) > TWINS).any(axis=0)
    return [brand for brand, twin in zip(brands, twins, strict=True) if not twin]


def _plane(brand: Brand) -> U8:
    """What tells a mark from others in one plane: its coverage, or how far its colours are from
    grey ground."""
    if brand.rgb is None:
        return brand.cover
    apart = np.abs(brand.rgb.astype(np.float32).mean(axis=2) - 128) / 128
    return np.asarray(apart * brand.cover, np.uint8)


def split_brands(brands: list[Brand], seed: int) -> tuple[list[Brand], list[Brand], list[Brand]]:
    """Training, validation and test brands, fixed by ``seed``."""
    parts = [[brands[i] for i in part] for part in _parts(len(brands), seed)]
    return parts[0], parts[1], parts[2]


def split_others(
    folder: Path, seen: Collection[str], seed: int, cache: Path | None = None
) -> tuple[list[Brand], list[Brand], list[Brand]]:
    """Marks of another maker's SVG files, for training, validation and tests; those of ``seen``
    brands are left out. All marks that begin with one word (``acme-icon``, ``acme-cloud``) are in
    the same part."""
    found = [mark for mark in brands_in(folder, cache) if family(mark) not in seen]
    families = sorted({family(mark) for mark in found})
    parts = []
    for part in _parts(len(families), seed):
        mine = {families[i] for i in part}
        parts.append(without_twins([mark for mark in found if family(mark) in mine]))
    return parts[0], parts[1], parts[2]


def family(brand: Brand) -> str:
    """What the names of all marks of one brand begin with."""
    return brand.name.split("-")[0]


def _parts(count: int, seed: int) -> list[list[int]]:
    """Indices of training, validation and test."""
    order = np.random.default_rng(seed).permutation(count)
    ends = np.cumsum([round(TRAIN * count), round(VALIDATION * count)])
    return [sorted(part.tolist()) for part in np.split(order, ends)]
