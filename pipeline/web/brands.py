"""Brands changed while cameras run: the gallery, and the models that embed for it, opened when
first needed."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from engines.packs import Packs
from pipeline.models.opening import EngineSettings, Models
from pipeline.picture.still import load_image
from pipeline.picture.yuv import from_bgr
from pipeline.settings.schema import Config
from pipeline.tagging.logos.gallery import Gallery, open_gallery
from pipeline.tagging.logos.gallery_edit import ALIKE, add, read_picture, remove
from pipeline.tagging.logos.gallery_file import GalleryError, brand_name
from pipeline.tagging.logos.reader import Ask, Embedder, LogoReader
from pipeline.tagging.logos.tagger import finder
from pipeline.tagging.tiles import tiles
from pipeline.types import Frame
from pipeline.web.accounts import NoSuchError


class Brands:
    """The gallery of a run. Works from any thread, one at a time; the run reads what changed by
    itself."""

    def __init__(self, config: Config, packs: Packs) -> None:
        self._settings = config.section("logos")
        self._packs = packs
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._models: Models | None = None
        self._embed: Embedder | None = None

    def __enter__(self) -> Brands:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._stack.close()

    @property
    def on(self) -> bool:
        """Whether logos are looked for."""
        return bool(self._settings.wanted)

    def all(self) -> list[dict[str, Any]]:
        """Names, and how many pictures each has."""
        brands = self._gallery().index.brands if self.on else []
        return [{"name": brand.name, "pictures": len(brand.files)} for brand in brands]

    def picture(self, name: str, number: int) -> Path:
        """The file of one of a brand's pictures; NoSuchError if there is none."""
        gallery = self._gallery()
        for brand in gallery.index.brands:
            if brand.name == name and 0 <= number < len(brand.files):
                return gallery.folder / brand.files[number].file
        raise NoSuchError(f"brand {name[:64]}: no such picture")

    def add(self, name: str, files: list[Path]) -> dict[str, Any]:
        """Add pictures of a brand; what is there then, and which brands look like it.

        Raises:
            GalleryError: a file is no picture of a mark.
        """
        with self._lock:
            embed = self._opened()
            brand = brand_name(name)
            pictures = [read_picture(brand, path, embed, embed.size[0]) for path in files]
            gallery, warnings = add(self._gallery(), pictures)
            near = _near(gallery, brand)
        told = [text.partition(": ")[2] for text in warnings]
        count = next(len(one.files) for one in gallery.index.brands if one.name == brand)
        return {"name": brand, "pictures": count, "near": near, "warnings": told}

    def remove(self, name: str) -> None:
        """Remove a brand and its pictures; NoSuchError if there is none."""
        with self._lock:
            if name not in self._gallery().names:
                raise NoSuchError(f"brand {name[:64]}: none of this name")
            remove(self._gallery(), [name])

    def test(self, path: Path) -> dict[str, Any]:
        """Which marks are on a picture, as cameras would find them; SourceRefusedError if it is
        none."""
        settings = self._settings
        with self._lock:  # also while it is unpacked: large ones need a gigabyte
            frame = Frame("", 0, 0.0, 0.0, 0.0, from_bgr(load_image(path)))
            embed = self._opened()
            assert self._models is not None
            find = finder(self._models, settings.tile_detector)
            reader = LogoReader(find, embed, self._gallery())
            windows = tiles(frame.width, frame.height, find.size)
            marks = reader.read(frame, windows, Ask(settings.tile_score, settings.sure))
        found = [
            {
                "box": [
                    round(value / side, 5)
                    for value, side in zip(mark.box, (frame.width, frame.height) * 2, strict=True)
                ],
                "brand": mark.match.brand,
                "nearest": mark.match.nearest,
                "score": round(mark.match.probability, 3),
            }
            for mark in marks
        ]
        return {"marks": found, "width": frame.width, "height": frame.height}

    def _gallery(self) -> Gallery:
        if not self._settings.gallery:
            raise GalleryError("no gallery is set; set logos.gallery in the settings file")
        return open_gallery(Path(self._settings.gallery), self._packs.find(self._settings.embedder))

    def _opened(self) -> Embedder:
        if self._embed is None:
            self._models = self._stack.enter_context(Models(EngineSettings(), self._packs))
            self._embed = Embedder(*self._models.open(self._settings.embedder))
        return self._embed


def _near(gallery: Gallery, name: str) -> list[dict[str, Any]]:
    """Brands that look like one, likest first."""
    at = gallery.names.index(name)
    if len(gallery.names) < 2:
        return []
    others, likeness = gallery.likeness(gallery.of(at))
    best: dict[int, float] = {}
    for other, score in zip(others.ravel().tolist(), likeness.ravel().tolist(), strict=True):
        best[other] = max(best.get(other, 0.0), score)
    best.pop(at, None)
    near = sorted(best.items(), key=lambda pair: -pair[1])[:5]
    return [
        {"brand": gallery.names[other], "likeness": round(score, 3), "alike": score >= ALIKE}
        for other, score in near
    ]
