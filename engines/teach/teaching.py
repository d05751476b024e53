"""From pictures to a network whose scores mean something."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import numpy.typing as npt

from engines.nets.taught import Taught
from engines.teach.calibration import fit_temperature
from engines.teach.courses import COURSES, TRIED, Course
from engines.teach.figures import Figures, figures, gain
from engines.teach.glance import Glance, settle
from engines.teach.lesson import Indices, Lesson, TeachError
from engines.teach.room import Room
from engines.teach.splits import folds
from engines.teach.transformers import TIMM, TRANSFORMERS, given
from engines.teach.watch import Watch
from engines.teach.weights import INSTALLED

AUTO = "auto"
#: File that tells which pictures and wishes a folder's state is of.
MARK = "fingerprint"
#: The recipe that adds to the garment parser; see ``making``.
HEAD = "head"
#: Parts the pictures are split into; each is held out once, as far as the time allows.
FOLDS = 4
#: A recipe that costs more to train has to be better by so many standard errors.
CLEAR = 2.0
#: Share of the budget that trainings may take; the rest is for writing.
_USED = 0.9


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked for.

    Attributes:
        recipe: one of ``COURSES``, or ``auto``.
        seconds: how long it may take.
        device: ``cpu`` or ``cuda``.
        side: of the square that the network sees, in pixels.
        weights: of a network to start from.
        subject: what the pipeline will show it: ``person``, ``upper``, ``frame``, ...
    """

    recipe: str
    seconds: float = 1800.0
    device: str = "cpu"
    side: int = 224
    seed: int = 0
    subject: str = "person"
    weights: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """What a recipe said of pictures it had not learnt from: their rows in the lesson, and logits
    (n, classes), those of a first look apart where there are two."""

    rows: Indices
    logits: npt.NDArray[np.float32]
    told: str
    first: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """How well was learnt: what recipes did on pictures held out.

    Attributes:
        why: how the recipe was chosen, in words.
        tried: recipe -> what it did.
        glance: from when a first look is enough, where there are two.
    """

    recipe: str
    temperature: float
    figures: Figures
    held: HeldOut
    why: str
    tried: dict[str, HeldOut]
    seconds: float
    glance: Glance | None = None


def fingerprint(lesson: Lesson, wish: Wish) -> str:
    """Changes with pictures, labels and what was asked for, but not with how long it may take."""
    found = hashlib.sha256(
        repr((wish.recipe, wish.device, wish.side, wish.seed, str(wish.weights))).encode()
    )
    for one in lesson.pictures:
        found.update(f"{one.label}\0{one.rgb.shape}\0".encode())
        found.update(np.ascontiguousarray(one.rgb).data)
    return found.hexdigest()


def prepare(work: Path, own: str, watch: Watch) -> None:
    """Keep what an interrupted course left in ``work`` if its fingerprint was ``own``; else empty
    it."""
    mark = work / MARK
    if mark.exists() and mark.read_text(encoding="ascii") == own:
        watch.tell("going on where the last run was interrupted")
        return
    for path in work.iterdir():
        if path.name.startswith("."):
            continue  # a lock
        if path.is_dir():
            rmtree(path)
        else:
            path.unlink()
    mark.write_text(own, encoding="ascii")


def teach(lesson: Lesson, wish: Wish, work: Path, watch: Watch) -> tuple[Taught, Outcome]:
    """A network that learnt by the recipe asked for, or the one that is best on pictures held out.

    Every figure and the temperature are of pictures that were held out; the network returned then
    learns from all.

    Raises:
        TeachError: the recipe is unknown, or the budget too short for it.
    """
    check(wish.recipe, wish.weights)
    begin = time.monotonic()
    prepare(work, fingerprint(lesson, wish), watch)
    room = Room(work, wish.device, wish.side, wish.seed, watch, wish.weights)
    fold_of = parts(lesson, wish.seed)
    courses: dict[str, Course] = {}
    tried: dict[str, HeldOut] = {}
    wanted = list(TRIED) if wish.recipe == AUTO else [wish.recipe]
    why = f"'{wish.recipe}' was asked for"
    for place, name in enumerate(wanted):
        left = (wish.seconds * _USED - (time.monotonic() - begin)) / (len(wanted) - place)
        try:
            courses[name] = COURSES[name](lesson, room)
            tried[name] = held_out(courses[name], lesson, fold_of, left)
        except TeachError as error:
            if wish.recipe != AUTO or not tried:
                raise
            reason = str(error).partition(";")[0]
            watch.tell(f"left out: {reason}; a longer --budget tries it, too")
            courses.pop(name, None)
    recipe = wanted[0]
    if wish.recipe == AUTO:
        recipe, why = choose(tried, lesson.classes)
    watch.tell(f"recipe: {why}")
    net = courses[recipe].learn(np.arange(len(lesson.classes)), "final")
    return net, outcome(recipe, tried, why, lesson, time.monotonic() - begin)


def outcome(
    recipe: str, tried: dict[str, HeldOut], why: str, lesson: Lesson, seconds: float
) -> Outcome:
    """What the chosen recipe did, at the temperature that fits what was held out."""
    held = tried[recipe]
    true = lesson.classes[held.rows]
    temperature, glance = fit_temperature(held.logits, true), None
    if held.first is not None:
        glance, logits = settle(held.first, held.logits, true, temperature)
        held = replace(held, logits=logits)
    found = figures(held.logits, true, temperature)
    return Outcome(recipe, temperature, found, held, why, tried, seconds, glance)


def check(recipe: str, weights: Path | None) -> None:
    """Raise TeachError unless there is such a recipe, and what it starts from."""
    known = [AUTO, *COURSES, HEAD]
    if recipe not in known:
        raise TeachError(f"--recipe {recipe}: unknown; choose one of {', '.join(known)}")
    if recipe in TRANSFORMERS:
        given(recipe, weights)
    named = weights is None or str(weights) in INSTALLED or weights.name.startswith(TIMM)
    if weights is not None and not named and not weights.is_file():
        raise TeachError(f"--weights {weights}: no such file")


def parts(lesson: Lesson, seed: int) -> Indices:
    """The fold of each picture."""
    count = int(min(FOLDS, max(lesson.counts.min(), 2)))
    return folds(lesson.classes, lesson.together, count, seed)


def held_out(course: Course, lesson: Lesson, fold_of: Indices, seconds: float) -> HeldOut:
    """What a recipe says of pictures it did not learn from: of all, or of as many folds as the time
    allows."""
    count, told = course.settle(fold_of, seconds)
    chosen = np.unique(fold_of)[:count]
    rows, judged = [], []
    for fold in chosen:
        net = course.learn(np.flatnonzero(fold_of != fold), f"fold-{fold}")
        rows.append(np.flatnonzero(fold_of == fold))
        judged.append(course.judge(net, rows[-1]))
    firsts = [own.first for own in judged if own.first is not None]
    logits = np.concatenate([own.logits for own in judged])
    first = np.concatenate(firsts) if firsts else None
    return HeldOut(np.concatenate(rows), logits, told, first)


def choose(tried: dict[str, HeldOut], classes: Indices) -> tuple[str, str]:
    """The recipe to take, and why: the first one, unless a later one is right more often on the
    pictures that both were asked about, by ``CLEAR`` standard errors of that difference."""
    names = list(tried)
    best, told = names[0], []
    for name in names[1:]:
        rows, mine, other = _shared(tried[name], tried[best])
        more, error = gain(mine, other, classes[rows])
        better = more > CLEAR * error
        doubt = ", which is not clear enough" if more > 0 and not better else ""
        side = "more" if more > 0 else "less"
        told.append(
            f"on {len(rows)} pictures held out, {name} is right {abs(more):.1%} {side} often than "
            f"{best} (standard error {error:.1%}){doubt}"
        )
        best = name if better else best
    every = "; ".join(told) or "nothing else fitted into the budget"
    return best, f"{best}: {every}"


def _shared(
    one: HeldOut, other: HeldOut
) -> tuple[Indices, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Pictures both were asked about, and what each said."""
    rows, mine, theirs = np.intersect1d(one.rows, other.rows, return_indices=True)
    return rows, one.logits[mine], other.logits[theirs]
