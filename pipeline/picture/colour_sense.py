"""Which colour a garment is, judged by what else the camera shows.

A white shirt in the shade and a grey one in the sun send the same pixels. Skin, hair, the other
garments and the ground tell them apart: a small network, trained by ``tools/train_colours.py`` on
product photos seen in made light, hears how light and how coloured each of them is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
#: Regions beside the garment, in the order of ``features``, and the cells each needs to count:
#: the garment worn with it, skin, hair, and what is behind the person.
AROUND = (60, 30, 30, 60)
#: Ranks whose values tell of a region: the darkest tenth, the middle, the lightest tenth.
RANKS = (0.1, 0.5, 0.9)
_SCALE = np.array([50.0, 25.0, 25.0], np.float32)
_WEIGHTS = Path(__file__).with_name("colour_sense.npz")


def _told(lab: F32) -> F32:
    """Nine numbers of a region's pixels in CIELAB (n, 3)."""
    ordered = np.sort(lab, axis=0)
    at = [int(rank * (len(ordered) - 1) + 0.5) for rank in RANKS]
    told: F32 = (ordered[at] / _SCALE).ravel()
    return told


def features(garment: F32, around: F32) -> F32:
    """What the network hears (49,): pixels in CIELAB (n, 3) of the garment, at least one, and what
    ``beside`` tells of the regions around it."""
    return np.concatenate([_told(garment), around])


def beside(around: Sequence[F32]) -> F32:
    """What the network hears of regions (40,): pixels in CIELAB (n, 3), in the order of
    ``AROUND``."""
    seen = [len(lab) >= least for lab, least in zip(around, AROUND, strict=True)]
    rest = [
        _told(lab) if s else np.zeros(9, np.float32) for lab, s in zip(around, seen, strict=True)
    ]
    return np.concatenate([*rest, np.array(seen, np.float32)])


@lru_cache(maxsize=1)
def _layers() -> tuple[tuple[F32, F32], ...]:
    """Weights (out, in) and biases of each layer."""
    with np.load(_WEIGHTS, allow_pickle=False) as stored:
        count = len(stored.files) // 2
        return tuple(
            (stored[f"weight{i}"].astype(np.float32), stored[f"bias{i}"].astype(np.float32))
            for i in range(count)
        )


def likelihood(heard: F32) -> F32:
    """Logarithm of how likely each of ``colour.NAMES`` is, all being equally frequent."""
    x = heard
    for i, (weight, bias) in enumerate(_layers()):
        x = weight @ (np.maximum(x, 0) if i else x) + bias
    peak = x.max()
    return np.asarray(x - peak - np.log(np.exp(x - peak).sum()), np.float32)
