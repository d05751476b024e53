"""Brand marks: recognition among brands never seen, what is in no gallery, finding, cost."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from engines import open_engine
from engines.exemplars import VIEWS, views
from engines.training.detection_figures import Looked, curve
from engines.training.garment_data import Image
from engines.training.garments import load_split
from engines.training.logo_crops import crop
from engines.training.logo_detection import found, of_size, recall
from engines.training.logo_marks import Brand, load_brands, split_brands, without_twins
from engines.training.logo_scenes import Material, cloth_labels, load_fabrics
from engines.zoo import find
from pipeline.config import LogoConfig
from pipeline.gallery import F32, BrandEntry, Gallery, Index, PictureEntry
from pipeline.logos import Embedder

#: Brands in the gallery, crops looked at for each size, scenes.
BRANDS, CROPS, SCENES = 1000, 1500, 400
#: Longer sides of marks in pixels of the camera's picture.
LARGE, SMALL = (48.0, 110.0), (24.0, 48.0)


def gallery_of(brands: Sequence[Brand], embed: Embedder) -> Gallery:
    """One SVG a brand, drawn as when it is added to a gallery."""
    side = embed.size[0]
    shown = [np.stack(views(drawn(brand), side)) for brand in brands]
    vectors = np.concatenate([embed(pictures) for pictures in shown])
    entry = PictureEntry(file="marks/0000000000000000.svg", source="mark.svg")
    index = Index(
        model=embed.spec.name, sha256=embed.spec.sha256, vectors="",
        brands=[BrandEntry(name=brand.name, files=[entry]) for brand in brands],
    )  # fmt: skip
    return Gallery(None, index, vectors)  # type: ignore[arg-type]


def drawn(brand: Brand) -> npt.NDArray[np.uint8]:
    """The mark in its brand's colour, RGBA."""
    colour = np.broadcast_to(np.array(brand.colour, np.uint8), (*brand.cover.shape, 3))
    return np.dstack([colour, brand.cover])


def crops(
    brands: Sequence[Brand], fabrics: list[Image], sides: tuple[float, float], seed: int, size: int
) -> tuple[list[Image], npt.NDArray[np.int64]]:
    """Composed crops, and whose each is."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(brands), CROPS)
    return [crop(brands[i], fabrics, rng.uniform(*sides), size, rng) for i in chosen], chosen


def embedded(embed: Embedder, pictures: Sequence[Image]) -> F32:
    return np.concatenate(
        [embed(np.stack(pictures[i : i + 64])) for i in range(0, len(pictures), 64)]
    )


def recognition(gallery: Gallery, vectors: F32, whose: npt.NDArray[np.int64]) -> float:
    """Share of crops whose nearest brand is their own."""
    return float((gallery.likeness(vectors)[0][:, 0] == whose).mean())


def open_set(
    gallery: Gallery, known: F32, whose: npt.NDArray[np.int64], unknown: F32
) -> tuple[float, float]:
    """Share of known crops recognised rightly where one unknown in a hundred is accepted, and the
    likeness to ask for."""
    brands, likeness = gallery.likeness(known)
    least = float(np.quantile(gallery.likeness(unknown)[1][:, 0], 0.99))
    return float(((brands[:, 0] == whose) & (likeness[:, 0] > least)).mean()), least


def search_ms(embed: Embedder) -> float:
    """Of one crop among 5,000 brands of eight views (two files) each."""
    rng = np.random.default_rng(0)
    length = len(embed(np.zeros((1, *embed.size, 3), np.uint8))[0])
    vectors = rng.normal(size=(5000 * 2 * VIEWS, length)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entry = PictureEntry(file="marks/0000000000000000.svg", source="mark.svg")
    entries = [BrandEntry(name=f"b{i}", files=[entry, entry]) for i in range(5000)]
    gallery = Gallery(None, Index(model="", sha256="", vectors="", brands=entries), vectors)  # type: ignore[arg-type]
    took = []
    for i in range(200):
        began = time.perf_counter()
        gallery.match(vectors[i : i + 1])
        took.append(time.perf_counter() - began)
    return 1000 * float(np.median(took))


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Everything on brands, photos and cloths that no training saw."""
    settings = LogoConfig()
    every = without_twins(load_brands(args.icons))
    _, held, test = split_brands(every, args.seed)
    # Only validation brands are asked for; others fill the gallery, seen by no training either.
    brands = [*held, *test][:BRANDS]
    _, fabrics = load_fabrics(args.data, args.seed)
    figures: dict[str, float] = {"brands": len(brands), "asked for": len(held)}
    with ExitStack() as stack:
        spec = find(settings.embedder)
        embed = Embedder(stack.enter_context(open_engine(spec, args.engine)), spec)
        gallery = gallery_of(brands, embed)
        half = gallery_of(held[::2], embed)
        for name, sides in (("48 px or more", LARGE), ("24 to 48 px", SMALL)):
            pictures, whose = crops(held, fabrics, sides, 11, embed.size[0])
            vectors = embedded(embed, pictures)
            figures[f"top-1, {name}"] = recognition(gallery, vectors, whose)
            inside = whose % 2 == 0
            figures[f"open set at 1 % false accepts, {name}"], least = open_set(
                half, vectors[inside], whose[inside] // 2, vectors[~inside]
            )
            figures[f"likeness to ask for, {name}"] = least
        figures["search among 5,000 brands x 8, ms"] = search_ms(embed)
        figures.update(detection(args, held, fabrics, settings))
    return figures


def detection(
    args: argparse.Namespace, brands: Sequence[Brand], fabrics: list[Image], settings: LogoConfig
) -> dict[str, float]:
    """AP50 on composed scenes, and the recall of small marks at the default score."""
    root = args.data / "street_fashion"
    _, photos, names = load_split(root, args.seed)
    material = Material(photos, cloth_labels(root, names), fabrics, brands)
    looks = []
    with open_engine(find(settings.detector), args.engine) as engine:
        for i in range(SCENES):
            scene = material.scene(np.random.default_rng((13, i)))
            out = engine.infer({"images": scene.rgb[None]})
            boxes, scores = (out[k][0].astype(np.float64) for k in ("boxes", "scores"))
            looks.append(Looked(*found(boxes, scores, 0.02), scene.marks, scene.ignore))
    whole = curve(looks)
    small = [of_size(look, 16, 32) for look in looks]
    taken = int((whole.scores >= settings.score).sum())
    return {
        "scenes": len(looks),
        "marks": whole.people,
        "detection AP50": whole.average_precision(),
        f"precision at score {settings.score}": float(whole.precision[taken - 1]) if taken else 0.0,
        f"recall at score {settings.score}": recall(looks, settings.score),
        f"the same, marks of 16 to 32 px ({sum(len(s.people) for s in small)})": recall(
            small, settings.score
        ),
    }
