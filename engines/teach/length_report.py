"""What a regression of lengths brought, as a page to look at and a model card."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.teach.lengths import CHOSEN_BY, F32, LEARNT, TESTED, Lengths
from engines.teach.report import STYLE, figure_of, plot
from engines.teach.teaching import Wish

#: The model card.
CARD_TEXT = """# {name}

A crop of an object and where it was in, its length in cm out.

- **Network**: {outcome.network}; its features and the box go through two layers of 1000 and 500
  numbers (the regression of AutoFish, arXiv 2501.03767).
- **Input**: `images` uint8 RGB (N, {side}, {side}, 3), the object in the middle of a square, all
  that is not the object black; `boxes` float32 (N, 4), x, y, width and height of its box as shares
  of the picture's.
- **Output**: `length` float32 (N), cm.
- **Licence**: the backbone's own (EfficientNet-Lite0: Apache-2.0); the pictures are their owners'.

## Data

{learnt} objects to learn from, {chosen} to choose the best step by, {tested} to test on; objects of
one group are never parted. Found in them:

{notes}

## Training

`threadline teach --target length --seed {wish.seed}`: mean absolute error, Adam, {outcome.steps} of
{outcome.wanted} steps within the budget, of which step {outcome.best} was best and is in the file.

## Figures

On the objects to test on, which it did not learn from.

| objects | number | mean absolute error, cm | the same for always telling the median, cm |
|---|---|---|---|
{rows}

## Limits

It knows this camera, this lens and this distance alone: a centimetre is as many pixels as in the
pictures it learnt from. Move the camera, and teach it anew.
"""


@dataclass(frozen=True, slots=True, eq=False)
class LengthOutcome:
    """How well was learnt, on the objects to test on.

    Attributes:
        network: what learnt, and from what it started.
        told, true: lengths in cm (n,).
        occluded: which of them are (n,).
        constant: median of the lengths it learnt from.
        steps, wanted, best: steps made, steps of the whole recipe, and the step that is kept.
    """

    network: str
    told: F32
    true: F32
    occluded: npt.NDArray[np.bool_]
    constant: float
    steps: int
    wanted: int
    best: int
    seconds: float

    def errors(self) -> dict[str, tuple[int, float, float]]:
        """Objects, mean absolute error, and that of the constant, by occlusion."""
        every = np.ones(len(self.true), bool)
        kinds = {"all": every, "separate": ~self.occluded, "occluded": self.occluded}
        return {
            name: (
                int(own.sum()),
                float(np.abs(self.told - self.true)[own].mean()),
                float(np.abs(self.constant - self.true)[own].mean()),
            )
            for name, own in kinds.items()
            if own.any()
        }


def card(lesson: Lengths, outcome: LengthOutcome, wish: Wish, name: str) -> str:
    """The model card, Markdown."""
    rows = "\n".join(
        f"| {kind} | {count} | {error:.2f} | {constant:.2f} |"
        for kind, (count, error, constant) in outcome.errors().items()
    )
    notes = "\n".join(f"- {note.replace('<', '&lt;')}" for note in lesson.notes)
    sizes = {
        what: len(lesson.rows(part))
        for what, part in (("learnt", LEARNT), ("chosen", CHOSEN_BY), ("tested", TESTED))
    }
    facts = {"name": name, "side": wish.side, "rows": rows, "notes": notes or "- nothing odd"}
    return CARD_TEXT.format(**facts, **sizes, outcome=outcome, wish=wish)


def page(lesson: Lengths, outcome: LengthOutcome, name: str) -> str:
    """The report, one HTML file without anything from elsewhere."""
    rows = "".join(
        f"<tr><td>{kind}</td><td class=n>{count}</td><td class=n>{error:.2f}</td>"
        f"<td class=n>{constant:.2f}</td></tr>"
        for kind, (count, error, constant) in outcome.errors().items()
    )
    notes = "".join(f'<p class="note">{html.escape(note)}</p>' for note in lesson.notes)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(name)}</title><style>{STYLE}</style>
<h1>{html.escape(name)}</h1>
<p>{html.escape(outcome.network)}; {outcome.steps} of {outcome.wanted} steps, {outcome.seconds:.0f}
s; step {outcome.best} was best on the groups to choose by and is in the file.</p>
<table><tr><th>objects to test on</th><th>number</th><th>mean absolute error, cm</th>
<th>always telling {outcome.constant:.1f} cm</th></tr>{rows}</table>
{notes}
<h2>Told and true</h2>{plot(_scatter(outcome))}</html>
"""


def _scatter(outcome: LengthOutcome) -> Any:
    """Lengths told against true ones."""
    figure = figure_of(5.5, 5)
    axes = figure.subplots()
    ends = [float(f(np.concatenate([outcome.told, outcome.true]))) for f in (np.min, np.max)]
    axes.plot(ends, ends, color="#999", linestyle="--", linewidth=1)
    for name, own, colour in (
        ("separate", ~outcome.occluded, "#20639b"),
        ("occluded", outcome.occluded, "#c0392b"),
    ):
        axes.scatter(outcome.true[own], outcome.told[own], s=8, alpha=0.6, color=colour, label=name)
    axes.set(xlabel="true, cm", ylabel="told, cm")
    axes.legend()
    return figure
