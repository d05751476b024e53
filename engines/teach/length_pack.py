"""Objects of known length in, a pack out that tells lengths."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch

from engines.base import EngineOptions
from engines.nets.length import LengthNet
from engines.ort import open as open_model  # the engine that is always there
from engines.packs.pack import MASKED, MODEL
from engines.packs.table import FILE
from engines.teach.export import figure_rows, file_rows, write_pack, write_pages
from engines.teach.length_report import LengthOutcome, card, page
from engines.teach.length_training import PASSES, LengthRecipe, LengthTrainer, network, tell
from engines.teach.lengths import LEARNT, TESTED, Lengths
from engines.teach.lesson import Indices, TeachError
from engines.teach.onnx_file import write_onnx
from engines.teach.teaching import Wish, prepare
from engines.teach.watch import Watch

#: ``--target``, and the task of such packs.
LENGTH = "length"
REPORT = "report.html"
CARD = "MODEL_CARD.md"
#: Lengths of the exported file and of the network differ by no more, in cm.
PARITY = 0.01
#: Share of the budget that the training may take; the rest is for writing.
_USED = 0.9
#: Crops the exported file is compared on.
_COMPARED = 8

TOML = """name = {name}
task = "length"
licence = "the backbone's; the pictures it learnt from are their owners'"
source = {source}
size = [{side}, {side}]
pre = "{pre}"
post = "length"

[files]
{files}

[[inputs]]
name = "images"
dtype = "uint8"
shape = ["n", {side}, {side}, 3]
layout = "nhwc"
colour = "rgb"
meaning = "{shown}"

[[inputs]]
name = "boxes"
dtype = "float32"
shape = ["n", 4]
meaning = "x, y, width, height of its box, as shares of the picture's width and height"

[[outputs]]
name = "length"
dtype = "float32"
shape = ["n"]
meaning = "its length in cm"

[tagger]
kind = "length"

[figures]
{figures}
"""


def fingerprint(lesson: Lengths, wish: Wish) -> str:
    """Changes with objects and what was asked for, but not with how long it may take."""
    asked = (LENGTH, wish.device, wish.side, wish.seed, str(wish.weights))
    found = hashlib.sha256(repr(asked).encode())
    for array in (lesson.boxes, lesson.lengths, lesson.part, *lesson.crops):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def make_length_pack(
    lesson: Lengths, wish: Wish, folder: Path, work: Path, watch: Watch
) -> LengthOutcome:
    """Teach, and write the pack ``folder``; ``work`` keeps what an interruption would lose.

    Raises:
        EngineError: it cannot be taught, or not be written.
    """
    try:
        prepare(work, fingerprint(lesson, wish), watch)
        net, outcome = teach_length(lesson, wish, work, watch)
        model = work / MODEL
        rows = lesson.rows(TESTED)[:_COMPARED]
        write_length(net, wish.side, model)
        parity(net, model, lesson, rows)
    except OSError as error:
        raise TeachError(
            f"{error.filename or work}: cannot be written: {error.strerror or error}; free space, "
            "then give the same command again: what was learnt is kept"
        ) from None
    pages = {
        CARD: card(lesson, outcome, wish, folder.name),
        REPORT: page(lesson, outcome, folder.name),
    }

    def filled(made: Path) -> None:
        shutil.copyfile(model, made / MODEL)
        write_pages(made, pages)
        (made / FILE).write_text(_toml(made, lesson, outcome, wish.side), encoding="utf-8")

    write_pack(folder, filled)
    return outcome


def teach_length(
    lesson: Lengths, wish: Wish, work: Path, watch: Watch
) -> tuple[LengthNet, LengthOutcome]:
    """A network that learnt lengths, and how well it tells those it is tested on."""
    begin = time.monotonic()
    learnt = lesson.rows(LEARNT)
    constant = float(np.median(lesson.lengths[learnt]))
    torch.manual_seed(wish.seed)
    net, named = network(wish.weights, constant)
    watch.tell(f"network: {named}")
    batch = LengthRecipe(0).batch
    wanted = PASSES * max(len(learnt) // batch, 1)
    recipe = LengthRecipe(wanted, side=wish.side, seed=wish.seed, network=named)
    trainer = LengthTrainer(lesson, net, recipe, wish.device)
    best = trainer.run(work / "length.pt", watch, wish.seconds * _USED)
    rows = lesson.rows(TESTED)
    return best, LengthOutcome(
        named,
        tell(best, lesson, rows),
        lesson.lengths[rows],
        lesson.occluded[rows],
        constant,
        trainer.done,
        wanted,
        int(trainer.best.step),
        time.monotonic() - begin,
    )


def write_length(net: LengthNet, side: int, path: Path) -> None:
    """Write the ONNX file: ``images`` and ``boxes`` to ``length``."""
    images = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    write_onnx(net, {"images": images, "boxes": torch.zeros(2, 4)}, (LENGTH,), path)


def parity(net: LengthNet, path: Path, lesson: Lengths, rows: Indices) -> float:
    """Largest difference in cm between the network and its ONNX file on some objects.

    Raises:
        TeachError: it is more than ``PARITY``.
    """
    wanted = tell(net, lesson, rows)
    given = {"images": np.stack([lesson.crops[i] for i in rows]), "boxes": lesson.boxes[rows]}
    with open_model(path, EngineOptions(threads=1)) as engine:
        found = engine.infer(given)[LENGTH]
    worst = float(np.abs(found - wanted).max())
    if not worst <= PARITY:
        raise TeachError(f"{path}: lengths differ by {worst:.3f} cm from the network; report this")
    return worst


def _toml(folder: Path, lesson: Lengths, outcome: LengthOutcome, side: int) -> str:
    figures = {
        f"{kind}: mean absolute error, cm": round(error, 4)
        for kind, (_, error, _) in outcome.errors().items()
    }
    source = f"taught lengths from {len(lesson.rows(LEARNT))} objects: {outcome.network}"
    return TOML.format(
        name=json.dumps(folder.name),
        source=json.dumps(source),
        side=side,
        pre=MASKED if lesson.masked else "square",
        shown="an object, black around it" if lesson.masked else "an object's box",
        files=file_rows(folder, MODEL),
        figures=figure_rows(figures),
    )
