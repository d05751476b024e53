"""What this machine can run."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import time
from importlib import metadata

import av
from av.codec.hwaccel import hwdevices_available
from rich.console import Console
from rich.table import Table

import pipeline
from engines import (
    EngineUnavailableError,
    ModelFileError,
    available,
    open_engine,
    precisions,
    warm_up,
)
from engines.trt.gpu import Driver, driver
from engines.trt.library import flavour, library, missing
from engines.zoo import MODELS, ModelSpec, verify
from pipeline.models.opening import cores
from pipeline.sinks.video import ENCODERS

_CODECS = ("h264", "hevc", "av1", "vp9", "mjpeg")
_LIBRARIES = ("av", "numpy", "opencv-python-headless", "pydantic", "lap")


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "unknown"
    return f"{size / 2**30:.1f} GiB"


def _decoders() -> str:
    def works(name: str) -> bool:
        try:
            av.Codec(name, "r")
        except ValueError:
            return False
        return True

    return ", ".join(f"{name} {'yes' if works(name) else 'no'}" for name in _CODECS)


def _gpu_rows() -> list[tuple[str, str]]:
    """What there is of NVIDIA's."""
    found = driver()
    rows = [("cuda driver", f"for CUDA {found.cuda}" if found else "none")]
    rows += [
        ("gpu", f"{gpu.name}, {gpu.capability}, {gpu.memory / 2**30:.0f} GiB")
        for gpu in (found.gpus if found else ())
    ]
    try:
        rows.append(("tensorrt", f"{flavour(library())} builds plans"))
    except EngineUnavailableError as error:
        rows.append(("tensorrt", str(error)))
    pycuda = importlib.util.find_spec("pycuda") is not None
    rows.append(("pycuda", "installed" if pycuda else "not installed"))
    rows.append(("reader nvdec", _nvdec(found, pycuda)))
    return rows


def _nvdec(found: Driver | None, pycuda: bool) -> str:
    """Whether cameras can be decoded on a GPU, or all that is missing for it."""
    needs = {
        "an NVIDIA GPU with its driver": bool(found and found.gpus),
        "PyCUDA": pycuda,
        "nvcc": shutil.which("nvcc") is not None,
        "a PyAV built with NVDEC": "cuda" in hwdevices_available(),
    }
    missing = [name for name, here in needs.items() if not here]
    return f"lacks {', '.join(missing)}" if missing else "ready"


def _runs_on(spec: ModelSpec) -> str:
    """The engines a model would run on here, the one that ``auto`` takes first."""
    names = [name for name, version in available().items() if version]
    if spec.in_float != spec.name:  # TensorRT computes INT8 in its own way
        names = [f"tensorrt as {spec.in_float}" if n == "tensorrt" else n for n in names]
    return ", ".join(names) or "no engine"


def _rows() -> list[tuple[str, str]]:
    rows = [
        ("threadline", pipeline.__version__),
        ("python", f"{platform.python_version()} on {platform.platform()}"),
        ("machine", f"{platform.machine()}, {cores()} cores, {_memory()}"),
    ]
    for name, version in available().items():
        text = f"{version} ({', '.join(precisions(name))})" if version else "not installed"
        if name == "tensorrt" and version is None:
            text = f"cannot run here: {missing()}"
        rows.append((f"engine {name}", text))
    rows += _gpu_rows()
    rows.append(("decoders", _decoders()))
    rows.append(
        ("encoders", ", ".join(n for n, _ in ENCODERS if n in av.codecs_available) or "none")
    )
    rows += [(name, metadata.version(name)) for name in _LIBRARIES]
    for spec in MODELS.values():
        try:
            verify(spec)
            rows.append((f"model {spec.name}", f"ok, on {_runs_on(spec)}"))
        except ModelFileError as error:
            rows.append((f"model {spec.name}", str(error)))
    return rows


def report(console: Console) -> bool:
    """Print everything; whether a run would work."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = _rows()
    for row in rows:
        table.add_row(*row)
    console.print(table, highlight=False)
    models = all(text.startswith("ok") for name, text in rows if name.startswith("model "))
    ready = models and any(available().values())
    console.print("ready" if ready else "not ready: see above", highlight=False)
    return ready


def check_model(spec: ModelSpec, console: Console) -> None:
    """Verify the file, then time one picture on every installed engine.

    Raises:
        EngineError: the file is damaged or an engine cannot run it.
    """
    path = verify(spec)
    console.print(f"{spec.name}: {path} matches its hash", highlight=False, soft_wrap=True)
    for backend, version in available().items():
        if version is None:
            continue
        with open_engine(path, backend) as engine:
            warm_up(engine, spec.size)
            start = time.perf_counter()
            warm_up(engine, spec.size)
            taken = 1000 * (time.perf_counter() - start)
            line = f"  {backend} {version}, {engine.precision}: {taken:.1f} ms a picture"
            console.print(line, highlight=False)
