"""One pack: a folder with ``pack.toml``, the model and what belongs to it. Everything in the file
is checked when it is read; the files themselves are checked by ``verify`` before they are used."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from engines.base import EngineError, ModelFileError, TensorSpec
from engines.packs.tagger import TaggerTable

#: Most pixels of a side of a model's pictures.
MOST_SIDE = 16384
MODEL = "model.onnx"
#: ``pre`` of packs that see objects with all that is not the object black.
MASKED = "masked-square"
LABELS = "labels.json"
ANSWERS = "answers.json"
#: Probability at which each label is reported: ``{"label": 0.65}``.
THRESHOLDS = "thresholds.json"
#: float32 (labels, numbers), of unit length: what the labels of an embedder look like.
EMBEDDINGS = "embeddings.npy"


class PackError(EngineError):
    """A pack is unknown, broken, or does not fit its use; the message is one line."""


def _empty() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output, as ``pack.toml`` describes it.

    Attributes:
        dtype: NumPy's name of it.
        shape: sizes; a name stands for a free dimension, ``"n"`` for the batch.
        layout: of pictures, ``nhwc`` or ``nchw``, or ``chw`` of a single one; empty for anything
            else.
        colour: order of a picture's channels, ``rgb`` or ``bgr``; empty for anything else.
        meaning: what its numbers are, for people.
        scale, mean, std: of pictures that are not bytes: ``(pixel / scale - mean) / std``, by
            channel in the order of ``colour``; a ``scale`` of 0 is the largest number of each.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    layout: str = ""
    colour: str = ""
    meaning: str = ""
    scale: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def spec(self) -> TensorSpec:
        """The same as engines describe it."""
        shape = tuple(None if isinstance(n, str) else n for n in self.shape)
        return TensorSpec(self.name, np.dtype(self.dtype), shape)

    def __str__(self) -> str:
        shape = ", ".join(str(n) for n in self.shape)
        text = f"{self.name} {self.dtype} ({shape}) {self.layout} {self.colour}".rstrip()
        return f"{text}: {self.meaning}" if self.meaning else text


@dataclass(frozen=True, slots=True)
class Pack:
    """A model with everything needed to use it.

    Attributes:
        folder: where it is; its name is the pack's.
        task: what it does, in a word that stages ask for; any word is allowed.
        files: name of every file that belongs to it -> its SHA-256, 64 hexadecimal digits.
        size: width and height of its pictures in pixels; (0, 0) if it takes none.
        multiple: a model that takes any picture whose sides are multiples of this; 0 if ``size``
            is fixed, else ``size`` is the one for 16:9 pictures.
        twin_of: name of the model this is the INT8 twin of; empty if it is none.
        pre: name of the contract of its inputs: what is cut from a frame.
        post: name of the contract of its outputs: what reads them.
        compare: how another engine's outputs are compared with this model's; empty: number by
            number.
        thresholds: name -> value fitted for this model.
        figures: what was measured -> value.
        terms: what its licence asks of whoever uses it, in a line; used as a tagger only by those
            who accept that. Empty where it asks nothing.
        tagger: how it is used as a tagger; ``None`` if it is none by itself.
    """

    folder: Path
    name: str
    task: str
    licence: str
    source: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    files: Mapping[str, str] = field(hash=False)
    size: tuple[int, int] = (0, 0)
    multiple: int = 0
    twin_of: str = ""
    pre: str = ""
    post: str = ""
    compare: str = ""
    thresholds: Mapping[str, float] = field(default_factory=_empty, hash=False)
    figures: Mapping[str, float] = field(default_factory=_empty, hash=False)
    terms: str = ""
    tagger: TaggerTable | None = None

    @property
    def path(self) -> Path:
        return self.folder / MODEL

    @property
    def card(self) -> Path:
        return self.folder / "MODEL_CARD.md"

    @property
    def sha256(self) -> str:
        """Of the model itself."""
        return self.files[MODEL]

    @property
    def in_float(self) -> str:
        """Name of the model this is the INT8 twin of, or its own."""
        return self.twin_of or self.name

    def input_size(self, width: int, height: int, pixels: int = 0) -> tuple[int, int]:
        """Width and height of the input for a picture.

        A model of free size keeps the picture's aspect ratio at about ``pixels`` pixels in all, or
        at as many as ``size`` has.
        """
        if not self.multiple:
            return self.size
        return fitted_size(width, height, pixels or self.size[0] * self.size[1], self.multiple)


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its Fashionpedia category (``None`` where the ontology has none).

    ``under`` is the label of the same list as far as which this one is asked; empty: none.
    """

    name: str
    category: str | None
    under: str = ""


@lru_cache(maxsize=64)
def fitted_size(width: int, height: int, pixels: int, multiple: int) -> tuple[int, int]:
    """Sides that are multiples of ``multiple``, of nearly the aspect ratio of ``width`` x
    ``height``, with at most 5 % more than ``pixels`` pixels (but no side shorter than 4
    multiples)."""
    least, most = 4, max(pixels // (4 * multiple**2), 5)
    best, cost = (least, least), math.inf
    for columns in range(least, min(most, max(MOST_SIDE // multiple, 5)) + 1):
        # Of one width the best heights are those nearest to the aspect ratio, or the most allowed.
        highest = min(most, int(1.05 * pixels / (columns * multiple**2)))
        fitting = int(columns * height / width)
        for rows in sorted({min(max(n, least), highest) for n in (fitting, fitting + 1)}):
            if rows < least:
                continue
            bent = abs(math.log(columns * height / (rows * width)))
            wasted = math.log(max(pixels / (columns * rows * multiple**2), 1.0))
            if bent + wasted / 2 < cost:
                best, cost = (columns, rows), bent + wasted / 2
    return best[0] * multiple, best[1] * multiple


def sha256_of(path: Path) -> str:
    """Of a file's content, 64 hexadecimal digits; read piece by piece.

    Raises:
        OSError: it cannot be read.
    """
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()


def verify(pack: Pack) -> Path:
    """Path of the model file, once every file of the pack has the SHA-256 of ``pack.toml``.

    Raises:
        ModelFileError: one is missing, unreadable or different.
    """
    remedy = "install the pack again to restore it"
    for name, expected in pack.files.items():
        path = pack.folder / name
        try:
            digest = sha256_of(path)
        except OSError as error:
            raise ModelFileError(
                f"model '{pack.name}': cannot read {path} ({error.strerror}); {remedy}"
            ) from error
        if digest != expected:
            raise ModelFileError(
                f"model '{pack.name}': {path} is damaged or was changed "
                f"(sha256 {digest[:12]}, expected {expected[:12]}); {remedy}"
            )
    return pack.path


@lru_cache(maxsize=32)
def labels(pack: Pack) -> tuple[Label, ...]:
    """Labels of a pack, in the order of its output indices; one without a category may stand as
    bare text.

    Raises:
        PackError: it has no list of labels, or one that cannot be read.
    """
    if LABELS not in pack.files:
        raise PackError(f"pack '{pack.name}' has no {LABELS}")
    path = pack.folder / LABELS
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        found = tuple(
            Label(row, None)
            if isinstance(row, str)
            else Label(row["label"], row["category"], row.get("under", ""))
            for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PackError(f"pack '{pack.name}': {path} is no list of labels: {error!r}") from None
    if not all(isinstance(x.name, str) and isinstance(x.category, str | None) for x in found):
        raise PackError(f"pack '{pack.name}': {path}: labels and categories must be text")
    above = {"", *(x.name for x in found if not x.under)}
    if lost := next((x.under for x in found if x.under not in above), None):
        raise PackError(f"pack '{pack.name}': {path}: there is no label {lost!a} of its own")
    return found


def categories(pack: Pack) -> tuple[str, ...]:
    """Categories of a pack, in the order of its ``categories`` output: alphabetical."""
    return tuple(sorted({label.category for label in labels(pack) if label.category}))


@lru_cache(maxsize=32)
def answers(pack: Pack) -> Mapping[str, tuple[str, ...]]:
    """Questions of a pack and their answers, in the order of the output of that name; the first
    answer is that nothing is to be seen. Empty for a pack that is asked nothing.

    Raises:
        PackError: its list cannot be read, or does not fit its outputs.
    """
    if ANSWERS not in pack.files:
        return MappingProxyType({})
    path = pack.folder / ANSWERS
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        found = {str(question): tuple(map(str, own)) for question, own in rows.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise PackError(f"pack '{pack.name}': {path} is no list of answers: {error!r}") from None
    shapes = {tensor.name: tensor.shape for tensor in pack.outputs}
    for question, own in found.items():
        if shapes.get(question, ())[1:] != (len(own),):
            raise PackError(
                f"pack '{pack.name}': {path} has {len(own)} answers to '{question}', which is no "
                f"output of as many"
            )
    return MappingProxyType(found)
