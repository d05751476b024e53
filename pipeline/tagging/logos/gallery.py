"""A folder of brand marks, and which of them a crop shows.

The folder holds ``gallery.json`` (brands, their files, the model that embedded them), the files
themselves under ``marks/`` and their embeddings in one array. Adding a brand embeds its pictures
and nothing else: no training, no engine is built. A change is there whole or not at all, as long as
one process makes changes at a time: files and array come under new names first, the index is
replaced last.
"""

from __future__ import annotations

import hashlib
import io
import json
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from engines.packs import Pack
from pipeline.errors import PipelineError
from pipeline.tagging.logos.exemplars import VIEWS
from pipeline.tagging.logos.lettering import agrees

F32 = npt.NDArray[np.float32]

INDEX = "gallery.json"
VERSION = 1
#: Longest name of a brand, in characters.
MOST_LETTERS = 100
#: Most pictures of a brand.
MOST_FILES = 64
#: Brands whose mean is nearest to a crop, whose pictures are then compared one by one.
SHORTLIST = 64


class GalleryError(PipelineError, ValueError):
    """A gallery cannot be read or changed; says what, where and the remedy."""


class PictureEntry(BaseModel):
    """A picture of a brand: where it is kept, and the name it came with."""

    model_config = ConfigDict(extra="forbid")
    file: str = Field(pattern=r"^marks/[0-9a-f]{16}\.\w{1,5}$")
    source: str


class BrandEntry(BaseModel):
    """A brand and its pictures."""

    model_config = ConfigDict(extra="forbid")
    name: str
    #: Likeness of the brand to what of the background is nearest to it.
    background: float = Field(0.0, ge=-1.01, le=1.01)
    files: list[PictureEntry] = Field(min_length=1, max_length=MOST_FILES)


class Index(BaseModel):
    """What ``gallery.json`` says."""

    model_config = ConfigDict(extra="forbid")
    version: int = VERSION
    model: str
    sha256: str
    vectors: str = Field(pattern=r"^(vectors-[0-9a-f]{16}\.npy)?$")
    brands: list[BrandEntry] = []


@dataclass(frozen=True, slots=True)
class Match:
    """What a crop was recognised as.

    Attributes:
        brand: its name; ``None`` if it is none of the gallery's.
        likeness: cosine to the nearest picture of the nearest brand.
        margin: how much nearer that is than the nearest picture of any other brand.
        nearest: name of the nearest brand, however far.
    """

    brand: str | None
    likeness: float
    margin: float
    nearest: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a mark counts as recognised: fitted on marks and things that are in no gallery.

    Attributes:
        likeness: least cosine to the nearest picture.
        margin: least difference to the second brand.
        above: least difference to what of the background is nearest to the brand.
        lettered: least cosine to the nearest picture of a brand whose name was read.
    """

    likeness: float = 0.5
    margin: float = 0.03
    above: float = 0.0
    lettered: float = 0.25


def brand_name(text: str) -> str:
    """A brand's name as it is kept: NFC, without space around it.

    Raises:
        GalleryError: it is empty, too long, or holds characters that are not printed.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > MOST_LETTERS:
        raise GalleryError(f"brand name {text[:40]!r}: use 1 to {MOST_LETTERS} characters")
    if any(unicodedata.category(letter).startswith("C") for letter in name):
        raise GalleryError(f"brand name {name!r}: holds characters that cannot be printed")
    return name


@dataclass(slots=True)
class Gallery:
    """The brands of a folder and how they look. Read it with ``open_gallery``.

    ``vectors`` are unit vectors (pictures x ``VIEWS``, length), in the order of the brands.
    """

    folder: Path
    index: Index
    vectors: F32
    thresholds: Thresholds = field(default_factory=Thresholds)
    _starts: npt.NDArray[np.intp] = field(init=False)
    _means: F32 = field(init=False)

    def __post_init__(self) -> None:
        counts = [len(brand.files) * VIEWS for brand in self.index.brands]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        if len(counts):
            sums = np.add.reduceat(self.vectors, self._starts[:-1], axis=0)
            self._means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
        else:
            self._means = self.vectors[:0]

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

    def match(self, vectors: F32) -> list[Match]:
        """What each vector (n, length) shows: the nearest brand, if it is near enough."""
        if not self.index.brands:
            return [Match(None, 0.0, 0.0, "") for _ in vectors]
        brands, scores = self.likeness(vectors)
        names = self.names
        out = []
        for nearest, score in zip(brands, scores, strict=True):
            best = float(score[0])
            margin = best - (float(score[1]) if len(score) > 1 else 0.0)
            sure = best >= self._cutoff(int(nearest[0])) and margin >= self.thresholds.margin
            name = names[nearest[0]]
            out.append(Match(name if sure else None, best, margin, name))
        return out

    def lettered(self, vector: F32, text: str) -> Match | None:
        """The brand a vector (length,) looks a little like and whose name was read off it."""
        if not text or not self.index.brands:
            return None
        (brands,), (scores,) = self.likeness(vector[None])
        for brand, score in zip(brands, scores, strict=True):
            if score < self.thresholds.lettered:
                return None
            name = self.index.brands[brand].name
            if agrees(text, name):
                return Match(name, float(score), float(score - scores[0]), name)
        return None

    def _cutoff(self, brand: int) -> float:
        background = self.index.brands[brand].background
        return max(self.thresholds.likeness, background + self.thresholds.above)


def open_gallery(folder: Path, model: Pack, check: bool = True) -> Gallery:
    """Read a gallery; an absent or empty folder is a gallery without brands.

    Raises:
        GalleryError: it is damaged, from a newer version, or (with ``check``) was embedded by
            another model.
    """
    path = folder / INDEX
    if not path.exists():
        index = Index(model=model.name, sha256=model.sha256, vectors="")
        return Gallery(folder, index, _none(), thresholds_of(model))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.get("version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > VERSION:
            raise GalleryError(f"{path}: written by a newer threadline; update this one")
        index = Index.model_validate(content)
        vectors = _read_vectors(folder / index.vectors) if index.vectors else _none()
    except GalleryError:
        raise
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise GalleryError(f"{path}: damaged: {reason}; restore it or start a new folder") from None
    if len(vectors) != VIEWS * sum(len(brand.files) for brand in index.brands):
        raise GalleryError(f"{path}: does not fit {index.vectors}; restore both or start anew")
    if check and index.sha256 != model.sha256:
        raise GalleryError(
            f"{path}: embedded by {index.model}, not by this {model.name}; "
            "run: threadline gallery rebuild"
        )
    if check and index.brands and vectors.shape[1] != model.outputs[0].shape[-1]:
        raise GalleryError(
            f"{path}: {index.vectors} is not by {model.name}; run: threadline gallery rebuild"
        )
    return Gallery(folder, index, vectors, thresholds_of(model))


def thresholds_of(model: Pack) -> Thresholds:
    """What was fitted for a model, as its pack has it."""
    return Thresholds(**model.thresholds)


def _none() -> F32:
    return np.zeros((0, 1), np.float32)


def _read_vectors(path: Path) -> F32:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest()[:16] not in path.name:
        raise ValueError(f"{path.name} is not what was written")
    try:
        vectors = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # NumPy says in many ways that a file is damaged
        raise ValueError(f"{path.name} cannot be read: {error!r}") from None
    if getattr(vectors, "ndim", 0) != 2 or vectors.dtype != np.float16:
        raise ValueError(f"{path.name} is no array of embeddings")
    return np.asarray(vectors, np.float32)
