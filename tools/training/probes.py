"""What a linear classifier on published features makes of few pictures, of several collections:
features once, then any number of draws."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from engines.teach import linear
from engines.teach.splits import folds
from engines.teach.trainer import look
from engines.teach.twins import TWIN, thumbnail
from training.garment_data import Image, read_rgb
from training.low_data import fresh
from training.type_data import load_types

F32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
#: Pictures of a class that draws are taken from, and those that are tested on.
POOL = 100
TESTED = 40
#: Regularisations that are tried on the first draw.
STRENGTHS = (0.01, 0.1, 1.0)
#: Types of products, and brands of T-shirts by the first word of their names: those with at least
#: 100 and 85 photos.
TYPES = (
    *("Tshirts", "Shirts", "Tops", "Kurtas", "Handbags", "Casual Shoes", "Sweaters", "Sweatshirts"),
    *("Trousers", "Jeans", "Backpacks", "Sunglasses", "Sports Shoes", "Jackets", "Shorts"),
    *("Sandals", "Heels", "Caps"),
)
BRANDS = ("United", "Puma", "Nike", "ADIDAS", "Wrangler", "Flying", "U.S.")
#: Lower garments of photos -> labels of people on cameras, and where those are on a person.
LOWER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Pants": ("lowerBodyTrousers", "lowerBodyJeans"),
        "Shorts": ("lowerBodyShorts",),
        "Skirt": ("lowerBodyShortSkirt",),
    }
)
LEGS = (0.42, 0.92)


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Features (n, d) and classes (n,) of pictures to draw from, and of those tested on."""

    pool: F32
    classes: Indices
    test: F32
    true: Indices
    kinds: int


def held_back(pictures: Sequence[tuple[Image, int]], seed: int = 0) -> tuple[list[int], list[int]]:
    """Indices to draw from and to test on, of every class; near doubles of the latter are in
    neither."""
    rng = np.random.default_rng(seed)
    pool: list[int] = []
    test: list[int] = []
    for kind in sorted({kind for _, kind in pictures}):
        own = rng.permutation([i for i, (_, other) in enumerate(pictures) if other == kind])
        held = min(TESTED, len(own) // 3)
        test += own[:held].tolist()
        pool += own[held : held + POOL].tolist()
    known = np.stack([thumbnail(pictures[i][0]) for i in test])
    return [i for i in pool if float((known @ thumbnail(pictures[i][0])).max()) < TWIN], test


def clothing(data: Path, kinds: int) -> tuple[list[tuple[Image, int]], list[tuple[Image, int]]]:
    """Photos of the largest classes of single garments, and others to test on."""
    photos, held, _ = load_types(data / "clothing", 0)
    test = [(g.rgb, g.kind) for g in held if g.kind < kinds]
    pool: list[tuple[Image, int]] = []
    for kind in range(kinds):
        pool += [(g.rgb, kind) for g in photos if g.kind == kind][:POOL]
    return pool, test


def products(data: Path, brands: bool) -> tuple[list[tuple[Image, int]], list[tuple[Image, int]]]:
    """Product photos by type, or T-shirts by brand."""
    names = BRANDS if brands else TYPES
    found: list[tuple[Image, int]] = []
    counts = dict.fromkeys(names, 0)
    for line in (data / "products.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        kind = row["name"].split()[0] if brands else row["articleType"]
        if kind not in counts or counts[kind] >= POOL + TESTED:
            continue
        if brands and row["articleType"] != "Tshirts":
            continue
        rgb = read_rgb(data / row["image"])
        if rgb is not None:
            counts[kind] += 1
            found.append((rgb, names.index(kind)))
    pool, test = held_back(found)
    return [found[i] for i in pool], [found[i] for i in test]


def cameras(data: Path) -> tuple[list[tuple[Image, int]], list[tuple[Image, int]]]:
    """Photos of trousers, shorts and skirts, and the legs of people on cameras to test on."""
    photos, _, names = load_types(data / "clothing", 0)
    order = [names.index(name) for name in LOWER]
    pool: list[tuple[Image, int]] = []
    for i, kind in enumerate(order):
        pool += [(g.rgb, i) for g in photos if g.kind == kind][:POOL]
    test: list[tuple[Image, int]] = []
    for line in (data / "cctv_people.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        worn = [i for i, labels in enumerate(LOWER.values()) if set(labels) & set(row["labels"])]
        rgb = read_rgb(data / row["image"]) if len(worn) == 1 else None
        if rgb is not None:
            top, bottom = (int(share * len(rgb)) for share in LEGS)
            test.append((np.ascontiguousarray(rgb[top:bottom]), worn[0]))
    return pool, test


def probe(pool: Sequence[tuple[Image, int]], test: Sequence[tuple[Image, int]], side: int) -> Probe:
    """Features of pictures by the backbone as published."""
    net = fresh(2, 0)
    seen, asked = (look(net, [rgb for rgb, _ in part], side)[1] for part in (pool, test))
    classes, true = (np.array([kind for _, kind in part]) for part in (pool, test))
    return Probe(seen, classes, asked, true, int(classes.max()) + 1)


def shares(known: Probe, count: int, seeds: int) -> tuple[list[float], list[float]]:
    """Share of the test pictures that is named rightly, and the mean over classes of that share,
    for each draw of ``count`` pictures a class."""
    right: list[float] = []
    balanced: list[float] = []
    strength = None
    for seed in range(seeds):
        rows = _drawn(known.classes, count, seed)
        seen, classes = known.pool[rows], known.classes[rows]
        if strength is None:
            strength = _strength(seen, classes, known.kinds)
        learnt = linear.fit(seen, classes, known.kinds, strength)
        good = learnt(known.test).argmax(1) == known.true
        right.append(float(good.mean()))
        balanced.append(float(np.mean([good[known.true == k].mean() for k in set(known.true)])))
    return right, balanced


def _drawn(classes: Indices, count: int, seed: int) -> Indices:
    rng = np.random.default_rng((seed, count))
    every = [rng.permutation(np.flatnonzero(classes == kind))[:count] for kind in set(classes)]
    return np.concatenate(every)


def _strength(seen: F32, classes: Indices, kinds: int) -> float:
    """The regularisation that names most pictures of the other half rightly."""
    fold_of = folds(classes, np.arange(len(classes)), 2, 0)

    def wrong(strength: float) -> float:
        logits = linear.held_out(seen[None], classes, fold_of, kinds, strength)
        return float((logits.argmax(1) != classes).mean())

    return min(STRENGTHS, key=wrong)
