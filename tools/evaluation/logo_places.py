"""Brands through the whole program on composed pictures: street photos on which one mark of a
package that no training saw is printed, and the same photos as they are.

Says where marks are lost: not found, or read worse by the box found than by the true one.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from training.garment_data import Image, Photo, Rng
from training.garments import load_split
from training.logo_crops import TOLD, seen, stands_out
from training.logo_marks import (
    DRAWN,
    Brand,
    brands_in,
    load_brands,
    unpack,
    without_twins,
)
from training.logo_prints import PLAIN, ROUGH, lay, printed, warped
from training.logo_scenes import CONTRAST, cloth_labels

from engines import Packs
from engines.boxes import iou_matrix
from evaluation.logo_photos import SAME, Listening, program
from pipeline.models.opening import EngineSettings, Models
from pipeline.photos import PhotoTagger
from pipeline.picture.yuv import from_bgr
from pipeline.tagging.logos.gallery import open_gallery
from pipeline.tagging.logos.gallery_edit import add, read_picture
from pipeline.tagging.logos.reader import Embedder
from pipeline.tagging.logos.tagger import LogoSettings
from pipeline.types import Box, Frame

#: Brands in the gallery, scenes of each roughness, and longer sides of marks in pixels.
BRANDS, SCENES, SIDES = 600, 240, (32.0, 70.0)
#: Names of pictures that are no marks of brands: folders with a small mark on them.
LEFT_OUT = re.compile(r"^folder-|^default-|-light-|-opened$")
#: Attempts to print a mark where all of it is on cloth and can be seen.
TRIES = 40


def brands_of(packages: Sequence[Path], known: Sequence[Brand], seed: int) -> list[Brand]:
    """Marks of several colours, one of each family, of brands that are not ``known`` by name."""
    names = {_plain(brand.name) for brand in known}
    found: dict[str, Brand] = {}
    for package in packages:
        for mark in brands_in(package, DRAWN):
            family = re.sub(r"^file-type-", "", mark.name).split("-")[0]
            new = not {_plain(mark.name), _plain(family)} & names
            if new and mark.rgb is not None and not LEFT_OUT.search(mark.name):
                found.setdefault(_plain(family), mark)
    some = without_twins(list(found.values()))
    order = np.random.default_rng(seed).permutation(len(some))[:BRANDS]
    return [some[i] for i in order]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@contextmanager
def gallery_folder(
    packages: Sequence[Path], brands: Sequence[Brand], packs: Packs
) -> Iterator[Path]:
    """A gallery of the SVGs of these marks, made as the command makes it."""
    with (
        tempfile.TemporaryDirectory() as icons,
        tempfile.TemporaryDirectory() as name,
        Models(EngineSettings(), packs) as models,
    ):
        for package in packages:
            unpack(package, Path(icons))
        embed = Embedder(*models.open(LogoSettings().embedder))
        pictures = [
            read_picture(b.name, Path(icons) / f"{b.name}.svg", embed, embed.size[0])
            for b in brands
        ]
        add(open_gallery(Path(name), embed.pack), pictures)
        yield Path(name)


def scene(
    photo: Photo, cloth: Sequence[int], brand: Brand, rng: Rng, rough: float
) -> tuple[Image, Box] | None:
    """A street photo RGB with a mark on its cloth, and the box around it; ``None`` where there is
    no room."""
    inside = np.isin(photo.mask, list(cloth))
    ys, xs = np.nonzero(inside)
    if not len(xs):
        return None
    for _ in range(TRIES):
        image = photo.rgb.astype(np.float32)
        i = int(rng.integers(len(xs)))
        near = image[max(ys[i] - 16, 0) : ys[i] + 16, max(xs[i] - 16, 0) : xs[i] + 16]
        level = near.mean(axis=(0, 1)).astype(np.float32)
        mark, box = warped(printed(brand, rng.uniform(*SIDES), level, rng, rough), rng, rough)
        middle = (xs[i], ys[i])
        x, y = (round(c - (a + b) / 2) for c, a, b in zip(middle, box[:2], box[2:], strict=True))
        height, width = mark.cover.shape
        part = inside[max(y, 0) : y + height, max(x, 0) : x + width]
        if part.shape != mark.cover.shape or not part[mark.solid > 0.3].all():
            continue
        told = np.zeros(inside.shape, bool)
        told[y : y + height, x : x + width] = lay(image, mark, x, y, rng) > TOLD
        picture = seen(image, rng, 40.0, rough)
        if told.any() and stands_out(picture, told, CONTRAST):
            x0, y0, x1, y1 = (float(v) for v in box + np.array([x, y, x, y]))
            return picture, (x0, y0, x1, y1)
    return None


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who tags, what is heard, and where pictures may be written for a moment."""

    tagger: PhotoTagger
    reader: Listening
    path: Path

    def said(self, rgb: Image) -> set[str]:
        """The brands reported on a picture."""
        cv2.imwrite(str(self.path), rgb[:, :, ::-1])
        self.reader.marks = []
        return {tag.label for tag in self.tagger.tag(self.path).tags if tag.kind == "logo"}


def _counted(asked: _Asked, picture: Image, box: Box, name: str, tally: Counter[str]) -> str:
    """Count what becomes of one scene; in a word."""
    said = asked.said(picture)
    tally["scenes"] += 1
    tally["right"] += name in said
    tally["a wrong brand reported"] += bool(said - {name})
    frame = Frame("", 0, 0.0, 0.0, 0.0, from_bgr(np.ascontiguousarray(picture[:, :, ::-1])))
    [true] = asked.reader.recognised(frame, [box], [0.5], "normal")
    tally["right, cut at the true box"] += true.brand == name
    tally["nearest right, cut at the true box"] += true.nearest == name
    marks = asked.reader.marks
    overlap = iou_matrix([box], [mark.box for mark in marks])[0] if marks else np.zeros(0)
    here = [mark for mark, share in zip(marks, overlap, strict=True) if share >= SAME]
    if here:
        tally[f"found, overlap {SAME}"] += 1
        tally["of these: right, cut at the true box"] += true.brand == name
        tally["of these: right, cut as found"] += any(mark.match.brand == name for mark in here)
    return "right" if name in said else "wrong" if said else "missed" if here else "unseen"


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Street photos that no training saw, with a mark of ``--packages`` each and without."""
    root = args.data / "street_fashion"
    _, photos, names = load_split(root, args.seed)
    cloth = cloth_labels(root, names)
    brands = brands_of(args.packages, load_brands(args.icons, DRAWN), args.seed)
    figures: dict[str, float] = {"brands": len(brands)}
    with (
        gallery_folder(args.packages, brands, packs) as folder,
        tempfile.TemporaryDirectory() as name,
        program(folder, packs) as (tagger, reader),
    ):
        asked = _Asked(tagger, reader, Path(name) / "photo.png")
        for rough in (PLAIN, ROUGH):
            tally: Counter[str] = Counter()
            for i in range(SCENES):
                rng = np.random.default_rng((17, i))
                brand = brands[int(rng.integers(len(brands)))]
                made = scene(photos[i % len(photos)], cloth, brand, rng, rough)
                if made is None:
                    continue
                verdict = _counted(asked, *made, brand.name, tally)
                if args.pictures:
                    _drawn(args.pictures, f"{rough}-{verdict}-{i}-{brand.name}", made, reader)
            figures |= _shares(tally, f"roughness {rough}")
        taken = sum(bool(asked.said(photo.rgb)) for photo in photos)
        figures["the photos as they are: any brand reported"] = taken / len(photos)
    return figures


def _shares(tally: Counter[str], what: str) -> dict[str, float]:
    scenes = max(tally["scenes"], 1)
    found = max(tally[f"found, overlap {SAME}"], 1)
    figures: dict[str, float] = {f"{what}: scenes": tally["scenes"]}
    for name, count in tally.items():
        if name != "scenes":
            figures[f"{what}: {name}"] = count / (found if name.startswith("of these") else scenes)
    return figures


def _drawn(folder: Path, name: str, made: tuple[Image, Box], reader: Listening) -> None:
    """A scene with its mark's box green, boxes found red, for the eye."""
    image = np.ascontiguousarray(made[0][:, :, ::-1])
    for mark in reader.marks:
        x0, y0, x1, y1 = (round(v) for v in mark.box)
        cv2.rectangle(image, (x0, y0), (x1, y1), (0, 0, 255), 1)
        text = f"{mark.match.nearest[:14]} {mark.match.likeness:.2f} {mark.match.probability:.2f}"
        cv2.putText(image, text, (x0, y1 + 10), 0, 0.35, (0, 0, 255), 1)
    x0, y0, x1, y1 = (round(v) for v in made[1])
    cv2.rectangle(image, (x0, y0), (x1, y1), (0, 200, 0), 1)
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), image)
