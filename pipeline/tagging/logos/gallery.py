"""Brands and how they look: which of them a crop shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engines.packs import Pack
from pipeline.tagging.logos.colours import NEUTRAL, agreement
from pipeline.tagging.logos.decision import Decision, Level, Likeness, View, decision_of
from pipeline.tagging.logos.exemplars import VIEWS
from pipeline.tagging.logos.gallery_file import (
    F32,
    INDEX,
    GalleryError,
    Index,
    no_vectors,
    read_folder,
)
from pipeline.tagging.logos.lettering import NAME, agrees, folded

#: Beside a model: what is no brand's mark.
BACKGROUND = "background.npy"
#: Beside a model: letters and digits, of which a word is made and a mark may be.
LETTERS = "letters.npy"
#: Brands whose mean is nearest to a crop, whose pictures are then compared one by one.
SHORTLIST = 64
#: What of the background is nearest to a crop, among which the brand's own marks are left out.
NEAREST = 32
#: Likeness from which something of the background is a brand's own mark, not its rival.
OWN = 0.7
#: Probability of a brand whose name was read.
READ = 0.9


@dataclass(frozen=True, slots=True)
class Match:
    """What a crop was recognised as.

    Attributes:
        brand: its name; ``None`` if it is none of the gallery's.
        likeness: cosine to the nearest picture of the nearest brand.
        margin: how much nearer that is than anything else: the pictures of other brands, and the
            background without the brand's own marks.
        nearest: name of the nearest brand, however far.
        probability: that the crop shows the nearest brand.
    """

    brand: str | None
    likeness: float
    margin: float
    nearest: str
    probability: float = 0.0


@dataclass(slots=True)
class Gallery:
    """The brands of a folder and how they look. Read it with ``open_gallery``.

    ``vectors`` are unit vectors (pictures x ``VIEWS``, length), in the order of the brands;
    ``background`` those (n, length) of things, and of marks of which some may be in it; ``letters``
    those of letters and digits in common fonts, rivals even of a mark that is one.
    """

    folder: Path
    index: Index
    vectors: F32
    decision: Decision = field(default_factory=Decision)
    background: F32 = field(default_factory=no_vectors)
    letters: F32 = field(default_factory=no_vectors)
    _starts: npt.NDArray[np.intp] = field(init=False)
    _means: F32 = field(init=False)
    _named: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        counts = [len(brand.files) * VIEWS for brand in self.index.brands]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        if len(counts):
            sums = np.add.reduceat(self.vectors, self._starts[:-1], axis=0)
            self._means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
        else:
            self._means = self.vectors[:0]
        names = [folded(brand.name) for brand in self.index.brands]
        self._named = {name: i for i, name in enumerate(names) if len(name) >= NAME}

    @property
    def names(self) -> list[str]:
        return [brand.name for brand in self.index.brands]

    def state(self) -> tuple[int, int]:
        """What changes when the folder's index does."""
        try:
            found = (self.folder / INDEX).stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size

    def of(self, brand: int) -> F32:
        """A brand's vectors."""
        return self.vectors[self._starts[brand] : self._starts[brand + 1]]

    def likeness(self, vectors: F32) -> tuple[npt.NDArray[np.intp], F32]:
        """The brands nearest to each vector (n, k), nearest first, and their likeness (n, k)."""
        few = min(SHORTLIST, len(self.index.brands))
        likely = np.argpartition(-(vectors @ self._means.T), few - 1, axis=1)[:, :few]
        scores = np.empty(likely.shape, np.float32)
        for row, vector in enumerate(vectors):
            counts = self._starts[likely[row] + 1] - self._starts[likely[row]]
            firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
            pictures = np.repeat(self._starts[likely[row]] - firsts, counts)
            found = self.vectors[pictures + np.arange(len(pictures))] @ vector
            scores[row] = np.maximum.reduceat(found, firsts)
        order = np.argsort(-scores, axis=1, kind="stable")
        return np.take_along_axis(likely, order, 1), np.take_along_axis(scores, order, 1)

    def match(
        self, vectors: F32, views: Sequence[View] = (), level: Level = "normal"
    ) -> list[Match]:
        """What each vector (n, length) shows: the nearest brand, if that is probable enough.
        ``views`` say how well each was seen."""
        if not self.index.brands:
            return [Match(None, 0.0, 0.0, "") for _ in vectors]
        least = self.decision.least(level)
        out = []
        for i, (nearest, likeness) in enumerate(self.judged(vectors, views)):
            view = views[i] if len(views) else View()
            probability = self.decision.probability(likeness, view)
            name = self.index.brands[nearest].name
            brand = name if probability >= least else None
            out.append(Match(brand, likeness.best, likeness.margin, name, probability))
        return out

    def judged(
        self,
        vectors: F32,
        views: Sequence[View] = (),
        rows: npt.NDArray[np.intp] | None = None,
    ) -> list[tuple[int, Likeness]]:
        """The brand nearest to each vector (n, length), and how much it is like it. Vectors that
        are ``rows`` (n,) of the background are no rivals of their own."""
        brands, scores = self.likeness(vectors)
        around = vectors @ self.background.T if len(self.background) else vectors[:, :0]
        written = (vectors @ self.letters.T).max(axis=1) if len(self.letters) else [-1.0]
        if rows is not None:
            around[np.arange(len(rows)), rows] = -1.0
        out = []
        for i, (vector, (nearest, *_), (best, *others)) in enumerate(
            zip(vectors, brands.tolist(), scores.tolist(), strict=True)
        ):
            second = others[0] if others else -1.0
            rival = max(self._rival(nearest, around[i]), float(written[i % len(written)]))
            own = self.of(nearest) @ vector
            rank = float((np.sort(own)[-VIEWS:] > max(second, rival)).mean())
            colour = self._colour(nearest, int(own.argmax()) // VIEWS, views[i : i + 1])
            count = len(self.index.brands)
            out.append((nearest, Likeness(best, second, rival, rank, count, colour)))
        return out

    def _colour(self, brand: int, picture: int, views: Sequence[View]) -> float:
        """How much more of the colours of a brand's picture a view shows than tells nothing."""
        own = self.index.brands[brand].files[picture].hues
        if not own or not views or views[0].hues is None:
            return 0.0
        return agreement(np.array(own, np.float32), views[0].hues) - NEUTRAL

    def _rival(self, brand: int, things: F32) -> float:
        """Of the likeness of a crop to the background (n,), the most that is not to a mark of the
        brand itself: what nearly is one of its pictures."""
        if not len(things):
            return -1.0
        few = min(NEAREST, len(things))
        near = np.argpartition(-things, few - 1)[:few]
        own = (self.background[near] @ self.of(brand).T).max(axis=1) >= OWN
        if not own.all():
            return float(things[near[~own]].max())
        return float(things[near].min()) if few < len(things) else -1.0

    def mistaken(self, level: Level, every: int = 4) -> tuple[list[str], int]:
        """Brands for which marks and things of the background would be taken that are not theirs,
        and of how many: every fourth one, as if it was seen well."""
        rows = np.arange(0, len(self.background), every)
        if not len(rows) or not self.index.brands:
            return [], 0
        least = self.decision.least(level)
        found = [one for one in self.judged(self.background[rows], rows=rows) if one[1].best < OWN]
        taken = [i for i, one in found if self.decision.probability(one, View()) >= least]
        return [self.index.brands[i].name for i in taken], len(found)

    def lettered(self, vector: F32, text: str) -> Match | None:
        """The brand whose name was read off what has a vector (length,): all of the name, or a part
        of it where that looks a little like the brand."""
        if not text or not self.index.brands:
            return None
        if (brand := self._named.get(folded(text))) is not None:
            score = float((self.of(brand) @ vector).max())
            name = self.index.brands[brand].name
            return Match(name, score, 0.0, name, READ)
        (brands,), (scores,) = self.likeness(vector[None])
        for brand, score in zip(brands, scores, strict=True):
            if score < self.decision.lettered:
                return None
            name = self.index.brands[brand].name
            if agrees(text, name):
                return Match(name, float(score), float(score - scores[0]), name, READ)
        return None


def open_gallery(folder: Path, model: Pack, check: bool = True) -> Gallery:
    """Read a gallery; an absent or empty folder is a gallery without brands.

    Raises:
        GalleryError: it is damaged, from a newer version, or (with ``check``) was embedded by
            another model.
    """
    known = known_of(model)
    found = read_folder(folder)
    if found is None:
        index = Index(model=model.name, sha256=model.sha256, vectors="")
        return Gallery(folder, index, no_vectors(), *known)
    index, vectors = found
    if check and index.sha256 != model.sha256:
        raise GalleryError(
            f"{folder / INDEX}: embedded by {index.model}, not by this {model.name}; "
            "run: threadline gallery rebuild"
        )
    if check and index.brands and vectors.shape[1] != model.outputs[0].shape[-1]:
        raise GalleryError(
            f"{folder / INDEX}: {index.vectors} is not by {model.name}; "
            "run: threadline gallery rebuild"
        )
    return Gallery(folder, index, vectors, *known)


def as_it_is(gallery: Gallery) -> Gallery:
    """A gallery with what its folder holds now: others may have changed it.

    Raises:
        GalleryError: it is damaged, or was embedded anew by another model.
    """
    found = read_folder(gallery.folder)
    if found is None:
        return replace(
            gallery,
            index=gallery.index.model_copy(update={"brands": [], "vectors": ""}),
            vectors=no_vectors(),
        )
    index, vectors = found
    if index.sha256 != gallery.index.sha256:
        raise GalleryError(f"{gallery.folder}: was embedded anew by another model; try again")
    return replace(gallery, index=index, vectors=vectors)


def known_of(model: Pack) -> tuple[Decision, F32, F32]:
    """The decision fitted for a model, its background, and its letters."""
    background, letters = (_beside(model.path.with_name(name)) for name in (BACKGROUND, LETTERS))
    return decision_of(model.thresholds), background, letters


@lru_cache(maxsize=8)
def _beside(path: Path) -> F32:
    """Unit vectors (n, length) shipped with a model; none where nothing is."""
    if not path.exists():
        return no_vectors()
    return np.asarray(np.load(path, allow_pickle=False), np.float32)
