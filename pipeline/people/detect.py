"""Finding people: in whole pictures, or in the parts of them that changed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydantic import Field

from engines.base import Engine
from engines.boxes import box_reader, nms
from engines.packs import Pack
from pipeline.people.regions import Size, canvases_for
from pipeline.people.zones import Zones
from pipeline.picture.crop import appearance
from pipeline.picture.yuv import PAD
from pipeline.protocols import Budget
from pipeline.settings.section import PerSource, Seconds, Section, Share, model_of, per_run
from pipeline.types import Box, Detection, Frame, TaggedFrame, Window

#: Width and height of the canvases that parts are laid on, as shares of the model's own input.
CANVASES = ((0.5, 0.55), (0.8, 0.67), (1.0, 0.78), (1.0, 1.0))
#: How much larger than the whole picture a far area is looked at.
FAR_SCALE = 2.0
#: Distance in canvas pixels to an edge that cuts through the picture, from which somebody is whole.
CUT = 1.5
#: Score from which something is a person whose head is hidden, whatever else is believed of it.
FAINT = 0.2

_Boxes = npt.NDArray[np.float32]


class PersonSettings(Section):
    """Person detection."""

    model: str = model_of("person-detection", "person-store-int8")
    score: Share = Field(0.42, description="score from which a detection founds a track")
    keep_score: Share = Field(0.2, description="score that keeps a person already followed")
    iou: Share = per_run(0.5, description="overlap above which two boxes are one person")
    pixels: int = per_run(
        0, ge=0, le=4_000_000, description="pixels a detector of free input size sees; 0: its own"
    )
    interval_s: float = Field(0.2, ge=0, le=60, description="shortest time between detections")
    refresh_s: Seconds = Field(
        4.0, description="longest time between looks at the whole picture, if nothing moves longer"
    )
    parts: bool = Field(True, description="between those, only what changed is searched")
    photo_share: Share = Field(
        0.5, description="on still pictures: people under this share of the tallest are passers-by"
    )

    @property
    def least(self) -> float:
        """Score below which a detection is of no use."""
        return min(self.score, self.keep_score)


@dataclass(frozen=True, slots=True)
class Found:
    """The people of a frame: those that count, best first, and boxes of the others, less certain or
    outside of the areas that count."""

    counted: tuple[Detection, ...]
    others: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """A window of the batch's frame ``frame``, and how large the detector sees it."""

    frame: int
    window: Window
    size: Size


def _stepped(length: float, multiple: int) -> int:
    return max(round(length / multiple), 1) * multiple


def _part(frame: int, window: Window, scale: float, far: Sequence[Window], room: Size) -> _Part:
    """A window at the scale of the whole picture; larger in a far area, if there is room."""
    x0, y0, x1, y1 = window
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    if any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in far):
        most = min(room[0] / (x1 - x0), room[1] / (y1 - y0))
        scale = max(min(FAR_SCALE * scale, most), scale)
    width, height = round((x1 - x0) * scale), round((y1 - y0) * scale)
    return _Part(frame, window, (max(width, 1), max(height, 1)))


class DetectStage:
    """Finds people in the frames that are due, all cameras together."""

    name = "detect"

    def __init__(
        self,
        model: tuple[Engine, Pack],
        settings: PerSource[PersonSettings],
        budget: Budget,
        zones: PerSource[Zones],
    ) -> None:
        self.engine, self._pack = model
        self._read = box_reader(self._pack)
        self._settings = settings
        self._budget = budget
        self._zones = zones
        self._pixels = settings.of("").pixels
        width, height = self._pack.input_size(*self._pack.size, self._pixels)
        #: Sizes of the canvases for parts, smallest first; a model of fixed size has none.
        self.canvases: tuple[Size, ...] = tuple(
            (_stepped(x * width, self._pack.multiple), _stepped(y * height, self._pack.multiple))
            for x, y in CANVASES
            if self._pack.multiple
        )

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        due = [i for i, tagged in enumerate(batch) if tagged.decision == "detect"]
        began = time.perf_counter()
        found = self.search([batch[i].frame for i in due], [batch[i].windows for i in due])
        self._budget.spent("detection", time.perf_counter() - began, len(due))
        out = list(batch)
        for i, people in zip(due, found, strict=True):
            out[i] = replace(batch[i], detections=people.counted, bystanders=people.others)
        return out

    @property
    def running_on(self) -> str:
        """The engine and the arithmetic of the model: INT8 twins have theirs in the file."""
        twin = self._pack.twin_of and self.engine.precision == "f32"
        return f"{self.engine.backend}, {'int8' if twin else self.engine.precision}"

    def forget(self, source: str) -> None:
        """Nothing is kept from frame to frame."""

    def prepare(self, width: int, height: int) -> None:
        """Make the engine ready for whole pictures of this size; any thread may ask."""
        self.engine.prepare(self._shape(self._pack.input_size(width, height, self._pixels)))

    def ready(self, width: int, height: int) -> bool:
        """Whether whole pictures of this size can be searched without compiling first."""
        size = self._pack.input_size(width, height, self._pixels)
        return self.engine.ready(self._shape(size))

    def prepare_canvas(self, size: Size) -> None:
        """Make the engine ready for parts on one of ``canvases``; any thread may ask. Until then,
        the parts of live cameras share the canvases that are ready."""
        self.engine.prepare(self._shape(size))

    def _shape(self, size: Size) -> tuple[int, ...]:
        return 1, size[1], size[0], 3

    def _usable(self, frames: Sequence[Frame]) -> tuple[Size, ...]:
        """Canvases that parts of these frames may be laid on. Recordings wait for all of them, so
        that their results do not depend on the machine."""
        if not any(frame.live for frame in frames):
            return self.canvases
        ready = tuple(size for size in self.canvases if self.engine.ready(self._shape(size)))
        return ready or self.canvases[-1:]

    def detect(
        self, frames: Sequence[Frame], windows: Sequence[tuple[Window, ...] | None] | None = None
    ) -> list[tuple[Detection, ...]]:
        """People in each frame, or in windows of it, best first, boxes in frame pixels."""
        return [found.counted for found in self.search(frames, windows)]

    def search(
        self, frames: Sequence[Frame], windows: Sequence[tuple[Window, ...] | None] | None = None
    ) -> list[Found]:
        """As ``detect``, and besides the people who count all others."""
        whole, parts = self._parts(frames, windows or [None] * len(frames))
        found: list[list[_Boxes]] = [[] for _ in frames]
        for part in whole:
            image = frames[part.frame].crop(part.window, part.size)
            found[part.frame] += self._run(frames, image, [(part, (0, 0))])
        for canvas, corners in canvases_for([part.size for part in parts], self._usable(frames)):
            image = np.full((canvas[1], canvas[0], 3), PAD, np.uint8)
            laid = [(parts[i], corner) for i, corner in corners.items()]
            for part, (x, y) in laid:
                crop = frames[part.frame].crop(part.window, part.size)
                image[y : y + part.size[1], x : x + part.size[0]] = crop
            for (part, _), people in zip(laid, self._run(frames, image, laid), strict=True):
                found[part.frame].append(people)
        return [self._people(frame, people) for frame, people in zip(frames, found, strict=True)]

    def _parts(
        self, frames: Sequence[Frame], windows: Sequence[tuple[Window, ...] | None]
    ) -> tuple[list[_Part], list[_Part]]:
        """What is looked at on its own, and what shares canvases."""
        whole, parts = [], []
        room = self.canvases[-1] if self.canvases else (0, 0)
        for i, (frame, some) in enumerate(zip(frames, windows, strict=True)):
            width, height = frame.width, frame.height
            size = self._pack.input_size(width, height, self._pixels)
            far = self._zones.of(frame.source).windows(width, height)
            cut = [_part(i, w, size[0] / width, far, room) for w in some or ()]
            if some is None or any(p.size[0] > room[0] or p.size[1] > room[1] for p in cut):
                whole.append(_Part(i, (0, 0, width, height), size))
                cut = [_part(i, area, size[0] / width, far, room) for area in far]
            parts += cut
        return whole, parts

    def _infer(self, image: npt.NDArray[np.uint8], sources: Sequence[str]) -> tuple[_Boxes, _Boxes]:
        """Boxes (n, 4) in pixels of the image and their scores (n,), above what any of its sources
        asks for."""
        size = (image.shape[1], image.shape[0])
        fresh = not self.engine.ready(self._shape(size))
        result = self.engine.infer({"images": image[None]})
        if fresh:
            self._budget.excuse(time.monotonic())
        least = min(FAINT, *(self._settings.of(source).least for source in sources))
        iou = self._settings.of("").iou
        codes, scores = result["boxes"][0], result["scores"][0]
        boxes, kept = self._read(codes, scores, size, least, iou)
        return boxes * np.array([*size, *size], np.float32), kept

    def _run(
        self,
        frames: Sequence[Frame],
        image: npt.NDArray[np.uint8],
        laid: Sequence[tuple[_Part, tuple[int, int]]],
    ) -> Iterator[_Boxes]:
        """People (k, 5) in each part of an image: box in frame pixels and score. Those cut off by
        the edge of a part are left out: they are nobody new, or will be seen whole."""
        boxes, scores = self._infer(image, [frames[part.frame].source for part, _ in laid])
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        for part, (x, y) in laid:
            (width, height), (x0, y0, x1, y1) = part.size, part.window
            frame = frames[part.frame]
            low = np.array([x if x0 > 0 else -np.inf, y if y0 > 0 else -np.inf]) + CUT
            right = x + width if x1 < frame.width else np.inf
            bottom = y + height if y1 < frame.height else np.inf
            high = np.array([right, bottom]) - CUT
            here = (centres >= (x, y)).all(1) & (centres < (x + width, y + height)).all(1)
            here &= (boxes[:, :2] > low).all(1) & (boxes[:, 2:] < high).all(1)
            corner, end = np.array([x, y, x, y]), np.array([width, height, width, height])
            scale = np.array([(x1 - x0) / width, (y1 - y0) / height] * 2)
            inside = np.clip(boxes[here] - corner, 0, end) * scale + (x0, y0, x0, y0)
            yield np.column_stack([inside, scores[here]]).astype(np.float32)

    def _people(self, frame: Frame, found: list[_Boxes]) -> Found:
        if not found:
            return Found((), ())
        people = np.concatenate(found)
        if len(found) > 1:  # parts may overlap
            people = people[nms(people[:, :4], people[:, 4], self._settings.of("").iou)]
        zones, least = self._zones.of(frame.source), self._settings.of(frame.source).least
        counted, others = [], []
        for x0, y0, x1, y1, score in people.tolist():
            box = (x0, y0, x1, y1)
            if score >= least and zones.counts(box, frame.width, frame.height):
                counted.append(Detection(box, score, appearance=appearance(frame, box)))
            elif score >= FAINT:
                others.append(box)
        return Found(tuple(counted), tuple(others))
