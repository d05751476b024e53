"""A pack of every recipe on every network, with random weights: what they cost is the same; and
what a file multiplies."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engines.nets.backbones import BACKBONES, PublishedFeatures
from engines.nets.glsim import GlobalLocal
from engines.nets.ifa import AggregatedTransformer
from engines.nets.ila import KINDS, AdaptedTransformer
from engines.nets.taught import Taught
from engines.nets.vit import Shape
from engines.packs.pack import MODEL
from engines.teach.export import About, fill, write_pack
from engines.teach.onnx_file import write_model

LABELS = tuple(f"class {i}" for i in range(10))


def networks(side: int) -> Iterator[tuple[str, Any]]:
    """Names of packs, and the features of what is in them. ``linear``, ``finetune`` and ``adnet``
    leave the same network behind: those packs are named by it alone."""
    for known in BACKBONES:
        name = known.name.lower().replace("efficientnet-", "")
        yield name, PublishedFeatures(known.make(), known.early, known.colours)
    small = Shape(side, 16, 384, 12, 6)
    for kind in KINDS:
        yield f"{kind.replace('+', 'p')}-vit-s16", AdaptedTransformer(small, kind)
    yield "glsim-vit-s16", GlobalLocal(small)
    yield "ifa-vit-s16", AggregatedTransformer(small)


def make(folder: Path, side: int) -> None:
    """Write those packs that a folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, features in networks(side):
        if (folder / name).exists():
            continue
        torch.manual_seed(0)
        model = folder / f".{MODEL}"
        write_model(Taught(features, features.width, len(LABELS)), 1.0, side, model)
        about = About(name, "random weights, to measure costs", "none", {}, {})
        write_pack(folder / name, partial(_filled, about, side, model))
        model.unlink()
        print(f"{folder / name}", flush=True)


def _filled(about: About, side: int, model: Path, made: Path) -> None:
    fill(made, about, LABELS, side, model)


def gmacs(path: Path, shape: tuple[int, ...]) -> float:
    """Multiplications with their additions, in thousands of millions, of all convolutions and
    products for pictures uint8 of ``shape``; sizes are those of a run."""
    import onnx
    import onnxruntime

    model = onnx.load(str(path))
    counted = [n for n in model.graph.node if n.op_type in ("Conv", "MatMul", "Gemm")]
    wanted = {name for node in counted for name in (*node.input[:2], node.output[0])}
    sizes = {own.name: tuple(own.dims) for own in model.graph.initializer}
    shown = sorted(wanted - set(sizes) - {own.name for own in model.graph.output})
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in shown)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [own.name for own in session.get_outputs()]
    images = np.zeros(shape, np.uint8)
    for name, made in zip(names, session.run(names, {"images": images}), strict=True):
        sizes[name] = made.shape
    total = 0.0
    for node in counted:
        first, second = (sizes[name] for name in node.input[:2])
        each = np.prod(second[1:]) if node.op_type == "Conv" else first[-1]
        total += float(np.prod(sizes[node.output[0]])) * float(each)
    return total / 1e9
