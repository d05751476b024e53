"""Fits the decision about marks: how probable it is that the nearest brand is right, from galleries
of one brand to thousands, and how probable it must be at each level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.tagging.logos.decision import FEATURES, LEVELS, features
from pipeline.tagging.logos.gallery import Gallery
from training.garment_data import Rng
from training.logo_fitting import Found

F64 = npt.NDArray[np.float64]

#: Brands in the galleries, and how many galleries of those of a few.
SIZES = (1, 5, 25, 100, 500, 1300)
FEW, MANY_OF_FEW = 25, 8
#: Share of unknown marks and things that each level lets in, sizes of galleries weighed alike.
ACCEPTS = dict(zip(LEVELS, (0.002, 0.008, 0.03), strict=True))
#: Kinds of what was found: a mark of a brand in the gallery, of another, or of nobody.
KNOWN, UNKNOWN, NOBODY = 0, 1, 2
#: How strongly weights are held back, and steps of Newton's method.
RIDGE, STEPS = 1e-3, 60


@dataclass(frozen=True, slots=True)
class Rows:
    """Of what was found (n,): features (n, ``FEATURES``), whether the nearest brand is right, the
    kind, and how many brands the gallery has."""

    features: F64
    right: npt.NDArray[np.bool_]
    kind: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]

    @property
    def weights(self) -> F64:
        """Every kind in every size of gallery counts the same."""
        out = np.zeros(len(self.size))
        for size in np.unique(self.size):
            for kind in (KNOWN, UNKNOWN, NOBODY):
                mine = (self.size == size) & (self.kind == kind)
                out[mine] = 1 / max(mine.sum(), 1)
        return out


def fit_rows(found: Sequence[Found], shown: Sequence[int], make: Gallery, rng: Rng) -> Rows:
    """What galleries of every size make of what was found: brands ``shown`` may be in them, those
    of other marks that were found never are. ``make`` holds all brands."""
    table: list[tuple[list[float], bool, int, int]] = []
    for size in SIZES:
        for ids, some in _galleries(found, shown, make, size, rng):
            gallery = part_of(make, ids)
            vectors = np.stack([found[i].vector for i in some])
            views = [found[i].view for i in some]
            for i, (nearest, likeness) in zip(some, gallery.judged(vectors, views), strict=True):
                one = found[i]
                known = one.brand in ids
                kind = KNOWN if known else UNKNOWN if one.brand >= 0 else NOBODY
                values = list(features(likeness, one.view).values())
                table.append((values, known and ids[nearest] == one.brand, kind, size))
    columns = [np.array(column) for column in zip(*table, strict=True)]
    return Rows(*columns)


def _galleries(
    found: Sequence[Found], shown: Sequence[int], make: Gallery, size: int, rng: Rng
) -> Iterator[tuple[list[int], list[int]]]:
    """Brands of galleries of a size, and what of ``found`` is shown to each: all to a large one; to
    small ones, all to some, and to one that holds its brand each mark of a brand shown."""
    mine = set(shown)
    marks = {one.brand for one in found if one.brand >= 0}
    rest = [i for i in range(len(make.index.brands)) if i not in mine and i not in marks]
    filled = [*rng.permutation(list(shown)).tolist(), *rng.permutation(rest).tolist()]
    if size > FEW:
        yield filled[:size], list(range(len(found)))
        return
    for _ in range(MANY_OF_FEW):
        some = rng.choice(len(found), len(found) // 3, replace=False)
        yield rng.choice(shown, size, replace=False).tolist(), some.tolist()
    for i, one in enumerate(found):
        if one.brand in mine:
            others = [j for j in rng.choice(shown, size, replace=False).tolist() if j != one.brand]
            yield [one.brand, *others][:size], [i]


def part_of(gallery: Gallery, ids: Sequence[int]) -> Gallery:
    """A gallery of some of the brands of another, in that order."""
    brands = [gallery.index.brands[i] for i in ids]
    index = gallery.index.model_copy(update={"brands": brands})
    vectors = np.concatenate([gallery.of(i) for i in ids])
    return Gallery(
        gallery.folder, index, vectors, gallery.decision, gallery.background, gallery.letters
    )


def fitted(rows: Rows) -> dict[str, float]:
    """Weights by feature, and the least probability of each level. What would count against a mark
    the better it is seen is left out."""
    names = list(FEATURES)
    while True:
        used = [FEATURES.index(name) for name in names]
        weights = logistic(rows.features[:, used], rows.right, rows.weights)
        found = dict(zip(names, weights.tolist(), strict=True))
        wrong = [n for n in names if n not in ("bias", "brands") and found[n] < 0]
        if not wrong:
            break
        names.remove(min(wrong, key=lambda name: found[name]))
    all_of = {name: round(found.get(name, 0.0), 4) for name in FEATURES}
    return all_of | levels(rows, all_of)


def levels(rows: Rows, weights: Mapping[str, float]) -> dict[str, float]:
    """The probability at which each level lets in what it may of the unknown."""
    logits = rows.features @ np.array([weights[name] for name in FEATURES])
    stranger = rows.kind != KNOWN
    order = np.argsort(-logits[stranger])
    share = np.cumsum(rows.weights[stranger][order]) / rows.weights[stranger].sum()
    at = {n: logits[stranger][order][np.searchsorted(share, a)] for n, a in ACCEPTS.items()}
    return {name: round(float(1 / (1 + np.exp(-logit))) + 5e-5, 4) for name, logit in at.items()}


def logistic(values: F64, right: npt.NDArray[np.bool_], weights: F64) -> F64:
    """Weights (k,) of a logistic regression on features (n, k), the first of them constant."""
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
    mean[0], spread[0] = 0.0, 1.0
    scaled, share = (values - mean) / spread, weights / weights.sum()
    ridge = RIDGE * np.eye(values.shape[1])
    ridge[0, 0] = 0.0
    found = np.zeros(values.shape[1])
    for _ in range(STEPS):
        guess = 1 / (1 + np.exp(-np.clip(scaled @ found, -30, 30)))
        slope = scaled.T @ (share * (guess - right)) + ridge @ found
        curve = (scaled * (share * guess * (1 - guess))[:, None]).T @ scaled + ridge
        found -= np.linalg.solve(curve + 1e-9 * np.eye(len(found)), slope)
    out = found / spread
    out[0] = found[0] - float((found[1:] * mean[1:] / spread[1:]).sum())
    return np.asarray(out, np.float64)


def table(rows: Rows, values: Mapping[str, float]) -> list[str]:
    """By size of gallery and level: known marks reported rightly, others and things reported."""
    logits = rows.features @ np.array([values[name] for name in FEATURES])
    out = []
    for size in np.unique(rows.size).tolist():
        for level in LEVELS:
            taken = 1 / (1 + np.exp(-logits)) >= values[level]
            shares = [
                float((taken & rows.right if kind == KNOWN else taken)[
                    (rows.size == size) & (rows.kind == kind)
                ].mean())
                for kind in (KNOWN, UNKNOWN, NOBODY)
            ]  # fmt: skip
            out.append(f"{size} brands, {level}: " + " / ".join(f"{s:.3f}" for s in shares))
    return out
