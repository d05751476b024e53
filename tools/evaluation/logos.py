"""Brand marks: recognition among brands never seen, what is in no gallery, finding, cost."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from training.detection_figures import Looked, curve
from training.garment_data import Image
from training.garments import load_split
from training.logo_crops import crop
from training.logo_detection import found, of_size, recall
from training.logo_marks import (
    DRAWN,
    Brand,
    load_brands,
    split_brands,
    split_others,
    without_twins,
)
from training.logo_prints import PLAIN, ROUGH
from training.logo_scenes import Material, Scene, cloth_labels, load_fabrics

from engines import Engine, Pack, Packs
from evaluation import logo_photos
from evaluation.logo_controls import controls
from pipeline.models.opening import EngineSettings, Models
from pipeline.tagging.logos.colours import own_hues
from pipeline.tagging.logos.exemplars import VIEWS, views
from pipeline.tagging.logos.gallery import Gallery, known_of
from pipeline.tagging.logos.gallery_file import F32, BrandEntry, Index, PictureEntry
from pipeline.tagging.logos.reader import Embedder
from pipeline.tagging.logos.tagger import LogoSettings

#: Brands in the gallery, crops looked at for each size, scenes.
BRANDS, CROPS, SCENES = 1000, 1500, 400
#: Longer sides of marks in pixels of the camera's picture.
LARGE, SMALL = "48 px or more", "24 to 48 px"
SIZES = {LARGE: (48.0, 110.0), SMALL: (24.0, 48.0)}
#: Share of people in scenes that are looked at apart.
APART = {"on people": 1.0, "on garments alone and boards": 0.0}
AP50 = "detection AP50"
#: Brands that untrained controls are asked for, as well as all.
FEW = 300


#: Crops RGB (n, side, side, 3) uint8 in, unit vectors (n, length) out.
Embed = Callable[[npt.NDArray[np.uint8]], F32]


def shown(brands: Sequence[Brand], side: int) -> npt.NDArray[np.uint8]:
    """What a gallery keeps of one SVG a brand (brands x VIEWS, side, side, 3)."""
    return np.concatenate([np.stack(views(brand.drawn(), side)) for brand in brands])


def gallery_of(brands: Sequence[Brand], embed: Embed, side: int, spec: Pack) -> Gallery:
    """A gallery of one SVG a brand, with the decision and the background of a model."""
    return gallery_from(brands, embedded(embed, shown(brands, side)), spec)


def gallery_from(brands: Sequence[Brand], vectors: F32, spec: Pack) -> Gallery:
    """A gallery of one picture a brand, whose views have these vectors."""
    entry = PictureEntry(file="marks/0000000000000000.svg", source="mark.svg")
    entries = [entry.model_copy(update={"hues": own_hues(brand.drawn())}) for brand in brands]
    index = Index(
        model=spec.name, sha256=spec.sha256, vectors="",
        brands=[
            BrandEntry(name=brand.name, files=[one])
            for brand, one in zip(brands, entries, strict=True)
        ],
    )  # fmt: skip
    return Gallery(Path(), index, vectors, *known_of(spec))


def crops(
    brands: Sequence[Brand], fabrics: list[Image], sides: tuple[float, float], size: int,
    rough: float,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:  # fmt: skip
    """Composed crops (n, size, size, 3), and whose each is."""
    rng = np.random.default_rng((11, round(sides[0])))
    chosen = rng.integers(0, len(brands), CROPS)
    made = [crop(brands[i], fabrics, rng.uniform(*sides), size, rng, rough) for i in chosen]
    return np.stack(made), chosen


def embedded(embed: Embed, pictures: npt.NDArray[np.uint8]) -> F32:
    return np.concatenate(
        [np.array(embed(pictures[i : i + 64])) for i in range(0, len(pictures), 64)]
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
    index = Index(model="", sha256="", vectors="", brands=entries)
    gallery = Gallery(Path(), index, vectors, *known_of(embed.pack))
    took = []
    for i in range(200):
        began = time.perf_counter()
        gallery.match(vectors[i : i + 1])
        took.append(time.perf_counter() - began)
    return 1000 * float(np.median(took))


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """Everything on brands, photos and cloths that no training saw. Validation brands are asked
    for unless ``--all`` asks for the test brands; both fill the gallery. The decision, which was
    fitted on validation brands, is measured on test brands."""
    from evaluation import logo_gallery  # it builds on this module

    settings = LogoSettings()
    _, held, test = split_brands(without_twins(load_brands(args.icons, DRAWN)), args.seed)
    asked = test if args.all else held
    brands = [*asked, *(held if args.all else test)][:BRANDS]
    _, fabrics = load_fabrics(args.data, args.seed)
    figures: dict[str, float] = {"brands": len(brands), "asked for": min(len(asked), BRANDS)}
    with Models(EngineSettings(backend=args.engine), packs) as models:
        embed = Embedder(*models.open(settings.embedder))
        spec = embed.pack
        figures["search among 5,000 brands x 8, ms"] = search_ms(embed)
        figures.update(_recognised(embed, spec, brands, asked, fabrics))
        every = load_brands(args.icons, DRAWN)
        figures.update(logo_gallery.measure(embed, every, test, fabrics))
        figures.update(_controls(spec, brands, asked, fabrics))
        if args.marks is not None:
            seen = {brand.name for brand in load_brands(args.icons, DRAWN)}
            parts = split_others(args.marks, seen, args.seed, DRAWN)
            figures.update(_others(embed, spec, parts, fabrics))
        engine, _ = models.open(settings.detector)
        figures.update(detection(args, asked, fabrics, engine))
    return figures | logo_photos.measure(args, packs)


def _recognised(
    embed: Embedder, spec: Pack, brands: Sequence[Brand], asked: Sequence[Brand],
    fabrics: list[Image],
) -> dict[str, float]:  # fmt: skip
    """Top-1 among all brands, and known against unknown: every other brand asked for is in the
    gallery."""
    figures: dict[str, float] = {}
    side = embed.size[0]
    gallery = gallery_of(brands, embed, side, spec)
    half = gallery_of(asked[::2], embed, side, spec)
    for rough in (PLAIN, ROUGH):
        for name, sides in SIZES.items():
            what = f"{name}, roughness {rough}"
            pictures, whose = crops(asked, fabrics, sides, side, rough)
            vectors = embedded(embed, pictures)
            figures[f"top-1: {what}"] = recognition(gallery, vectors, whose)
            inside = whose % 2 == 0
            figures[f"found at 1 % false accepts: {what}"], least = open_set(
                half, vectors[inside], whose[inside] // 2, vectors[~inside]
            )
            figures[f"likeness to ask for: {what}"] = least
    return figures


def _others(
    embed: Embed, spec: Pack, parts: Sequence[list[Brand]], fabrics: list[Image]
) -> dict[str, float]:
    """Recognition of marks of another maker, many of several colours, that no training saw; those
    of the training fill the gallery."""
    asked = [*parts[2], *parts[1]]
    brands = [*asked, *parts[0]][:BRANDS]
    coloured = np.array([brand.rgb is not None for brand in asked])
    figures: dict[str, float] = {"other marks": len(brands), "of these asked for": len(asked)}
    figures["other marks of several colours"] = int(coloured.sum())
    gallery = gallery_of(brands, embed, spec.size[0], spec)
    for name, sides in SIZES.items():
        pictures, whose = crops(asked, fabrics, sides, spec.size[0], PLAIN)
        right = gallery.likeness(embedded(embed, pictures))[0][:, 0] == whose
        figures[f"other marks: top-1: {name}"] = float(right.mean())
        several = coloured[whose]
        figures[f"other marks of several colours: top-1: {name}"] = float(right[several].mean())
    return figures


def _controls(
    spec: Pack, brands: Sequence[Brand], asked: Sequence[Brand], fabrics: list[Image]
) -> dict[str, float]:
    """The same crops by what was never trained for marks."""
    figures: dict[str, float] = {}
    for name, (embed, side) in controls().items():
        pictures, whose = crops(asked[:FEW], fabrics, SIZES[LARGE], side, PLAIN)
        vectors = embedded(embed, pictures)
        for some in (brands[:FEW], brands):
            right = recognition(gallery_of(some, embed, side, spec), vectors, whose)
            figures[f"{name}, {len(some)} brands: top-1"] = right
    return figures


def detection(
    args: argparse.Namespace, brands: Sequence[Brand], fabrics: list[Image], engine: Engine
) -> dict[str, float]:
    """AP50 on composed scenes, and the recall of small marks at the default score."""
    least = LogoSettings().score
    root = args.data / "street_fashion"
    _, photos, names = load_split(root, args.seed)
    cloth = cloth_labels(root, names)
    figures: dict[str, float] = {}
    for rough in (PLAIN, ROUGH):
        material = Material(photos, cloth, fabrics, brands, (rough, rough))
        found_ones = _detected(_scenes(material), engine, least)
        for where, share in APART.items():
            only = _detected(_scenes(replace(material, people=share)), engine, least)
            found_ones[f"{AP50}, {where}"] = only[AP50]
        figures |= {f"{name}, roughness {rough}": v for name, v in found_ones.items()}
    return figures


def _scenes(material: Material) -> list[Scene]:
    return [material.scene(np.random.default_rng((13, i))) for i in range(SCENES)]


def _detected(scenes: Sequence[Scene], engine: Engine, score: float) -> dict[str, float]:
    looks, lenient = [], []
    for scene in scenes:
        out = engine.infer({"images": scene.rgb[None]})
        boxes, scores = (out[k][0].astype(np.float64) for k in ("boxes", "scores"))
        some = found(boxes, scores, 0.02)
        looks.append(Looked(*some, scene.marks, scene.ignore))
        either = np.concatenate([scene.ignore, scene.others])
        lenient.append(Looked(*some, scene.marks, either))
    whole = curve(looks)
    small = [of_size(look, 16, 32) for look in looks]
    taken = int((whole.scores >= score).sum())
    return {
        "marks": whole.people,
        AP50: whole.average_precision(),
        "AP50, letters and patterns not counted": curve(lenient).average_precision(),
        f"precision at score {score}": float(whole.precision[taken - 1]) if taken else 0.0,
        f"recall at score {score}": recall(looks, score),
        f"the same, marks of 16 to 32 px ({sum(len(s.people) for s in small)})": recall(
            small, score
        ),
    }
