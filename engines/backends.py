"""Which engines there are. To add one: its module (``engines.base.Backend`` is what it offers) and
a line in ``BACKENDS``, or from another distribution an entry point in ``threadline.engines``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module, metadata
from pathlib import Path
from types import MappingProxyType
from typing import cast

from engines.base import (
    Backend,
    Engine,
    EngineError,
    EngineOptions,
    EngineUnavailableError,
    ModelFileError,
    Precision,
)
from engines.packs import Pack, verify

#: Engine name -> its module, in the order in which ``auto`` tries them.
BACKENDS: Mapping[str, str] = MappingProxyType(
    {
        "openvino": "engines.ov",
        "onnxruntime": "engines.ort",
        "tensorrt": "engines.trt.backend",
    }
)
#: Entry points of this group name modules of further engines.
GROUP = "threadline.engines"
_OFFERED = ("AUTOMATIC", "PLANS", "version", "why_not", "precisions", "open")


def names() -> tuple[str, ...]:
    """All engines, installed or not: those of the table, then those of other distributions."""
    return tuple(_modules())


def _modules() -> dict[str, str]:
    """Name -> module. The table's own names cannot be taken over."""
    others = {entry.name: entry.value for entry in metadata.entry_points(group=GROUP)}
    return {**BACKENDS, **{name: m for name, m in others.items() if name not in BACKENDS}}


def backend(name: str) -> Backend:
    """The module of an engine, imported now.

    Raises:
        EngineUnavailableError: there is no such engine, or its module is broken.
    """
    path = BACKENDS.get(name) or _modules().get(name)
    if path is None:
        raise EngineUnavailableError(
            f"engine '{name}' is unknown; choose auto, {', '.join(names())}"
        )
    try:
        module = import_module(path)
    except Exception as error:  # somebody else's module may fail in any way
        raise EngineUnavailableError(
            f"engine '{name}': its module {path} cannot be imported: {_line(error)}"
        ) from error
    lacks = [part for part in _OFFERED if not hasattr(module, part)]
    if lacks:
        raise EngineUnavailableError(f"engine '{name}': its module {path} lacks {', '.join(lacks)}")
    return cast(Backend, module)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def why_not(name: str) -> str:
    """Why an engine cannot run here, in a line; empty if it can."""
    try:
        return backend(name).why_not()
    except EngineError as error:
        return str(error)
    except Exception as error:
        return _line(error)


def available() -> dict[str, str | None]:
    """Engine name -> version of its library, ``None`` where it cannot run here."""
    return {name: None if why_not(name) else backend(name).version() for name in names()}


def choose(name: str) -> str:
    """The engine to use for a name; for ``auto`` the first that may be chosen and can run here.

    Raises:
        EngineUnavailableError: it is unknown or cannot run here; the message says why.
    """
    if name != "auto":
        backend(name)
        if reason := why_not(name):
            raise EngineUnavailableError(f"engine '{name}' cannot run here: {reason}")
        return name
    for each in names():
        if not why_not(each) and backend(each).AUTOMATIC:
            return each
    raise EngineUnavailableError("no engine is installed: pip install openvino")


def runs_plans(name: str) -> bool:
    """Whether an engine runs plans built ahead instead of a pack's own file."""
    try:
        return backend(name).PLANS
    except EngineUnavailableError:
        return False


def precisions(name: str) -> list[Precision]:
    """Precisions an engine offers on this machine.

    Raises:
        EngineUnavailableError: as ``choose``.
    """
    return backend(choose(name)).precisions()


def open_engine(
    model: Pack | Path, name: str = "auto", options: EngineOptions | None = None
) -> Engine:
    """Load the model of a pack (its hashes are checked first) or a bare ONNX file.

    Raises:
        EngineUnavailableError: unknown or missing engine, or a precision it lacks.
        ModelFileError: the file is missing, damaged or not the one the pack names, or takes or
            gives something else than the pack says.
    """
    chosen = backend(choose(name))
    path = model if isinstance(model, Path) else verify(model)
    engine = chosen.open(path, options or EngineOptions())
    if isinstance(model, Pack) and (reason := _other_names(engine, model)):
        engine.__exit__()
        raise ModelFileError(f"{path}: {reason}")
    return engine


def _other_names(engine: Engine, pack: Pack) -> str:
    """Why a model is not what its pack says, in a line; empty if it is."""
    takes, gives = ([spec.name for spec in own] for own in (engine.inputs, engine.outputs))
    if sorted(takes) != sorted(tensor.name for tensor in pack.inputs):
        return f"its inputs are {', '.join(takes)}, and pack.toml says other names"
    if missing := [tensor.name for tensor in pack.outputs if tensor.name not in gives]:
        return f"it has no output {', '.join(missing)} as pack.toml says, but {', '.join(gives)}"
    return ""
