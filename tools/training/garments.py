"""Training and evaluation of the garment parser."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from engines.nets.garment_parser import ExportedParser, GarmentParser, TagScores
from engines.teach import checkpoint
from engines.teach.ahead import ahead
from training.garment_data import (
    CROP_SIZE,
    IGNORE,
    GarmentCrops,
    Photo,
    load_photo,
    read_index,
    split_ids,
    without_duplicates,
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a training besides the data."""

    epochs: int = 40
    batch: int = 16
    lr: float = 2e-3
    backbone_lr: float = 6e-4
    weight_decay: float = 0.02
    ema: float = 0.995
    rare_weight: float = 0.2
    presence_weight: float = 0.5
    frozen_blocks: int = 5
    seed: int = 0
    threads: int = 2


def label_weights(photos: list[Photo], labels: int, power: float) -> Tensor:
    """Loss weights ``frequency ** -power``, mean 1 over pixels, capped at 4."""
    counts = np.zeros(labels)
    for photo in photos:
        counts += np.bincount(photo.mask.ravel(), minlength=labels)[:labels]
    share = np.maximum(counts / counts.sum(), 1e-6)
    weights = share**-power
    weights /= (weights * share).sum()
    return torch.tensor(np.minimum(weights, 4.0), dtype=torch.float32)


def parsing_loss(logits: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy at half resolution, where the exported graph takes its argmax."""
    logits = F.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)
    return F.cross_entropy(
        logits, mask[:, ::2, ::2], weights, ignore_index=IGNORE, label_smoothing=0.05
    )


def absence_loss(logits: Tensor, mask: Tensor, worn: Tensor) -> Tensor:
    """Keeps labels that are known not to be worn out of pixels that nobody labelled."""
    unlabelled = (mask[:, 2::4, 2::4] == IGNORE).float()
    shares = torch.softmax(logits, dim=1) * (worn == 0).float()[:, :, None, None]
    wrong = shares.sum(dim=1).clamp(max=0.999)
    return (-torch.log(1.0 - wrong) * unlabelled).mean()


def presence_loss(logits: Tensor, worn: Tensor) -> Tensor:
    """Binary cross-entropy per label; entries below 0 are unknown and left out."""
    known = (worn >= 0).float()
    loss = F.binary_cross_entropy_with_logits(logits, worn.clamp(0, 1), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1) * 10


def _optimizer(net: GarmentParser, recipe: Recipe) -> torch.optim.Optimizer:
    backbone = [p for p in net.backbone.parameters() if p.requires_grad]
    known = {id(p) for p in net.backbone.parameters()}
    rest = [p for p in net.parameters() if id(p) not in known]
    groups = [
        {"params": rest, "lr": recipe.lr},
        {"params": backbone, "lr": recipe.backbone_lr},
    ]
    return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)


class Trainer:
    """One training, resumable from a checkpoint after every epoch."""

    def __init__(self, photos: list[Photo], labels: int, imagenet: Path, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(recipe.threads)
        self.recipe = recipe
        self.crops = GarmentCrops(photos, labels, recipe.seed)
        self.net = GarmentParser(labels)
        self.net.backbone.load_imagenet(imagenet)
        self.net.backbone.freeze(recipe.frozen_blocks)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net)
        self.weights = label_weights(photos, labels, recipe.rare_weight)
        self.optimizer = _optimizer(self.net, recipe)
        self.steps = len(photos) // recipe.batch
        total = recipe.epochs * self.steps
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, [recipe.lr, recipe.backbone_lr], total, pct_start=0.1
        )
        self.epoch = 0

    def start_from(self, net: GarmentParser) -> None:
        """Begin with the weights of a trained net."""
        self.net.load_state_dict(net.state_dict())
        self.average.load_state_dict(net.state_dict())

    def save(self, path: Path) -> None:
        """Write the state after the last finished epoch, whole or not at all."""
        checkpoint.save(path, self, self.epoch)

    def resume(self, path: Path) -> None:
        """Continue from ``path``; the recipe must be the one it was written with."""
        self.epoch = checkpoint.resume(path, self)

    def run_epoch(self) -> Iterator[float]:
        """Train one epoch, yielding the loss of every step."""
        recipe = self.recipe
        self.crops.epoch = self.epoch
        order = torch.Generator().manual_seed(recipe.seed * 1000 + self.epoch)
        loader = DataLoader(self.crops, recipe.batch, shuffle=True, drop_last=True, generator=order)
        self.net.train()
        for step, (images, masks, worn) in enumerate(ahead(loader)):
            images = images.contiguous(memory_format=torch.channels_last)
            logits, seen = self.net(images)
            loss = parsing_loss(logits, masks, self.weights)
            loss = loss + recipe.presence_weight * presence_loss(seen, worn)
            loss = loss + absence_loss(logits, masks, worn)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
            self.optimizer.step()
            self.schedule.step()
            done = self.epoch * self.steps + step
            checkpoint.follow(self.average, self.net, min(recipe.ema, (1 + done) / (10 + done)))
            yield float(loss.detach())
        self.epoch += 1


def confusion(
    photos: list[Photo], labels: int, predict: Callable[[Photo], npt.NDArray[np.uint8]]
) -> npt.NDArray[np.int64]:
    """Pixel confusion counts (true, predicted) over whole photos."""
    counts = np.zeros((labels, labels), np.int64)
    for photo in photos:
        pair = photo.mask.astype(np.int64) * labels + predict(photo)
        counts += np.bincount(pair.ravel(), minlength=labels**2).reshape(labels, labels)
    return counts


def load_split(root: Path, seed: int) -> tuple[list[Photo], list[Photo], list[str]]:
    """Train photos, validation photos and the label names.

    Training photos that show the same scene as a validation photo are left out.
    """
    train, validation = split_ids(root, seed)
    names = json.loads((root / "labels.json").read_text())
    tags = tag_indices(root, names)
    masks = root / "masks"
    held = [load_photo(root, i, masks / f"{i}.png", tags[i]) for i in validation]
    photos = [load_photo(root, i, masks / f"{i}.png", tags[i]) for i in train]
    return without_duplicates(photos, held), held, names


def tag_indices(root: Path, names: list[str]) -> dict[str, tuple[int, ...]]:
    """Label indices every photo is tagged with, by id."""
    return {r["id"]: tuple(names.index(tag) for tag in r["tags"]) for r in read_index(root)}


def load_pseudo(root: Path, masks: Path, held: list[Photo], names: list[str]) -> list[Photo]:
    """Photos with tags only, with the masks of an earlier round."""
    tags = tag_indices(root, names)
    ids = [row["id"] for row in read_index(root) if row["level"] == "image"]
    photos = [load_photo(root, i, masks / f"{i}.png", tags[i]) for i in ids]
    return without_duplicates(photos, held)


def export(net: GarmentParser, tags: TagScores, path: Path) -> None:
    """Write the ONNX file (opset 17, dynamic batch)."""
    net.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    width, height = CROP_SIZE
    sample = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    names = ["labels", "scores", "worn", "categories"]
    torch.onnx.export(
        ExportedParser(net, tags).eval(),
        (sample,),
        str(path),
        input_names=["images"],
        output_names=names,
        dynamic_axes={name: {0: "batch"} for name in ["images", *names]},
        opset_version=17,
        dynamo=False,
    )
