"""Whether a model's outputs stay the same on another engine or in another precision.

Compared is what is made of the outputs where the pack says how (``compare``): boxes that count,
labels of cells, the likeliest class, the direction of an embedding. Else the numbers themselves
are. Some TensorRT versions build engines that run and are wrong; nothing built is used before it
was compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from engines.base import Array, Engine, EngineError
from engines.boxes import box_reader, overlaps
from engines.packs import Pack
from pipeline.models.samples import Rgb, sample

Outputs = Mapping[str, Array]

#: Score from which boxes count.
SCORE = 0.4
#: The same for marks: ordinary pictures show few.
FAINT = 0.1
#: Overlap above which two boxes of one side are one.
DOUBLE = 0.5
#: How far above the score needed a box must be that one side may not lack.
NEAR = 0.1
#: Scores of a picture that are compared whatever they are.
LIKELIEST = 100


class ParityError(EngineError):
    """Outputs changed too much, or cannot be compared."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is let pass.

    Attributes:
        agree: least share of boxes, cells or classes that are the same.
        apart: largest mean difference of probabilities.
        drift: largest mean difference of numbers, as a share of themselves.
        cosine: least cosine of two embeddings.
    """

    agree: float
    apart: float
    drift: float
    cosine: float


#: By precision.
LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "f32": Limits(agree=0.995, apart=0.005, drift=0.02, cosine=0.9999),
        "f16": Limits(agree=0.98, apart=0.01, drift=0.06, cosine=0.999),
        "int8": Limits(agree=0.90, apart=0.04, drift=0.35, cosine=0.95),
    }
)


@dataclass(frozen=True, slots=True)
class Parity:
    """How alike two engines are over some pictures.

    Attributes:
        same: boxes, cells or classes that are the same, of ``total``.
        apart: largest mean difference of probabilities on a picture.
        cosine: least cosine of two embeddings.
        pictures: how many were compared.
        drift: largest mean difference of a picture's likeliest scores (or of all numbers, where the
            pack does not say what they are), as a share of them: what can be compared where
            nothing is found.
    """

    same: int = 0
    total: int = 0
    apart: float = 0.0
    cosine: float = 1.0
    pictures: int = 0
    drift: float = 0.0

    @property
    def agree(self) -> float:
        """Share of what is the same; 1 if there is nothing to compare."""
        return self.same / self.total if self.total else 1.0

    def merged(self, other: Parity) -> Parity:
        """Both taken together."""
        return Parity(
            same=self.same + other.same,
            total=self.total + other.total,
            apart=max(self.apart, other.apart),
            cosine=min(self.cosine, other.cosine),
            pictures=self.pictures + other.pictures,
            drift=max(self.drift, other.drift),
        )

    def failures(self, precision: str) -> list[str]:
        """What is not let pass in a precision, in words."""
        limits = LIMITS[precision]
        found = []
        if not self.agree >= limits.agree:
            found.append(
                f"{self.agree:.3f} of boxes, cells or classes are the same "
                f"(at least {limits.agree} must be)"
            )
        if not self.apart <= limits.apart:
            found.append(
                f"probabilities differ by {self.apart:.4f} on average (at most {limits.apart})"
            )
        if not self.drift <= limits.drift:
            found.append(
                f"values differ by {self.drift:.1%} on average (at most {limits.drift:.0%})"
            )
        if not self.cosine >= limits.cosine:
            found.append(f"embeddings have cosine {self.cosine:.4f} (at least {limits.cosine})")
        return found

    def record(self, precision: str) -> dict[str, Any]:
        """As JSON has it, with what is not let pass in a precision."""
        return {
            "agree": round(self.agree, 5),
            "of": self.total,
            "apart": round(self.apart, 5),
            "drift": round(self.drift, 4),
            "cosine": round(self.cosine, 6),
            "pictures": self.pictures,
            "failures": self.failures(precision),
        }


def compare(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    """One picture's outputs (batches of one) by a reference and by another; ``size`` is the input's
    (width, height). Outputs that are not finite get the worst result.

    Raises:
        ParityError: the pack asks for a comparison that does not exist.
    """
    if pack.compare not in _COMPARISONS:
        known = ", ".join(filter(None, _COMPARISONS))
        raise ParityError(
            f"model '{pack.name}': compare = \"{pack.compare}\" in its pack.toml is unknown; "
            f"choose one of {known}, or leave it out"
        )
    if any(not np.isfinite(array).all() for array in got.values() if array.dtype.kind == "f"):
        return Parity(same=0, total=1, apart=1.0, cosine=-1.0, pictures=1, drift=1.0)
    return _COMPARISONS[pack.compare](pack, wanted, got, size)


def run(pack: Pack, reference: Engine, other: Engine, pictures: Iterable[Rgb]) -> Parity:
    """Compare two engines on pictures RGB (H, W, 3) of the model's size.

    Raises:
        ParityError: there is nothing to compare on, or the comparison is unknown.
    """
    found = Parity()
    for picture in pictures:
        inputs = {tensor.name: sample(tensor, picture) for tensor in pack.inputs}
        wanted = {name: np.array(array) for name, array in reference.infer(inputs).items()}
        size = (picture.shape[1], picture.shape[0])
        found = found.merged(compare(pack, wanted, other.infer(inputs), size))
    if not found.pictures:
        raise ParityError(f"model '{pack.name}': there are no pictures to compare it on")
    return found


def _boxes(
    least: float, pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]
) -> Parity:
    """Boxes with scores of at least ``least``. One that the other side lacks counts only if its
    score is clearly enough."""
    read = box_reader(pack)
    ours, theirs = (
        read(out["boxes"][0], out["scores"][0], size, least, DOUBLE) for out in (wanted, got)
    )
    same, total, apart = 0, 0, [0.0]
    for (boxes, scores), (others, their) in ((ours, theirs), (theirs, ours)):
        overlap = overlaps(boxes, others)[0]
        for i, score in enumerate(scores):
            j = int(overlap[i].argmax()) if len(others) else -1
            there = j >= 0 and overlap[i, j] >= 0.8
            if there:
                apart.append(abs(float(score) - float(their[j])))
            if there or score >= least + NEAR:
                same, total = same + bool(there), total + 1
    return Parity(same, total, float(np.mean(apart)), 1.0, 1, _drift(wanted, got))


def _drift(wanted: Outputs, got: Outputs) -> float:
    """Mean difference of the likeliest scores, as a share of them."""
    scores, others = wanted["scores"].ravel(), got["scores"].ravel()
    top = np.argsort(scores)[-LIKELIEST:]
    mean = max(float(scores[top].mean()), 0.02)
    return float(np.abs(scores[top] - others[top]).mean()) / mean


def _cells(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    cells = wanted["labels"] == got["labels"]
    apart = max(float(np.abs(wanted[k] - got[k]).mean()) for k in ("worn", "categories"))
    return Parity(int(cells.sum()), cells.size, apart, 1.0, 1)


def _classes(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    first, second = wanted["scores"][0], got["scores"][0]
    clear = float(np.sort(first)[-1] - np.sort(first)[-2]) > NEAR
    same = first.argmax() == second.argmax() or not clear
    return Parity(int(same), 1, float(np.abs(first - second).mean()), 1.0, 1)


def _directions(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    first, second = (out["embeddings"][0].astype(np.float64) for out in (wanted, got))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    cosine = float(first @ second) / lengths if lengths else -1.0
    return Parity(0, 0, 0.0, cosine, 1)


def _numbers(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    """Nothing is known of the outputs: whole numbers must be the same, others nearly so."""
    found = Parity(pictures=1)
    for name, array in wanted.items():
        other = got[name]
        if array.shape != other.shape:
            one = Parity(0, 1, drift=1.0)
        elif array.dtype.kind == "f":
            mean = max(float(np.abs(array).mean()), 1e-6)
            one = Parity(drift=float(np.abs(array - other).mean()) / mean)
        else:
            one = Parity(int((array == other).sum()), array.size)
        found = found.merged(one)
    return found


_Comparison = Callable[[Pack, Outputs, Outputs, tuple[int, int]], Parity]
#: By ``Pack.compare``.
_COMPARISONS: Mapping[str, _Comparison] = MappingProxyType(
    {
        "": _numbers,
        "boxes": partial(_boxes, SCORE),
        "faint-boxes": partial(_boxes, FAINT),
        "cells": _cells,
        "classes": _classes,
        "directions": _directions,
    }
)
