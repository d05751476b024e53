"""Brands on real photos: what is reported, and at which stage what is not reported is lost.

For measuring only: nothing may be fitted on these photos.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from training.logo_marks import DRAWN, Brand, load_brands

from engines import Packs
from engines.boxes import iou_matrix
from evaluation.logo_tracks import gallery_folder
from pipeline.flow.pace import Pace
from pipeline.flow.stages import open_detector
from pipeline.models.opening import Models
from pipeline.photos import PhotoTagger
from pipeline.picture.crop import crops
from pipeline.picture.still import load_image
from pipeline.picture.yuv import from_bgr
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import make_config
from pipeline.tagging.logos.finder import Finder
from pipeline.tagging.logos.gallery import Gallery, open_gallery
from pipeline.tagging.logos.gallery_edit import add, read_picture
from pipeline.tagging.logos.reader import Ask, Embedder, LogoReader, Mark, square_around
from pipeline.tagging.logos.tagger import LogoSettings, LogoTagger, open_tagger
from pipeline.types import Box, Frame, Window

#: The photos and the boxes on them, in the folder of data.
PHOTOS = "logo_photos.jsonl"
#: Brands in the gallery, and the longer side in pixels of a mark that counts.
BRANDS, LEAST_SIDE = 500, 32.0
#: Overlap from which a found box is a true one.
SAME = 0.3
#: Real crops of each brand that are added to the gallery in the last rows.
REAL = 2


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo, the brands on it, and the boxes of their marks that are large enough."""

    path: Path
    brands: frozenset[str]
    marks: tuple[tuple[str, Box], ...]


def shots(data: Path) -> list[Shot]:
    """The photos of ``logo_photos.jsonl``, brands named as in ``simple-icons``."""
    rows = (data / PHOTOS).read_text(encoding="utf-8").splitlines()
    found = []
    for row in map(json.loads, rows):
        boxes = [(name.casefold(), tuple(map(float, box))) for name, *box in row["boxes"]]
        large = [(name, box) for name, box in boxes if _side(box) >= LEAST_SIDE]
        brands = frozenset(name for name, _ in boxes)
        found.append(Shot(data / row["image"], brands, tuple(large)))  # type: ignore[arg-type]
    return found


def _side(box: Sequence[float]) -> float:
    return max(box[2] - box[0], box[3] - box[1])


class Listening(LogoReader):
    """The program's reader, which remembers the marks it found on the photo."""

    marks: list[Mark]

    def look(self, find: Finder, frame: Frame, windows: Sequence[Window], ask: Ask) -> list[Mark]:
        found = super().look(find, frame, windows, ask)
        self.marks += found
        return found


@dataclass(slots=True)
class Tally:
    """What became of the photos and of the marks on them."""

    photos: int = 0
    right: int = 0
    wrong: int = 0
    strangers: int = 0
    taken: int = 0
    marks: int = 0
    stages: Counter[str] = field(default_factory=Counter)

    def count(self, shot: Shot, known: frozenset[str], said: set[str]) -> None:
        """A photo and the brands reported on it."""
        if shot.brands & known:
            self.photos += 1
            self.right += bool(said & shot.brands)
            self.wrong += bool(said - shot.brands)
        else:
            self.strangers += 1
            self.taken += bool(said)

    def figures(self) -> dict[str, float]:
        """Shares of the photos, and of the marks."""
        photos, strangers = max(self.photos, 1), max(self.strangers, 1)
        found: dict[str, float] = {
            f"photos of known brands, a mark of {LEAST_SIDE:.0f} px or more": self.photos,
            "brand reported": self.right / photos,
            "wrong brand reported": self.wrong / photos,
            "photos of brands that are in no gallery": self.strangers,
            "any brand reported on those": self.taken / strangers,
            "marks": self.marks,
        }
        return found | {name: n / max(self.marks, 1) for name, n in self.stages.items()}


@contextmanager
def program(gallery: Path, packs: Packs, **more: object) -> Iterator[tuple[PhotoTagger, Listening]]:
    """What ``threadline tag`` runs, without garments; ``more`` are settings of ``logos``."""
    config = make_config(
        packs, logos={"gallery": str(gallery), **more}, garments={"enabled": False}
    )
    settings = LiveSettings(config)
    with Models(config.engine, packs) as models:
        detector = open_detector(settings, models, Pace().budget)
        tagger = open_tagger(settings.section("logos"), models)
        reader = tagger.reader
        parts = (reader.people, reader.embedder, reader.gallery)
        heard = Listening(*parts, reader.lettering, reader.tiles)
        yield PhotoTagger(detector, [LogoTagger(heard, tagger.settings)], settings), heard


def looked(tagger: PhotoTagger, reader: Listening, shot: Shot) -> tuple[set[str], list[Mark]]:
    """Brands reported on a photo, and all marks that were found."""
    reader.marks = []
    photo = tagger.tag(shot.path)
    return {tag.label for tag in photo.tags if tag.kind == "logo"}, reader.marks


def _lost(tally: Tally, shot: Shot, reader: Listening, marks: Sequence[Mark]) -> None:
    """At which stage the marks of a photo are lost."""
    frame = Frame("", 0, 0.0, 0.0, 0.0, from_bgr(load_image(shot.path)))
    squares = [(frame, square_around(box)) for _, box in shot.marks]
    vectors = reader.embedder(crops(squares, reader.embedder.size))
    overlap = iou_matrix([box for _, box in shot.marks], [mark.box for mark in marks])
    for i, (name, _) in enumerate(shot.marks):
        tally.marks += 1
        [nearest] = reader.gallery.match(vectors[i : i + 1])
        tally.stages["nearest right, cut at the true box"] += nearest.nearest == name
        tally.stages["decided rightly, cut at the true box"] += nearest.brand == name
        here = [j for j in np.argsort(-overlap[i]) if overlap[i, j] >= SAME] if marks else []
        tally.stages[f"found, overlap {SAME}"] += bool(here)
        tally.stages["nearest right, cut at a found box"] += any(
            marks[j].match.nearest == name for j in here
        )
        tally.stages["decided rightly, cut at a found box"] += any(
            marks[j].match.brand == name for j in here
        )


def rows(
    gallery: Path, packs: Packs, asked: Sequence[Shot], pictures: Path | None = None
) -> dict[str, float]:
    """What the program makes of photos with a gallery."""
    tally = Tally()
    with program(gallery, packs) as (tagger, reader):
        known = frozenset(reader.gallery.names)
        for shot in asked:
            if not shot.marks:
                continue
            said, marks = looked(tagger, reader, shot)
            tally.count(shot, known, said)
            if shot.brands & known:
                _lost(tally, shot, reader, marks)
            if pictures is not None:
                _drawn(pictures, shot, said, marks)
    return tally.figures()


def _drawn(folder: Path, shot: Shot, said: set[str], marks: Sequence[Mark]) -> None:
    """The photo with true boxes green, found ones red, for the eye."""
    image = load_image(shot.path)
    for mark in marks:
        x0, y0, x1, y1 = (round(v) for v in mark.box)
        cv2.rectangle(image, (x0, y0), (x1, y1), (0, 0, 255), 1)
        text = f"{mark.score:.2f} {mark.match.nearest[:12]} {mark.match.likeness:.2f}"
        cv2.putText(image, text, (x0, y1 + 10), 0, 0.35, (0, 0, 255), 1)
    for _, box in shot.marks:
        x0, y0, x1, y1 = (round(v) for v in box)
        cv2.rectangle(image, (x0, y0), (x1, y1), (0, 200, 0), 2)
    verdict = "right" if said & shot.brands else "wrong" if said else "missed"
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{verdict}-{min(shot.brands)}-{shot.path.stem}.png"), image)


def with_real_crops(gallery: Gallery, embed: Embedder, asked: Sequence[Shot]) -> list[Shot]:
    """Add two real crops of every brand that the gallery knows; the photos that are left."""
    given: Counter[str] = Counter()
    left, new = [], []
    with tempfile.TemporaryDirectory() as name:
        for shot in sorted(asked, key=lambda shot: shot.path.name):
            brand = min(shot.brands)
            if brand not in gallery.names or given[brand] == REAL or not shot.marks:
                left.append(shot)
                continue
            given[brand] += 1
            path = Path(name) / f"{brand}-{given[brand]}.png"
            x0, y0, x1, y1 = (round(v) for v in max(shot.marks, key=lambda m: _side(m[1]))[1])
            cv2.imwrite(str(path), load_image(shot.path)[max(y0, 0) : y1, max(x0, 0) : x1])
            new.append(read_picture(brand, path, embed, embed.size[0]))
        add(gallery, new)
    return left


def chosen(brands: Sequence[Brand], asked: Sequence[Shot], seed: int) -> list[Brand]:
    """The brands of a gallery: those on the photos, filled up at random."""
    wanted = frozenset[str]().union(*(shot.brands for shot in asked))
    known = [brand for brand in brands if brand.name in wanted]
    others = [brand for brand in brands if brand.name not in wanted]
    order = np.random.default_rng(seed).permutation(len(others))[: BRANDS - len(known)]
    return [*known, *(others[i] for i in order)]


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Real photos, by SVG alone and with real crops beside; nothing where there are none."""
    if not (args.data / PHOTOS).exists():
        return {}
    asked, brands = shots(args.data), load_brands(args.icons, DRAWN)
    figures: dict[str, float] = {}
    with gallery_folder(args.icons, chosen(brands, asked, args.seed), packs) as folder:
        figures |= named("real photos", rows(folder, packs, asked, args.pictures))
        with Models(make_config(packs).engine, packs) as models:
            embed = Embedder(*models.open(LogoSettings().embedder))
            left = with_real_crops(open_gallery(folder, embed.pack), embed, asked)
        figures |= named(f"real photos, {REAL} real crops added", rows(folder, packs, left))
    return figures


def named(what: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {f"{what}: {name}": value for name, value in figures.items()}
