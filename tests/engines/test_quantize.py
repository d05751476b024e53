"""INT8 models for processors. Needs onnx and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from engines.quantize import quantize, quantize_convolutions  # noqa: E402

LAYERS, CHANNELS = 6, 16


@pytest.fixture
def model(tmp_path) -> Path:
    """Convolutions one after the other, each with SiLU, and weights that round down."""
    rng = np.random.default_rng(0)
    nodes, weights, last = [], [], "images"
    for i in range(LAYERS):
        weight = rng.normal(0, 0.2, (CHANNELS, CHANNELS, 1, 1))
        step = np.abs(weight).max(axis=1, keepdims=True) / 64
        weight = (np.floor(weight / step) + 0.4) * step
        for name, values in ((f"w{i}", weight), (f"b{i}", rng.normal(0, 0.1, CHANNELS))):
            weights.append(onnx.numpy_helper.from_array(values.astype(np.float32), name))
        nodes += [
            onnx.helper.make_node("Conv", [last, f"w{i}", f"b{i}"], [f"c{i}"], name=f"conv{i}"),
            onnx.helper.make_node("Sigmoid", [f"c{i}"], [f"s{i}"]),
            onnx.helper.make_node("Mul", [f"c{i}", f"s{i}"], [f"y{i}"]),
        ]
        last = f"y{i}"
    shape = ["n", CHANNELS, 8, 8]
    ends = [onnx.helper.make_tensor_value_info(n, 1, shape) for n in ("images", last)]
    graph = onnx.helper.make_graph(nodes, "chain", ends[:1], ends[1:], weights)
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def test_rounded_weights_leave_the_mean_of_what_comes_out(model):
    rng = np.random.default_rng(1)
    inputs = [rng.random((1, CHANNELS, 8, 8), np.float32) for _ in range(12)]
    out = model.with_name("int8.onnx")
    quantize_convolutions(model, out, iter(inputs))
    kinds = [node.op_type for node in onnx.load(str(out)).graph.node]
    assert kinds.count("QuantizeLinear") == LAYERS
    fresh = rng.random((8, CHANNELS, 8, 8), np.float32)
    exact, rounded = (
        ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(
            None, {"images": fresh}
        )[0]
        for path in (model, out)
    )
    spread = exact.std()
    means = np.abs((rounded - exact).mean(axis=(0, 2, 3)))
    assert means.mean() < 0.001 * spread
    assert np.abs(rounded - exact).mean() < 0.003 * spread


def test_what_is_to_stay_in_float_does(model):
    out = model.with_name("int8.onnx")
    inputs = [np.ones((1, CHANNELS, 8, 8), np.float32)]
    quantize_convolutions(model, out, inputs, exact=("conv0", "conv3"))
    made = {name: node for node in onnx.load(str(out)).graph.node for name in node.output}
    rounded = {
        node.name for node in made.values() if node.op_type == "Conv" and node.input[1] in made
    }
    assert rounded == {"conv1", "conv2", "conv4", "conv5"}


@pytest.mark.parametrize("symmetric", [False, True])
def test_convolutions_that_only_enlarge_stay_in_float(model, symmetric):
    graph = onnx.load(str(model))
    convs = [node for node in graph.graph.node if node.op_type == "Conv"]
    convs[0].name = "/winner/Conv_0"
    onnx.save(graph, str(model))
    out = model.with_name("int8.onnx")
    inputs = [np.random.default_rng(i).random((1, CHANNELS, 8, 8), np.float32) for i in range(3)]
    quantize(model, out, inputs, symmetric=symmetric)
    nodes = onnx.load(str(out)).graph.node
    read = {n.output[0] for n in nodes if n.op_type == "DequantizeLinear"}
    rounded = [n.name for n in nodes if n.op_type == "Conv" and n.input[1] in read]
    assert rounded == [conv.name for conv in convs[1:]]
