"""Sizes, as a tagger: of objects on a plane, in whole pictures; of people, at each look at them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from engines.base import EngineError
from pipeline.errors import ConfigError
from pipeline.picture.still import load_image
from pipeline.settings.section import PerSource
from pipeline.tagging.measures.people import People
from pipeline.tagging.measures.plane import Plane
from pipeline.tagging.measures.scene import Scene
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.packs.lengths import TaughtLengths
from pipeline.tagging.packs.masks import Mask
from pipeline.tagging.packs.opening import open_lengths, open_segmenter
from pipeline.tagging.packs.segmenter import Segmenter
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
from pipeline.types import Frame, Rgb, Tag

_log = logging.getLogger("threadline.measures")
T = TypeVar("T")
#: What a run goes on without where a pack cannot be used.
NO_OBJECTS = "no objects are measured"
NO_LENGTHS = "lengths are told by masks alone"


class MeasureTagger(Tagger):
    """Measures what lies or stands on a camera's calibrated plane."""

    name = "measures"
    wants = frozenset({"person", "frame"})
    settled = frozenset({"frame"})

    def __init__(
        self,
        settings: PerSource[MeasureSettings],
        masks: Segmenter | None = None,
        taught: TaughtLengths | None = None,
    ) -> None:
        super().__init__(settings)
        self._masks, self._taught = masks, taught
        self._scenes: dict[str, Scene] = {}
        self._people = People()

    def need(self, subject: Subject, memory: Memory, schedule: Schedule) -> Priority | None:
        settings = self.settings.of(subject.frame.source)
        measured = settings.heights or settings.lengths
        return super().need(subject, memory, schedule) if measured else None

    def every_s(self, kind: Kind, source: str) -> float:
        settings = self.settings.of(source)
        # Pictures of no camera are no series: nothing tells what lies there from the plane.
        return float(settings.every_s) if source and kind == "frame" and settings.wanted else 0.0

    def forget(self, source: str) -> None:
        self._scenes.pop(source, None)
        self._people.forget(source)

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
            return self._looked(scene, frame)
        return () if scene.moved else self._people.tags(subject, scene.plane, settings)

    def _looked(self, scene: Scene, frame: Frame) -> tuple[Tag, ...]:
        """What lies on the plane. A pack that fails is one warning, and used no more."""
        try:
            return scene.look(frame, self._masks, self._tell)
        except EngineError as error:
            _not_used(self.settings.of("").masks, NO_OBJECTS, error)
            self._masks = None
            return ()

    def _tell(self, picture: Rgb, found: Sequence[tuple[tuple[int, int], Mask]]) -> list[float]:
        """Lengths by the pack that was taught them. One that fails is used no more."""
        if self._taught is None:
            return []
        try:
            return self._taught.tell(picture, found)
        except EngineError as error:
            _not_used(self._taught.name, NO_LENGTHS, error)
            self._taught = None
            return []

    def _scene(self, frame: Frame, settings: MeasureSettings) -> Scene:
        scene = self._scenes.get(frame.source)
        if scene is None or not scene.fits(frame, settings):
            scene = self._scenes[frame.source] = open_scene(frame, settings)
        return scene


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


def open_tagger(settings: PerSource[Any], models: Opener) -> MeasureTagger:
    """The packs that give masks and tell lengths, if they are named; one that cannot run is one
    warning."""
    base = settings.of("")
    return MeasureTagger(
        settings,
        _opened(open_segmenter, base.masks, NO_OBJECTS, base.accept_licence, models),
        _opened(open_lengths, base.taught, NO_LENGTHS, base.accept_licence, models),
    )


def _opened(
    how: Callable[[str, bool, Opener], T], name: str, without: str, accepted: bool, models: Opener
) -> T | None:
    """A pack, if one is named and can run."""
    if not name:
        return None
    try:
        return how(name, accepted, models)
    except (EngineError, OSError, MemoryError) as error:
        _not_used(name, without, error)
        return None


def _not_used(pack: str, without: str, error: BaseException) -> None:
    said = next(iter(str(error).splitlines()), type(error).__name__)  # engines say more
    _log.warning("pack %s is not used, %s: %s", pack, without, said)
