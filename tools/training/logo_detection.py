"""Training and evaluation of the logo detector."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from engines.boxes import nms
from engines.nets.efficientnet_lite import normalise
from engines.nets.logo_detector import SIZE, STRIDE, ExportedDetector, LogoDetector
from engines.teach import checkpoint
from engines.teach.ahead import ahead
from training.detection_figures import Looked, curve
from training.logo_scenes import Scene
from training.logo_worlds import Scenes

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

#: Share of a mark's size within which a cell is near its middle.
NEAR = 0.18
#: Scenes from which an exported net's batch normalisation is taken anew.
STATISTICS = 48
#: Nearness under which a cell says nothing of a mark.
FAR = 0.05
#: Overlap from which two found boxes are one mark.
SAME = 0.5


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a training besides the data."""

    steps: int = 3500
    batch: int = 16
    lr: float = 2e-3
    backbone_lr: float = 5e-4
    weight_decay: float = 0.02
    ema: float = 0.998
    frozen_blocks: int = 2
    seed: int = 0
    threads: int = 2
    half: bool = False

    def slower(self, share: float) -> Recipe:
        """The same with so large a share of the rates of learning."""
        return replace(self, lr=self.lr * share, backbone_lr=self.backbone_lr * share)


def target(scene: Scene) -> tuple[F32, F32, F32]:
    """Per cell of the finest map: how near it is to a mark's middle, 0 to 1 (h, w), -1 where it
    counts neither way; distances left, top, right, bottom in pixels (4, h, w); and their weight."""
    width, height = SIZE[0] // STRIDE, SIZE[1] // STRIDE
    heat = np.zeros((height, width), np.float32)
    sides = np.ones((4, height, width), np.float32)
    weight = np.zeros((height, width), np.float32)
    ys, xs = np.mgrid[:height, :width].astype(np.float32) * STRIDE + STRIDE / 2
    for x0, y0, x1, y1 in scene.marks.tolist():
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        spread_x, spread_y = (max(NEAR * v, 0.7 * STRIDE) for v in (x1 - x0, y1 - y0))
        near = np.exp(-(((xs - cx) / spread_x) ** 2 + ((ys - cy) / spread_y) ** 2) / 2)
        heat = np.maximum(heat, near)
        middle = np.unravel_index(int(near.argmax()), near.shape)
        heat[middle] = 1.0
        mine = near > 0.6
        mine[middle] = True
        distances = np.stack([xs - x0, ys - y0, x1 - xs, y1 - ys])
        sides[:, mine] = np.maximum(distances[:, mine], 0.5)
        weight[mine] = 1.0 / mine.sum()
    for x0, y0, x1, y1 in scene.ignore.tolist():
        inside = (xs >= x0) & (xs <= x1) & (ys >= y0) & (ys <= y1)
        heat[inside & (heat < FAR)] = -1.0
    return heat, sides, weight


def detection_loss(found: tuple[Tensor, Tensor], target: Sequence[Tensor]) -> Tensor:
    """Penalty-reduced focal loss of the middles (CenterNet, equation 1) and generalised IoU of the
    boxes (Rezatofighi et al., CVPR 2019)."""
    (logits, sides), (heat, true, weight) = found, target
    score = torch.sigmoid(logits).clamp(1e-5, 1 - 1e-5)
    peak = (heat > 0.999).float()
    counted = (heat >= 0).float()
    positive = peak * (1 - score) ** 2 * torch.log(score)
    negative = (1 - peak) * counted * (1 - heat.clamp(min=0)) ** 4 * score**2 * torch.log(1 - score)
    marks = peak.sum().clamp(min=1)
    middles = -(positive + negative).sum() / marks
    low = torch.minimum(sides, true)
    inter = (low[:, 0] + low[:, 2]) * (low[:, 1] + low[:, 3])
    area = (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
    union = area + (true[:, 0] + true[:, 2]) * (true[:, 1] + true[:, 3]) - inter
    high = torch.maximum(sides, true)
    hull = (high[:, 0] + high[:, 2]) * (high[:, 1] + high[:, 3])
    giou = inter / union - (hull - union) / hull
    return middles + 2.0 * ((1 - giou) * weight).sum() / marks


@torch.no_grad()
def begin(net: LogoDetector, path: Path, pictures: npt.NDArray[np.uint8]) -> None:
    """Give a net the weights of an exported one, whose batch normalisation is part of its
    convolutions: what it normalised by is taken from pictures (n, H, W, 3), so that the net puts
    out what the file does and goes on learning from there."""
    graph = onnx.load(str(path)).graph
    known = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    nodes = iter([node.input for node in graph.node if node.op_type == "Conv"])
    added: list[Tensor] = []

    def give(conv: nn.Module, _: object) -> None:
        _, weight, *bias = next(nodes)
        conv.weight.copy_(known[weight])  # type: ignore[operator]
        added[:] = [known[name] for name in bias]
        if conv.bias is not None:
            conv.bias.copy_(added[0])  # type: ignore[operator]

    def settle(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        var, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        norm.running_mean.copy_(mean)  # type: ignore[operator]
        norm.running_var.copy_(var)  # type: ignore[operator]
        norm.weight.copy_((var + norm.eps).sqrt())  # type: ignore[operator]
        norm.bias.copy_(mean + added[0])  # type: ignore[operator]

    hooks = [
        part.register_forward_pre_hook(settle if isinstance(part, nn.BatchNorm2d) else give)
        for part in net.modules()
        if isinstance(part, nn.BatchNorm2d | nn.Conv2d)
    ]
    net.eval()(normalise(torch.from_numpy(pictures)))
    for hook in hooks:
        hook.remove()


def in_float(conv: nn.Conv2d) -> None:
    """Compute a convolution in float32 whatever the precision of the rest."""
    plain = conv.forward

    def forward(x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return plain(x.float()).to(x.dtype)

    conv.forward = forward  # type: ignore[method-assign]


class Trainer:
    """One training, resumable from a checkpoint."""

    def __init__(self, material: Scenes, imagenet: Path, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(recipe.threads)
        self.recipe = recipe
        self.material = material
        self.net = LogoDetector()
        self.net.backbone.load_imagenet(imagenet)
        self.net.backbone.freeze(recipe.frozen_blocks)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net)
        for part in self.net.modules():
            if recipe.half and isinstance(part, nn.Conv2d) and part.groups > 1:
                in_float(part)  # learning them in bfloat16 takes several times as long
        old = [p for p in self.net.backbone.parameters() if p.requires_grad]
        new = [p for n, p in self.net.named_parameters() if not n.startswith("backbone")]
        groups = [{"params": new, "lr": recipe.lr}, {"params": old, "lr": recipe.backbone_lr}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, [recipe.lr, recipe.backbone_lr], recipe.steps, pct_start=0.08
        )
        self.done = 0

    def begin(self, path: Path) -> None:
        """Start with what another training has learnt, of either model, or with an ONNX file of
        the detector."""
        if path.suffix == ".onnx":
            scenes = (self.material.scene(np.random.default_rng((5, i))) for i in range(STATISTICS))
            begin(self.net, path, np.stack([scene.rgb for scene in scenes]))
            self.average.load_state_dict(self.net.state_dict())
            return
        checkpoint.begin(path, self)

    def save(self, path: Path) -> None:
        """Write the state after the last finished step, whole or not at all."""
        checkpoint.save(path, self, self.done)

    def resume(self, path: Path) -> None:
        """Continue from ``path``; the recipe must be the one it was written with."""
        self.done = checkpoint.resume(path, self)

    def _batches(self) -> Iterator[tuple[Tensor, ...]]:
        for step in range(self.done, self.recipe.steps):
            rng = np.random.default_rng((self.recipe.seed, step))
            scenes = [self.material.scene(rng) for _ in range(self.recipe.batch)]
            images = normalise(torch.from_numpy(np.stack([scene.rgb for scene in scenes])))
            targets = zip(*map(target, scenes), strict=True)
            yield images, *(torch.from_numpy(np.stack(part)) for part in targets)

    def run(self) -> Iterator[float]:
        """Train to the end, yielding the loss of every step."""
        self.net.train()
        for images, *truth in ahead(self._batches()):
            images = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.half):
                logits, sides = self.net(images)
            loss = detection_loss((logits.float(), sides.float()), truth)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
            self.optimizer.step()
            self.schedule.step()
            keep = min(self.recipe.ema, (1 + self.done) / (10 + self.done))
            checkpoint.follow(self.average, self.net, keep)
            self.done += 1
            yield float(loss.detach())


def found(boxes: F64, scores: F64, least: float) -> tuple[F64, F64]:
    """Boxes and scores of at least ``least``, each mark once, best first."""
    sure = scores >= least
    boxes, scores = boxes[sure], scores[sure]
    kept = nms(boxes, scores, SAME)
    return boxes[kept], scores[kept]


@torch.no_grad()
def looks(net: LogoDetector, scenes: Sequence[Scene], least: float = 0.02) -> list[Looked]:
    """What the detector finds in scenes, beside the truth."""
    model = ExportedDetector(net).eval()
    out = []
    for scene in scenes:
        boxes, scores = model(torch.from_numpy(scene.rgb[None]))
        some = found(boxes[0].double().numpy(), scores[0].double().numpy(), least)
        out.append(Looked(*some, scene.marks, scene.ignore))
    return out


def of_size(look: Looked, least: float, most: float) -> Looked:
    """The same look, counting only marks whose longer side is ``least`` to ``most`` pixels."""
    sides = (look.people[:, 2:] - look.people[:, :2]).max(axis=1, initial=0.0)
    mine = (sides >= least) & (sides < most)
    ignore = np.concatenate([look.ignore, look.people[~mine]])
    return Looked(look.found, look.scores, look.people[mine], ignore)


def recall(looks: Sequence[Looked], least: float) -> float:
    """Share of the marks found with a score of at least ``least``."""
    whole = curve(looks)
    taken = int((whole.scores >= least).sum())
    return float(whole.recall[taken - 1]) if taken else 0.0
