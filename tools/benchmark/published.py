"""What published models cost, with weights at random: time depends on sizes, not on weights. Those
that are ONNX files are measured as they were pulled.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from evaluation.cost import yardstick
from torch import Tensor, nn

from engines import Engine, EngineOptions, open_engine
from engines.packs import open_packs
from engines.published.clip import Clip, ClipConfig, Tower
from engines.published.export import export
from engines.published.fashionsap import FashionSap, SapConfig
from engines.published.making import gflop
from engines.published.parsing_pack import CLOTHES, Parser, mapped
from engines.published.ram import ChosenRam, Ram, RamConfig
from engines.published.ram_pack import SWINS
from engines.published.segformer import Segformer, SegformerConfig
from engines.published.siglip import TOWERS, Siglip, SiglipConfig
from engines.published.yolos import FixedYolos, Yolos, YolosConfig

#: Runs of which the median is told, and passes of the yardstick before each.
RUNS = 3
PASSES = 5
#: Height and width of a YOLOS' pictures.
SHAPES = ((512, 288), (512, 384), (512, 512), (512, 896))
#: Tags that a deployment may want, of RAM's 4,585.
SOME = 150
Net = TypeVar("Net", bound=nn.Module)
TEXT = Tower(512, 12, 8, 2048)


def cases(name: str) -> Iterator[tuple[str, nn.Module | Path, Tensor]]:
    """What is measured of a model, the network or its file, and one picture."""
    torch.manual_seed(0)
    if name in CASES:
        for case, net, picture in CASES[name]():
            yield case, net.eval(), picture
        return
    packs = open_packs()
    if name not in packs:
        raise SystemExit(f"--pack {name}: none of {', '.join(CASES)}, and no pack is called so")
    pack = packs.find(name)
    [tensor] = pack.inputs
    shape = [n if isinstance(n, int) else 1 for n in tensor.shape]
    picture = torch.randint(0, 256, shape, dtype=torch.uint8)
    shown = picture if tensor.dtype == "uint8" else torch.randn(shape)
    yield f"{pack.size[0]} x {pack.size[1]}", pack.path, shown


def yolos() -> Iterator[tuple[str, nn.Module, Tensor]]:
    net = filled(Yolos(YolosConfig()))
    for height, width in SHAPES:
        yield f"{width} x {height}", FixedYolos(net, height, width), pictures(height, width)


def rams(descriptions: int) -> Iterator[tuple[str, nn.Module, Tensor]]:
    for side, swin in SWINS.items():
        for tags in (SOME, 4585):
            ram = filled(Ram(RamConfig(swin, tags=tags, descriptions=descriptions)))
            chosen = ChosenRam(ram, range(tags))
            yield f"{side} x {side}, {tags} tags", chosen, pictures(side, side)


def clips(patch: int) -> Iterator[tuple[str, nn.Module, Tensor]]:
    config = ClipConfig(Tower(768, 12, 12, 3072), TEXT, 224, patch, 512, 49408, 77, "exact")
    yield f"patches of {patch}", filled(Clip(config)).visual, pictures(224, 224)


def siglips() -> Iterator[tuple[str, nn.Module, Tensor]]:
    base = TOWERS["base"]
    net = filled(Siglip(SiglipConfig(base, base, 224, 16, 768, 32000, 64)))
    yield "224 x 224", net.visual, pictures(224, 224)


def saps() -> Iterator[tuple[str, nn.Module, Tensor]]:
    tower = Tower(768, 12, 12, 3072)
    net = filled(FashionSap(SapConfig(tower, Tower(768, 6, 12, 3072))))
    yield "256 x 256", net.visual, pictures(256, 256)


def parsers() -> Iterator[tuple[str, nn.Module, Tensor]]:
    config = SegformerConfig(
        depths=(3, 4, 6, 3), widths=(64, 128, 320, 512), heads=(1, 2, 5, 8),
        reductions=(8, 4, 2, 1), patches=(7, 3, 3, 3), strides=(4, 2, 2, 2), ratios=(4, 4, 4, 4),
        decoder=768, epsilon=1e-6, names=CLOTHES,
    )  # fmt: skip
    label_of, labels = mapped(CLOTHES)
    groups = sorted({category for _, category in labels if category})
    members = torch.tensor([[float(c == group) for _, c in labels] for group in groups])
    net = Parser(filled(Segformer(config)), label_of, members)
    for width, height in ((256, 512), (512, 512)):
        shown = torch.randint(0, 256, (1, height, width, 3), dtype=torch.uint8)
        yield f"{width} x {height}", net, shown


CASES = {
    "yolos-fashionpedia": yolos,
    "ram": lambda: rams(1),
    "ram-plus": lambda: rams(51),
    "openvocab": lambda: clips(16),
    "fashionclip": lambda: clips(32),
    "fashionsiglip": siglips,
    "fashionsap": saps,
    "parsing": parsers,
}


def filled(net: Net) -> Net:
    """A network in which nothing is zero: what is alike would be written once."""
    with torch.no_grad():
        for own in net.parameters():
            if not own.any():
                own.normal_(std=0.02)
    return net


def pictures(height: int, width: int) -> Tensor:
    return torch.randn(1, 3, height, width)


def written(net: nn.Module | Path, picture: Tensor, path: Path) -> None:
    """Write a network's ONNX file."""
    if isinstance(net, Path):
        shutil.copyfile(net, path)
        return
    with torch.no_grad():
        outputs = net(picture)
    count = len(outputs) if isinstance(outputs, tuple) else 1
    given = "images" if picture.dtype == torch.uint8 else "pixel_values"
    export(net, picture, path, [f"output{i}" for i in range(count)], given=given)


def parameters(net: nn.Module | Path) -> float:
    """Millions of numbers that a network has learned."""
    if isinstance(net, Path):
        import onnx

        known = (np.prod(own.dims) for own in onnx.load(str(net)).graph.initializer)
        return float(sum(known)) / 1e6
    return sum(own.numel() for own in net.parameters()) / 1e6


def seconds(engine: Engine, given: dict[str, Any]) -> float:
    """Processor time of one picture, of all threads."""
    began = time.process_time()
    engine.infer(given)
    return time.process_time() - began


def lite0s(path: Path, picture: Tensor, folder: Path, backend: str) -> float:
    """What a picture costs in passes of EfficientNet-Lite0 at 224, both by turns on one thread,
    the median of the quotients: what else the machine does hardly matters."""
    yardstick(folder / "lite0.onnx")
    one = {"images": np.zeros((1, 224, 224, 3), np.uint8)}
    options = EngineOptions(1)
    with (
        open_engine(path, backend, options) as engine,
        open_engine(folder / "lite0.onnx", backend, options) as lite0,
    ):
        given = {engine.inputs[0].name: picture.numpy()}
        engine.infer(given)
        lite0.infer(one)
        found = []
        for _ in range(RUNS):
            unit = sum(seconds(lite0, one) for _ in range(PASSES)) / PASSES
            found.append(seconds(engine, given) / unit)
    return statistics.median(found)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every case of ``--pack``; all figures."""
    results = {}
    print("| model | case | parameters, M | GFLOP | MB | Lite0 passes |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    for name in args.pack:
        for case, net, picture in cases(name):
            operations = gflop(net, picture)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                written(net, picture, path)
                size = path.stat().st_size / 1e6
                passes = lite0s(path, picture, Path(folder), args.engine)
            learned = parameters(net)
            results[f"{name} {case}"] = [learned, operations, size, passes]
            figures = f"{learned:.1f} | {operations:.1f} | {size:.0f} | {passes:.0f}"
            print(f"| {name} | {case} | {figures} |", flush=True)
    return results
