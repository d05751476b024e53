"""What each way of teaching makes of few pictures: the same pictures, start and test for all."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines import open_engine
from engines.base import Engine, EngineOptions
from engines.nets.efficientnet_lite import EfficientNetLite0, normalise
from engines.nets.taught import Lite0Features, StillFeatures, Taught
from engines.teach import linear
from engines.teach.onnx_file import OPSET
from engines.teach.splits import folds
from engines.teach.trainer import Recipe, Trainer
from engines.teach.twins import Image
from engines.teach.views import square
from engines.teach.watch import Unwatched
from engines.teach.weights import FROZEN_BLOCKS, imagenet_weights
from training.type_data import Garment

F32 = npt.NDArray[np.float32]
#: Pictures shown at once.
SHOWN = 16
#: What is compared: how each differs from the others. ``even``: all layers learn at one rate.
ARMS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "linear": {},
        "even": {"method": "finetune", "head_rate": 1.0},
        "finetune": {"method": "finetune"},
        "control": {"method": "control"},
        "adnet": {"method": "adnet"},
    }
)


@dataclass(frozen=True, slots=True)
class Result:
    """One arm on one draw of pictures; ``right`` of the test pictures, in their order."""

    arm: str
    count: int
    seed: int
    right: tuple[bool, ...]


def drawn(photos: Sequence[Garment], kinds: int, count: int, seed: int) -> list[Garment]:
    """``count`` pictures of each of the first ``kinds`` classes."""
    rng = np.random.default_rng((seed, count))
    found = []
    for kind in range(kinds):
        own = [photo for photo in photos if photo.kind == kind]
        found += [own[i] for i in rng.permutation(len(own))[:count]]
    return found


def fresh(kinds: int, seed: int) -> Taught:
    """The backbone as published with a new classifier."""
    torch.manual_seed(seed)
    features = Lite0Features(imagenet_weights(), FROZEN_BLOCKS)
    return Taught(features, features.width, kinds)


class Front(nn.Module):
    """What nothing is learnt in: uint8 RGB (N, side, side, 3) in, maps (N, C, h, w) out."""

    def __init__(self, net: EfficientNetLite0) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu6(self.net._bn0(self.net._conv_stem(normalise(images))))
        for block in self.net._blocks[:FROZEN_BLOCKS]:
            x = block(x)
        return x


class Rest(StillFeatures):
    """What comes after, up to the pooled features: maps in, (N, 1280) out."""

    def __init__(self, net: EfficientNetLite0) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        for block in self.net._blocks[FROZEN_BLOCKS:]:
            x = block(x)
        return self.net.embed(x)


@cache
def front(side: int) -> Engine:
    """The front on an engine, which takes a fifth of the time that PyTorch does."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "front.onnx"
        net = Front(fresh(2, 0).features.backbone).eval()
        torch.onnx.export(
            net,
            (torch.zeros(2, side, side, 3, dtype=torch.uint8),),
            str(path),
            input_names=["images"],
            output_names=["maps"],
            dynamic_axes={"images": {0: "n"}, "maps": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
        return open_engine(path, "auto", EngineOptions(threads=1, any_size=True))


def seen(images: npt.NDArray[np.uint8]) -> Tensor:
    """Maps of views (n, side, side, 3)."""
    maps = front(images.shape[1]).infer({"images": images})["maps"]
    return torch.from_numpy(np.asarray(maps, np.float32).copy())


class FrontedTrainer(Trainer):
    """A training whose network begins after the front."""

    def _shown(self, images: Tensor) -> Tensor:
        return seen(images.numpy()).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def asked(net: Taught, pictures: Sequence[Image], side: int) -> tuple[F32, F32]:
    """Logits and features of whole pictures by a network that begins after the front."""
    net.eval()
    parts = []
    for start in range(0, len(pictures), SHOWN):
        crops = np.stack([square(rgb, side) for rgb in pictures[start : start + SHOWN]])
        parts.append([part.numpy() for part in net(seen(crops))])
    logits, features = (np.concatenate(own) for own in zip(*parts, strict=True))
    return logits, features


def run(
    arm: str, photos: Sequence[Garment], test: Sequence[Garment], recipe: Recipe, kinds: int
) -> npt.NDArray[np.bool_]:
    """Which of the test pictures an arm names rightly after it learnt from some photos."""
    classes = np.array([photo.kind for photo in photos])
    true = np.array([photo.kind for photo in test])
    shown = [photo.rgb for photo in test]
    net = fresh(kinds, recipe.seed)
    net.features = Rest(net.features.backbone)
    pictures = [photo.rgb for photo in photos]
    if arm == "linear":
        mirrored = [np.ascontiguousarray(rgb[:, ::-1]) for rgb in pictures]
        both = np.stack([asked(net, own, recipe.side)[1] for own in (pictures, mirrored)])
        fold_of = folds(classes, np.arange(len(classes)), 5, recipe.seed)
        strength = linear.best_strength(both, classes, fold_of, kinds)
        samples = linear.repeated(classes, both)
        learnt = linear.fit(linear.flat(both), samples, kinds, strength)
        return np.asarray(learnt(asked(net, shown, recipe.side)[1]).argmax(axis=1) == true)
    own_recipe = replace(recipe, **ARMS[arm])
    net = FrontedTrainer(pictures, classes, net, own_recipe).run(None, Unwatched())
    return np.asarray(asked(net, shown, recipe.side)[0].argmax(axis=1) == true)


def summary(results: Sequence[Result], against: str = "control") -> list[dict[str, object]]:
    """By count and arm: mean share that is right, its deviation over seeds, and the gain over
    ``against`` on the same draws with its standard error."""
    rows: list[dict[str, object]] = []
    shares = {(r.count, r.arm, r.seed): float(np.mean(r.right)) for r in results}
    for count in sorted({r.count for r in results}):
        for arm in dict.fromkeys(r.arm for r in results if r.count == count):
            own = {s: share for (c, a, s), share in shares.items() if (c, a) == (count, arm)}
            if not own:
                continue
            pairs = [
                share - shares[count, against, seed]
                for seed, share in own.items()
                if (count, against, seed) in shares
            ]
            error = np.std(pairs, ddof=1) / np.sqrt(len(pairs)) if len(pairs) > 1 else np.nan
            rows.append(
                {
                    "count": count,
                    "arm": arm,
                    "seeds": len(own),
                    "mean": float(np.mean(list(own.values()))),
                    "deviation": float(np.std(list(own.values()), ddof=min(len(own) - 1, 1))),
                    "gain": float(np.mean(pairs)) if pairs else np.nan,
                    "error": float(error),
                }
            )
    return rows
