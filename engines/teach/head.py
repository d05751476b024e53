"""Own labels for the shipped garment parser: one linear layer on what it sees anyway, so that a
camera runs no further network."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.base import Array, EngineOptions
from engines.ort import open as open_model
from engines.packs.pack import Pack
from engines.packs.table import FILE
from engines.packs.taught import OUTPUT, TAUGHT
from engines.teach import linear
from engines.teach.lesson import Lesson, TeachError
from engines.teach.twins import Image
from engines.teach.views import fitted
from engines.teach.watch import Watch

F32 = npt.NDArray[np.float32]
#: The parser's standardised features: of places on a person, and of the whole crop. Each is what
#: its heads make, in a few steps, of the constant named.
HEARD = ("/answers/net.places.mean", "/answers/net.whole.mean")
#: Steps from that constant to the standardised features: Sub, Mul, Clip.
_STEPS = 3
#: Names of the nodes that are added begin so.
_OWN = "/taught/"
#: Pictures in one run.
_BATCH = 8
#: Features of so many pictures are kept together.
_SHARD = 64


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What is added: logits are ``features @ weight.T + bias``, divided by the temperature."""

    learnt: linear.Linear
    temperature: float


def heard(graph: Any) -> list[str]:
    """Names of the tensors that a head hears in a parser's graph.

    Raises:
        TeachError: the parser has no heads of its own.
    """
    found = []
    for constant in HEARD:
        tensor = constant
        for _ in range(_STEPS):
            after = [node for node in graph.node if tensor in node.input]
            if len(after) != 1:
                raise TeachError("the garment parser has no features to hear; use a shipped one")
            tensor = after[0].output[0]
        found.append(tensor)
    return found


def features(pack: Pack, pictures: Sequence[Image], work: Path, watch: Watch) -> F32:
    """What the parser hears of pictures and of their mirror images (2, n, numbers), kept in
    ``work`` part by part."""
    import onnx

    model = onnx.load(str(pack.path))
    names = heard(model.graph)
    for name in names:
        info = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        model.graph.output.append(info)
    listening = work / "listening.onnx"
    onnx.save(model, str(listening))
    parts = []
    watch.begin("features", 2 * len(pictures), 0)
    with open_model(listening, EngineOptions(threads=1)) as engine:
        for start in range(0, len(pictures), _SHARD):
            file = work / f"heard-{start // _SHARD:04}.npy"
            own = pictures[start : start + _SHARD]
            if file.exists():
                parts.append(np.load(file, allow_pickle=False))
                watch.step(2 * len(own))
                continue
            shown = np.stack([fitted(rgb, pack.size) for rgb in own])
            both = [_heard(engine, views, names, watch) for views in (shown, shown[:, :, ::-1])]
            parts.append(np.stack(both))
            with file.with_suffix(".part").open("wb") as opened:
                np.save(opened, parts[-1])
            file.with_suffix(".part").replace(file)
    return np.concatenate(parts, axis=1)


def _heard(engine: Any, images: Array, names: Sequence[str], watch: Watch) -> F32:
    out = []
    for start in range(0, len(images), _BATCH):
        batch = np.ascontiguousarray(images[start : start + _BATCH])
        found = engine.infer({"images": batch})
        out.append(np.concatenate([found[name].reshape(len(batch), -1) for name in names], axis=1))
        watch.step(len(batch))
    return np.concatenate(out).astype(np.float32)


def add_head(parser: Path, head: Head, out: Path) -> None:
    """Write a parser with one more output, ``taught``; its own nodes and outputs stay as they are.

    Weights are kept in half precision.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(parser))
    graph = model.graph
    places, whole = heard(graph)
    weight = (head.learnt.weight / head.temperature).astype(np.float16)
    bias = (head.learnt.bias / head.temperature).astype(np.float32)
    for name, array in (
        ("half", np.ascontiguousarray(weight.T)),
        ("bias", bias),
    ):
        graph.initializer.append(numpy_helper.from_array(array, _OWN + name))
    steps: tuple[tuple[str, list[str], str, dict[str, int]], ...] = (
        ("Flatten", [places], "places", {"axis": 1}),
        ("Concat", [_OWN + "places", whole], "heard", {"axis": 1}),
        ("Cast", [_OWN + "half"], "weight", {"to": TensorProto.FLOAT}),
        ("Gemm", [_OWN + "heard", _OWN + "weight", _OWN + "bias"], "logits", {}),
        ("Softmax", [_OWN + "logits"], "", {"axis": 1}),
    )
    for kind, inputs, name, attributes in steps:
        output = _OWN + name if name else OUTPUT
        node = helper.make_node(kind, inputs, [output], name=_OWN + kind.lower(), **attributes)
        graph.node.append(node)
    shape = ["batch", len(bias)]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape))
    onnx.checker.check_model(model)
    onnx.save(model, str(out))


def pack_text(parser: Pack, folder: Path, labels: int, source: str) -> str:
    """``pack.toml`` of a copy of a parser with a head, once its files are in ``folder``."""
    text = (parser.folder / FILE).read_text(encoding="utf-8")
    text = re.sub(r"^twin_of = .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^name = .*$", f"name = {json.dumps(folder.name)}", text, count=1, flags=re.M)
    text = re.sub(r"^source = .*$", f"source = {json.dumps(source)}", text, count=1, flags=re.M)
    for name in parser.files:
        text = re.sub(
            rf'^"{re.escape(name)}" = .*$',
            f'"{name}" = "{_digest(folder / name)}"',
            text,
            flags=re.M,
        )
    own = f'[files]\n"{TAUGHT}" = "{_digest(folder / TAUGHT)}"'
    text = text.replace("[files]", own, 1)
    return f"""{text}
[[outputs]]
name = "{OUTPUT}"
dtype = "float32"
shape = ["n", {labels}]
meaning = "calibrated probability of each label of {TAUGHT}"
"""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def checked(model: Path, head: Head, lesson: Lesson, seen: F32, size: tuple[int, int]) -> float:
    """Largest difference between the scores of the file and of the head on some pictures.

    Raises:
        TeachError: they differ by more than rounding.
    """
    from engines.teach.calibration import softmax

    shown = np.stack([fitted(one.rgb, size) for one in lesson.pictures[:_BATCH]])
    with open_model(model, EngineOptions(threads=1)) as engine:
        found = engine.infer({"images": shown})[OUTPUT]
    wanted = softmax(head.learnt(seen[0, : len(shown)]), head.temperature)
    worst = float(np.abs(found - wanted).max())
    if not worst <= 0.02:
        raise TeachError(f"{model}: scores differ by {worst:.3f} from what was learnt; report this")
    return worst
