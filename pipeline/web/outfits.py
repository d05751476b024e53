"""Products of the store that complete what somebody wore; models are opened when that is first
asked for."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.packs import Packs
from pipeline.errors import ConfigError
from pipeline.models.opening import EngineSettings, Models, cache_folder
from pipeline.picture.still import jpeg, load_image
from pipeline.picture.yuv import from_bgr
from pipeline.settings.schema import Config
from pipeline.sinks.annotate import without_caption
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.garments.tagger import TYPES, GarmentSettings
from pipeline.tagging.outfits.catalogue import cache_file, embedded
from pipeline.tagging.outfits.complete import suggestions, worn_by
from pipeline.tagging.outfits.items import Item
from pipeline.tagging.outfits.products import Listed, Products, listed
from pipeline.tagging.outfits.scorer import Scorer
from pipeline.types import Frame
from pipeline.web.accounts import NoSuchError

#: Longer side of a product's picture as it is shown, in pixels.
_SIDE = 320
_QUALITY = 82


@dataclass(frozen=True, slots=True)
class _Opened:
    parser: GarmentParser
    products: Products
    scorer: Scorer


class Outfits:
    """Completes outfits, one at a time, from any thread."""

    def __init__(self, config: Config, packs: Packs) -> None:
        self._place = config.section("outfits").products
        self._packs = packs
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._opened: _Opened | None = None
        self._offered: dict[str, Listed] = {}

    def __enter__(self) -> Outfits:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._stack.close()

    @property
    def on(self) -> bool:
        """Whether the settings name products."""
        return bool(self._place)

    def complete(self, picture: Path, top: int) -> dict[str, Any]:
        """What somebody wears on a visit's picture, and which products go with it best, of every
        category there is room for.

        Raises:
            ConfigError: no products are named, none can be used, or the picture shows no garment.
        """
        if not self._place:
            raise ConfigError(
                "no products are set: name a folder or a CSV file of their pictures in the "
                "settings file, outfits: {products: ...}, and start again"
            )
        with self._lock:
            opened = self._ready()
            image = without_caption(load_image(picture))
            worn = worn_by(opened.parser, Frame("", 0, 0.0, 0.0, 0.0, from_bgr(image)))
            if not opened.scorer.kinds(worn):
                raise ConfigError("this picture shows no garment that is known")
            known, broken = self._known(opened.products)
            found = suggestions(opened.scorer, worn, known, top)
        rows = [
            {
                "category": one.category,
                "name": one.product.name,
                "better_than": round(one.better_than, 4),
                "picture": f"/api/v1/products/{self._offer(one.product)}.jpg",
            }
            for one in found
        ]
        return {
            "worn": [item.category for item in worn],
            "suggestions": rows,
            "products": len(known),
            "left_out": broken,
        }

    def picture(self, key: str) -> bytes:
        """A product's picture, made small; NoSuchError if it was not suggested."""
        product = self._offered.get(key)
        if product is None:
            raise NoSuchError("no product of this kind was suggested")
        image = load_image(product.path)
        scale = min(_SIDE / max(image.shape[:2]), 1.0)
        size = tuple(max(round(side * scale), 1) for side in image.shape[1::-1])
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return jpeg(np.asarray(small, np.uint8), _QUALITY)

    def _known(self, reader: Products) -> tuple[list[tuple[Listed, Item]], int]:
        """The products, and how many cannot be used."""
        place, left_out, broken = Path(self._place), Counter[str](), list[str]()
        cache = cache_file(place, cache_folder())
        try:
            return embedded(listed(place, left_out), reader, cache, broken.append), len(broken)
        except ConfigError as error:
            raise ConfigError(f"outfits.products: {error}") from None

    def _ready(self) -> _Opened:
        if self._opened is None:
            models = self._stack.enter_context(Models(EngineSettings(), self._packs, any_size=True))
            parser = GarmentParser(*models.open(GarmentSettings().model))
            products = Products(parser, models.open(TYPES))
            self._opened = _Opened(parser, products, Scorer.load())
        return self._opened

    def _offer(self, product: Listed) -> str:
        """The name under which a product's picture can be had: nothing else can."""
        key = hashlib.sha256(str(product.path).encode("utf-8", "replace")).hexdigest()[:24]
        self._offered[key] = product
        return key
