"""Engines: models that turn named arrays into named arrays, on whatever this machine has."""

from __future__ import annotations

from engines.backends import (
    BACKENDS,
    available,
    backend,
    choose,
    names,
    open_engine,
    precisions,
    runs_plans,
    why_not,
)
from engines.base import (
    Backend,
    Engine,
    EngineError,
    EngineInputError,
    EngineOptions,
    EngineUnavailableError,
    ModelFileError,
    Precision,
    TensorSpec,
    warm_up,
)
from engines.packs import Pack, PackError, Packs

__all__ = [
    "BACKENDS",
    "Backend",
    "Engine",
    "EngineError",
    "EngineInputError",
    "EngineOptions",
    "EngineUnavailableError",
    "ModelFileError",
    "Pack",
    "PackError",
    "Packs",
    "Precision",
    "TensorSpec",
    "available",
    "backend",
    "choose",
    "names",
    "open_engine",
    "precisions",
    "runs_plans",
    "warm_up",
    "why_not",
]
