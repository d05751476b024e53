"""Everything that needs an NVIDIA GPU, on the one that is here: kernels and NVDEC against the CPU's
pictures, plans against ONNX Runtime, those of published models among them, times of bare engines.
What is refused is told.

    python tools/gpu_check.py --json out/gpu.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from rich.console import Console

from engines import EngineError, EngineOptions, Pack, open_engine
from engines.packs import shipped
from engines.trt.build import Batch
from engines.trt.cuda import PyCuda
from engines.trt.gpu import driver
from engines.trt.library import flavour, library, missing
from engines.trt.plans import Plans
from engines.trt.regions import Nv12, Regions
from pipeline.models.building import PlanRequest, build_plan
from pipeline.picture.nv12 import Nv12Planes, cut
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.sources.planes import to_planes
from pipeline.types import Picture

CLIP = Path(__file__).parent.parent / "tests" / "data" / "street.mp4"
#: Regions compared and timed: whole picture, people, and one that reaches beyond the edge.
WINDOWS = ((0, 0, 768, 576), (100, 100, 260, 420), (300, 200, 340, 280), (-80, -60, 160, 420))
SIZE = (160, 320)
PRECISIONS = ("f32", "f16")
BATCHES = (1, 8)
#: Published models, built with weights at random; needs the extra ``hub``.
PUBLISHED = (
    *("yolos-fashionpedia", "ram", "ram-plus", "openvocab", "fashionclip", "fashionsiglip"),
    *("fashionsap", "parsing"),
)


def timed(run: Callable[[], object], seconds: float = 1.0) -> float:
    """Median milliseconds of a call."""
    for _ in range(5):
        run()
    taken, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return round(1000 * float(np.median(taken)), 3)


def kernels() -> dict[str, Any]:
    """The regions kernel against what the CPU makes of the same picture, and both times."""
    with av.open(str(CLIP)) as clip:
        picture = next(clip.decode(video=0))
    planes = to_planes(picture)
    packed = picture.to_ndarray(format="nv12")
    cuda = PyCuda()
    regions = Regions(cuda)
    with cuda.current():
        luma = cuda.allocate(packed.nbytes)
        cuda.upload(luma, packed)
        cuda.wait()
    place = Nv12(
        luma, luma + planes.height * planes.width, planes.width, planes.width, planes.height
    )
    there = Nv12Planes(place, regions, None, "bt601")
    try:
        return compared(there, planes) | {
            "GPU ms for four regions": timed(lambda: cut([there] * 4, WINDOWS, SIZE)),
            "CPU ms for four regions": timed(lambda: [planes.rgb(w, SIZE) for w in WINDOWS]),
        }
    finally:
        with cuda.current():
            cuda.free(luma)
        regions.close()


def compared(there: Nv12Planes, planes: Picture) -> dict[str, Any]:
    """How far the regions of a picture on the GPU are from those of the same on the CPU."""
    got = cut([there] * 4, WINDOWS, SIZE).astype(int)
    apart = np.abs(got - np.stack([planes.rgb(window, SIZE) for window in WINDOWS]))
    return {
        "luma the same": bool((there.y == planes.y).all()),
        "mean difference of 255": round(float(apart.mean()), 2),
        "95 % of pixels within": float(np.percentile(apart, 95)),
    }


def decoding() -> dict[str, Any]:
    """Pictures decoded by NVDEC against FFmpeg's, and pictures a second of both."""
    figures: dict[str, Any] = {}
    first: dict[str, Picture] = {}
    for reader in ("nvdec", "ffmpeg"):
        began = time.perf_counter()
        with open_source(CameraSettings(url=str(CLIP), reader=reader)) as source:  # type: ignore[arg-type]
            frames = 0
            for frame in source:
                first.setdefault(reader, frame.planes)
                frames += 1
        figures[f"{reader}: pictures a second"] = round(frames / (time.perf_counter() - began))
    there = first["nvdec"]
    if not isinstance(there, Nv12Planes):
        return figures | {"refused": "decoded on the processor: see the warning above"}
    return figures | compared(there, first["ffmpeg"])


def model(pack: Pack, precision: Any, plans: Plans) -> dict[str, Any]:
    """A plan built, compared on the GPU, and timed."""
    began = time.perf_counter()
    path = build_plan(PlanRequest(pack, precision, Batch(1, 8, 8), strict=False), plans)
    figures: dict[str, Any] = {"ready in s": round(time.perf_counter() - began, 1)}
    figures["parity"] = plans.report(path)["plan"]
    with open_engine(path, "tensorrt", EngineOptions(precision=precision)) as engine:
        for count in BATCHES:
            rng = np.random.default_rng(count)
            shape = (count, pack.size[1], pack.size[0], 3)
            images = rng.integers(0, 256, shape, np.uint8)
            ms = timed(lambda images=images: engine.infer({"images": images}))  # type: ignore[misc]
            figures[f"batch {count}: ms"] = ms
            figures[f"batch {count}: pictures a second"] = round(1000 * count / ms)
    return figures


def published(name: str, precision: Any) -> dict[str, Any]:
    """A published model with weights at random: its plan built, compared with ONNX Runtime on the
    GPU, and timed."""
    from benchmark.published import cases, written

    from engines.published.making import apart

    case, net, picture = next(cases(name))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        written(net, picture, path)
        began = time.perf_counter()
        with (
            open_engine(path, "onnxruntime") as reference,
            open_engine(path, "tensorrt", EngineOptions(precision=precision)) as engine,
        ):
            given = {engine.inputs[0].name: picture.numpy()}
            engine.infer(given)
            figures: dict[str, Any] = {"case": case, "ready in s": time.perf_counter() - began}
            wanted, found = reference.infer(given), engine.infer(given)
            figures["apart"] = max(apart(found[key], own) for key, own in wanted.items())
            return figures | {"ms": timed(lambda: engine.infer(given))}


def attempt(console: Console, what: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Figures, or the words with which it was refused."""
    try:
        figures = run()
    except Exception as error:  # whatever fails here is what somebody wants to know
        figures = {"refused": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    console.print(f"{what}: {json.dumps(figures)}", highlight=False, soft_wrap=True)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--plans", type=Path, default=Path("out/plans"))
    args = parser.parse_args()
    console = Console()
    found = driver()
    if found is None or not found.gpus:
        console.print("no NVIDIA GPU with its driver is here: nothing to check")
        return 2
    gpu = found.gpus[0]
    console.print(f"{gpu.name}, {gpu.capability}, driver for CUDA {found.cuda}")
    figures: dict[str, Any] = {"gpu": gpu.name, "capability": gpu.capability, "cuda": found.cuda}
    try:
        figures["tensorrt"] = flavour(library())
    except EngineError as error:
        figures["tensorrt"] = str(error)
    console.print(f"TensorRT: {figures['tensorrt']} {missing()}")
    figures["kernels"] = attempt(console, "kernels", kernels)
    figures["decoding"] = attempt(console, "decoding", decoding)
    plans = Plans(args.plans)
    checks: list[tuple[str, Callable[[], dict[str, Any]]]] = [
        (f"{pack.name} {precision}", partial(model, pack, precision, plans))
        for pack in shipped()
        if not pack.twin_of
        for precision in PRECISIONS
    ]
    checks += [
        (f"{name} {precision}", partial(published, name, precision))
        for name in PUBLISHED
        for precision in PRECISIONS
    ]
    for name, run in checks:
        figures[name] = attempt(console, name, run)
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
