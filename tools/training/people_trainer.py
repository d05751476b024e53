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
from training.camera_faults import faults
from training.checkpoint import follow
from training.folding import Rehearsal, folded, normalised
from training.people import assign, detection_loss, flat
from training.people_scenes import NOBODY, SIZES, Batch, Material

#: Convolutions whose results are numbers, not features: they stay in float.
EXACT = tuple(f"heads.{level}.{kind}.2" for level in range(3) for kind in range(2))


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a training besides the data."""

    batch: int = 192
    lr: float = 2e-4
    rehearsal_lr: float = 4e-5
    #: Share of the time in which INT8 is rehearsed, at the end.
    rehearsal: float = 0.33
    warm: float = 0.03
    ema: float = 0.9995
    clip: float = 5.0
    seed: int = 0


class Trainer:
    """Trains for some seconds, in two phases: with batch normalisation, then rehearsing INT8.

    Attributes:
        average: the averaged net, as it is to be used.
    """

    def __init__(self, net: PersonRTM, material: Material, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.material = recipe, material
        self.device = material.often.device
        self.start = net.to(self.device).eval()
        self.average: nn.Module = self.start
        self.step = 0

    def scenes(self, batch: int) -> Batch:
        """A batch of one random size, of about the same number of pixels each."""
        sizes, often = zip(*SIZES, strict=True)
        size = sizes[int(torch.multinomial(torch.tensor(often), 1))]
        count = max(round(batch * 147456 / (size[0] * size[1])), 1)
        # Subsets of pictures differ in number: searching the best kernel for each takes longer.
        with torch.backends.cudnn.flags(benchmark=False):
            made = self.material.scenes(count, size)
            pixels = faults(made.pixels)
        most = int((made.marks != NOBODY).sum(1).max().clamp(min=1))
        return Batch(pixels, made.boxes[:, :most], made.marks[:, :most])

    def loss(self, net: nn.Module, batch: Batch, half: bool) -> Tensor:
        pixels = normalise(batch.pixels.permute(0, 2, 3, 1))
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            outputs = net(pixels)
        logits, boxes, cells = flat(outputs)
        target = assign(logits, boxes, cells, batch.boxes, batch.marks)
        return detection_loss(logits, boxes, batch.boxes, target)

    def run(self, seconds: float, tell: Callable[[dict[str, Any]], None]) -> None:
        """Train to the end; ``tell`` is called every few steps and may save what is there."""
        first = seconds * (1 - self.recipe.rehearsal)
        self.average = folded(self._learn(first, tell, None))
        net = copy.deepcopy(self.average).requires_grad_(True)
        rehearsal = Rehearsal(net, EXACT)
        self.average = self._learn(seconds - first, tell, (net, rehearsal))

    def _learn(
        self,
        seconds: float,
        tell: Callable[[dict[str, Any]], None],
        rehearsed: tuple[nn.Module, Rehearsal] | None,
    ) -> nn.Module:
        """One phase; the averaged net."""
        recipe, steps = self.recipe, 0
        if rehearsed is None:
            some = normalise(self.scenes(min(recipe.batch, 128)).pixels.permute(0, 2, 3, 1))
            net = normalised(self.start, some)
            average = copy.deepcopy(net)
        else:
            net = rehearsed[0]
            average = copy.deepcopy(self.start)
            average.load_state_dict(net.state_dict())
        net.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average.requires_grad_(False)
        peak = recipe.lr if rehearsed is None else recipe.rehearsal_lr
        batch = recipe.batch if rehearsed is None else max(recipe.batch // 2, 1)
        optimizer = torch.optim.AdamW(net.parameters(), peak, weight_decay=0.0)
        began = time.monotonic()
        while True:
            done = (time.monotonic() - began) / seconds
            if done >= 1:
                break
            rate = peak * min(done / recipe.warm, 1) * (0.5 + 0.5 * math.cos(math.pi * done))
            for group in optimizer.param_groups:
                group["lr"] = max(rate, 1e-7)
            if rehearsed is not None:
                rehearsed[1].active = steps >= 20
                rehearsed[1].keep = 0.9 if steps < 20 else (0.99 if done < 0.6 else 1.0)
            loss = self.loss(net, self.scenes(batch), rehearsed is None)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            size = nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
            if bool(torch.isfinite(size)):
                optimizer.step()
            steps += 1
            self.step += 1
            follow(average, net, min(recipe.ema, (1 + steps) / (10 + steps)))
            if steps % 10 == 1:
                phase = "float" if rehearsed is None else "rehearsed"
                tell({
                    "phase": phase, "step": self.step, "done": round(done, 3), "lr": rate,
                    "loss": float(loss.detach()), "net": average,
                })  # fmt: skip
        return average


def write(path: Path, net: nn.Module, recipe: Recipe) -> None:
    """Write a net as it is used, without batch normalisation, whole or not at all."""
    partial = path.with_suffix(".part")
    state = {k: v.detach().float().cpu() for k, v in folded(net).state_dict().items()}
    torch.save({"net": state, "recipe": asdict(recipe)}, partial)
    partial.replace(path)
