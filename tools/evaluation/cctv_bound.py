"""How well the frozen parser's features can do on ``cctv``: heads fitted to its own labels.

Nothing that is fitted here is kept. "camera left out" are heads fitted to the people of three
cameras and asked about the fourth; "cameras known" are heads fitted to three quarters of the people
of every camera and asked about the last quarter. What no such head tells, no other made material
can teach to a head on these features.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from training import answers
from training.answer_data import Names
from training.colours import drawn
from training.garment_data import CROP_SIZE, PAD, Image, read_rgb

from engines import Packs
from engines.nets.garment_answers import QUESTIONS
from engines.packs import labels
from evaluation.cctv import (
    BAGS,
    LOWER_TYPES,
    PATTERNS,
    UPPER_TYPES,
    WORN,
    balanced_accuracy,
    f1,
    read,
    true_colours,
)
from pipeline.picture.colour import BASIC, NAMES, colour_map, lab_of
from pipeline.picture.colour_sense import beside, features
from pipeline.tagging.garments.parts import COVERS, LOWER, UPPER
from pipeline.tagging.parsing import cells_of

#: Answers of the heads that stand for a type of the labels.
STANDS_FOR = {
    "t-shirt": ("t-shirt", "top"), "jacket": ("jacket", "coat"), "suit": ("blazer",),
    "sweater": ("sweater", "sweatshirt", "cardigan"),
    "trousers": ("pants",), "jeans": ("jeans",), "shorts": ("shorts",),
    "skirt": ("skirt", "dress"),
}  # fmt: skip
BASIC_NAMES = tuple(sorted(set(BASIC.values())))
EPOCHS = 40


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known and seen of the people: labels, camera, features, and of each part of the body
    what tells its colour (nothing where the parser found no garment)."""

    labels: list[frozenset[str]]
    cameras: npt.NDArray[np.str_]
    features: answers.Seen
    colours: dict[str, list[npt.NDArray[np.float32] | None]]


def told(own: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Answers that a person's labels allow."""
    found: dict[str, tuple[str, ...]] = {}
    uppers = [name for name, (label, _) in UPPER_TYPES.items() if label in own]
    lowers = [name for name, (names, _) in LOWER_TYPES.items() if own.intersection(names)]
    for question, kinds in (("upper", uppers), ("lower", lowers)):
        if kinds:
            found[question] = tuple(answer for kind in kinds for answer in STANDS_FOR[kind])
    sleeves = [s for s in ("long", "short") if f"upperBody{s.capitalize()}Sleeve" in own]
    if len(sleeves) == 1:
        found["sleeve"] = (sleeves[0],)
    patterns = tuple(name for name, names in PATTERNS.items() if own.intersection(names))
    found["pattern"] = patterns or ("plain",)
    for question, names in (("hat", WORN["hat"]), ("scarf", WORN["scarf"]), ("bag", BAGS)):
        found[question] = (question if own.intersection(names) else "none",)
    return found


def fitted(rgb: Image) -> Image:
    """A picture of a person in the parser's crop, grey beside it."""
    width, height = CROP_SIZE
    scale = min(width / rgb.shape[1], height / rgb.shape[0])
    part = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    top, left = (height - part.shape[0]) // 2, (width - part.shape[1]) // 2
    crop = np.full((height, width, 3), PAD, np.uint8)
    crop[top : top + part.shape[0], left : left + part.shape[1]] = part
    return crop


def colour_features(
    crop: Image, shares: npt.NDArray[np.float32], names: Names
) -> Iterator[npt.NDArray[np.float32] | None]:
    """What tells the colour of the upper and of the lower garment: what the colours' network
    hears, and the shares of the names by pixels alone."""
    index = shares.argmax(axis=0).astype(np.uint8)
    small = cv2.resize(crop, index.shape[::-1], interpolation=cv2.INTER_AREA)
    known = names.known
    parts = {part: [i for i, k in enumerate(known) if COVERS.get(k.category or "", ()) == (part,)]
             for part in (UPPER, LOWER)}  # fmt: skip
    bare = [[i for i, k in enumerate(known) if k.name == name] for name in ("skin", "hair")]
    ground = small[(index == 0) & (small != PAD).any(axis=2)]
    rng = np.random.default_rng(0)
    for own, other in ((UPPER, LOWER), (LOWER, UPPER)):
        garment = small[cells_of(index, parts[own])]
        if len(garment) < 40:
            yield None
            continue
        near = [small[cells_of(index, members)] for members in (parts[other], *bare)]
        lab = [_lab(region, rng) for region in (garment, *near, ground)]
        votes = np.bincount(colour_map(garment[None])[0], minlength=len(NAMES)) / len(garment)
        yield np.concatenate([features(lab[0], beside(lab[1:])), votes]).astype(np.float32)


def _lab(region: Image, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Some pixels in CIELAB (n, 3); none of a region too small to tell of."""
    pixels = drawn(region, rng)
    return lab_of(pixels.astype(np.float64)) if len(pixels) else np.zeros((0, 3), np.float32)


def seen_people(args: argparse.Namespace, packs: Packs) -> Seen:
    pack = packs.find(args.model or "garments-lite0-int8")
    names = Names(labels(pack))
    extractor = answers.Extractor(pack.path, names)
    rows = read(args.data)
    places, whole = [], []
    colours: dict[str, list[npt.NDArray[np.float32] | None]] = {"upperBody": [], "lowerBody": []}
    for row in rows:
        rgb = read_rgb(args.data / row["image"])
        if rgb is None:
            raise SystemExit(f"{row['image']}: cannot be read")
        crop = fitted(rgb)
        place, pooled = extractor(crop[None])
        places.append(place.half())
        whole.append(pooled.half())
        found = colour_features(crop, extractor.shares(crop), names)
        for part, own in zip(colours, found, strict=True):
            colours[part].append(own)
    known = [frozenset(row["labels"]) for row in rows]
    flags = torch.tensor(np.stack([answers.allowed(told(own)) for own in known]))
    cameras = np.array([row["set"] for row in rows])
    return Seen(
        known, cameras, answers.Seen(torch.cat(places), torch.cat(whole), flags, cameras), colours
    )


def parts(cameras: npt.NDArray[np.str_]) -> dict[str, list[npt.NDArray[np.bool_]]]:
    """Which people are asked about, part by part; the others are fitted to."""
    fold = np.random.default_rng(0).integers(0, 4, len(cameras))
    return {
        "camera left out": [cameras == camera for camera in sorted(set(cameras))],
        "cameras known": [fold == i for i in range(4)],
    }


def _answered(seen: answers.Seen, asked: Sequence[npt.NDArray[np.bool_]]) -> Tensor:
    """Logits of everybody, each from heads that were not fitted to them."""
    logits = torch.zeros(len(seen.answers), answers.WIDEST)

    def only(rows: Tensor) -> answers.Seen:
        kinds = seen.kinds[rows.numpy()]
        return answers.Seen(seen.places[rows], seen.whole[rows], seen.answers[rows], kinds)

    for part in asked:
        rows = torch.from_numpy(part)
        logits[rows] = answers.answer(answers.fit(only(~rows), EPOCHS, 0), only(rows))
    return logits


def answer_rows(seen: Seen, asked: Sequence[npt.NDArray[np.bool_]]) -> dict[str, float]:
    """The figures of ``cctv`` that heads answer."""
    logits, known = _answered(seen.features, asked), [told(own) for own in seen.labels]
    said = {question: [QUESTIONS[question][i] for i in logits[:, span].argmax(dim=1).tolist()]
            for question, span in answers.spans().items()}  # fmt: skip
    rows = {}
    for question, name in (
        ("sleeve", "sleeve long or short"),
        ("upper", "t-shirt, jacket, suit or sweater"),
        ("lower", "trousers, jeans, shorts or skirt"),
    ):
        pairs = zip(said[question], known, strict=True)
        hits = [answer in own[question] for answer, own in pairs if question in own]
        rows[name] = float(np.mean(hits))
    for question in ("hat", "scarf"):
        rows[f"{question} F1"] = _told_f1(said, known, question, question)
    bag, true = (np.array(said["bag"]) == "bag"), np.array([o["bag"] == ("bag",) for o in known])
    rows["bag, balanced accuracy"] = balanced_accuracy(bag, true)
    scores = [_told_f1(said, known, "pattern", name) for name in (*PATTERNS, "plain")]
    rows["pattern, macro-F1"] = float(np.mean(scores))
    return rows


def _told_f1(said: dict[str, list[str]], known: Sequence[dict[str, tuple[str, ...]]], question: str,
             answer: str) -> float:  # fmt: skip
    return f1([s == answer for s in said[question]], [answer in own[question] for own in known])


def _colour_net(x: Tensor, y: Tensor) -> nn.Sequential:
    torch.manual_seed(0)
    hidden, out = 48, len(BASIC_NAMES)
    net = nn.Sequential(
        nn.Linear(x.shape[1], hidden), nn.ReLU(), nn.Dropout(0.4), nn.Linear(hidden, out)
    )
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.05)
    weights = 1 / torch.sqrt(y.sum(dim=0) + 1)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(128):
            lp = torch.log_softmax(net(x[rows] + 0.05 * torch.randn_like(x[rows])), 1)
            loss = -(y[rows] * weights * lp).sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()


@torch.no_grad()
def _named(net: nn.Sequential, x: Tensor) -> list[int]:
    found: list[int] = net(x).argmax(dim=1).tolist()
    return found


def colour_row(seen: Seen, part: str, asked: Sequence[npt.NDArray[np.bool_]]) -> float:
    """How often a colour is one of the labelled ones, by a network of its own."""
    true = [true_colours(own, part) for own in seen.labels]
    rows = [i for i, own in enumerate(seen.colours[part]) if own is not None and true[i]]
    x = torch.from_numpy(np.stack([seen.colours[part][i] for i in rows]))
    y = torch.tensor([[(name in true[i]) / len(true[i]) for name in BASIC_NAMES] for i in rows])
    hits = 0
    for flags in asked:
        out = torch.from_numpy(flags[rows])
        mean, spread = x[~out].mean(dim=0), x[~out].std(dim=0) + 0.05
        net = _colour_net((x[~out] - mean) / spread, y[~out])
        said = _named(net, (x[out] - mean) / spread)
        own = [i for i, flag in zip(rows, out.tolist(), strict=True) if flag]
        hits += sum(BASIC_NAMES[s] in true[i] for s, i in zip(said, own, strict=True))
    return hits / sum(bool(own) for own in true)


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    torch.set_num_threads(1)
    seen = seen_people(args, packs)
    return {
        f"{kind}: {name}": value
        for kind, asked in parts(seen.cameras).items()
        for name, value in {
            "upper colour right": colour_row(seen, "upperBody", asked),
            "lower colour right": colour_row(seen, "lowerBody", asked),
            **answer_rows(seen, asked),
        }.items()
    }
