"""Published networks as TensorRT plans, built where TensorRT-RTX is installed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train or hub extra")
pytest.importorskip("onnx", reason="needs the train or hub extra")
from training.published_lessons import LESSONS, SIDE, started  # noqa: E402

from engines import EngineUnavailableError  # noqa: E402
from engines.published.export import export  # noqa: E402
from engines.published.ram import ChosenRam  # noqa: E402
from engines.published.yolos import FixedYolos  # noqa: E402
from engines.trt import build, graphs  # noqa: E402
from engines.trt.library import library  # noqa: E402


def installed():
    try:
        return library().__name__ == "tensorrt_rtx"
    except EngineUnavailableError:
        return False


pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(not installed(), reason="needs TensorRT-RTX: docs/tensorrt.md"),
]

#: Kind -> what its pack holds of the network.
HELD = {
    "yolos": lambda net: FixedYolos(net, SIDE, SIDE),
    "ram-plus": lambda net: ChosenRam(net, [0, 2]),
    "clip": lambda net: net.visual,
    "parsing": lambda net: net,
}


@pytest.mark.parametrize("kind", HELD)
def test_its_graph_is_one_that_tensorrt_builds(kind, tmp_path):
    """SigLIP's and FashionSAP's image towers have the operations of CLIP's, RAM those of RAM++."""
    net = HELD[kind](started(LESSONS[kind].make()).eval())
    pictures = torch.zeros(1, 3, SIDE, SIDE)
    with torch.no_grad():
        found = net(pictures)
    count = len(found) if isinstance(found, tuple) else 1
    path = tmp_path / "model.onnx"
    export(net, pictures, path, [f"output{i}" for i in range(count)])
    graph = graphs.ready(graphs.load(path), "f16")
    plan = build.build(graph, {"pixel_values": (tuple(pictures.shape),) * 3}, ("sm86",))
    assert len(plan) > path.stat().st_size / 4
