"""What each way of teaching makes of few pictures: the same pictures, start and test for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engines.nets.taught import Lite0Features, Taught
from engines.teach import linear
from engines.teach.splits import folds
from engines.teach.trainer import Recipe, Trainer, look
from engines.teach.watch import Unwatched
from engines.teach.weights import imagenet_weights
from training.type_data import Garment

#: Blocks of the backbone that stay as published.
FROZEN_BLOCKS = 5
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


def run(
    arm: str, photos: Sequence[Garment], test: Sequence[Garment], recipe: Recipe, kinds: int
) -> npt.NDArray[np.bool_]:
    """Which of the test pictures an arm names rightly after it learnt from some photos."""
    classes = np.array([photo.kind for photo in photos])
    true = np.array([photo.kind for photo in test])
    shown = [photo.rgb for photo in test]
    net = fresh(kinds, recipe.seed)
    pictures = [photo.rgb for photo in photos]
    if arm == "linear":
        mirrored = [np.ascontiguousarray(rgb[:, ::-1]) for rgb in pictures]
        seen = np.stack([look(net, own, recipe.side)[1] for own in (pictures, mirrored)])
        fold_of = folds(classes, np.arange(len(classes)), 5, recipe.seed)
        strength = linear.best_strength(seen, classes, fold_of, kinds)
        samples = linear.repeated(classes, seen)
        learnt = linear.fit(linear.flat(seen), samples, kinds, strength)
        return np.asarray(learnt(look(net, shown, recipe.side)[1]).argmax(axis=1) == true)
    own_recipe = replace(recipe, **ARMS[arm])
    net = Trainer(pictures, classes, net, own_recipe).run(None, Unwatched())
    return np.asarray(look(net, shown, recipe.side)[0].argmax(axis=1) == true)


def summary(results: Sequence[Result], against: str = "control") -> list[dict[str, object]]:
    """By count and arm: mean share that is right, its deviation over seeds, and the gain over
    ``against`` on the same draws with its standard error."""
    rows: list[dict[str, object]] = []
    shares = {(r.count, r.arm, r.seed): float(np.mean(r.right)) for r in results}
    for count in sorted({r.count for r in results}):
        for arm in ARMS:
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
