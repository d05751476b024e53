"""What published models cost, with weights at random: time depends on sizes, not on weights."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from engines import EngineOptions, open_engine
from engines.published.clip import Clip, ClipConfig, Tower
from engines.published.export import export
from engines.published.making import gflop
from engines.published.ram import ChosenRam, Ram, RamConfig
from engines.published.yolos import FixedYolos, Yolos, YolosConfig

#: Runs of which the median is told.
RUNS = 5
#: Height and width of a YOLOS' pictures.
SHAPES = ((512, 288), (512, 384), (512, 512), (512, 896))
#: Tags that a deployment may want, of RAM's 4,585.
SOME = 150
Net = TypeVar("Net", bound=nn.Module)
TEXT = Tower(512, 12, 8, 2048)


def cases(name: str) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """What is measured of a model, the network and one picture."""
    torch.manual_seed(0)
    if name == "yolos-fashionpedia":
        net = filled(Yolos(YolosConfig()))
        for height, width in SHAPES:
            yield f"{height} x {width}", FixedYolos(net, height, width), pictures(height, width)
    elif name in ("ram", "ram-plus"):
        each = 1 if name == "ram" else 51
        for tags in (SOME, 4585):
            ram = filled(Ram(RamConfig(tags=tags, descriptions=each)))
            yield f"{tags} tags", ChosenRam(ram, range(tags)), pictures(384, 384)
    elif name in ("openvocab", "fashionclip"):
        patch = 16 if name == "openvocab" else 32
        config = ClipConfig(Tower(768, 12, 12, 3072), TEXT, 224, patch, 512, 49408, 77, "exact")
        yield f"patches of {patch}", filled(Clip(config)).visual, pictures(224, 224)
    else:
        raise SystemExit(f"--pack {name}: no published model; see: threadline models pull")


def filled(net: Net) -> Net:
    """A network in which nothing is zero: what is alike would be written once."""
    with torch.no_grad():
        for own in net.parameters():
            if not own.any():
                own.normal_(std=0.02)
    return net


def pictures(height: int, width: int) -> Tensor:
    return torch.randn(1, 3, height, width)


def milliseconds(path: Path, picture: Tensor, backend: str, threads: int) -> float:
    """Of one picture, the median."""
    took = []
    given = {"pixel_values": picture.numpy()}
    with open_engine(path, backend, EngineOptions(threads)) as engine:
        engine.infer(given)
        for _ in range(RUNS):
            began = time.perf_counter()
            engine.infer(given)
            took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every case of ``--pack``; all figures."""
    results = {}
    print("| model | case | GFLOP | MB | one thread, ms | all threads, ms |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    for name in args.pack:
        for case, net, picture in cases(name):
            net.eval()
            operations = gflop(net, picture)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                with torch.no_grad():
                    outputs = net(picture)
                count = len(outputs) if isinstance(outputs, tuple) else 1
                export(net, picture, path, [f"output{i}" for i in range(count)])
                size = path.stat().st_size / 1e6
                row = [milliseconds(path, picture, args.engine, n) for n in (1, 0)]
            results[f"{name} {case}"] = [operations, size, *row]
            figures = f"{operations:.1f} | {size:.0f} | {row[0]:.0f} | {row[1]:.0f}"
            print(f"| {name} | {case} | {figures} |", flush=True)
    return results
