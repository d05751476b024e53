"""Whether a mark is the brand it looks most like: a probability, from all that is known of it.

The weights are fitted on marks that no network was trained on and no figure is measured on
(``tools/train_logos.py calibrate``), in galleries of one brand to thousands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log2, log10
from types import MappingProxyType
from typing import Literal

from pipeline.tagging.logos.colours import F32

#: How sure a brand must be before it is reported, from the surest.
Level = Literal["strict", "normal", "lenient"]
LEVELS: tuple[Level, ...] = ("strict", "normal", "lenient")
#: Of two brands nearer to each other than this, neither is reported: it would be by chance.
LEAST_MARGIN = 0.02
#: Margins beyond which more of it says nothing.
MOST_MARGIN = 0.4
#: Sides in pixels between which the size of a mark tells something.
LEAST_SIDE = 12.0
MOST_SIDE = 128.0
#: Brands beyond which a gallery is not counted as larger.
MOST_BRANDS = 5000


@dataclass(frozen=True, slots=True)
class View:
    """How well a mark was seen: its longer side in pixels of the frame, the detector's score, and
    how much of it has each hue (``HUES``,), if that was looked at."""

    side: float = 64.0
    score: float = 0.5
    hues: F32 | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much a crop looks like the nearest brand.

    Attributes:
        best: cosine to its nearest picture.
        second: cosine to the nearest picture of any other brand; -1 if there is none.
        rival: cosine to what of the background is nearest, the brand's own marks left out.
        rank: share of the brand's pictures (of four at most) that are nearer than all those.
        brands: brands in the gallery.
        colour: how much more of the brand's own colours is there than tells nothing; 0 where the
            nearest picture has not several.
    """

    best: float
    second: float
    rival: float
    rank: float
    brands: int
    colour: float = 0.0

    @property
    def margin(self) -> float:
        """By how much the brand is nearer than anything else."""
        return self.best - max(self.second, self.rival)


#: What the decision weighs.
FEATURES = (
    "bias",
    "likeness",
    "margin",
    "rival",
    "rank",
    "side",
    "score",
    "brands",
    "hues",
)


def features(likeness: Likeness, view: View) -> dict[str, float]:
    """What the decision weighs, by name."""
    one = likeness.second if likeness.second > -1 else likeness.rival
    side = min(max(view.side, LEAST_SIDE), MOST_SIDE)
    return {
        "bias": 1.0,
        "likeness": likeness.best,
        "margin": min(likeness.best - one, MOST_MARGIN),
        "rival": min(likeness.best - likeness.rival, MOST_MARGIN),
        "rank": likeness.rank,
        "side": log2(side / 48.0),
        "score": view.score,
        "brands": log10(min(likeness.brands, MOST_BRANDS)),
        "hues": likeness.colour,
    }


def _guessed() -> Mapping[str, float]:
    """Weights of a model for which none were fitted."""
    return MappingProxyType({"bias": -13.0, "likeness": 20.0, "margin": 60.0})


def _none() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Decision:
    """The fitted weights, by feature, the least probability of each level, and the least cosine to
    the nearest picture of a brand whose name was read."""

    weights: Mapping[str, float] = field(default_factory=_guessed)
    levels: Mapping[str, float] = field(default_factory=_none)
    lettered: float = 0.25

    def probability(self, likeness: Likeness, view: View) -> float:
        """That a crop shows the brand it looks most like; 0 if another is as near."""
        if likeness.best - likeness.second < LEAST_MARGIN:
            return 0.0
        logit = sum(
            self.weights.get(name, 0.0) * value for name, value in features(likeness, view).items()
        )
        return 1 / (1 + exp(-min(max(logit, -30.0), 30.0)))

    def least(self, level: Level) -> float:
        """The probability from which a brand is reported; one half where nothing was fitted."""
        return self.levels.get(level, 0.5)


def decision_of(thresholds: Mapping[str, float]) -> Decision:
    """What was fitted for a model, as its pack has it."""
    levels: dict[str, float] = {level: thresholds[level] for level in LEVELS if level in thresholds}
    weights = {name: value for name, value in thresholds.items() if name in FEATURES}
    fitted = MappingProxyType(weights) if "bias" in weights else _guessed()
    return Decision(fitted, levels, thresholds.get("lettered", 0.25))
