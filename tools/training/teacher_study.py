"""What unlabelled pictures bring that a larger network names: linear classifiers on published
features, of the network that cameras run and of its teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engines.nets.taught import Taught
from engines.teach import linear
from engines.teach.courses import TEACHER_SIDE
from engines.teach.splits import folds
from engines.teach.trainer import look
from engines.teach.twins import Image
from engines.teach.weights import backbone
from training.type_data import Garment

F32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
#: What is learnt from, and by which network: labelled pictures alone by either; and, by the small
#: one, unlabelled ones named by its teacher or by itself.
ARMS = ("linear", "teacher alone", "teacher", "itself")
#: Photos of each class that draws are of, and unlabelled ones of all classes together.
POOL = 60
UNLABELLED = 300
_FOLDS = 4


class Study:
    """Features of the same photos by both networks; draws cost little."""

    def __init__(
        self, photos: Sequence[Garment], test: Sequence[Garment], weights: Path, side: int
    ) -> None:
        order = np.random.default_rng(0).permutation(len(photos))
        pool = [photos[i] for i in order]
        kinds = np.array([photo.kind for photo in pool])
        kept = np.concatenate([np.flatnonzero(kinds == kind)[:POOL] for kind in np.unique(kinds)])
        pool = [pool[i] for i in kept]
        self.kinds: Indices = kinds[kept].astype(np.int64)
        self.true = np.array([photo.kind for photo in test])
        self.count = int(self.kinds.max()) + 1
        shown, asked = [photo.rgb for photo in pool], [photo.rgb for photo in test]
        mirrored = [np.ascontiguousarray(rgb[:, ::-1]) for rgb in shown]
        small, large = (backbone(path) for path in (None, weights))
        self.small = np.stack([_features(small, one, side) for one in (shown, mirrored)])
        sees = max(side, TEACHER_SIDE)
        self.large = _features(large, shown, sees)[None]
        self.asked = {
            "small": _features(small, asked, side),
            "large": _features(large, asked, sees),
        }

    def right(self, arm: str, count: int, seed: int) -> npt.NDArray[np.bool_]:
        """Which test pictures an arm names rightly after ``count`` labelled photos a class."""
        rng = np.random.default_rng((seed, count))
        order = rng.permutation(len(self.kinds))
        own = [order[self.kinds[order] == kind] for kind in range(self.count)]
        rows = np.concatenate([one[:count] for one in own])
        others = rng.permutation(np.setdiff1d(order, rows))[:UNLABELLED]
        if arm == "teacher alone":
            return np.asarray(
                self._fit(self.large, rows)(self.asked["large"]).argmax(1) == self.true
            )
        if arm == "linear":
            learnt = self._fit(self.small, rows)
        else:
            by = self.large if arm == "teacher" else self.small
            named = self._fit(by, rows)(by[0, others]).argmax(axis=1)
            learnt = self._fit(self.small, rows, others, named)
        return np.asarray(learnt(self.asked["small"]).argmax(axis=1) == self.true)

    def _fit(
        self, seen: F32, rows: Indices, more: Indices | None = None, named: Indices | None = None
    ) -> linear.Linear:
        """A classifier of labelled photos, by cross-validation on these, and of more."""
        classes = self.kinds[rows]
        fold_of = folds(classes, np.arange(len(rows)), _FOLDS, 0)
        strength = linear.best_strength(seen[:, rows], classes, fold_of, self.count)
        if more is not None and named is not None:
            rows, classes = np.concatenate((rows, more)), np.concatenate((classes, named))
        repeated = linear.repeated(classes, seen)
        return linear.fit(linear.flat(seen[:, rows]), repeated, self.count, strength)


def _features(net: Taught, pictures: Sequence[Image], side: int) -> F32:
    return look(Taught(net, net.width, 2), pictures, side)[1]
