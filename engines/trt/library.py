"""Which TensorRT is here: NVIDIA's own, or TensorRT-RTX, which has the same interface."""

from __future__ import annotations

import re
from importlib import import_module, util
from typing import Any

from engines.base import EngineUnavailableError
from engines.trt.gpu import driver

#: Import names in order of preference; JetPack and data centres have the first.
FLAVOURS = ("tensorrt", "tensorrt_rtx")


def library() -> Any:
    """The TensorRT module.

    Raises:
        EngineUnavailableError: none is installed, or its libraries do not load.
    """
    reasons = []
    for name in FLAVOURS:
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                reasons.append(f"{name}: {error}")
        except (ImportError, OSError, RuntimeError) as error:
            reasons.append(f"{name}: {str(error).splitlines()[0]}")
    raise EngineUnavailableError(
        "; ".join(reasons) or "TensorRT is not installed; docs/tensorrt.md says how it is"
    )


def flavour(trt: Any) -> str:
    """Name and version: plans of one are nothing to another."""
    return f"{trt.__name__} {trt.__version__}"


def is_rtx(trt: Any) -> bool:
    """Whether it is TensorRT-RTX, which compiles kernels on the machine that runs a plan."""
    return bool(trt.__name__ == "tensorrt_rtx")


def targets(trt: Any) -> dict[str, Any]:
    """The GPUs plans can be built for ahead, by compute capability (``sm86``); none with NVIDIA's
    own TensorRT, which builds for the GPU it runs on."""
    values = getattr(trt, "ComputeCapability", object).__dict__
    return {name.lower(): value for name, value in values.items() if re.fullmatch(r"SM\d+", name)}


def runs_on(trt: Any, capability: str) -> bool:
    """Whether plans run on GPUs of a compute capability: TensorRT-RTX knows the chips of graphics
    cards, and takes those newer than all it knows; chips of data centres are among neither."""
    known = [int(name[2:]) for name in targets(trt)]
    return not is_rtx(trt) or int(capability[2:]) in known or int(capability[2:]) > max(known)


def listening(trt: Any) -> Any:
    """A logger for TensorRT that keeps errors instead of printing them; ``first()`` is the first
    of them in a line, which most often names the cause."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            # Without a driver TensorRT-RTX says so at every step, and builds all the same.
            if severity <= trt.ILogger.ERROR and "CUDA driver" not in message:
                self.errors.append(message)

        def first(self) -> str:
            return self.errors[0].splitlines()[0] if self.errors else "it gave no reason"

    return Log()


def missing() -> str:
    """What TensorRT lacks to run a plan here, in words; empty if nothing."""
    found = driver()
    if found is None or not found.gpus:
        return "no NVIDIA GPU with its driver is here"
    if util.find_spec("pycuda") is None:
        return "PyCUDA is not installed: pip install 'threadline[gpu]'"
    try:
        trt = library()
    except EngineUnavailableError as error:
        return str(error)
    gpu = found.gpus[0]
    if not runs_on(trt, gpu.capability):
        return (
            f"{flavour(trt)} does not run on this GPU, {gpu.name} ({gpu.capability}): "
            "pip install tensorrt, which does"
        )
    return ""


def version() -> str | None:
    """Version of the TensorRT that can run plans here; ``None`` if none can."""
    return None if missing() else str(library().__version__)
