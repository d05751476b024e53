"""One camera's plane over time: what is empty, what lies on it, and whether the camera moved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from pipeline.tagging.measures.belt import EmptyPlane, Instance, instances, lit_alike, spread_mask
from pipeline.tagging.measures.follow import Followed, Follower
from pipeline.tagging.measures.masks import masked
from pipeline.tagging.measures.plane import Plane
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.measures.shape import Measure, State, measure
from pipeline.tagging.measures.steady import Steadiness
from pipeline.tagging.packs.masks import Mask
from pipeline.tagging.packs.segmenter import Segmenter
from pipeline.types import Box, Frame, Rgb, Tag

_log = logging.getLogger("threadline.measures")
#: Seconds between two looks at whether the camera moved.
_STEADY_S = 0.5
#: Pictures that must show an object before it is reported.
_SEEN = 2
#: Looks at an object whose length a pack tells.
_TOLD = 8
#: States, what is worse behind.
_WORSE: tuple[State, ...] = ("whole", "overlapping", "cut")
#: Lengths in cm of objects in a picture, by where their masks begin and the masks; nothing where
#: that cannot be told.
Tell = Callable[[Rgb, Sequence[tuple[tuple[int, int], Mask]]], list[float]]
#: An object, and what shows it in a picture.
_Seen = tuple[Followed, Instance]
#: Labels of what is said instead of sizes.
MOVED = "camera moved"
COVERED = "view covered"


class Scene:
    """What is kept of one camera.

    Attributes:
        plane: ``None`` where it does not fit the pictures: nothing is measured.
        moved: the camera looks elsewhere than at its calibration; sizes are withheld.
    """

    def __init__(
        self,
        plane: Plane | None,
        settings: MeasureSettings,
        size: tuple[int, int],
        empty: Rgb | None = None,
        reference: Rgb | None = None,
    ) -> None:
        self.plane, self.moved = plane, False
        self._settings, self._size = settings, size
        self._empty = EmptyPlane(settings.learn_s, empty)
        self._follower = Follower(settings.lost_s)
        self._steady = self._steadiness(reference) if reference is not None else None
        self._steady_at = self._at = float("-inf")

    def fits(self, frame: Frame, settings: MeasureSettings) -> bool:
        """Whether a frame goes on with this scene: same settings and size, and time goes on."""
        same = settings is self._settings or settings == self._settings
        return same and self._size == (frame.width, frame.height) and frame.pts >= self._at

    def look(
        self, frame: Frame, masks: Segmenter | None = None, tell: Tell | None = None
    ) -> tuple[Tag, ...]:
        """What lies on the plane now.

        Args:
            masks: finds it, where that is set; ``None`` where it cannot run: nothing is found.
            tell: tells lengths besides.

        Raises:
            EngineError: ``masks`` cannot run.
        """
        self._at = frame.pts
        picture = frame.rgb()
        whole: Box = (0.0, 0.0, float(frame.width), float(frame.height))
        self._watch(frame, picture)
        if self.moved:
            return (Tag("measure", MOVED, None, 1.0, whole),)
        if not self._settings.objects or self.plane is None:
            return ()
        if not self._by_belt:
            if masks is None:
                return ()
            shown = masked(masks.look(frame), self._size, self._least_px(self.plane))
            found = self._followed(shown, self.plane, frame.pts)
            self._ask(tell, picture, found, ("whole", "overlapping"))
            return reported(found, masks.name)
        if not self._empty.learn(picture, frame.pts) or self._empty.picture is None:
            return ()
        differing = self._differing(picture, self._empty.picture, self._least_px(self.plane))
        if differing is None:
            return (Tag("measure", COVERED, None, 1.0, whole),)
        self._empty.follow(picture, spread_mask(differing, picture.shape[:2]), frame.pts)
        found = self._followed(differing, self.plane, frame.pts)
        # What overlaps has one mask here, of which nothing was taught.
        self._ask(tell, picture, found, ("whole",))
        return reported(found)

    @property
    def _by_belt(self) -> bool:
        """Whether objects are what differs from the empty plane."""
        return self._settings.objects and not self._settings.masks

    def _differing(self, picture: Rgb, empty: Rgb, least_px: float) -> list[Instance] | None:
        """What differs from the empty plane; ``None`` where most of it does."""
        lit, settings = lit_alike(picture, empty), self._settings
        return instances(picture, lit, settings.contrast, settings.shadow, least_px)

    def _followed(self, found: list[Instance], plane: Plane, pts: float) -> list[_Seen]:
        """What is on the plane and long enough, and what shows it."""
        sizes = [(one, measured(one, plane)) for one in found]
        long = [(one, m) for one, m in sizes if m and m.length_cm >= self._settings.least_cm]
        shown = self._follower.update([(one.box, m) for one, m in long], pts)
        for known, (one, _) in zip(shown, long, strict=True):
            if one.label:
                known.call(one.label, one.score)
        return [(known, one) for known, (one, _) in zip(shown, long, strict=True)]

    def _ask(
        self, tell: Tell | None, picture: Rgb, found: list[_Seen], states: Sequence[State]
    ) -> None:
        """Ask a pack how long objects in these states are, of each a few times."""
        wanted = [(k, one) for k, one in found if k.state in states and len(k.told) < _TOLD]
        if tell is None or not wanted:
            return
        told = tell(picture, [(one.at, one.mask) for _, one in wanted])
        for (known, _), cm in zip(wanted, told, strict=False):
            known.told.append(cm)

    def _least_px(self, plane: Plane) -> float:
        """Pixels of the smallest object, by their size where the plane was calibrated."""
        area = max(float(plane.scale(plane.corners.mean(0, keepdims=True))[0]), 1e-9)
        return max(0.1 * self._settings.least_cm**2 / area, 30)

    def _steadiness(self, reference: Rgb) -> Steadiness:
        return Steadiness(reference, self._settings.moved * self._size[0])

    def _watch(self, frame: Frame, picture: Rgb) -> None:
        """Look, now and then, whether the camera still looks where it did."""
        if frame.pts < self._steady_at + _STEADY_S:
            return
        self._steady_at = frame.pts
        if self._steady is None:
            known = self._empty.picture if self._by_belt else picture
            if known is None:
                return
            self._steady = self._steadiness(known.copy())
            if self._steady.stand == "unknown":
                _log.warning(
                    "%s: the background is too plain to notice if the camera moves", frame.source
                )
        moved = self._steady.look(picture) == "moved"
        if moved != self.moved:
            told = "it looks where it did again: sizes are told"
            if moved:
                told = "the camera moved: sizes are withheld; move it back or calibrate again"
            _log.warning("%s: %s", frame.source, told)
        self.moved = moved


def measured(one: Instance, plane: Plane) -> Measure | None:
    """An object's sizes; what its shape and its place tell of its state are both told."""
    found = measure(one.mask, one.at, plane, one.holes)
    if found is None:
        return None
    worst = max(one.state, found.state, key=_WORSE.index)
    return replace(found, state=worst)


def reported(found: Sequence[_Seen], model: str = "") -> tuple[Tag, ...]:
    """Tags of what was seen before."""
    return tuple(object_tag(one, model) for one, _ in found if one.seen >= _SEEN)


def object_tag(one: Followed, model: str = "") -> Tag:
    """An object as a tag: its name, where a pack gave it one, and number, and in its attributes the
    means over all clear looks. ``model`` names the pack."""
    told = [("state", one.state), ("looks", str(len(one.looks)))]
    if one.looks:
        told += [
            ("length_cm", f"{one.mean('length_cm'):.1f}"),
            ("error_cm", f"{one.mean('error_cm'):.2f}"),
            ("spread_cm", f"{one.spread_cm:.2f}"),
            ("width_cm", f"{one.mean('width_cm'):.1f}"),
            ("area_cm2", f"{one.mean('area_cm2'):.0f}"),
        ]
    if one.told:
        told.append(("taught_cm", f"{np.mean(one.told):.1f}"))
    score = one.names[one.name] / one.seen if one.names else 1.0
    label = f"{one.name or 'object'} {one.id}"
    attributes = tuple(sorted(told))
    return Tag("object", label, None, score, one.box, attributes=attributes, model=model)
