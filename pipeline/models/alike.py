"""How alike the outputs of two engines are over some pictures, and what is let pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

#: Cells of a label in the reference from which its share is judged by itself, over all pictures,
ENOUGH = 300
#: and as a share of all cells with garments: of the rarest, rounding moves a good part.
ENOUGH_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Share:
    """A sum over some things, and how many they are."""

    same: float = 0
    total: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(self.same + other.same, self.total + other.total)

    @property
    def value(self) -> float:
        """The mean; 1 if there is nothing to compare."""
        return self.same / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is let pass; the names are those of ``Parity.values``, and of what each is there."""

    agree: float
    garments: float
    worst: float
    tags: float
    overlap: float
    cosine: float
    moved: float
    apart: float
    drift: float


#: By precision. Measured on the pictures that come with the program (with noise and without), on 20
#: street photos and on 20 everyday photos, each set by itself, on ONNX Runtime and on OpenVINO: the
#: graphs given to TensorRT for f32 and f16, the shipped twins for INT8. The worst value of a model
#: on any set; the limits leave a margin, because processors differ in INT8 (these two engines do by
#: 0.02 of the garments). They leave none for eight bits that overflow, on x86 without VNNI; a
#: detector lacked a tenth of its boxes there (agree 0.895, overlap 0.914, drift 0.498):
#:
#:              f32      f16      INT8 twins
#:   agree      1.000    1.000    0.994
#:   garments   1.000    0.991    0.848
#:   worst      1.000    0.976    0.506   what was dropped or exchanged has 0
#:   tags       1.000    1.000    1.000
#:   overlap    1.000    0.990    0.958
#:   cosine     1.0000   0.9997   0.988   the embedder has no twin: symmetric INT8, as TensorRT's
#:   moved      0.000    0.002    0.005
#:   apart      0.000    0.074    0.178   a tag that is forgotten had 0.5 or more
#:   drift      0.000    0.037    0.266
LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "f32": Limits(
            agree=0.995,
            garments=0.99,
            worst=0.97,
            tags=0.995,
            overlap=0.995,
            cosine=0.9999,
            moved=0.002,
            apart=0.02,
            drift=0.02,
        ),
        "f16": Limits(
            agree=0.98,
            garments=0.97,
            worst=0.90,
            tags=0.97,
            overlap=0.98,
            cosine=0.999,
            moved=0.005,
            apart=0.15,
            drift=0.06,
        ),
        "int8": Limits(
            agree=0.90,
            garments=0.80,
            worst=0.35,
            tags=0.90,
            overlap=0.93,
            cosine=0.97,
            moved=0.02,
            apart=0.35,
            drift=0.35,
        ),
    }
)
#: In words, what must be at least so much
_LEAST: Mapping[str, str] = MappingProxyType(
    {
        "agree": "{:.3f} of boxes or classes are the same",
        "garments": "{:.3f} of the cells either side calls a garment have the same label",
        "worst": "{:.3f} of the cells of its worst label ({label}) keep it",
        "tags": "{:.3f} of the tags of the pictures are the same",
        "overlap": "boxes overlap by {:.3f} on average",
        "cosine": "embeddings have cosine {:.4f}",
    }
)
#: and what at most.
_MOST: Mapping[str, str] = MappingProxyType(
    {
        "moved": "boxes are moved or resized by {:.3f} of their size on average",
        "apart": "a probability differs by {:.3f}",
        "drift": "values differ by {:.3f} of themselves on average",
    }
)


def _none() -> Mapping[str, Share]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Parity:
    """How alike two engines are over some pictures. Nothing compared looks the same.

    Attributes:
        agree: boxes, classes or whole numbers that are the same.
        garments: cells that either side calls a garment, and that have one label on both.
        labels: name of a garment -> its cells in the reference, and how many keep the label.
        tags: labels and categories that are likely on either side, and that are so on both.
        overlap: boxes found on both sides, and the sum of their intersections over unions.
        moves: sums over the same boxes of what their centre moved right and down, and their width
            and height grew, each in shares of the box. Rounding does all this at random; one
            that runs and is wrong does it to every box.
        apart: largest difference of a probability.
        drift: largest mean difference of a picture's likeliest scores (or of all numbers, where the
            pack does not say what they are), as a share of them: what can be compared where
            nothing is found.
        cosine: least cosine of two embeddings.
        pictures: how many were compared.
    """

    agree: Share = Share()
    garments: Share = Share()
    labels: Mapping[str, Share] = field(default_factory=_none)
    tags: Share = Share()
    overlap: Share = Share()
    moves: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    apart: float = 0.0
    drift: float = 0.0
    cosine: float = 1.0
    pictures: int = 0

    @property
    def worst(self) -> tuple[str, float]:
        """Of every label with enough cells, the one that keeps the least of them, and its share;
        nameless and 1 if none has enough."""
        enough = max(ENOUGH, ENOUGH_SHARE * self.garments.total)
        shares = [(n, s.value) for n, s in self.labels.items() if s.total >= enough]
        return min(shares, key=lambda one: (one[1], one[0]), default=("", 1.0))

    @property
    def values(self) -> dict[str, float]:
        """What is judged, by the names of ``Limits``."""
        return {
            "agree": self.agree.value,
            "garments": self.garments.value,
            "worst": self.worst[1],
            "tags": self.tags.value,
            "overlap": self.overlap.value,
            "cosine": self.cosine,
            "moved": max(map(abs, self.moves)) / max(self.overlap.total, 1),
            "apart": self.apart,
            "drift": self.drift,
        }

    def merged(self, other: Parity) -> Parity:
        """Both taken together."""
        names = sorted({*self.labels, *other.labels})
        none = Share()
        labels = {n: self.labels.get(n, none) + other.labels.get(n, none) for n in names}
        a, b = self.moves, other.moves
        return Parity(
            agree=self.agree + other.agree,
            garments=self.garments + other.garments,
            labels=MappingProxyType(labels),
            tags=self.tags + other.tags,
            overlap=self.overlap + other.overlap,
            moves=(a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]),
            apart=max(self.apart, other.apart),
            drift=max(self.drift, other.drift),
            cosine=min(self.cosine, other.cosine),
            pictures=self.pictures + other.pictures,
        )

    def failures(self, precision: str) -> list[str]:
        """What is not let pass in a precision, in words."""
        limits, values, label = LIMITS[precision], self.values, self.worst[0]
        found = []
        for name in (limit.name for limit in fields(Limits)):
            value, limit = values[name], getattr(limits, name)
            if name in _LEAST and not value >= limit:
                found.append(f"{_LEAST[name].format(value, label=label)} (at least {limit})")
            elif name in _MOST and not value <= limit:
                found.append(f"{_MOST[name].format(value)} (at most {limit})")
        return found

    def record(self, precision: str) -> dict[str, Any]:
        """As JSON has it, with what is not let pass in a precision. Only what was compared is
        there, but for the first and the last three."""
        known = {name: round(value, 4) for name, value in self.values.items()}
        for name, share in (
            ("garments", self.garments),
            ("worst", self.garments),
            ("tags", self.tags),
            ("overlap", self.overlap),
            ("moved", self.overlap),
        ):
            if not share.total:
                del known[name]
        label = {"worst_label": self.worst[0]} if self.worst[0] else {}
        counted = self.agree.total + self.garments.total
        more = {"of": counted, "pictures": self.pictures, "failures": self.failures(precision)}
        return {**known, **label, **more}
