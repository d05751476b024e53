"""One training of the person detector, against the clock."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines.nets.person_rtm import PersonRTM, normalise
from engines.teach.checkpoint import follow
from training.camera_faults import faults
from training.people import assign, detection_loss, flat
from training.people_scenes import NOBODY, SIZES, Batch, Material


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a training besides the data.

    Attributes:
        batch: scenes of 512 x 288 pixels in a step; of other sizes about as many pixels.
        lr: peak of the rate of everything but the backbone.
        backbone_lr: of the part of the backbone that learns.
        frozen: parts that do not. What lines and cloth look like is known, and the large maps
            take most of the time.
        warm: share of the time in which the rate rises; it falls as a cosine does.
        ema: how much the averaged net keeps of itself at each step.
    """

    batch: int = 16
    lr: float = 1e-4
    backbone_lr: float = 3e-5
    frozen: tuple[str, ...] = ("stem", "stages.0", "stages.1")
    warm: float = 0.05
    ema: float = 0.99
    clip: float = 5.0
    seed: int = 0


class Trainer:
    """Trains for some seconds.

    Attributes:
        average: the averaged net, as it is to be used.
    """

    def __init__(self, net: PersonRTM, material: Material, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.material = recipe, material
        self.device = material.often.device
        self.net = net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        for name, parameter in self.net.named_parameters():
            parameter.requires_grad_(not name.startswith(recipe.frozen))
        self.step = 0

    def scenes(self, batch: int) -> Batch:
        """A batch of one random size, of about the same number of pixels each."""
        sizes, often = zip(*SIZES, strict=True)
        size = sizes[int(torch.multinomial(torch.tensor(often), 1))]
        count = max(round(batch * 147456 / (size[0] * size[1])), 1)
        made = self.material.scenes(count, size)
        pixels = faults(made.pixels)
        most = int((made.marks != NOBODY).sum(1).max().clamp(min=1))
        return Batch(pixels, made.boxes[:, :most], made.marks[:, :most])

    def loss(self, batch: Batch) -> Tensor:
        pixels = normalise(batch.pixels.permute(0, 2, 3, 1))
        with torch.autocast(self.device.type, torch.bfloat16):
            outputs = self.net(pixels.contiguous(memory_format=torch.channels_last))
        logits, boxes, cells = flat(outputs)
        target = assign(logits, boxes, cells, batch.boxes, batch.marks)
        return detection_loss(logits, boxes, batch.boxes, target)

    def _optimizer(self) -> torch.optim.Optimizer:
        groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
        for name, parameter in self.net.named_parameters():
            if parameter.requires_grad:
                groups[name.startswith("stages")].append(parameter)
        rates = {False: self.recipe.lr, True: self.recipe.backbone_lr}
        return torch.optim.AdamW(
            [{"params": some, "peak": rates[back]} for back, some in groups.items() if some],
            lr=self.recipe.lr,
            weight_decay=0.0,
        )

    def run(self, seconds: float, tell: Callable[[dict[str, Any]], None]) -> None:
        """Train to the end; ``tell`` is called every few steps and may save what is there."""
        optimizer, began = self._optimizer(), time.monotonic()
        while (done := (time.monotonic() - began) / seconds) < 1:
            rise = min(done / self.recipe.warm, 1) * (0.5 + 0.5 * math.cos(math.pi * done))
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rise
            loss = self.loss(self.scenes(self.recipe.batch))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            size = nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip)
            if bool(torch.isfinite(size)):
                optimizer.step()
            self.step += 1
            keep = min(self.recipe.ema, self.step / (9 + self.step))
            follow(self.average, self.net, keep)
            if self.step % 10 == 1:
                tell({"step": self.step, "done": done, "loss": float(loss.detach())})


def write(path: Path, net: nn.Module, recipe: Recipe) -> None:
    """Write a net's weights, whole or not at all."""
    partial = path.with_suffix(".part")
    state = {k: v.detach().float().cpu() for k, v in net.state_dict().items()}
    torch.save({"net": state, "recipe": asdict(recipe)}, partial)
    partial.replace(path)
