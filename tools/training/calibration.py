"""Scores that mean what they say: fitting and measuring calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engines.nets.efficientnet_lite import normalise
from engines.nets.garment_parser import GarmentParser, TagScores
from training.garment_data import Photo, crop_window, person_box, take_window

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def fit_logistic(features: F64, right: Bools, ridge: float = 1e-3) -> F64:
    """Weights (k + 1,), the last one the bias, of a logistic regression by Newton's method."""
    x = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    y = right.astype(np.float64)
    weights = np.zeros(x.shape[1])
    damp = ridge * len(y)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (y - p) - damp * weights
        curve = x.T @ (x * (p * (1 - p) + 1e-6)[:, None]) + damp * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-7:
            break
    return weights


def worn_categories(worn: Bools, member: npt.NDArray[np.float32]) -> Bools:
    """Categories (n, categories) of which at least one label of (n, labels) is worn."""
    return (worn.astype(np.float32) @ member.T) > 0


@torch.no_grad()
def look(net: GarmentParser, photos: Sequence[Photo]) -> tuple[Tensor, Tensor, Bools]:
    """Pixel logits (n, labels, h, w), presence logits (n, labels) and what is worn (n, labels) of
    photos cropped by the person's true box."""
    net.eval()
    logits, presence, worn = [], [], np.zeros((len(photos), net.labels), bool)
    for i, photo in enumerate(photos):
        image, _ = take_window(photo, crop_window(person_box(photo.mask)))
        pixels, seen = net(normalise(torch.from_numpy(image)[None]))
        logits.append(pixels[0].half())
        presence.append(seen[0])
        worn[i, np.unique(photo.mask)] = True
    return torch.stack(logits), torch.stack(presence), worn


def fit_tags(
    tags: TagScores, logits: Tensor, presence: Tensor, worn: Bools, labels: Sequence[int]
) -> None:
    """Fit the weights of ``tags`` in place, on the given label indices and all categories."""
    with torch.no_grad():
        pairs = zip(logits, presence, strict=True)
        evidence = torch.cat([tags.label_evidence(a[None].float(), b[None]) for a, b in pairs])
        chosen = evidence[:, list(labels)].numpy().astype(np.float64)
        weights = fit_logistic(chosen.reshape(-1, 4), worn[:, list(labels)].ravel())
        tags.label_weights.copy_(torch.from_numpy(weights))
        known = tags.probability(evidence, tags.label_weights)
        grouped = tags.category_evidence(evidence, known).numpy().astype(np.float64)
        right = worn_categories(worn, tags.member.numpy())
        weights = fit_logistic(grouped.reshape(-1, 4), right.ravel())
        tags.category_weights.copy_(torch.from_numpy(weights))
