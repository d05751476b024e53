"""The folder of a gallery: brands, pictures of their marks, and what these look like to a model.

The folder holds ``gallery.json`` (brands, their files, the model that embedded them), the files
themselves under ``marks/`` and their embeddings in one array. Adding a brand embeds its pictures
and nothing else: no training, no engine is built. A change is there whole or not at all: files and
array come under new names first, the index is replaced last. Whoever changes it holds its lock.
"""

from __future__ import annotations

import hashlib
import io
import json
import unicodedata
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.errors import PipelineError
from pipeline.tagging.logos.colours import HUES
from pipeline.tagging.logos.exemplars import VIEWS

F32 = npt.NDArray[np.float32]

INDEX = "gallery.json"
#: 2: with colours of marks.
VERSION = 2
#: Longest name of a brand, in characters.
MOST_LETTERS = 100
#: Most pictures of a brand.
MOST_FILES = 64
#: How often a folder that is being changed is read again.
TRIES = 20


class GalleryError(PipelineError, ValueError):
    """A gallery cannot be read or changed; says what, where and the remedy."""


class PictureEntry(BaseModel):
    """A picture of a brand: where it is kept, the name it came with, and how much of it (per mille)
    has each hue, if it has several colours."""

    model_config = ConfigDict(extra="forbid")
    file: str = Field(pattern=r"^marks/[0-9a-f]{16}\.\w{1,5}$")
    source: str
    hues: list[Annotated[int, Field(ge=0, le=1000)]] = []

    @field_validator("hues")
    @classmethod
    def _all_or_none(cls, hues: list[int]) -> list[int]:
        if len(hues) not in (0, HUES):
            raise ValueError(f"{len(hues)} hues; there are {HUES}")
        return hues


class BrandEntry(BaseModel):
    """A brand and its pictures."""

    model_config = ConfigDict(extra="forbid")
    name: str
    #: Written by older versions; of no use any more.
    background: float | None = Field(None, ge=-1.01, le=1.01, exclude=True)
    files: list[PictureEntry] = Field(min_length=1, max_length=MOST_FILES)


class Index(BaseModel):
    """What ``gallery.json`` says."""

    model_config = ConfigDict(extra="forbid")
    version: int = VERSION
    model: str
    sha256: str
    vectors: str = Field(pattern=r"^(vectors-[0-9a-f]{16}\.npy)?$")
    brands: list[BrandEntry] = []


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


def read_folder(folder: Path) -> tuple[Index, F32] | None:
    """The index of a gallery and its unit vectors (pictures x ``VIEWS``, length); ``None`` if
    there is no index. A folder that is changed meanwhile is read again.

    Raises:
        GalleryError: it is damaged, or from a newer version.
    """
    for _ in range(TRIES):
        try:
            content = (folder / INDEX).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _damaged(folder, error) from None
        try:
            return _parsed(folder, content)
        except (OSError, ValueError) as error:
            if not _changed(folder, content):
                raise (
                    error if isinstance(error, GalleryError) else _damaged(folder, error)
                ) from None
    raise GalleryError(f"{folder}: is changed all the time; try again")


def _changed(folder: Path, content: bytes) -> bool:
    """Whether the index is another one by now."""
    try:
        return (folder / INDEX).read_bytes() != content
    except OSError:
        return False


def _damaged(folder: Path, error: Exception) -> GalleryError:
    reason = str(error).splitlines()[0]
    return GalleryError(f"{folder / INDEX}: damaged: {reason}; restore it or start a new folder")


def _parsed(folder: Path, packed: bytes) -> tuple[Index, F32]:
    path = folder / INDEX
    content = json.loads(packed.decode("utf-8"))
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise GalleryError(f"{path}: written by a newer threadline; update this one")
    index = Index.model_validate(content)
    vectors = _read_vectors(folder / index.vectors) if index.vectors else no_vectors()
    if len(vectors) != VIEWS * sum(len(brand.files) for brand in index.brands):
        raise GalleryError(f"{path}: does not fit {index.vectors}; restore both or start anew")
    return index, vectors


def no_vectors() -> F32:
    """Of a gallery without pictures (0, 1)."""
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
