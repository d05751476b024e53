"""The registry under its former name, while its last users move to ``engines.packs``."""

from __future__ import annotations

from engines import packs
from engines.packs import Label, find, fitted_size, shipped, verify
from engines.packs import Pack as ModelSpec

__all__ = [
    "MODELS",
    "Label",
    "ModelSpec",
    "categories",
    "find",
    "fitted_size",
    "labels",
    "verify",
]

MODELS = shipped().by_name


def labels(name: str) -> tuple[Label, ...]:
    return packs.labels(find(name))


def categories(name: str) -> tuple[str, ...]:
    return packs.categories(find(name))
