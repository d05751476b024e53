"""What every engine is: a context manager over named arrays.

EngineError
├── EngineUnavailableError   the backend's library or the asked precision is not here
├── ModelFileError           the model file is missing, damaged or not the one its pack names
├── EngineInputError         wrong names, shapes or dtypes given to ``infer``
├── PackError                a pack is unknown, broken or of the wrong kind (``engines.packs``)
├── PlanError                a plan is missing, damaged or for something else (``engines.trt``)
├── BuildStoppedError        the build of a plan was stopped (``engines.trt``)
└── ParityError              a model's outputs changed too much (``pipeline.models.parity``)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Precision = Literal["f32", "bf16", "f16", "int8"]


class EngineError(Exception):
    """Something an engine cannot do; the message says what, where and the remedy."""


class EngineUnavailableError(EngineError, ImportError):
    """The backend or the precision is not available on this machine."""


class ModelFileError(EngineError, OSError):
    """The model file is missing, damaged, or not the one its pack names."""


class EngineInputError(EngineError, ValueError):
    """``infer`` was given arrays that do not fit the model."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, NumPy dtype and shape of one input or output; ``None`` is a free dimension."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def check(self, array: Array) -> None:
        """Raise EngineInputError, got versus expected, unless ``array`` fits."""
        fits = len(array.shape) == len(self.shape) and all(
            want is None or want == got for want, got in zip(self.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != self.dtype:
            raise EngineInputError(
                f"input '{self.name}': got {array.dtype} {array.shape}, "
                f"expected {self.dtype} {self.shape}"
            )


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to run a model.

    Attributes:
        threads: CPU threads; 0 leaves the choice to the backend.
        precision: arithmetic.
        cache: folder in which a backend may keep what it compiled; ``None``: nowhere.
        any_size: where a backend compiles for every size of input, do so once for all: for pictures
            of many sizes, each seen a few times. Results are the same, a little later.
    """

    threads: int = 0
    precision: Precision = "f32"
    cache: Path | None = None
    any_size: bool = False


class Engine(Protocol):
    """A loaded model, ready to run. Belongs to the one thread that calls ``infer``; ``prepare``,
    ``ready`` and ``threads`` may be called on others meanwhile."""

    backend: str
    precision: Precision
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def prepare(self, shape: tuple[int, ...]) -> None:
        """Do now what the first ``infer`` on an input of this shape would have to do.

        Raises:
            EngineInputError: the model takes no such input.
        """
        ...

    def ready(self, shape: tuple[int, ...]) -> bool:
        """Whether ``infer`` on an input of this shape would run at once, without compiling."""
        ...

    def threads(self, count: int) -> None:
        """Change the number of CPU threads; 0 leaves the choice to the backend. May take as long
        as opening the model did; ``infer`` goes on with the old number until then."""
        ...

    def infer(self, inputs: Arrays) -> dict[str, Array]:
        """Run once. The arrays returned are valid until the next call: copy what you keep.

        Raises:
            EngineInputError: names, shapes or dtypes do not fit ``inputs``.
        """
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None: ...


class Backend(Protocol):
    """What the module of an engine offers.

    Attributes:
        AUTOMATIC: ``auto`` may choose it.
        PLANS: it runs plans built ahead instead of a pack's own file.
    """

    AUTOMATIC: bool
    PLANS: bool

    def version(self) -> str | None:
        """Version of its library; ``None`` if that is not installed."""
        ...

    def why_not(self) -> str:
        """Why it cannot run here, in a line that names the remedy; empty if it can."""
        ...

    def precisions(self) -> list[Precision]:
        """Precisions it offers on this machine, once it can run here."""
        ...

    def open(self, path: Path, options: EngineOptions) -> Engine:
        """Load a model file.

        Raises:
            EngineUnavailableError: it lacks the precision, or cannot run here.
            ModelFileError: the file is missing or damaged.
        """
        ...


def installed(distribution: str) -> str | None:
    """Version of an installed distribution, ``None`` without it."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def check_inputs(specs: tuple[TensorSpec, ...], inputs: Arrays) -> None:
    """Raise EngineInputError unless ``inputs`` are exactly the named arrays the model takes."""
    names = {spec.name for spec in specs}
    if names != set(inputs):
        raise EngineInputError(f"inputs {sorted(inputs)} given, the model takes {sorted(names)}")
    for spec in specs:
        spec.check(inputs[spec.name])


def check_shape(specs: tuple[TensorSpec, ...], shape: tuple[int, ...]) -> None:
    """Raise EngineInputError unless a model of one input takes this shape."""
    if len(specs) != 1:
        raise EngineInputError(f"the model takes {len(specs)} inputs, not one")
    specs[0].check(np.broadcast_to(np.zeros((), specs[0].dtype), shape))


def takes_shape(specs: tuple[TensorSpec, ...], shape: tuple[int, ...]) -> bool:
    """Whether a model of one input takes this shape."""
    try:
        check_shape(specs, shape)
    except EngineInputError:
        return False
    return True


def refused(inputs: Arrays, error: Exception) -> str:
    """The message for a library that fails on inputs of the right kind."""
    shapes = ", ".join(f"'{name}' {array.shape}" for name, array in inputs.items())
    return f"the model cannot run on {shapes}: {str(error).splitlines()[0]}"


def warm_up(engine: Engine, size: tuple[int, int], batch: int = 1) -> None:
    """Run once on zeros, so that the first real frame does not pay for lazy set-up.

    ``size`` (width, height) is that of pictures, where the model takes any.
    """
    free = (batch, size[1], size[0])
    zeros = {}
    for spec in engine.inputs:
        shape = [free[min(i, 2)] if n is None else n for i, n in enumerate(spec.shape)]
        zeros[spec.name] = np.zeros(shape, spec.dtype)
    engine.infer(zeros)
