"""A linear classifier on frozen features: few pictures, no training of the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from engines.teach.calibration import fit_temperature, log_loss
from engines.teach.lesson import Indices
from engines.teach.splits import folds

F32 = npt.NDArray[np.float32]
#: Strengths of the regularisation that are tried.
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
#: Steps of L-BFGS.
_STEPS = 200
#: Parts by which a classifier that is begun with is regularised.
_FOLDS = 4


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights (classes, features) and biases (classes,) on features as they come."""

    weight: F32
    bias: F32

    def __call__(self, features: F32) -> F32:
        """Logits (n, classes)."""
        return features @ self.weight.T + self.bias


def fit(features: F32, classes: Indices, count: int, strength: float) -> Linear:
    """Multinomial logistic regression by L-BFGS, on features brought to mean 0 and deviation 1,
    whose weights pay ``strength`` / 2 times the mean of their squares over features; classes weigh
    the same.

    Args:
        features: (n, d).
        count: number of classes; those without a sample get no weight of their own.
    """
    x = torch.from_numpy(features).double()
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0) + 1e-3
    x = (x - mean) / spread / features.shape[1] ** 0.5
    y = torch.from_numpy(classes)
    sizes = np.bincount(classes, minlength=count)
    share = np.where(sizes > 0, 1.0 / np.maximum(sizes, 1), 0.0)
    balance = torch.from_numpy(share * len(classes) / (sizes > 0).sum())
    weight = torch.zeros(count, x.shape[1], dtype=torch.double, requires_grad=True)
    bias = torch.zeros(count, dtype=torch.double, requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        search.zero_grad()
        each = F.cross_entropy(F.linear(x, weight, bias), y, reduction="none") * balance[y]
        found = each.mean() + 0.5 * strength / x.shape[1] * (weight**2).sum()
        found.backward()
        return found

    search.step(loss)
    with torch.no_grad():
        own = weight / spread / features.shape[1] ** 0.5
        offset = bias - own @ mean
    return Linear(own.numpy().astype(np.float32), offset.numpy().astype(np.float32))


def held_out(features: F32, classes: Indices, fold_of: Indices, count: int, strength: float) -> F32:
    """Logits (n, classes) of each picture by a classifier that did not learn from its fold.

    Args:
        features: (views, n, d): every view of a picture is learnt from, the first one is asked.
    """
    out = np.zeros((len(classes), count), np.float32)
    for fold in np.unique(fold_of):
        rest = fold_of != fold
        learnt = fit(flat(features[:, rest]), repeated(classes[rest], features), count, strength)
        out[~rest] = learnt(features[0, ~rest])
    return out


def flat(features: F32) -> F32:
    """Features of all views as samples."""
    return features.reshape(-1, features.shape[-1])


def repeated(classes: Indices, features: F32) -> Indices:
    """The classes of those samples."""
    return np.tile(classes, len(features))


def best_strength(features: F32, classes: Indices, fold_of: Indices, count: int) -> float:
    """The regularisation that makes pictures held out likeliest, each at its best temperature."""

    def loss(strength: float) -> float:
        logits = held_out(features, classes, fold_of, count, strength)
        return log_loss(logits, classes, fit_temperature(logits, classes))

    return min(STRENGTHS, key=loss)


def begin(
    classifier: torch.nn.Linear, features: F32, classes: Indices, together: Indices, seed: int
) -> None:
    """Make a layer the linear classifier of features (n, d), regularised by cross-validation.

    A network that is trained on from there loses less of what it knows than with a classifier that
    begins with random numbers (Kumar et al., arXiv 2202.10054).

    Args:
        together: pictures with the same number never part (``splits.folds``).
    """
    count = classifier.out_features
    fold_of = folds(classes, together, _FOLDS, seed)
    apart = len(np.unique(fold_of)) > 1  # else all look alike
    strength = best_strength(features[None], classes, fold_of, count) if apart else 1.0
    own = fit(features, classes, count, strength)
    with torch.no_grad():
        classifier.weight.copy_(torch.from_numpy(own.weight))
        classifier.bias.copy_(torch.from_numpy(own.bias))
