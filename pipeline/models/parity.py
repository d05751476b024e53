"""Whether a model still says the same on another engine or in another precision.

Compared is what is made of the outputs, not the outputs: boxes that count, labels per cell, the
likeliest class, the direction of an embedding. Some TensorRT versions build engines that run and
are wrong; nothing built is used before it was compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from engines.base import Array, Engine
from engines.boxes import nms, overlaps
from engines.trt import PICTURES
from engines.zoo import ModelSpec
from pipeline.errors import SourceRefusedError
from pipeline.photos import find_photos
from pipeline.sources.image import load_image
from pipeline.tagging.parsing import ssd_detections

F32 = npt.NDArray[np.float32]
Rgb = npt.NDArray[np.uint8]
Outputs = Mapping[str, Array]

#: Score from which boxes count, overlap above which two are one, and how far from the score
#: needed a box may be that one side lacks.
SCORE, DOUBLE, NEAR = 0.4, 0.5, 0.1
#: The same for marks: ordinary pictures show few.
FAINT = 0.1
#: Scores of a picture that are compared whatever they are.
LIKELIEST = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What is let pass: at least ``agree`` of boxes, cells or classes the same, probabilities
    within ``apart`` of each other on average, the likeliest scores within a share of ``drift`` of
    themselves, embeddings with a cosine of at least ``cosine``."""

    agree: float
    apart: float
    drift: float
    cosine: float


LIMITS = {
    "f32": Limits(agree=0.995, apart=0.005, drift=0.02, cosine=0.9999),
    "f16": Limits(agree=0.98, apart=0.01, drift=0.06, cosine=0.999),
    "int8": Limits(agree=0.90, apart=0.04, drift=0.35, cosine=0.95),
}


@dataclass(frozen=True, slots=True)
class Parity:
    """How alike two engines are over some pictures.

    Attributes:
        same: boxes, cells or classes that are the same, of ``total``.
        apart: largest mean difference of probabilities on a picture.
        cosine: least cosine of two embeddings.
        pictures: how many were compared.
        drift: largest mean difference of a picture's likeliest scores, as a share of them: what
            can be compared where nothing is found.
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

    def worse(self, other: Parity) -> Parity:
        """Both taken together."""
        return Parity(
            self.same + other.same, self.total + other.total, max(self.apart, other.apart),
            min(self.cosine, other.cosine), self.pictures + other.pictures,
            max(self.drift, other.drift),
        )  # fmt: skip

    def failures(self, precision: str) -> list[str]:
        """What is not let pass, in words."""
        limits = LIMITS[precision]
        found = []
        if not self.agree >= limits.agree:
            found.append(f"only {self.agree:.3f} agree (at least {limits.agree})")
        if not self.apart <= limits.apart:
            found.append(f"probabilities {self.apart:.4f} apart (at most {limits.apart})")
        if not self.drift <= limits.drift:
            found.append(
                f"scores differ by {self.drift:.3f} of themselves (at most {limits.drift})"
            )
        if not self.cosine >= limits.cosine:
            found.append(f"embeddings at cosine {self.cosine:.4f} (at least {limits.cosine})")
        return found

    def record(self, precision: str) -> dict[str, Any]:
        """As JSON has it, with what is not let pass in a precision."""
        return {
            "agree": round(self.agree, 5), "of": self.total, "apart": round(self.apart, 5),
            "drift": round(self.drift, 4), "cosine": round(self.cosine, 6),
            "pictures": self.pictures, "failures": self.failures(precision),
        }  # fmt: skip


def compare(spec: ModelSpec, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    """One picture's outputs (batches of one) by a reference and by another; ``size`` is the input's
    (width, height). Outputs that are no finite numbers are as wrong as can be."""
    if any(not np.isfinite(array).all() for array in got.values() if array.dtype.kind == "f"):
        return Parity(0, 1, 1.0, -1.0, 1)
    return _COMPARISONS[spec.decoder](wanted, got, size)


def run(spec: ModelSpec, reference: Engine, other: Engine, pictures: Iterable[Rgb]) -> Parity:
    """Compare two engines on pictures RGB (H, W, 3) of the model's size."""
    found = Parity()
    for picture in pictures:
        inputs = {"images": picture[None]}
        wanted = {name: np.array(array) for name, array in reference.infer(inputs).items()}
        size = (picture.shape[1], picture.shape[0])
        found = found.worse(compare(spec, wanted, other.infer(inputs), size))
    return found


def noise(size: tuple[int, int], count: int = 2, seed: int = 0) -> list[Rgb]:
    """Pictures RGB (h, w, 3) of noise, coarse and fine."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        step = (1, 16)[i % 2]
        shape = (max(size[1] // step, 1), max(size[0] // step, 1), 3)
        rough = rng.integers(0, 256, shape, dtype=np.uint8)
        out.append(np.asarray(cv2.resize(rough, size, interpolation=cv2.INTER_NEAREST), np.uint8))
    return out


def shipped(spec: ModelSpec) -> list[Rgb]:
    """What every model is compared on, RGB (h, w, 3) of its size: the pictures of the package and
    noise."""
    return pictures(spec, PICTURES, 3) + noise(spec.size)


def pictures(spec: ModelSpec, folder: Path | None, most: int) -> list[Rgb]:
    """Pictures RGB (h, w, 3) of a folder, the middle of each at the model's size, evenly chosen.

    Raises:
        SourceRefusedError: there is none that can be read.
    """
    if folder is None:
        return []
    paths = list(find_photos([folder]))
    chosen = [paths[i * len(paths) // most] for i in range(most)] if len(paths) > most else paths
    out = []
    for path in chosen:
        try:
            out.append(_fitted(load_image(path), spec.size))
        except SourceRefusedError:
            continue  # one bad file among many
    if not out:
        raise SourceRefusedError(f"{folder}: none of its pictures can be read")
    return out


def _fitted(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> Rgb:
    """The middle of a BGR picture at a size, RGB."""
    height, width = image.shape[:2]
    scale = min(width / size[0], height / size[1])
    w, h = min(round(size[0] * scale), width), min(round(size[1] * scale), height)
    x, y = (width - w) // 2, (height - h) // 2
    part = cv2.resize(image[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(part[:, :, ::-1])


def _boxes(wanted: tuple[F32, F32], got: tuple[F32, F32], least: float) -> Parity:
    """Boxes with scores, by a reference and by another. One that is not on the other side counts
    only if its score is clearly enough."""
    same, total, apart = 0, 0, [0.0]
    for (boxes, scores), (others, their) in ((wanted, got), (got, wanted)):
        overlap = overlaps(boxes, others)[0]
        for i, score in enumerate(scores):
            j = int(overlap[i].argmax()) if len(others) else -1
            there = j >= 0 and overlap[i, j] >= 0.8
            if there:
                apart.append(abs(float(score) - float(their[j])))
            if there or score >= least + NEAR:
                same, total = same + bool(there), total + 1
    return Parity(same, total, float(np.mean(apart)), 1.0, 1)


def _ssd(wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    sides = [
        ssd_detections(out["boxes"][0], out["scores"][0], size, SCORE, DOUBLE)
        for out in (wanted, got)
    ]
    return replace(_boxes(sides[0], sides[1], SCORE), drift=_drift(wanted, got))


def _peaks(wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    sides = []
    for out in (wanted, got):
        boxes, scores = out["boxes"][0], out["scores"][0]
        sure = scores >= FAINT
        boxes, scores = boxes[sure], scores[sure]
        kept = nms(boxes, scores, DOUBLE)
        sides.append((boxes[kept], scores[kept]))
    return replace(_boxes(sides[0], sides[1], FAINT), drift=_drift(wanted, got))


def _drift(wanted: Outputs, got: Outputs) -> float:
    """Mean difference of the likeliest scores, as a share of them."""
    scores, others = wanted["scores"].ravel(), got["scores"].ravel()
    top = np.argsort(scores)[-LIKELIEST:]
    mean = max(float(scores[top].mean()), 0.02)
    return float(np.abs(scores[top] - others[top]).mean()) / mean


def _parsing(wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    cells = wanted["labels"] == got["labels"]
    apart = max(float(np.abs(wanted[k] - got[k]).mean()) for k in ("worn", "categories"))
    return Parity(int(cells.sum()), cells.size, apart, 1.0, 1)


def _classes(wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    first, second = wanted["scores"][0], got["scores"][0]
    clear = float(np.sort(first)[-1] - np.sort(first)[-2]) > NEAR
    same = first.argmax() == second.argmax() or not clear
    return Parity(int(same), 1, float(np.abs(first - second).mean()), 1.0, 1)


def _directions(wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    first, second = (out["embeddings"][0].astype(np.float64) for out in (wanted, got))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    cosine = float(first @ second) / lengths if lengths else -1.0
    return Parity(0, 0, 0.0, cosine, 1)


_COMPARISONS: dict[str, Callable[[Outputs, Outputs, tuple[int, int]], Parity]] = {
    "ssd": _ssd, "peaks": _peaks, "parsing": _parsing, "softmax": _classes,
    "embedding": _directions,
}  # fmt: skip
