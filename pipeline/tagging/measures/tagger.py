"""Sizes, as a tagger: of objects on a plane, in whole pictures; of people, at each look at them."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.picture.still import load_image
from pipeline.settings.section import PerSource
from pipeline.tagging.measures.height import Height, height_of
from pipeline.tagging.measures.plane import Plane
from pipeline.tagging.measures.scene import Scene
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.tagger import (
    Evidence,
    Kind,
    Memory,
    Opener,
    Priority,
    Schedule,
    Subject,
    Tagger,
)
from pipeline.types import Box, Frame, Rgb, Tag

_log = logging.getLogger("threadline.measures")
#: People whose heights are remembered, all cameras together.
_PEOPLE = 512
#: Looks at somebody that a height is the median of, at most.
_LOOKS = 64
#: Distance to the picture's edge, as a share of its height, from which feet and head are in view.
_EDGE = 0.006
#: Share of a box that nobody else may cover.
_HIDDEN = 0.1


class MeasureTagger(Tagger):
    """Measures what lies or stands on a camera's calibrated plane."""

    name = "measures"
    wants = frozenset({"person", "frame"})
    settled = frozenset({"frame"})

    def __init__(self, settings: PerSource[MeasureSettings]) -> None:
        super().__init__(settings)
        self._scenes: dict[str, Scene] = {}
        self._heights: OrderedDict[tuple[str, int], list[Height]] = OrderedDict()

    def need(self, subject: Subject, memory: Memory, schedule: Schedule) -> Priority | None:
        settings = self.settings.of(subject.frame.source)
        return super().need(subject, memory, schedule) if settings.heights else None

    def every_s(self, kind: Kind, source: str) -> float:
        settings = self.settings.of(source)
        # Pictures of no camera are no series: nothing tells what lies there from the plane.
        return float(settings.every_s) if source and kind == "frame" and settings.wanted else 0.0

    def forget(self, source: str) -> None:
        self._scenes.pop(source, None)
        for key in [key for key in self._heights if key[0] == source]:
            del self._heights[key]

    def look(self, subjects: Sequence[Subject]) -> list[Evidence]:
        return [Evidence(self._tags(subject)) for subject in subjects]

    def _tags(self, subject: Subject) -> tuple[Tag, ...]:
        frame = subject.frame
        settings: MeasureSettings = self.settings.of(frame.source)
        if settings.plane is None:
            return ()
        scene = self._scene(frame, settings)
        if scene.plane is None:
            return ()
        if subject.kind == "frame":
            return scene.look(frame)
        height = self._height(subject, scene.plane) if not scene.moved else None
        return () if height is None else (_height_tag(height, subject.box),)

    def _scene(self, frame: Frame, settings: MeasureSettings) -> Scene:
        scene = self._scenes.get(frame.source)
        if scene is None or not scene.fits(frame, settings):
            scene = self._scenes[frame.source] = open_scene(frame, settings)
        return scene

    def _height(self, subject: Subject, plane: Plane) -> Height | None:
        """The median of somebody's heights so far, this look's included if it shows all of them."""
        key = (subject.frame.source, -1 if subject.id is None else subject.id)
        known = self._heights.setdefault(key, [])
        self._heights.move_to_end(key)
        while len(self._heights) > _PEOPLE:
            self._heights.popitem(last=False)
        if _whole(subject) and (height := height_of(plane, subject.box)) is not None:
            known[-_LOOKS + 1 :] = [*known[-_LOOKS + 1 :], height]
        if subject.id is None:
            del self._heights[key]
        if not known:
            return None
        middle = float(np.median([one.cm for one in known]))
        return Height(middle, float(np.median([one.error_cm for one in known])))


def open_scene(frame: Frame, settings: MeasureSettings) -> Scene:
    """What is kept of a camera, for pictures like this frame. What does not fit is reported once,
    and the camera is not measured on."""
    size = (frame.width, frame.height)
    try:
        assert settings.plane is not None
        plane = Plane(settings.plane, size)
        empty, reference = (_picture(name, size) for name in (settings.empty, settings.reference))
    except (ConfigError, OSError) as error:
        _log.warning("%s: not measured: %s", frame.source, error)
        return Scene(None, settings, size)
    return Scene(plane, settings, size, empty, reference)


def _picture(name: str, size: tuple[int, int]) -> Rgb | None:
    if not name:
        return None
    image: Rgb = np.ascontiguousarray(load_image(Path(name))[..., ::-1])
    if image.shape[1::-1] != size:
        raise ConfigError(
            f"{name}: is {image.shape[1]} x {image.shape[0]}, the camera's pictures are "
            f"{size[0]} x {size[1]}"
        )
    return image


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


def _height_tag(height: Height, box: Box) -> Tag:
    attributes = (("error_cm", f"{height.error_cm:.0f}"), ("height_cm", f"{height.cm:.0f}"))
    return Tag("measure", "height", None, 1.0, box, attributes=attributes)


def open_tagger(settings: PerSource[Any], models: Opener) -> MeasureTagger:
    """Nothing is opened: it needs no model."""
    return MeasureTagger(settings)
