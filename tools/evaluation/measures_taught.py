"""Both ways to a length on made belts: by mask and calibration, and by a regression that is taught
on other belts."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from engines import Packs
from engines.packs import read_pack
from engines.teach.length_pack import make_length_pack
from engines.teach.lengths import LEARNT
from engines.teach.teaching import Wish
from engines.teach.watch import Unwatched
from evaluation.belt_folder import belt_folder
from evaluation.measures import folder_figures
from pipeline.models.length_lesson import read_lengths

#: Pixels of a side of a crop, and seconds of teaching.
SIDE = 64
SECONDS = 300.0


def evaluate(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """The table of ``tools/evaluate.py measures-taught``."""
    with tempfile.TemporaryDirectory() as place:
        folder, work, pack = (Path(place) / name for name in ("belts", "work", "made-belts"))
        plane = belt_folder(folder, args.seed)
        work.mkdir()
        wish = Wish("auto", SECONDS, side=SIDE, seed=args.seed)
        lesson = read_lengths(folder, SIDE)
        outcome = make_length_pack(lesson, wish, pack, work, Unwatched())
        figures: dict[str, float] = {
            "objects learnt from": len(lesson.rows(LEARNT)),
            "steps": outcome.steps,
        }
        for kind, (_, _, constant) in outcome.errors().items():
            figures[f"always telling the median, {kind}: mean absolute error, cm"] = constant
        return figures | folder_figures(folder, plane, read_pack(pack))
