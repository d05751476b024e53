"""Whether a model's outputs stay the same on another engine or in another precision.

Compared is what is made of the outputs where the pack says how (``compare``): boxes that count,
cells and tags of garments, the likeliest class, the direction of an embedding. Else the numbers
themselves are. Some TensorRT versions build engines that run and are wrong; nothing built is used
before it was compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np

from engines.base import Array, Arrays, Engine, EngineError
from engines.boxes import F32, F64, box_reader, overlaps
from engines.packs import Pack, labels
from pipeline.models.alike import Parity, Share
from pipeline.models.samples import Rgb, sample

Outputs = Mapping[str, Array]

#: Score from which boxes count.
SCORE = 0.4
#: The same for marks: ordinary pictures show few.
FAINT = 0.1
#: Overlap above which two boxes of one side are one.
DOUBLE = 0.5
#: Overlap from which boxes of both sides are the same.
SAME = 0.8
#: How far above the score needed a box must be that one side may not lack, and how far apart the
#: probabilities of a tag or class that one side has and the other has not.
NEAR = 0.1
#: Probability from which a label or category is a tag.
WORN = 0.5
#: Scores of a picture that are compared whatever they are.
LIKELIEST = 100
#: Labels that are no garment and never become tags.
NO_GARMENT = frozenset({"null", "background", "hair", "skin"})


class ParityError(EngineError):
    """Outputs changed too much, or cannot be compared."""


def compare(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    """One picture's outputs (batches of one) by a reference and by another; ``size`` is the input's
    (width, height). Outputs that are missing, of another shape or not finite get the worst result.

    Raises:
        ParityError: the pack asks for a comparison that does not exist or does not fit its outputs.
        PackError: what the comparison needs of the pack is missing.
    """
    if pack.compare not in _COMPARISONS:
        known = ", ".join(filter(None, _COMPARISONS))
        raise ParityError(
            f"model '{pack.name}': compare = \"{pack.compare}\" in its pack.toml is unknown; "
            f"choose one of {known}, or leave it out"
        )
    if lacking := [name for name in _NEEDED[pack.compare] if name not in wanted]:
        raise ParityError(
            f"model '{pack.name}': compare = \"{pack.compare}\" in its pack.toml needs an output "
            f"'{lacking[0]}'; name it so, or leave the comparison out"
        )
    if any(name not in got or got[name].shape != array.shape for name, array in wanted.items()):
        return _wrong()
    arrays = (*wanted.values(), *got.values())
    if not all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f"):
        return _wrong()
    return _COMPARISONS[pack.compare](pack, wanted, got, size)


def _wrong() -> Parity:
    """Of outputs that cannot be right."""
    return Parity(agree=Share(0, 1), apart=1.0, drift=1.0, cosine=-1.0, pictures=1)


def run(
    pack: Pack, reference: Engine, other: Engine, pictures: Iterable[Rgb], batch: int = 1
) -> Parity:
    """Compare two engines on pictures RGB (H, W, 3) of the model's size.

    Args:
        batch: how many pictures the other may be given at once. It is compared on batches as well,
            and once more on a single picture: some engines are right alone and wrong together, or
            after the shape has changed.

    Raises:
        ParityError: there is nothing to compare on, or the comparison is unknown.
        PackError: what the comparison needs of the pack is missing.
    """
    found, shown = Parity(), []
    for picture in pictures:
        inputs = {tensor.name: sample(tensor, picture) for tensor in pack.inputs}
        wanted = {name: np.array(array) for name, array in reference.infer(inputs).items()}
        shown.append(_Shown(inputs, wanted, (picture.shape[1], picture.shape[0])))
        found = found.merged(_together(pack, other, shown[-1:]))
    if not found.pictures:
        raise ParityError(f"model '{pack.name}': there are no pictures to compare it on")
    if batch > 1 and not any(isinstance(tensor.shape[0], int) for tensor in pack.inputs):
        groups = [shown[i : i + batch] for i in range(0, len(shown), batch)]
        for group in (*groups, shown[:1]):
            found = found.merged(replace(_together(pack, other, group), pictures=0))
    return found


@dataclass(frozen=True, slots=True)
class _Shown:
    """One picture as inputs, batches of one, and what the reference made of it."""

    inputs: Arrays
    wanted: Outputs
    size: tuple[int, int]


def _together(pack: Pack, other: Engine, shown: Sequence[_Shown]) -> Parity:
    """What an engine makes of some pictures at once, each compared by itself."""
    names = shown[0].inputs
    got = other.infer({name: np.concatenate([one.inputs[name] for one in shown]) for name in names})
    found = Parity()
    for i, one in enumerate(shown):
        own = {name: array[i : i + 1] for name, array in got.items()}
        found = found.merged(compare(pack, one.wanted, own, one.size))
    return found


def _boxes(
    least: float, pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]
) -> Parity:
    """Boxes with scores of at least ``least``. One that the other side lacks counts only if its
    score is clearly enough."""
    read = box_reader(pack)
    (boxes, scores), (others, their) = (
        read(out["boxes"][0], out["scores"][0], size, least, DOUBLE) for out in (wanted, got)
    )
    overlap = overlaps(boxes, others)[0]
    best, back = (table.max(axis=1, initial=0.0) for table in (overlap, overlap.T))
    paired = np.flatnonzero(best >= SAME)
    same = len(paired) + int((back >= SAME).sum())
    lacked = [scores[best < SAME], their[back < SAME]]
    lacking = sum(int((side >= least + NEAR).sum()) for side in lacked)
    found = Parity(Share(same, same + lacking), drift=_drift(wanted, got), pictures=1)
    if not len(paired):
        return found
    partner = overlap[paired].argmax(axis=1)
    return found.merged(
        Parity(
            overlap=Share(float(best[paired].sum()), len(paired)),
            moves=_moves(boxes[paired], others[partner]),
            apart=float(np.abs(scores[paired] - their[partner]).max()),
        )
    )


def _moves(boxes: F32, others: F32) -> tuple[float, float, float, float]:
    """What centres of boxes xyxy (n, 4) move and sizes grow by, in shares of the boxes, summed."""
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    edges: F64 = (others - boxes).astype(np.float64)
    centres = ((edges[:, :2] + edges[:, 2:]) / 2 / sizes).sum(axis=0)
    growth = ((edges[:, 2:] - edges[:, :2]) / sizes).sum(axis=0)
    return float(centres[0]), float(centres[1]), float(growth[0]), float(growth[1])


def _drift(wanted: Outputs, got: Outputs) -> float:
    """Mean difference of the likeliest scores, as a share of them."""
    scores, others = wanted["scores"].ravel(), got["scores"].ravel()
    top = np.argsort(scores)[-LIKELIEST:]
    mean = max(float(scores[top].mean()), 0.02)
    return float(np.abs(scores[top] - others[top]).mean()) / mean


def _cells(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    """Cells of garments and the tags of the picture. Background, hair and skin are most of it and
    easy, and nobody asks for them."""
    names = [label.name for label in labels(pack)]
    garments = [i for i, name in enumerate(names) if name not in NO_GARMENT]
    bare = [i for i, name in enumerate(names) if name in NO_GARMENT]
    if wanted["worn"].shape[1:] != (len(names),):
        raise ParityError(
            f"model '{pack.name}': its output 'worn' has the shape {wanted['worn'].shape}, but "
            f"{len(names)} labels are in its list; they must be as many"
        )
    first, second = wanted["labels"], got["labels"]
    counted = ~np.isin(first, bare) | ~np.isin(second, bare)
    same = first == second
    here = [i for i in garments if (first == i).any()]
    each = {names[i]: Share(int(same[first == i].sum()), int((first == i).sum())) for i in here}
    worn, others = (
        np.concatenate([out["worn"][0][garments], out["categories"][0]]) for out in (wanted, got)
    )
    apart = np.abs(worn - others)
    likely = (worn >= WORN) | (others >= WORN)
    kept = ((worn >= WORN) == (others >= WORN)) | (apart < NEAR)
    return Parity(
        garments=Share(int(same[counted].sum()), int(counted.sum())),
        labels=MappingProxyType(each),
        tags=Share(int(kept[likely].sum()), int(likely.sum())),
        apart=float(apart.max(initial=0.0)),
        pictures=1,
    )


def _classes(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    """The likeliest class, where the reference is clear about it, and all probabilities."""
    first, second = wanted["scores"][0], got["scores"][0]
    ordered = np.sort(first)
    clear = len(first) < 2 or float(ordered[-1] - ordered[-2]) > NEAR
    same = first.argmax() == second.argmax()
    return Parity(
        Share(int(same), 1) if clear else Share(),
        apart=float(np.abs(first - second).max()),
        pictures=1,
    )


def _directions(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    first, second = (out["embeddings"][0].astype(np.float64) for out in (wanted, got))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return Parity(cosine=float(first @ second) / lengths if lengths else -1.0, pictures=1)


def _numbers(pack: Pack, wanted: Outputs, got: Outputs, size: tuple[int, int]) -> Parity:
    """Nothing is known of the outputs: whole numbers must be the same, others nearly so."""
    found = Parity(pictures=1)
    for name, array in wanted.items():
        other = got[name]
        if array.dtype.kind == "f":
            mean = max(float(np.abs(array).mean()), 1e-6)
            one = Parity(drift=float(np.abs(array - other).mean()) / mean)
        else:
            one = Parity(Share(int((array == other).sum()), array.size))
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
#: Outputs that each needs.
_NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "": (),
        "boxes": ("boxes", "scores"),
        "faint-boxes": ("boxes", "scores"),
        "cells": ("labels", "worn", "categories"),
        "classes": ("scores",),
        "directions": ("embeddings",),
    }
)
