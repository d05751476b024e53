"""A lesson in, a pack out."""

from __future__ import annotations

from pathlib import Path

from engines.teach.export import About, parity, write_model, write_pack
from engines.teach.lesson import Lesson
from engines.teach.report import card, page
from engines.teach.teaching import Outcome, Wish, teach
from engines.teach.watch import Watch

#: The page of a pack that shows how well it learnt.
REPORT = "report.html"


def make_pack(lesson: Lesson, wish: Wish, folder: Path, work: Path, watch: Watch) -> Outcome:
    """Teach, and write the pack ``folder``; ``work`` keeps what an interruption would lose.

    Raises:
        TeachError: it cannot be taught, or not be written.
    """
    outcome = teach(lesson, wish, work, watch)
    model = work / "model.onnx"
    write_model(outcome.net, outcome.temperature, wish.side, model)
    pictures = [one.rgb for one in lesson.pictures]
    parity(outcome.net, outcome.temperature, model, pictures, wish.side)
    found = outcome.figures
    about = About(
        name=folder.name,
        source=f"taught by recipe '{outcome.recipe}' from {len(pictures)} pictures",
        figures={
            "accuracy, held out": round(found.accuracy, 4),
            "accuracy, mean of classes": round(found.balanced, 4),
            "expected calibration error": round(found.calibration, 4),
        },
        subject=wish.subject,
        pages={
            "MODEL_CARD.md": card(lesson, outcome, wish, folder.name),
            REPORT: page(lesson, outcome, wish, folder.name),
        },
    )
    write_pack(folder, about, lesson.names, wish.side, model)
    return outcome
