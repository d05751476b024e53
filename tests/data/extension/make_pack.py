"""Makes the pack ``stripes-small``: an ONNX file and what describes it. Real ones are trained; this
one measures how much the rows of a picture differ from their neighbours."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NAME = "stripes-small"
WIDTH, HEIGHT = 32, 64

PACK = """\
name = "{name}"
task = "stripes"
licence = "Apache-2.0"
source = "made by make_pack.py"
size = [{width}, {height}]

[files]
"model.onnx" = "{model}"
"labels.json" = "{labels}"

[[inputs]]
name = "images"
dtype = "uint8"
shape = ["n", {height}, {width}, 3]
layout = "nhwc"
colour = "rgb"

[[outputs]]
name = "scores"
dtype = "float32"
shape = ["n", 2]
meaning = "probability of each label"
"""


def model() -> onnx.ModelProto:
    """Pictures uint8 (n, h, w, 3) to the probabilities float32 (n, 2) of stripes and of none."""
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["rows"], axes=[2, 3], keepdims=0),
        helper.make_node("Slice", ["rows", "one", "last", "axis"], ["below"]),
        helper.make_node("Slice", ["rows", "zero", "minus", "axis"], ["above"]),
        helper.make_node("Sub", ["below", "above"], ["steps"]),
        helper.make_node("Abs", ["steps"], ["sizes"]),
        helper.make_node("ReduceMean", ["sizes"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["mean", "usual"], ["more"]),
        helper.make_node("Neg", ["more"], ["less"]),
        helper.make_node("Concat", ["more", "less"], ["both"], axis=1),
        helper.make_node("Sigmoid", ["both"], ["scores"]),
    ]
    numbers = {"zero": [0], "one": [1], "minus": [-1], "last": [HEIGHT], "axis": [1]}
    constants = [numpy_helper.from_array(np.array(n, np.int64), k) for k, n in numbers.items()]
    constants.append(numpy_helper.from_array(np.array([6.0], np.float32), "usual"))
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", HEIGHT, WIDTH, 3])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, NAME, [images], [scores], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def make_pack(packs: Path) -> Path:
    """Write the pack into a folder of packs; its own folder."""
    folder = packs / NAME
    folder.mkdir(parents=True)
    labels = [{"label": "stripes", "category": None}, {"label": "plain", "category": None}]
    (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    (folder / "model.onnx").write_bytes(model().SerializeToString())
    (folder / "MODEL_CARD.md").write_text(f"# {NAME}\n\nAn example.\n", encoding="utf-8")
    hashes = {
        path.stem: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "model.onnx", folder / "labels.json")
    }
    text = PACK.format(name=NAME, width=WIDTH, height=HEIGHT, **hashes)
    (folder / "pack.toml").write_text(text, encoding="utf-8")
    return folder
