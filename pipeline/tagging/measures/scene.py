"""One camera's plane over time: what is empty, what lies on it, and whether the camera moved."""

from __future__ import annotations

import logging

from pipeline.tagging.measures.belt import EmptyPlane, Instance, instances, lit_alike, spread_mask
from pipeline.tagging.measures.follow import Followed, Follower
from pipeline.tagging.measures.plane import Plane
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.measures.shape import Measure, measure
from pipeline.tagging.measures.steady import Steadiness
from pipeline.types import Box, Frame, Rgb, Tag

_log = logging.getLogger("threadline.measures")
#: Seconds between two looks at whether the camera moved.
_STEADY_S = 0.5
#: Pictures that must show an object before it is reported.
_SEEN = 2
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

    def look(self, frame: Frame) -> tuple[Tag, ...]:
        """What lies on the plane now."""
        self._at = frame.pts
        picture = frame.rgb()
        whole: Box = (0.0, 0.0, float(frame.width), float(frame.height))
        self._watch(frame, picture)
        if self.moved:
            return (Tag("measure", MOVED, None, 1.0, whole),)
        if not self._settings.objects or self.plane is None:
            return ()
        if not self._empty.learn(picture, frame.pts) or self._empty.picture is None:
            return ()
        found = self._found(picture, self.plane)
        if found is None:
            return (Tag("measure", COVERED, None, 1.0, whole),)
        covered = spread_mask([one for one, _ in found], picture.shape[:2])
        self._empty.follow(picture, covered, frame.pts)
        shown = self._follower.update([(one.box, m) for one, m in found if m], frame.pts)
        return tuple(object_tag(one) for one in shown if one.seen >= _SEEN)

    def _found(self, picture: Rgb, plane: Plane) -> list[tuple[Instance, Measure | None]] | None:
        """Objects and their sizes, too short ones without; ``None`` where most of it is covered."""
        settings, empty = self._settings, self._empty.picture
        assert empty is not None
        least_px = 0.1 * settings.least_cm**2 / self._pixel_area(plane)
        found = instances(
            picture,
            lit_alike(picture, empty),
            settings.contrast,
            settings.shadow,
            max(least_px, 30),
        )
        if found is None:
            return None
        measured = [(one, measure(one.mask, one.at, plane, one.holes)) for one in found]
        return [(one, m if m and m.length_cm >= settings.least_cm else None) for one, m in measured]

    @staticmethod
    def _pixel_area(plane: Plane) -> float:
        """Square cm of a pixel where the plane was calibrated."""
        return max(float(plane.scale(plane.corners.mean(0, keepdims=True))[0]), 1e-9)

    def _steadiness(self, reference: Rgb) -> Steadiness:
        return Steadiness(reference, self._settings.moved * self._size[0])

    def _watch(self, frame: Frame, picture: Rgb) -> None:
        """Look, now and then, whether the camera still looks where it did."""
        if frame.pts < self._steady_at + _STEADY_S:
            return
        self._steady_at = frame.pts
        if self._steady is None:
            known = self._empty.picture if self._settings.objects else picture
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


def object_tag(one: Followed) -> Tag:
    """An object as a tag: its number, and in its attributes the means over all clear looks."""
    told = [("state", one.state), ("looks", str(len(one.looks)))]
    if one.looks:
        told += [
            ("length_cm", f"{one.mean('length_cm'):.1f}"),
            ("error_cm", f"{one.mean('error_cm'):.2f}"),
            ("spread_cm", f"{one.spread_cm:.2f}"),
            ("width_cm", f"{one.mean('width_cm'):.1f}"),
            ("area_cm2", f"{one.mean('area_cm2'):.0f}"),
        ]
    return Tag("object", f"object {one.id}", None, 1.0, one.box, attributes=tuple(sorted(told)))
