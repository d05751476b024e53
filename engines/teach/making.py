"""A lesson in, a pack out."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np

from engines.base import EngineError
from engines.nets.glsim import TaughtTwice
from engines.nets.taught import Taught
from engines.packs import find
from engines.packs.pack import MODEL, Pack
from engines.packs.table import FILE
from engines.packs.taught import TAUGHT
from engines.teach import head, linear
from engines.teach.export import (
    LEAST,
    About,
    fill,
    silent,
    write_pack,
    write_pages,
)
from engines.teach.lesson import Lesson, TeachError
from engines.teach.onnx_file import look_parity, parity, write_look, write_model
from engines.teach.report import Anatomy, backbone_licence, card, own_network, page
from engines.teach.teaching import (
    HEAD,
    HeldOut,
    Outcome,
    Wish,
    fingerprint,
    outcome,
    parts,
    prepare,
    teach,
)
from engines.teach.watch import Watch

#: The page of a pack that shows how well it learnt.
REPORT = "report.html"
CARD = "MODEL_CARD.md"
#: What the recipe ``head`` adds to.
PARSER = "garments-lite0-int8"


def make_pack(lesson: Lesson, wish: Wish, folder: Path, work: Path, watch: Watch) -> Outcome:
    """Teach, and write the pack ``folder``; ``work`` keeps what an interruption would lose.

    Raises:
        TeachError: it cannot be taught, or not be written.
    """
    how = _add_to_parser if wish.recipe == HEAD else _own_network
    try:
        return how(lesson, wish, folder, work, watch)
    except EngineError:
        raise
    except OSError as error:
        raise TeachError(
            f"{error.filename or work}: cannot be written: {error.strerror or error}; free space, "
            "then give the same command again: what was learnt is kept"
        ) from None


def _own_network(lesson: Lesson, wish: Wish, folder: Path, work: Path, watch: Watch) -> Outcome:
    """A classifier by itself."""
    net, learnt = teach(lesson, wish, work, watch)
    model = work / MODEL
    _exported(net, learnt, lesson, wish.side, model)
    found, glance = learnt.figures, learnt.glance
    anatomy = own_network(wish.side, len(lesson.names), wish.weights, glance is not None)
    about = About(
        name=folder.name,
        source=_source(lesson, learnt),
        licence=backbone_licence(wish.weights),
        figures={
            "accuracy, held out": round(found.accuracy, 4),
            "accuracy, mean of classes": round(found.balanced, 4),
            "expected calibration error": round(found.calibration, 4),
        },
        subject=wish.subject,
        again_below=glance.below if glance is not None else 0.0,
        width=net.fc.in_features,
        pages={
            CARD: card(lesson, learnt, wish, folder.name, anatomy),
            REPORT: page(lesson, learnt, folder.name),
        },
    )
    write_pack(folder, lambda made: fill(made, about, lesson.names, wish.side, model))
    return learnt


def _exported(net: Taught, learnt: Outcome, lesson: Lesson, side: int, model: Path) -> None:
    """Write what was learnt as an ONNX file, and compare the two."""
    pictures = [one.rgb for one in lesson.pictures]
    if isinstance(net, TaughtTwice) and learnt.glance is not None:
        temperatures = learnt.glance.temperature, learnt.temperature
        write_look(net, temperatures, side, model)
        look_parity(net, temperatures, model, pictures, side)
    else:
        write_model(net, learnt.temperature, side, model)
        parity(net, learnt.temperature, model, pictures, side)


def _source(lesson: Lesson, learnt: Outcome) -> str:
    return f"taught by recipe '{learnt.recipe}' from {len(lesson.pictures)} pictures"


def _add_to_parser(lesson: Lesson, wish: Wish, folder: Path, work: Path, watch: Watch) -> Outcome:
    """The shipped garment parser with one more output."""
    begin = time.monotonic()
    prepare(work, fingerprint(lesson, wish), watch)
    parser = find(PARSER)
    seen = head.features(parser, [one.rgb for one in lesson.pictures], work, watch)
    fold_of, classes, count = parts(lesson, wish.seed), lesson.classes, len(lesson.names)
    strength = linear.best_strength(seen, classes, fold_of, count)
    logits = linear.held_out(seen, classes, fold_of, count, strength)
    told = f"regularisation {strength:g}, by cross-validation"
    tried = {HEAD: HeldOut(np.arange(len(classes)), logits, told)}
    learnt = outcome(HEAD, tried, f"'{HEAD}' was asked for", lesson, time.monotonic() - begin)
    final = linear.fit(linear.flat(seen), linear.repeated(classes, seen), count, strength)
    added = head.Head(final, learnt.temperature)
    model = work / MODEL
    head.add_head(parser.path, added, model)
    head.checked(model, added, lesson, seen, parser.size)

    def filled(made: Path) -> None:
        _fill_parser(made, parser, model, lesson, learnt)
        anatomy = Anatomy(
            f"`{PARSER}` as shipped (Apache-2.0; its card: `threadline models show {PARSER}`), and"
            "\n  one linear layer on the features that its own heads hear.",
            f"as `{PARSER}`.",
            f"as `{PARSER}`, and `taught` float32 (N, {count}), a softmax",
        )
        about = card(lesson, learnt, wish, folder.name, anatomy)
        write_pages(made, {CARD: about, REPORT: page(lesson, learnt, folder.name)})

    write_pack(folder, filled)
    return learnt


def _fill_parser(made: Path, parser: Pack, model: Path, lesson: Lesson, learnt: Outcome) -> None:
    """Write the files of a parser that was taught: its own, but for the model, and the labels."""
    for name in parser.files:
        shutil.copyfile(model if name == MODEL else parser.folder / name, made / name)
    labels = {
        "report": made.name,
        "labels": lesson.names,
        "least": LEAST,
        "ignore": silent(lesson.names),
    }
    (made / TAUGHT).write_text(json.dumps(labels, ensure_ascii=False, indent=1), "utf-8")
    text = head.pack_text(parser, made, len(lesson.names), _source(lesson, learnt))
    (made / FILE).write_text(text, "utf-8")
