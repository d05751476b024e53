"""What a pack's files say of its labels besides their names: thresholds and embeddings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from engines.packs.pack import EMBEDDINGS, THRESHOLDS, Pack, PackError, labels
from engines.packs.table import numbers

F32 = npt.NDArray[np.float32]
#: Most numbers of a label's embedding.
MOST_NUMBERS = 65_536


def thresholds(pack: Pack) -> Mapping[str, float]:
    """Label -> probability at which it is reported; none for labels without one of their own.

    Raises:
        PackError: the file cannot be read, or names what is no label.
    """
    if THRESHOLDS not in pack.files:
        return MappingProxyType({})
    path = pack.folder / THRESHOLDS
    try:
        found = numbers(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise PackError(f"pack '{pack.name}': {path} is no list of thresholds: {error!r}") from None
    known = {label.name for label in labels(pack)}
    for name, value in (found or {"": -1.0}).items():
        if name not in known or not 0 <= value <= 1:
            raise PackError(
                f"pack '{pack.name}': {path} must give labels numbers from 0 to 1; "
                f"{name!a}: {value:g} is none"
            )
    return found or MappingProxyType({})


def read_embeddings(path: Path, count: int) -> F32:
    """float32 (count, numbers) of unit length, read without unpickling.

    Raises:
        PackError: the file cannot be read, or is of another shape.
    """
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PackError(f"{path} holds no embeddings: {error}") from None
    fits = isinstance(found, np.ndarray) and found.ndim == 2 and found.shape[0] == count
    if not fits or found.dtype.kind != "f" or not 0 < found.shape[1] <= MOST_NUMBERS:
        raise PackError(f"{path} must hold one row of floats for each of {count} labels")
    rows = np.asarray(found, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(rows).all() or not lengths.all():
        raise PackError(f"{path} holds rows that point nowhere")
    return np.asarray(rows / lengths, np.float32)


def embeddings(pack: Pack) -> F32:
    """What a pack's labels look like, float32 (labels, numbers) of unit length.

    Raises:
        PackError: there is no such file, or it does not fit the labels.
    """
    if EMBEDDINGS not in pack.files:
        raise PackError(f"pack '{pack.name}' has no {EMBEDDINGS}")
    return read_embeddings(pack.folder / EMBEDDINGS, len(labels(pack)))
