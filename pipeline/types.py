"""The data that travels: frozen, slotted, compared by identity where arrays are inside.

Boxes are xyxy in frame pixels. ``pts`` is in stream seconds, ``captured_at`` is monotonic seconds,
``utc`` is seconds since the epoch by this machine, ``camera_utc`` by the camera's own clock where
it tells (RTCP sender reports).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.picture.yuv import Picture, Plane, Rgb, Window

Box = tuple[float, float, float, float]
Decision = Literal["detect", "predict", "still"]
Level = Literal["fine", "category"]
EventName = Literal["entered", "appeared", "changed", "vanished", "left"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture and its times. Owns what the decoder gave; converts lazily.

    ``live`` frames come from a camera, which does not wait.
    """

    source: str
    index: int
    pts: float
    captured_at: float
    utc: float
    planes: Picture
    live: bool = False
    camera_utc: float | None = None

    @property
    def width(self) -> int:
        return self.planes.width

    @property
    def height(self) -> int:
        return self.planes.height

    @property
    def luma(self) -> Plane:
        """The Y plane (H, W) uint8; not copied, but from a GPU."""
        return self.planes.y

    def rgb(self, size: tuple[int, int] | None = None) -> Rgb:
        """The whole picture as RGB uint8 (h, w, 3) at ``size`` (width, height)."""
        return self.planes.rgb(None, size)

    def crop(self, window: Window, size: tuple[int, int] | None = None) -> Rgb:
        """A window as RGB uint8 (h, w, 3), resampled from full resolution to ``size``."""
        return self.planes.rgb(window, size)


@dataclass(frozen=True, slots=True)
class Detection:
    """An object found in one frame; score 0 to 1.

    ``appearance`` is a short colour signature (see ``pipeline.picture.crop.appearance``), empty if
    unknown.
    """

    box: Box
    score: float
    label: str = "person"
    appearance: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Tag:
    """One thing said about a person or a picture.

    Attributes:
        kind: ``garment`` or ``logo``.
        label: the fine label, e.g. ``jeans``; the category's name where no label is likely enough.
        category: Fashionpedia category, e.g. ``pants``; ``None`` where it has none.
        score: probability, 0 to 1, that the person wears it.
        colours: colour names inside of the garment's mask: the first, and the second if large.
        attributes: name and value of what else is known: ``sleeve``, ``length``, ``type``.
        level: whether ``label`` is a label or only a category.
        model: name of the model that said so.
    """

    kind: str
    label: str
    category: str | None
    score: float
    box: Box
    colours: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    level: Level = "fine"
    track_id: int | None = None
    model: str = ""

    @property
    def colour(self) -> str | None:
        """The first colour."""
        return self.colours[0] if self.colours else None


@dataclass(frozen=True, slots=True)
class Track:
    """A person followed over time, with the tags agreed on so far.

    Attributes:
        quality: how well this frame shows the person; see ``pipeline.picture.crop.quality``.
        best: this frame shows the person better than all before, and was tagged.
        predicted: the box is the tracker's prediction, not a detection.
    """

    id: int
    box: Box
    score: float
    first_pts: float
    predicted: bool = False
    quality: float = 0.0
    best: bool = False
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something changed: a person entered or left, a tag appeared, changed or vanished.

    ``track_id`` is ``None`` for a tag that belongs to nobody.
    """

    name: EventName
    source: str
    track_id: int | None
    frame: int
    pts: float
    utc: float
    tag: Tag | None = None
    tags: tuple[Tag, ...] = ()
    camera_utc: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Parsing:
    """Garment labels inside of one person's window.

    Attributes:
        window: where in the frame the crop was taken.
        labels: label index per cell (h, w) uint8.
        scores: score of the winning label per cell (h, w) float32.
    """

    window: Window
    labels: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TaggedFrame:
    """A frame with all that is known about it: the only thing that moves between stages.

    ``windows`` are what the detector looks at, ``None`` for the whole picture; ``parsings`` the
    garments of the people whose crops were just parsed, by track id; ``tags`` what is said of
    nobody in particular.
    """

    frame: Frame
    decision: Decision = "detect"
    windows: tuple[Window, ...] | None = None
    detections: tuple[Detection, ...] = ()
    tracks: tuple[Track, ...] = ()
    ended: tuple[int, ...] = ()
    parsings: Mapping[int, Parsing] = field(default_factory=dict)
    tags: tuple[Tag, ...] = ()
    events: tuple[Event, ...] = ()
