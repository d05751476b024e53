"""Figures that look like people but never move a pixel: mannequins, posters, cardboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engines.boxes import iou_matrix
from pipeline.picture.crop import clip_box
from pipeline.types import Box, Detection, Frame, Track

Patch = npt.NDArray[np.float32]

#: Width and height of a patch in cells.
_CELLS = (12, 24)
#: Luma by which a cell must differ to count, and the share of cells that may: noise of the camera.
_NOISE = 12.0
_SHARE = 0.01
#: Overlap of a detection with a known figure.
_SAME_PLACE = 0.6
#: Seconds between two looks that count at most: nothing is known of the time between.
_MOST_S = 20.0
#: Seconds for which a figure may look different, as behind somebody who passes.
_HIDDEN_S = 10.0
#: Figures known of one camera.
_MOST = 50


@dataclass(slots=True)
class _Watched:
    """Somebody who may be a figure: a patch, and for how long it has looked the same."""

    box: Box
    patch: Patch
    at: float
    same_s: float = 0.0
    other_s: float = 0.0


class Figures:
    """What stands motionless before one camera."""

    def __init__(self, motionless_s: float) -> None:
        self._motionless_s = motionless_s
        self._watched: dict[int, _Watched] = {}
        self._known: list[tuple[Box, Patch]] = []

    def without(self, frame: Frame, detections: Sequence[Detection]) -> tuple[Detection, ...]:
        """Detections that are no known figure. Whoever stands before one looks different."""
        if not self._known or not detections:
            return tuple(detections)
        known = np.array([box for box, _ in self._known], np.float64)
        overlap = iou_matrix(np.array([d.box for d in detections], np.float64), known)
        return tuple(
            detection
            for detection, row in zip(detections, overlap, strict=True)
            if row.max() < _SAME_PLACE or not self._unchanged(frame, *self._known[row.argmax()])
        )

    def found(self, frame: Frame, tracks: Iterable[Track]) -> list[int]:
        """Ids of people, as this frame shows them, who turn out to be figures."""
        here = {track.id: track for track in tracks if not track.predicted}
        self._watched = {id_: one for id_, one in self._watched.items() if id_ in here}
        return [track.id for track in here.values() if self._is_figure(frame, track)]

    def _is_figure(self, frame: Frame, track: Track) -> bool:
        watched = self._watched.get(track.id)
        if watched is None or watched.other_s > _HIDDEN_S:
            patch = _patch(frame, track.box)
            if patch is not None:
                self._watched[track.id] = _Watched(track.box, patch, frame.pts)
            return False
        elapsed = min(frame.pts - watched.at, _MOST_S)
        watched.at = frame.pts
        if not self._unchanged(frame, watched.box, watched.patch):
            watched.other_s += elapsed
            return False
        watched.same_s, watched.other_s = watched.same_s + elapsed, 0.0
        if watched.same_s < self._motionless_s:
            return False
        self._known = [*self._known[-_MOST + 1 :], (watched.box, watched.patch)]
        return True

    def _unchanged(self, frame: Frame, box: Box, before: Patch) -> bool:
        now = _patch(frame, box)
        if now is None:
            return False
        change = now - before
        change -= _middle(change)  # the light may change
        return bool((np.abs(change) > _NOISE).mean() <= _SHARE)


def _middle(values: Patch) -> float:
    """The median: ``np.median`` takes several times as long for so few values."""
    half = values.size // 2
    return float(np.partition(values, (half - 1, half), axis=None)[half - 1 : half + 1].mean())


def _patch(frame: Frame, box: Box) -> Patch | None:
    """The luma of a box in few cells; ``None`` if it is too small to tell anything."""
    x0, y0, x1, y1 = (int(v) for v in clip_box(box, frame))
    if x1 - x0 < _CELLS[0] or y1 - y0 < _CELLS[1]:
        return None
    points = frame.planes.points((x0, y0, x1, y1), max((y1 - y0) // (4 * _CELLS[1]), 1))
    small = cv2.resize(np.ascontiguousarray(points), _CELLS, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
