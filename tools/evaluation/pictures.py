"""Figures people would rather look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from training.report import Counts, by_category

mpl.use("Agg")


def confusion(
    counts: Counts, names: Sequence[str], categories: Sequence[str | None], path: Path
) -> None:
    """Share of each category's true pixels by what was said, as a heat map."""
    grouped, known = by_category(counts, categories)
    shown = np.flatnonzero(grouped.sum(axis=1) > 0)
    part = grouped[np.ix_(shown, shown)]
    shares = part / part.sum(axis=1, keepdims=True)
    labels = [known[i] or "no garment" for i in shown]
    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_xlabel("said")
    axes.set_ylabel("true")
    for i, j in zip(*np.nonzero(shares >= 0.05), strict=True):
        dark = shares[i, j] > 0.5
        axes.text(
            j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=7,
            color="white" if dark else "black",
        )  # fmt: skip
    axes.set_title("Pixels of each category by what was said, in percent")
    figure.savefig(path, dpi=110)


def bars(values: Mapping[str, float], path: Path) -> None:
    """One bar per label, best first."""
    ordered = sorted(values.items(), key=lambda item: item[1])
    figure = Figure(figsize=(7, 0.22 * len(ordered) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh([name for name, _ in ordered], [value for _, value in ordered], color="#3b75af")
    axes.set_xlim(0, 1)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel("pixel recall")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=110)
