"""Heights of people who stand on a calibrated floor, and lengths of what they wear, over their
looks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from pipeline.tagging.garments.parts import COVERS, UPPER
from pipeline.tagging.measures.height import TOES_CM, End, Height, height_of, span_of
from pipeline.tagging.measures.plane import Plane
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.parsing import Parsing, cells_of, large_pieces
from pipeline.tagging.tagger import Subject
from pipeline.types import Box, Tag

#: People whose measures are remembered, all cameras together.
_PEOPLE = 512
#: Looks at somebody that a measure is the median of, at most.
_LOOKS = 64
#: Distance to the picture's edge, as a share of its height, from which feet and head are in view.
_EDGE = 0.006
#: Share of a box that nobody else may cover.
_HIDDEN = 0.1
#: Categories whose length from top to hem is told.
_LONG = frozenset(
    {
        *("shirt, blouse", "top, t-shirt, sweatshirt", "sweater", "cardigan", "jacket", "vest"),
        *("coat", "cape", "pants", "shorts", "skirt", "dress", "jumpsuit"),
    }
)
#: Cells a garment needs.
_CELLS = 80
#: Standard error of how far behind the toes a garment ends, cm.
_DEEP = 4.0
#: Share of a garment's cells above its top and below its hem: single cells stick out.
_OUT = 0.01


class People:
    """What was measured of the people of all cameras, by track."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], dict[str, list[Height]]] = OrderedDict()

    def forget(self, source: str) -> None:
        """Let go of a camera's people."""
        for key in [key for key in self._known if key[0] == source]:
            del self._known[key]

    def tags(self, subject: Subject, plane: Plane, settings: MeasureSettings) -> tuple[Tag, ...]:
        """Medians of somebody's measures so far, this look's included if it shows all of them."""
        key = (subject.frame.source, -1 if subject.id is None else subject.id)
        known = self._known.setdefault(key, {})
        self._known.move_to_end(key)
        while len(self._known) > _PEOPLE:
            self._known.popitem(last=False)
        if _whole(subject):
            for name, found in _measured(subject, plane, settings).items():
                looks = known.setdefault(name, [])
                looks[-_LOOKS + 1 :] = [*looks[-_LOOKS + 1 :], found]
        if subject.id is None:
            del self._known[key]
        return tuple(_tag(name, looks, subject.box) for name, looks in known.items())


def _measured(subject: Subject, plane: Plane, settings: MeasureSettings) -> dict[str, Height]:
    """What one look gives, by the label of its tag."""
    found = {}
    if settings.heights and (height := height_of(plane, subject.box)) is not None:
        found["height"] = height
    parsing = subject.given.get("parsing")
    if settings.lengths and isinstance(parsing, Parsing):
        found |= lengths(parsing, subject.box, plane)
    return found


def lengths(parsing: Parsing, box: Box, plane: Plane) -> Mapping[str, Height]:
    """From top to hem, as far as they are seen, of the garments of somebody upright whose feet the
    box (frame pixels) ends with; by the label of the tag."""
    found = {}
    row = (parsing.window[3] - parsing.window[1]) / parsing.labels.shape[0]
    for category in sorted(_LONG & {name for name in parsing.categories if name}):
        members = [i for i, own in enumerate(parsing.categories) if own == category]
        mask = cells_of(parsing.labels, members)
        if np.count_nonzero(mask) < _CELLS:
            continue
        rows = np.flatnonzero(mask := large_pieces(mask)) // mask.shape[1]
        top, hem = np.quantile(rows, (_OUT, 1 - _OUT))
        # Shoulders are above the middle of the body; all else ends on its front, above the toes.
        behind = TOES_CM if UPPER in COVERS[category] else 0.0
        start = parsing.window[1]
        upper = End(start + row * float(top), behind, row / 2, _DEEP)
        span = span_of(plane, box, upper, End(start + row * float(hem + 1), 0.0, row / 2, _DEEP))
        if span is not None:
            found[f"{category} length"] = span
    return found


def _tag(label: str, looks: list[Height], box: Box) -> Tag:
    cm, error = np.median([(one.cm, one.error_cm) for one in looks], axis=0).tolist()
    name = "height_cm" if label == "height" else "length_cm"
    attributes = (("error_cm", f"{error:.0f}"), (name, f"{cm:.0f}"))
    return Tag("measure", label, None, 1.0, box, attributes=attributes)


def _whole(subject: Subject) -> bool:
    """Whether feet and head are in view, and nobody else is in front."""
    x0, y0, x1, y1 = subject.box
    edge = _EDGE * subject.frame.height
    if y0 < edge or x0 < edge or x1 > subject.frame.width - edge:
        return False
    if y1 > subject.frame.height - edge:
        return False
    area = max((x1 - x0) * (y1 - y0), 1e-6)
    return all(_shared(subject.box, other) < _HIDDEN * area for other in subject.others)


def _shared(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
