"""The data that travels: frozen, slotted, compared by identity where arrays are inside.

Boxes are xyxy in frame pixels. ``pts`` is in stream seconds, ``captured_at`` monotonic, ``utc`` in
seconds since the epoch by this machine, ``camera_utc`` by the camera's clock (RTCP), if it tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pipeline.protocols import Larger

#: One component of a picture, uint8 (H, W).
Plane = npt.NDArray[np.uint8]
#: A picture, uint8 (H, W, 3), red first.
Rgb = npt.NDArray[np.uint8]
#: Integer window x0, y0, x1, y1 in frame pixels; may reach beyond the picture.
Window = tuple[int, int, int, int]
#: Part of a picture, xyxy in its pixels, fractions allowed.
Band = tuple[float, float, float, float]
Box = tuple[float, float, float, float]
Decision = Literal["detect", "predict", "still"]
Level = Literal["fine", "category", "part"]
Movement = Literal["zone_entered", "zone_left", "crossed", "presence"]
EventName = Literal["entered", "appeared", "changed", "vanished", "left", Movement]
#: Which way a line is crossed.
Direction = Literal["in", "out"]
#: What is done to people's heads in pictures that leave the program.
Heads = Literal["pixelate", "keep"]
#: How thoroughly a camera is decoded. ``all``: everything. ``quick``: non-reference frames, or all
#: B-frames, and the deblocking filter are left out (about 44 dB). ``key``: key frames only.
Decoding = Literal["all", "quick", "key"]
#: Kinds of work that live cameras share a budget for.
Work = Literal["detection", "crop"]


class Picture(Protocol):
    """One decoded picture, wherever it lies."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def y(self) -> Plane:
        """All of the luma (H, W) uint8; rows may be strided."""
        ...

    def rgb(self, window: Window | None = None, size: tuple[int, int] | None = None) -> Rgb:
        """RGB uint8 (h, w, 3) of a window, resampled to ``size`` (width, height). Whole picture and
        own size are the defaults; what lies outside of the picture is grey."""
        ...

    def points(self, window: Window, step: int) -> Plane:
        """Luma (h, w) uint8 of every ``step``th pixel of a window inside of the picture."""
        ...

    def means(self, bands: Sequence[Band]) -> list[tuple[float, float, float]]:
        """Mean Y, U and V of parts of the picture; U and V of grey pictures are 128."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture and its times. Owns what the decoder gave; converts lazily.

    ``live`` frames come from a camera, which does not wait. ``arrived_at`` is monotonic, and later
    than ``captured_at`` by the network's delay, where that is known. ``recorded_at`` is when a
    recording's picture was taken, seconds since the epoch, where it tells. ``sub``: of a sub-stream
    beside its main stream, or of a proxy, of whose recording ``larger`` shows the same moment."""

    source: str
    index: int
    pts: float
    captured_at: float
    utc: float
    planes: Picture
    live: bool = False
    camera_utc: float | None = None
    arrived_at: float | None = None
    recorded_at: float | None = None
    sub: bool = False
    larger: Larger | None = None

    @property
    def waiting_since(self) -> float:
        """Monotonic time from which it waited for this process; earlier, the network had it."""
        return self.captured_at if self.arrived_at is None else self.arrived_at

    @property
    def width(self) -> int:
        return self.planes.width

    @property
    def height(self) -> int:
        return self.planes.height

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
    """One thing reported about a person or a picture.

    Attributes:
        kind: ``garment``, ``logo``, or what another tagger calls its tags.
        label: the fine label, e.g. ``jeans``; the category's name where no label is likely enough.
        category: Fashionpedia category, e.g. ``pants``; ``None`` where it has none.
        score: probability, 0 to 1, that the person wears it.
        colours: colour names inside of the garment's mask: the first, and the second if large.
        attributes: name and value of what else is known: ``sleeve``, ``length``, ``type``.
        level: whether ``label`` is a label, only a category, or only the part of the body it is on.
        covers: parts of the body it is worn on; a tag of one of them says no more than this one.
        layers: what nobody wears two of, one over the other.
        model: name of the model that reports it.
        outlined: on still pictures it is drawn with its own outline, as a mark on something is.
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
    outlined: bool = False
    covers: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()

    @property
    def colour(self) -> str | None:
        """The first colour."""
        return self.colours[0] if self.colours else None

    @property
    def slot(self) -> tuple[str, str]:
        """What it competes for with other tags: a person wears jeans or pants, not both."""
        return self.kind, self.category or self.label


@dataclass(frozen=True, slots=True)
class Track:
    """A person followed over time, with the tags agreed on so far.

    Attributes:
        quality: how well this frame shows the person; see ``pipeline.picture.crop.quality``.
        best: this frame shows the person better than all before, and was tagged.
        predicted: the box is the tracker's prediction, not a detection.
        visit: id that no other track of any run has, from the time it was first reported.
        head: box around the hair and skin that a parsing showed, moved along; ``None``: none did.
        zones: names of the zones the person is in.
        crossed: lines the person crosses with this frame, and which way.
    """

    id: int
    box: Box
    score: float
    predicted: bool = False
    quality: float = 0.0
    best: bool = False
    tags: tuple[Tag, ...] = ()
    visit: str = ""
    head: Box | None = None
    zones: tuple[str, ...] = ()
    crossed: tuple[tuple[str, Direction], ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A zone, or a line (two points), in frame pixels, and how many people are in it."""

    name: str
    points: tuple[tuple[float, float], ...]
    count: int = 0

    @property
    def is_zone(self) -> bool:
        return len(self.points) > 2


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame was, without its picture; fields as of ``Frame``."""

    source: str
    frame: int
    pts: float
    utc: float
    camera_utc: float | None = None
    recorded_at: float | None = None

    @classmethod
    def of(cls, frame: Frame) -> Moment:
        """The moment of a frame."""
        return cls(
            frame.source, frame.index, frame.pts, frame.utc, frame.camera_utc, frame.recorded_at
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something changed: a person or a tag came, changed or went; a zone was entered or left, or a
    line crossed; or an hour ended, and this is where people were.

    Attributes:
        track_id: ``None`` for a tag that belongs to nobody.
        tag: the tag now; before, if it vanished.
        tags: of somebody who left, the tags reported last.
        id: of this event, unlike any other; those of a run rise.
        run: id of the run.
        visit: id of the person's visit; empty where ``track_id`` is ``None``.
        snapshot: file of the person's best picture, within the results; empty if there is none.
        heads: what is done to heads in this camera's pictures.
        details: names and values that only this kind of event has, as its record has them.
    """

    name: EventName
    at: Moment
    track_id: int | None
    tag: Tag | None = None
    tags: tuple[Tag, ...] = ()
    id: str = ""
    run: str = ""
    visit: str = ""
    snapshot: str = ""
    heads: Heads = "pixelate"
    details: tuple[tuple[str, object], ...] = ()

    @property
    def source(self) -> str:
        return self.at.source

    @property
    def pts(self) -> float:
        return self.at.pts


@dataclass(frozen=True, slots=True, eq=False)
class TaggedFrame:
    """A frame with all that is known about it: the only thing that moves between stages.

    Attributes:
        decision: whether the detector looks at it; ``skipped`` names the policy if it does not.
        windows: what the detector looks at; ``None`` for the whole picture.
        ended: ids of the tracks that ended with this frame.
        tags: tags attached to no person: a logo on a sign, what a whole picture shows.
        looks: how many crops each tagger was given of this frame.
        views: how many looks were at the main stream's pictures, and how many at the sub-stream's.
        bystanders: people found besides ``detections``: less certain, or where none count.
        others: where heads may be of people who are no ``tracks``: they are hidden too.
        heads: what is done to heads in pictures made of this frame.
        places: the camera's zones and lines.
    """

    frame: Frame
    decision: Decision = "detect"
    skipped: str = ""
    windows: tuple[Window, ...] | None = None
    detections: tuple[Detection, ...] = ()
    tracks: tuple[Track, ...] = ()
    ended: tuple[int, ...] = ()
    tags: tuple[Tag, ...] = ()
    looks: tuple[tuple[str, int], ...] = ()
    views: tuple[int, int] = (0, 0)
    events: tuple[Event, ...] = ()
    bystanders: tuple[Box, ...] = ()
    others: tuple[Box, ...] = ()
    heads: Heads = "pixelate"
    places: tuple[Place, ...] = ()
