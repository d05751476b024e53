"""Train the network that names a garment's colour by what else the camera shows.

    python tools/train_colours.py --data ../shared/data

Garments of product photos (Fashion Product Images, MIT; Luma, AFL-3.0), outlined by the shipped
parser, are shown in made light beside grounds of the COCO pictures. Minutes on one processor core.
Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from training import colours
from training.colours import KEPT, Worn
from training.garment_data import Image, Rng, read_rgb
from training.people_data import coco_split

from engines import open_engine
from engines.packs import labels, shipped
from pipeline.picture.colour import NAMES
from pipeline.picture.colour_sense import beside, features

F32 = npt.NDArray[np.float32]
#: Pixels of each region in one view.
SEEN = 48
WIDTH = 64
EPOCHS = 12


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("pipeline/picture/colour_sense.npz"))
    parser.add_argument("--photos", type=int, default=3500, help="at most, for training")
    parser.add_argument("--views", type=int, default=60000, help="each a garment in some light")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def grounds(data: Path, seed: int) -> list[Image]:
    """Pixels (n, 3) of COCO pictures of the training part."""
    coco = data / "coco_train128"
    pictures = (read_rgb(coco / "images" / f"{stem}.jpg") for stem in coco_split(coco, seed)[0])
    return [rgb.reshape(-1, 3)[::97] for rgb in pictures if rgb is not None]


def view(worn: Worn, others: Sequence[Worn], behind: Sequence[Image], rng: Rng) -> F32:
    """Features of one garment in some light, with mistakes of the outline."""
    other, *bare = worn.around
    if rng.random() < 0.5:  # worn with something else
        other = others[rng.integers(len(others))].garment
    ground = behind[rng.integers(len(behind))]
    hidden = rng.random(4) < (0.1, 0.25, 0.25, 0.02)
    around = [
        r[:0] if gone or not len(r) else r[rng.integers(0, len(r), SEEN)]
        for r, gone in zip((other, *bare, ground), hidden, strict=True)
    ]
    garment = worn.garment[rng.integers(0, KEPT, SEEN)]
    garment, *around = colours.lit([r.astype(np.float32) / 255 for r in (garment, *around)], rng)
    near = [r for r in around if len(r)]
    if near:
        wrong = near[rng.integers(len(near))]
        bad = rng.random(SEEN) < 0.35 * rng.random() ** 2
        blur = rng.uniform(0, 0.25) * (rng.random() < 0.5)
        garment = np.where(bad[:, None], wrong, garment) * (1 - blur) + wrong.mean(axis=0) * blur
    # A view has fewer pixels than a camera's garment: each stands for several.
    seen = [np.repeat(r, 2, axis=0) for r in around]
    return features(lab(garment), beside([lab(r) for r in seen]))


def lab(rgb: F32) -> F32:
    if not len(rgb):
        return np.zeros((0, 3), np.float32)
    pixels = np.ascontiguousarray(rgb[None], np.float32)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab)[0], np.float32)


def views(
    worn: Sequence[Worn], behind: Sequence[Image], count: int, rng: Rng
) -> tuple[Tensor, Tensor]:
    """Features (count, 49) and colours (count, 13), rare colours more often."""
    colour = np.stack([w.colour for w in worn])
    weight = (colour / np.sqrt(np.maximum(colour.sum(axis=0), 1))).sum(axis=1)
    chosen = rng.choice(len(worn), count, p=weight / weight.sum())
    heard = np.stack([view(worn[i], worn, behind, rng) for i in chosen])
    return torch.from_numpy(heard), torch.from_numpy(colour[chosen])


def fit(heard: Tensor, colour: Tensor) -> nn.Sequential:
    net = nn.Sequential(
        nn.Linear(heard.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(),
        nn.Linear(WIDTH, len(NAMES)),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=2e-3)
    steps = EPOCHS * -(-len(heard) // 512)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, steps)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(heard)).split(512):
            x = heard[part] + 0.02 * torch.randn(len(part), heard.shape[1]) * (heard[part] != 0)
            loss = -(colour[part] * torch.log_softmax(net(x), 1)).sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def main() -> int:
    args = arguments()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    train, held = colours.split(args.data, args.seed)
    train = [train[i] for i in rng.permutation(len(train))[: args.photos]]
    pack = shipped().find("garments-lite0-int8")
    with open_engine(pack) as engine:
        worn, unseen = (
            list(colours.garments(args.data, part, engine, labels(pack), rng))
            for part in (train, held[: args.photos // 6])
        )
    behind = grounds(args.data, args.seed)
    print(f"{len(worn)} garments for training, {len(unseen)} for validation", flush=True)
    net = fit(*views(worn, behind, args.views, rng))
    heard, colour = views(unseen, behind, args.views // 10, rng)
    with torch.no_grad():
        said = net(heard).argmax(dim=1, keepdim=True)
    right = float((colour.gather(1, said) > 0.2).float().mean())
    print(f"validation garments in made light, named rightly: {right:.3f}")
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    stored = {f"weight{i}": layer.weight for i, layer in enumerate(layers)}
    stored |= {f"bias{i}": layer.bias for i, layer in enumerate(layers)}
    np.savez(args.out, **{k: v.detach().numpy().astype(np.float16) for k, v in stored.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
