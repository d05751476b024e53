"""The recipes, behind one face: learn from some pictures, tell what others show."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from engines.nets.glsim import TaughtTwice
from engines.nets.taught import Taught
from engines.teach import linear
from engines.teach.glance import look_again, look_once
from engines.teach.lesson import Indices, Lesson, TeachError
from engines.teach.room import Room
from engines.teach.seen import seen
from engines.teach.trainer import Recipe, Trainer, look
from engines.teach.transformers import BEGUN, TRANSFORMERS, transformer
from engines.teach.twins import Image
from engines.teach.weights import backbone

F32 = npt.NDArray[np.float32]
#: Steps made to find out how long one takes.
_PROBE = 3
#: Fewer steps than this teach nothing.
LEAST_STEPS = 20


class Judged(NamedTuple):
    """Logits (n, classes) of pictures, and of the first look alone where there are two."""

    logits: F32
    first: F32 | None = None


class Course(Protocol):
    """A way to learn; ``name`` is the recipe."""

    name: str

    def settle(self, fold_of: Indices, seconds: float) -> tuple[int, str]:
        """Decide what is left open, so that all trainings fit into the time: how many folds are
        held out in turn before everything is learnt from, and what was decided, for people."""
        ...

    def learn(self, rows: Indices, stage: str) -> Taught:
        """A network that learnt from these pictures; ``stage`` names the training's checkpoint."""
        ...

    def judge(self, net: Taught, rows: Indices) -> Judged:
        """What a network makes of whole pictures."""
        ...


class LinearCourse:
    """The backbone as published, and a regularised linear classifier on its features."""

    name = "linear"

    def __init__(self, lesson: Lesson, room: Room) -> None:
        self._lesson = lesson
        self._room = room
        self._strength = 1.0
        self._net = self._fresh()
        self._features = seen(self._net, [one.rgb for one in lesson.pictures], room, True)

    def settle(self, fold_of: Indices, seconds: float) -> tuple[int, str]:
        """Choose the regularisation by cross-validation."""
        classes, count = self._lesson.classes, len(self._lesson.names)
        self._strength = linear.best_strength(self._features, classes, fold_of, count)
        told = f"regularisation {self._strength:g}, by cross-validation"
        return len(np.unique(fold_of)), told

    def learn(self, rows: Indices, stage: str) -> Taught:
        net = self._fresh()
        own = linear.fit(
            linear.flat(self._features[:, rows]),
            linear.repeated(self._lesson.classes[rows], self._features),
            len(self._lesson.names),
            self._strength,
        )
        with torch.no_grad():
            net.fc.weight.copy_(torch.from_numpy(own.weight))
            net.fc.bias.copy_(torch.from_numpy(own.bias))
        return net.eval()

    def judge(self, net: Taught, rows: Indices) -> Judged:
        weight, bias = net.fc.weight.detach().numpy(), net.fc.bias.detach().numpy()
        return Judged(linear.Linear(weight, bias)(self._features[0, rows]))

    def _fresh(self) -> Taught:
        features = backbone(self._room.weights)
        return Taught(features, features.width, len(self._lesson.names)).eval()


class NetworkCourse:
    """The backbone trained on, its last blocks and a new classifier, by one of the methods."""

    def __init__(self, name: str, lesson: Lesson, room: Room, recipe: Recipe | None = None) -> None:
        self.name = name
        self._lesson = lesson
        self._room = room
        wanted = int(np.clip(30 * len(lesson.pictures) // 24, 200, 3000))
        start = recipe or Recipe(method=name, steps=wanted)
        self.recipe = replace(start, steps=wanted, side=room.side, seed=room.seed)

    def settle(self, fold_of: Indices, seconds: float) -> tuple[int, str]:
        """Choose the number of steps, and of folds, by how long a step takes."""
        kept = self._room.work / f"{self.name}.json"
        if kept.exists():  # an interrupted course goes on as it began
            steps, held = json.loads(kept.read_text(encoding="ascii"))
        else:
            begin = time.monotonic()
            if self.name in BEGUN:
                _ = self._features  # what they take is part of the budget
            left = seconds - (time.monotonic() - begin)
            steps, held = self._affordable(left, len(np.unique(fold_of)))
            kept.write_text(json.dumps([steps, held]), encoding="ascii")
        told = f"{steps} steps of {self.recipe.batch} pictures"
        if steps < self.recipe.steps:
            told += f", cut from {self.recipe.steps} by the budget"
        self.recipe = replace(self.recipe, steps=steps)
        return held, told

    def _affordable(self, seconds: float, folds: int) -> tuple[int, int]:
        each, wanted = self.step_seconds(), self.recipe.steps
        held = int(np.clip(seconds / (each * wanted) - 1, 1, folds))
        steps = int(seconds / (each * (held + 1)))
        if steps < LEAST_STEPS:
            least = 2 * LEAST_STEPS * each / 60
            raise TeachError(
                f"recipe '{self.name}': {max(seconds, 0):.0f} s of the budget are left, and a step "
                f"takes {each:.1f} s; give --budget {max(round(2 * least), 1)}m or more, or take "
                "--recipe linear"
            )
        return min(wanted, steps), held

    def step_seconds(self) -> float:
        """How long a step takes here, measured."""
        short = replace(self.recipe, steps=_PROBE)
        trainer = self._trainer(np.arange(len(self._lesson.classes)), short)
        took = []
        begin = time.monotonic()
        for _ in trainer.epoch():
            took.append(time.monotonic() - begin)
            begin = time.monotonic()
        return float(np.mean(took[1:]))

    def learn(self, rows: Indices, stage: str) -> Taught:
        path = self._room.work / f"{self.name}-{stage}.pt"
        trainer = self._trainer(rows, self.recipe)
        if self.name in BEGUN:
            self._fit(trainer.net.fc, self._features[rows], rows)
        return trainer.run(path, self._room.watch, f"{self.name} {stage}")

    @cached_property
    def _features(self) -> F32:
        """Features (n, width) of all pictures before anything is trained."""
        every = np.arange(len(self._lesson.classes))
        net = self._trainer(every, self.recipe).net
        return seen(net, self._pictures(every), self._room)[0]

    def _fit(self, classifier: torch.nn.Linear, features: F32, rows: Indices) -> None:
        classes, together = self._lesson.classes[rows], self._lesson.together[rows]
        linear.begin(classifier, features, classes, together, self._room.seed)

    def judge(self, net: Taught, rows: Indices) -> Judged:
        return Judged(look(net, self._pictures(rows), self._room.side)[0])

    def _pictures(self, rows: Indices) -> list[Image]:
        return [self._lesson.pictures[i].rgb for i in rows]

    def _classifier(self, features: Any) -> Taught:
        return Taught(features, features.width, len(self._lesson.names))

    def _backbone(self) -> Any:
        """What is trained on, up to its features, with a ``width``."""
        if self.name in TRANSFORMERS:
            return transformer(self.name, self._room.weights, self._room.side)
        return backbone(self._room.weights)

    def _trainer(self, rows: Indices, recipe: Recipe) -> Trainer:
        torch.manual_seed(recipe.seed)
        net, classes = self._classifier(self._backbone()), self._lesson.classes[rows]
        return Trainer(self._pictures(rows), classes, net, recipe, self._room.device)


class TwoLookCourse(NetworkCourse):
    """A network that looks at a part again: trained as published, on both looks; then a linear
    classifier learns from what the first says alone, so that the second can be left out."""

    def learn(self, rows: Indices, stage: str) -> Taught:
        net = super().learn(rows, stage)
        assert isinstance(net, TaughtTwice)
        tokens, _ = look_once(net, self._pictures(rows), self._room.side)
        self._fit(net.glance, tokens, rows)
        return net

    def judge(self, net: Taught, rows: Indices) -> Judged:
        assert isinstance(net, TaughtTwice)
        pictures, side = self._pictures(rows), self._room.side
        tokens, parts = look_once(net, pictures, side)
        weight, bias = (own.detach().cpu().numpy() for own in net.glance.parameters())
        first = linear.Linear(weight, bias)(tokens)
        return Judged(look_again(net, pictures, tokens, parts, side), first)

    def _classifier(self, features: Any) -> Taught:
        return TaughtTwice(features, len(self._lesson.names))


def _network(
    name: str, recipe: Recipe | None = None, kind: type[NetworkCourse] = NetworkCourse
) -> Callable[[Lesson, Room], Course]:
    return lambda lesson, room: kind(name, lesson, room, recipe)


#: Recipe -> how its course begins.
COURSES: Mapping[str, Callable[[Lesson, Room], Course]] = MappingProxyType(
    {
        "linear": LinearCourse,
        "finetune": _network("finetune"),
        "adnet": _network("adnet"),
        **{name: _network(name, recipe) for name, recipe in TRANSFORMERS.items()},
        "glsim": _network("glsim", TRANSFORMERS["glsim"], TwoLookCourse),
    }
)
#: What ``auto`` tries, the cheapest first.
TRIED = ("linear", "finetune", "adnet")
