"""Does removing the background help a classifier? Repeats the question of arXiv 2308.09764.

    python tools/background_study.py --data ../shared/data/street_fashion

Garments of the street photos are classified from crops in which what is not the person is kept,
blurred, dimmed or removed, by the true mask: by a shallow net trained from scratch, the same with
batch normalisation, and a linear classifier on the features of a pre-trained EfficientNet-Lite0.
Two seeds each. Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from training import garments
from training.garment_data import Image, Photo
from training.type_data import FROM_STREET

from engines.nets.efficientnet_lite import EfficientNetLite0, normalise
from engines.packs.tagger import Background
from engines.teach.views import square
from engines.teach.weights import imagenet_weights
from pipeline.picture.background import treat_background

SIDE = 48
EPOCHS = 10
SEEDS = (0, 1)
#: The most frequent types of the street photos.
TYPES = ("Shoes", "Pants", "Outwear", "Dress", "Skirt", "Shirt", "Blazer", "Longsleeve")


@dataclass(frozen=True, slots=True)
class Sample:
    """A garment's crop (h, w, 3), the person's mask (h, w) in it, and the type's index."""

    rgb: Image
    person: npt.NDArray[np.bool_]
    kind: int


def samples(photos: Sequence[Photo], labels: Sequence[str]) -> list[Sample]:
    """The garments of the photos, with a quarter of their size around them."""
    found = []
    for photo in photos:
        for index in np.unique(photo.mask):
            name = FROM_STREET.get(labels[index])
            ys, xs = np.nonzero(photo.mask == index)
            if name not in TYPES or len(xs) < 400:
                continue
            margin = int(0.25 * max(np.ptp(xs), np.ptp(ys)))
            part = np.s_[
                max(ys.min() - margin, 0) : ys.max() + margin,
                max(xs.min() - margin, 0) : xs.max() + margin,
            ]
            found.append(Sample(photo.rgb[part], photo.mask[part] > 0, TYPES.index(name)))
    return found


def tensors(found: Sequence[Sample], how: Background, side: int) -> tuple[Tensor, Tensor]:
    """Crops (n, 3, side, side) normalised, and types (n,)."""
    crops = [square(treat_background(s.rgb, s.person, how), side) for s in found]
    return normalise(torch.from_numpy(np.stack(crops))), torch.tensor([s.kind for s in found])


def shallow(norm: bool) -> nn.Sequential:
    """Four convolutions with pooling and a linear classifier."""
    layers: list[nn.Module] = []
    for cin, cout in pairwise((3, 16, 32, 64, 96)):
        layers += [nn.Conv2d(cin, cout, 3, padding=1)]
        layers += [nn.BatchNorm2d(cout)] if norm else []
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, len(TYPES)))


def fit(net: nn.Module, x: Tensor, y: Tensor, seed: int, epochs: int) -> None:
    """Adam, one cycle, mirrored at random."""
    draw = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-3)
    steps = epochs * (len(x) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=draw)[: len(x) // 32 * 32].split(32):
            batch = x[rows]
            if batch.dim() == 4 and torch.rand(1, generator=draw) < 0.5:
                batch = batch.flip(3)
            loss = F.cross_entropy(net(batch), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    said = torch.cat([net(part).argmax(dim=1) for part in x.split(64)])
    return float((said == y).float().mean())


@torch.no_grad()
def features(backbone: EfficientNetLite0, x: Tensor) -> Tensor:
    return torch.cat([backbone.embed(backbone(part)[-1]) for part in x.split(32)])


def study(train: list[Sample], held: list[Sample]) -> None:
    """Print accuracy, mean and range over the seeds, for every net and background."""
    backbone = EfficientNetLite0()
    backbone.load_imagenet(imagenet_weights())
    backbone.eval()
    print("| background | shallow, from scratch | the same with batch norm | pre-trained, linear |")
    print("|---|---|---|---|", flush=True)
    for how in get_args(Background):
        x, y = tensors(train, how, SIDE)
        vx, vy = tensors(held, how, SIDE)
        cells = []
        for norm in (False, True):
            scores = []
            for seed in SEEDS:
                torch.manual_seed(seed)
                net = shallow(norm)
                fit(net, x, y, seed, EPOCHS)
                scores.append(accuracy(net, vx, vy))
            cells.append(scores)
        fx, fv = (features(backbone, tensors(part, how, 160)[0]) for part in (train, held))
        scores = []
        for seed in SEEDS:
            torch.manual_seed(seed)
            linear = nn.Sequential(nn.Dropout(0.3), nn.Linear(fx.shape[1], len(TYPES)))
            fit(linear, fx, y, seed, 30)
            scores.append(accuracy(linear, fv, vy))
        cells.append(scores)
        texts = [f"{np.mean(c):.3f} ({min(c):.3f} to {max(c):.3f})" for c in cells]
        print(f"| {how} | {' | '.join(texts)} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/street_fashion"))
    args = parser.parse_args()
    if not args.data.is_dir():
        print(f"{args.data}: no such folder; --data names the street photos", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    photos, held, labels = garments.load_split(args.data, 0)
    train, test = samples(photos, labels), samples(held, labels)
    print(f"{len(train)} garments for training, {len(test)} for validation, {len(TYPES)} types\n")
    study(train, test)
    return 0


if __name__ == "__main__":
    sys.exit(main())
