"""Features of made camera crops, and the heads trained on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engines.nets.garment_answers import (
    CELL,
    HEARD,
    PLACES,
    QUESTIONS,
    GarmentAnswers,
    Heard,
    Pooled,
)
from training.answer_camera import through_camera
from training.answer_data import Names, Piece
from training.answer_parts import Part
from training.answer_scenes import composed, dressed_up, shown, visible
from training.garment_data import Image, Rng

#: Which answers of all questions a crop may have; a question without one is unknown.
Allowed = npt.NDArray[np.bool_]
#: Heights of crops, in camera pixels: people are 48 to 210 high.
HEIGHTS = (58, 260)
WIDEST = sum(len(a) for a in QUESTIONS.values())
#: Bytes from which weights of heads are kept in half precision.
LARGE = 4096
#: Crops of one step.
BATCH = 256
#: How much rare answers weigh more: the inverse of how often they are known to this power.
RARE = 0.4
#: Crops of one size at a time: one H.264 stream.
TOGETHER = 24


@dataclass(frozen=True, slots=True)
class Material:
    """What one part (training or validation) of the data holds."""

    people: list[Piece]
    tops: list[Part]
    bottoms: list[Part]
    things: Mapping[str, list[Image]]
    grounds: list[Image]


def spans() -> dict[str, slice]:
    """Where each question's answers lie among all."""
    found, end = {}, 0
    for question, own in QUESTIONS.items():
        found[question] = slice(end, end + len(own))
        end += len(own)
    return found


def allowed(answers: Mapping[str, tuple[str, ...]]) -> Allowed:
    """Answers as flags (answers,)."""
    return np.concatenate(
        [np.isin(own, answers.get(question, ())) for question, own in QUESTIONS.items()]
    )


def _rarity(rows: Sequence[Allowed]) -> npt.NDArray[np.float64]:
    """How much more often each is drawn: by its rarest answers, within reason."""
    table = np.stack(rows).astype(float)
    weight = np.ones(len(table))
    for span in spans().values():
        own = table[:, span]
        if not own.any():
            continue
        count = own.sum(axis=0)
        each = own / np.maximum(np.sqrt(count), 1)
        value = each.sum(axis=1) / np.maximum(own.sum(axis=1), 1)
        known = value > 0
        value[~known] = np.median(value[known])
        weight *= value / value.mean()
    weight = np.clip(weight / weight.mean(), 0.25, 5)
    return np.asarray(weight / weight.sum())


def batches(
    material: Material, names: Names, count: int, rng: Rng, made: float = 0.5, up: bool = True
) -> Iterator[tuple[Image, list[Allowed], list[str]]]:
    """Made camera crops (n, 320, 160, 3), their answers and kinds; ``made``: share of people put
    together."""
    people = _rarity([allowed(p.answers) for p in material.people])
    tops = _rarity([allowed(p.answers) for p in material.tops])
    bottoms = _rarity([allowed(p.answers) for p in material.bottoms])
    for _ in range(count // TOGETHER):
        height = int(np.exp(rng.uniform(*np.log(HEIGHTS)))) // 2 * 2
        pictures, answers, kinds = [], [], []
        for _ in range(TOGETHER):
            if rng.random() < made:
                top = material.tops[rng.choice(len(tops), p=tops)]
                bottom = material.bottoms[rng.choice(len(bottoms), p=bottoms)]
                piece = composed(top, bottom if rng.random() < 0.9 else None, names, rng)
            else:
                piece = material.people[rng.choice(len(people), p=people)]
            kinds.append(piece.kind)
            if up:
                piece = dressed_up(piece, material.things, names, rng)
            picture, mask = shown(piece, material.grounds, height, rng)
            pictures.append(picture)
            answers.append(allowed(visible(piece, mask, names)))
        yield through_camera(pictures, rng), answers, kinds


class Extractor:
    """The exported parser with the tensors that heads hear as outputs."""

    def __init__(self, model: Path, names: Names, threads: int = 1) -> None:
        import onnx
        import openvino as ov
        from onnx import TensorProto, helper

        graph = onnx.load(str(model))
        self._tensors = {name: as_read(graph.graph, own) for name, (own, _) in HEARD.items()}
        for tensor in self._tensors.values():
            graph.graph.output.append(
                helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None)
            )
        core = ov.Core()
        options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        self._run = core.compile_model(core.read_model(graph.SerializeToString()), "CPU", options)
        self._heard = Heard(tuple(label.name for label in names.known))
        self._pooled = Pooled()

    def tensors(self, crops: Image) -> dict[str, npt.NDArray[np.float32]]:
        found = self._run({"images": crops})
        return {name: found[tensor] for name, tensor in self._tensors.items()}

    def shares(self, crop: Image) -> npt.NDArray[np.float32]:
        """Shares of the labels (59, 80, 40) of one crop."""
        return self.tensors(crop[None])["shares"][0]

    @torch.no_grad()
    def __call__(self, crops: Image) -> tuple[Tensor, Tensor]:
        """What each place shows (n, places, CELL + 1), and pooled features (n, 1280)."""
        found = {k: torch.from_numpy(np.array(v)) for k, v in self.tensors(crops).items()}
        whole = found.pop("whole")
        return self._pooled(self._heard(**found)), whole


@dataclass(frozen=True, slots=True)
class Seen:
    """Features of crops, half precision: places (n, places, CELL + 1), pooled (n, 1280); allowed
    answers (n, answers); kinds."""

    places: Tensor
    whole: Tensor
    answers: Tensor
    kinds: npt.NDArray[np.str_]

    def save(self, path: Path) -> None:
        torch.save([self.places, self.whole, self.answers, self.kinds.tolist()], path)

    @classmethod
    def load(cls, path: Path) -> Seen:
        places, whole, answers, kinds = torch.load(path, weights_only=True, mmap=True)
        return cls(places, whole, answers, np.array(kinds))


def look(
    extractor: Extractor, crops: Iterator[tuple[Image, list[Allowed], list[str]]], count: int
) -> Seen:
    """Features of ``count`` crops."""
    places = torch.empty(count, len(PLACES), CELL + 1, dtype=torch.float16)
    whole = torch.empty(count, HEARD["whole"][1], dtype=torch.float16)
    answers = torch.zeros(count, WIDEST, dtype=torch.bool)
    kinds: list[str] = []
    for pictures, told, own in crops:
        at = slice(len(kinds), len(kinds) + len(own))
        places[at], whole[at] = extractor(pictures)
        answers[at] = torch.from_numpy(np.stack(told))
        kinds += own
    return Seen(places[: len(kinds)], whole[: len(kinds)], answers[: len(kinds)], np.array(kinds))


def answer_loss(logits: Tensor, told: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy over what each crop knows, sets of answers included; every answer has a weight
    by how rare it is."""
    total = logits.new_zeros(())
    for question, span in spans().items():
        own = told[:, span].float()
        known = own.any(dim=1) & ~own.all(dim=1)
        if not known.any():
            continue
        lp = torch.log_softmax(logits[known, span], 1)
        own = own[known]
        loss = -torch.logsumexp(lp + torch.log(own.clamp(min=1e-9)), 1)
        smooth = -lp.mean(dim=1)
        weight = (own * weights[question]).sum(1) / own.sum(1)
        total = total + ((0.95 * loss + 0.05 * smooth) * weight).mean()
    return total


def answer_weights(told: Tensor, power: float = RARE) -> dict[str, Tensor]:
    """Per question, weights of the answers, mean 1 over crops."""
    found = {}
    for question, span in spans().items():
        own = told[:, span].float()
        count = (own / own.sum(1, keepdim=True).clamp(min=1)).sum(0)
        weight = (count + 0.01 * count.sum()) ** -power
        found[question] = weight / ((weight * count).sum() / count.sum())
    return found


def fit(seen: Seen, epochs: int, seed: int) -> GarmentAnswers:
    """Heads trained on features."""
    torch.manual_seed(seed)
    net = GarmentAnswers()
    net.places.measure(seen.places.float())
    net.whole.measure(seen.whole.float())
    places, whole = net.places(seen.places.float()), net.whole(seen.whole.float())
    lr, weights = 2e-3, answer_weights(seen.answers)
    optimizer = torch.optim.AdamW(net.parameters(), lr, weight_decay=0.05)
    steps = epochs * -(-len(whole) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps)
    net.train()
    for _ in range(epochs):
        for part in torch.randperm(len(whole)).split(BATCH):
            loss = answer_loss(net.judge(places[part], whole[part]), seen.answers[part], weights)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def answer(net: GarmentAnswers, seen: Seen) -> Tensor:
    """Logits (n, answers)."""
    parts = torch.arange(len(seen.answers)).split(256)
    return torch.cat([net(seen.places[p].float(), seen.whole[p].float()) for p in parts])


class ExportedAnswers(torch.nn.Module):
    """The heads as they stand in the parser's graph: its tensors in, one softmax a question out."""

    def __init__(
        self, heard: Heard, net: GarmentAnswers, temperatures: Mapping[str, float]
    ) -> None:
        super().__init__()
        self.heard = heard
        self.pooled = Pooled()
        self.net = net
        self.temperatures = dict(temperatures)

    def forward(
        self,
        fine: Tensor,
        middle: Tensor,
        coarse: Tensor,
        decoded: Tensor,
        shares: Tensor,
        whole: Tensor,
    ) -> tuple[Tensor, ...]:
        logits = self.net(self.pooled(self.heard(fine, middle, coarse, decoded, shares)), whole)
        return tuple(
            torch.softmax(logits[:, span] / self.temperatures[question], dim=1)
            for question, span in spans().items()
            if question in self.temperatures
        )


def write_heads(answers: ExportedAnswers, path: Path) -> None:
    """Write the heads as an ONNX file of their own."""
    sizes = {"fine": (80, 40), "middle": (40, 20), "coarse": (20, 10), "decoded": (80, 40),
             "shares": (80, 40), "whole": ()}  # fmt: skip
    samples = tuple(torch.rand(2, HEARD[name][1], *size) for name, size in sizes.items())
    asked = [question for question in QUESTIONS if question in answers.temperatures]
    torch.onnx.export(
        answers.eval(),
        samples,
        str(path),
        input_names=list(sizes),
        output_names=asked,
        dynamic_axes={name: {0: "batch"} for name in (*sizes, *asked)},
        opset_version=17,
        dynamo=False,
    )


def as_read(graph: Any, tensor: str) -> str:
    """The tensor that the next layers read: in an INT8 model, what rounding left of it."""
    rounded = {n.input[0]: n.output[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    read = {n.input[0]: n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    return read.get(rounded.get(tensor, ""), tensor)


def _dequantised_apart(graph: Any, tensor: str, name: str) -> str:
    """A dequantised tensor once more, as ``name``, for the heads alone; any other stays itself.

    OpenVINO takes a convolution in float if what it reads is averaged as well: a tenth of the
    parser's cost.
    """
    from onnx import TensorProto, helper, numpy_helper

    node = next((n for n in graph.node if tensor in n.output), None)
    if node is None or node.op_type != "DequantizeLinear":
        return tensor
    whole, scale, zero = node.input
    known = {own.name: own for own in graph.initializer}
    from_zero = numpy_helper.to_array(known[zero]).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(from_zero, f"{name}/zero"))
    cast, moved = f"{name}/cast", f"{name}/moved"
    graph.node.extend(
        [
            helper.make_node("Cast", [whole], [cast], name=cast, to=TensorProto.FLOAT),
            helper.make_node("Sub", [cast, f"{name}/zero"], [moved], name=moved),
            helper.make_node("Mul", [moved, scale], [name], name=name),
        ]
    )
    return name


def _halved(tensor: Any) -> Any:
    """Keep a float tensor in half precision, in place; the node that makes it what it was."""
    from onnx import TensorProto, helper, numpy_helper

    name = tensor.name
    half = numpy_helper.to_array(tensor).astype(np.float16)
    tensor.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
    return helper.make_node(
        "Cast", [tensor.name], [name], name=f"{name}/cast", to=TensorProto.FLOAT
    )


def add_heads(parser: Path, heads: Path, out: Path) -> None:
    """Write a parser with heads: its own nodes stay as they are, and those of heads that it had
    before go."""
    import onnx

    model, added = onnx.load(str(parser)), onnx.load(str(heads))
    graph = model.graph
    for listing in (graph.node, graph.initializer, graph.output):
        kept = [item for item in listing if not item.name.startswith("/answers/")
                and item.name not in QUESTIONS]  # fmt: skip
        del listing[:]
        listing.extend(kept)
    heard = {
        name: _dequantised_apart(graph, as_read(graph, tensor), f"/answers/{name}")
        for name, (tensor, _) in HEARD.items()
    }

    def renamed(name: str) -> str:
        return heard.get(name, name if name in QUESTIONS or not name else f"/answers/{name}")

    for node in added.graph.node:
        node.name = f"/answers/{node.name}"
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    for tensor in added.graph.initializer:
        tensor.name = renamed(tensor.name)
        if len(tensor.raw_data) > LARGE and tensor.data_type == onnx.TensorProto.FLOAT:
            added.graph.node.insert(0, _halved(tensor))
    graph.node.extend(added.graph.node)
    graph.initializer.extend(added.graph.initializer)
    graph.output.extend(added.graph.output)
    onnx.checker.check_model(model)
    onnx.save(model, str(out))


def temperature(logits: Tensor, told: Tensor) -> float:
    """Temperature of a question's softmax that makes what is known likeliest; logits and allowed
    answers (n, answers)."""
    known = told.any(dim=1) & ~told.all(dim=1)
    own = torch.log(told[known].float().clamp(min=1e-9))
    grid = torch.linspace(0.5, 3.0, 51)
    losses = [
        -float(torch.logsumexp(torch.log_softmax(logits[known] / t, 1) + own, 1).mean())
        for t in grid
    ]
    return round(float(grid[int(np.argmin(losses))]), 2)


def right(logits: Tensor, told: Tensor) -> dict[str, float]:
    """Per question, how often the likeliest answer is right, balanced over the answers that are
    known as the only one; what is not to be seen apart."""
    found = {}
    for question, span in spans().items():
        own, said = told[:, span], logits[:, span].argmax(dim=1)
        alone = own.sum(dim=1) == 1
        first = 0 if len(QUESTIONS[question]) == 2 else 1
        each = [
            float((said[alone & own[:, j]] == j).float().mean())
            for j in range(first, own.shape[1])
            if int((alone & own[:, j]).sum()) >= 8
        ]
        found[question] = float(np.mean(each)) if each else float("nan")
    return found
