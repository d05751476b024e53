"""What this machine can run."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import time
from importlib import metadata

import av
import typer
from rich.console import Console
from rich.table import Table

import pipeline
from engines import (
    EngineError,
    EngineUnavailableError,
    Pack,
    Packs,
    available,
    open_engine,
    precisions,
    runs_plans,
    warm_up,
    why_not,
)
from engines.packs import open_packs, verify
from engines.trt.gpu import Driver, driver, video_decoder
from engines.trt.library import flavour, library
from pipeline.cli.errors import standard_output
from pipeline.models.opening import cores
from pipeline.sinks.video import ENCODERS
from pipeline.tagging.packs.opening import try_out

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
    """NVIDIA's driver, GPUs and libraries."""
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
    """Whether cameras can be decoded on a GPU, or everything that is missing for it."""
    needs = {
        "an NVIDIA GPU with its driver": bool(found and found.gpus),
        "PyCUDA": pycuda,
        "nvcc": shutil.which("nvcc") is not None,
        "libnvcuvid (of a container: NVIDIA_DRIVER_CAPABILITIES with video)": video_decoder(),
        "a PyAV built with NVDEC": "cuda" in _decoding_devices(),
    }
    missing = [name for name, here in needs.items() if not here]
    return f"lacks {', '.join(missing)}" if missing else "ready"


def _decoding_devices() -> list[str]:
    """What PyAV can decode on; older ones cannot tell."""
    try:
        from av.codec.hwaccel import hwdevices_available
    except ImportError:
        return []
    return list(hwdevices_available())


def _runs_on(pack: Pack) -> str:
    """The engines a model would run on here, the one that ``auto`` takes first."""
    shown = []
    for name, version in available().items():
        if version is not None:
            # Engines that run plans compute INT8 in their own way.
            twin = runs_plans(name) and pack.twin_of
            shown.append(f"{name} as {twin}" if twin else name)
    return ", ".join(shown) or "no engine"


def _engine_rows() -> list[tuple[str, str]]:
    rows = []
    for name, version in available().items():
        if version is None:
            text = f"cannot run here: {why_not(name)}"
        else:
            text = f"{version} ({', '.join(precisions(name))})"
        rows.append((f"engine {name}", text))
    return rows


def _model_rows(packs: Packs) -> list[tuple[str, str]]:
    rows = []
    for pack in packs:
        try:
            verify(pack)
            rows.append((f"model {pack.name}", f"ok, on {_runs_on(pack)}"))
        except EngineError as error:
            rows.append((f"model {pack.name}", str(error)))
    return rows + [(f"pack {path.name}", f"broken: {why}") for path, why in packs.broken.items()]


def _rows(packs: Packs) -> list[tuple[str, str]]:
    rows = [
        ("threadline", pipeline.__version__),
        ("python", f"{platform.python_version()} on {platform.platform()}"),
        ("machine", f"{platform.machine()}, {cores()} cores, {_memory()}"),
    ]
    rows += _engine_rows()
    rows += _gpu_rows()
    rows.append(("decoders", _decoders()))
    rows.append(
        ("encoders", ", ".join(n for n, _ in ENCODERS if n in av.codecs_available) or "none")
    )
    rows += [(name, metadata.version(name)) for name in _LIBRARIES]
    return rows + _model_rows(packs)


def command() -> None:
    """Report what this machine can run."""
    raise typer.Exit(0 if report(standard_output()) else 1)


def report(console: Console, packs: Packs | None = None) -> bool:
    """Print everything; whether a run would work. A broken pack does not hinder one."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = _rows(packs or open_packs())
    for row in rows:
        table.add_row(*row)
    console.print(table, highlight=False)
    models = all(text.startswith("ok") for name, text in rows if name.startswith("model "))
    ready = models and any(available().values())
    console.print("ready" if ready else "not ready: see above", highlight=False)
    return ready


def check_model(pack: Pack, console: Console) -> None:
    """Verify the files, then time one run on every engine that can run here; of a tagger, whether
    what comes out fits its labels.

    Raises:
        EngineError: a file is damaged, an engine cannot run it, or ``pack.toml`` does not fit.
    """
    path = verify(pack)
    line = f"{pack.name}: {path} matches its hash"
    console.print(line, highlight=False, markup=False, soft_wrap=True)
    for name, version in available().items():
        if version is None:
            continue
        if pack.twin_of and runs_plans(name):
            console.print(f"  {name} {version}: runs {pack.twin_of} instead", highlight=False)
            continue
        with open_engine(pack, name) as engine:
            size = pack.size if pack.size[0] else (1, 1)
            warm_up(engine, size)
            start = time.perf_counter()
            warm_up(engine, size)
            taken = 1000 * (time.perf_counter() - start)
            if pack.tagger is not None:
                try_out(engine, pack)
            line = f"  {name} {version}, {engine.precision}: {taken:.1f} ms a run"
            console.print(line, highlight=False)
