"""Packs that are made for a test: real ONNX files of a few operations."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from support import HERE

PAGE = HERE.parent / "docs" / "packs.md"


def save_model(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Sequence[int | str]]],
    outputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, Any],
    whole: Sequence[str] = (),
) -> None:
    """Write an ONNX file; ``inputs`` are types and shapes, outputs are float but for ``whole``,
    which are int64."""
    kinds = {name: TensorProto.INT64 if name in whole else TensorProto.FLOAT for name in outputs}
    graph = helper.make_graph(
        list(nodes),
        path.parent.name,
        [helper.make_tensor_value_info(k, kind, shape) for k, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(k, kinds[k], s) for k, s in outputs.items()],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def save_linear(
    path: Path, size: tuple[int, int], weights: Any, bias: Any, batch: int | str = "n"
) -> None:
    """A model whose outputs ``logits`` are a linear function of the mean colour of its float input
    ``pixel_values`` (n, 3, h, w). ``weights`` (3, outputs)."""
    count = len(bias)
    save_model(
        path,
        [
            helper.make_node("ReduceMean", ["pixel_values"], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Gemm", ["mean", "weights", "bias"], ["logits"]),
        ],
        {"pixel_values": (TensorProto.FLOAT, [batch, 3, size[1], size[0]])},
        {"logits": [batch, count]},
        {"weights": np.float32(weights), "bias": np.float32(bias)},
    )


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_toml(folder: Path, text: str) -> Path:
    """Write ``pack.toml`` with the hashes of the files in a folder in its ``[files]``."""
    files = sorted(path for path in folder.iterdir() if path.name != "pack.toml")
    rows = "\n".join(f'"{path.name}" = "{sha256(path)}"' for path in files)
    (folder / "pack.toml").write_text(f"{text}\n[files]\n{rows}\n", encoding="utf-8")
    return folder


def make_pack(
    packs: Path,
    name: str,
    labels: Sequence[Any],
    table: str,
    size: tuple[int, int] = (32, 64),
    more: str = "",
    outputs: Mapping[str, Sequence[int | str]] | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> Path:
    """Describe the ``model.onnx`` in a folder of packs: float pictures in the usual form; its one
    output is ``logits``, unless others are named. ``table`` is the inside of ``[tagger]``."""
    folder = packs / name
    (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    if thresholds is not None:
        (folder / "thresholds.json").write_text(json.dumps(thresholds), encoding="utf-8")
    shapes = outputs or {"logits": ["n", len(labels)]}
    told = "".join(
        f'[[outputs]]\nname = "{k}"\ndtype = "float32"\nshape = {json.dumps(list(s))}\n'
        for k, s in shapes.items()
    )
    batch = json.dumps(next(iter(shapes.values()))[0])
    text = (
        f'name = "{name}"\ntask = "{name}"\nlicence = "MIT"\nsource = "a test"\n{more}\n'
        f'size = [{size[0]}, {size[1]}]\n[[inputs]]\nname = "pixel_values"\n'
        f'dtype = "float32"\nshape = [{batch}, 3, {size[1]}, {size[0]}]\nlayout = "nchw"\n'
        f'colour = "rgb"\n{told}[tagger]\n{table}\n'
    )
    return write_toml(folder, text)


def new_folder(packs: Path, name: str) -> Path:
    folder = packs / name
    folder.mkdir(parents=True)
    return folder


def make_example(packs: Path) -> Path:
    """The worked example of docs/packs.md: its files as they are made and stand there."""
    folder = new_folder(packs, "hi-vis")
    page = PAGE.read_text(encoding="utf-8")
    [text] = re.findall(r"```toml\n(name = .*?)```", page, flags=re.S)
    [script] = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    exec(script.replace("packs/hi-vis", str(folder)), {})
    for word, name in (("MODEL", "model.onnx"), ("LABELS", "labels.json")):
        text = text.replace(f'"{word}"', f'"{sha256(folder / name)}"')
    (folder / "pack.toml").write_text(text, encoding="utf-8")
    return folder
