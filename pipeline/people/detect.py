"""Finding people: in whole pictures, or in the parts of them that changed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engines.base import Engine
from engines.boxes import nms
from engines.zoo import ModelSpec
from pipeline.flow.pace import Pace
from pipeline.people.regions import Size, canvases_for
from pipeline.people.zones import Zones
from pipeline.picture.crop import appearance
from pipeline.picture.yuv import PAD, Window
from pipeline.settings.schema import PersonConfig
from pipeline.tagging.parsing import DETECTION_DECODERS
from pipeline.types import Detection, Frame, TaggedFrame

#: Width and height of the canvases that parts are laid on, as shares of the model's own input.
CANVASES = ((0.5, 0.55), (0.8, 0.67), (1.0, 0.78), (1.0, 1.0))
#: How much larger than the whole picture a tile is looked at.
TILE_SCALE = 2.0
#: Distance in canvas pixels to an edge that cuts through the picture, from which somebody is whole.
CUT = 1.5

_Found = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Part:
    """A window of the batch's frame ``frame``, and how large the detector sees it."""

    frame: int
    window: Window
    size: Size


def _stepped(length: float, multiple: int) -> int:
    return max(round(length / multiple), 1) * multiple


def _part(frame: int, window: Window, scale: float, tiles: Sequence[Window], room: Size) -> _Part:
    """A window at the scale of the whole picture; at a larger one in a tile, if there is room."""
    x0, y0, x1, y1 = window
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    if any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in tiles):
        most = min(room[0] / (x1 - x0), room[1] / (y1 - y0))
        scale = max(min(TILE_SCALE * scale, most), scale)
    width, height = round((x1 - x0) * scale), round((y1 - y0) * scale)
    return _Part(frame, window, (max(width, 1), max(height, 1)))


class DetectStage:
    """Finds people in the frames that are due, all cameras together."""

    name = "detect"

    def __init__(
        self,
        engine: Engine,
        spec: ModelSpec,
        settings: PersonConfig,
        pace: Pace | None = None,
        zones: Mapping[str, Zones] | None = None,
    ) -> None:
        self.engine = engine
        self._spec = spec
        self._decode = DETECTION_DECODERS[spec.decoder]
        self._settings = settings
        self._pace = pace or Pace()
        self._zones = zones or {}
        self._met: set[Size] = set()
        width, height = spec.input_size(*spec.size, settings.pixels)
        #: Sizes of the canvases for parts, smallest first; a model of fixed size has none.
        self.canvases: tuple[Size, ...] = tuple(
            (_stepped(x * width, spec.multiple), _stepped(y * height, spec.multiple))
            for x, y in CANVASES
            if spec.multiple
        )
        self._usable = self.canvases

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        due = [i for i, tagged in enumerate(batch) if tagged.decision == "detect"]
        began = time.perf_counter()
        found = self.detect([batch[i].frame for i in due], [batch[i].windows for i in due])
        self._pace.spent("detection", time.perf_counter() - began, len(due))
        out = list(batch)
        for i, people in zip(due, found, strict=True):
            out[i] = replace(batch[i], detections=people)
        return out

    def warm_up(self) -> None:
        """Make the engine ready for whole pictures of the usual shape. Until it is ready for the
        smaller canvases as well (``prepare``), all parts share the largest."""
        width, height = self._spec.input_size(16, 9, self._settings.pixels)
        self._infer(np.zeros((height, width, 3), np.uint8))
        self._usable = self.canvases[-1:]

    def prepare(self) -> None:
        """Make the engine ready for the smaller canvases; may run beside everything else."""
        for size in self.canvases[:-1]:
            self.engine.prepare((1, size[1], size[0], 3))
            self._met.add(size)
            self._usable = tuple(c for c in self.canvases if c == size or c in self._usable)

    def detect(
        self, frames: Sequence[Frame], windows: Sequence[tuple[Window, ...] | None] | None = None
    ) -> list[tuple[Detection, ...]]:
        """People in each frame, or in windows of it, best first, boxes in frame pixels."""
        whole, parts = self._parts(frames, windows or [None] * len(frames))
        found: list[list[_Found]] = [[] for _ in frames]
        for part in whole:
            image = frames[part.frame].crop(part.window, part.size)
            found[part.frame] += self._run(frames, image, [(part, (0, 0))])
        for canvas, corners in canvases_for([part.size for part in parts], self._usable):
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
            size = self._spec.input_size(width, height, self._settings.pixels)
            tiles = self._zones.get(frame.source, Zones()).windows(width, height)
            cut = [_part(i, w, size[0] / width, tiles, room) for w in some or ()]
            if some is None or any(p.size[0] > room[0] or p.size[1] > room[1] for p in cut):
                whole.append(_Part(i, (0, 0, width, height), size))
                cut = [_part(i, tile, size[0] / width, tiles, room) for tile in tiles]
            parts += cut
        return whole, parts

    def _infer(self, image: npt.NDArray[np.uint8]) -> tuple[_Found, _Found]:
        """Boxes (n, 4) in pixels of the image and their scores (n,)."""
        size = (image.shape[1], image.shape[0])
        result = self.engine.infer({"images": image[None]})
        if size not in self._met:  # some engines compile a model for each size they meet
            self._met.add(size)
            self._pace.excuse(time.monotonic())
        settings = self._settings
        threshold = min(settings.score, settings.keep_score)
        codes, scores = result["boxes"][0], result["scores"][0]
        boxes, kept = self._decode(codes, scores, size, threshold, settings.iou)
        return boxes * np.array([*size, *size], np.float32), kept

    def _run(
        self, frames: Sequence[Frame], image: npt.NDArray[np.uint8],
        laid: Sequence[tuple[_Part, tuple[int, int]]],
    ) -> Iterator[_Found]:  # fmt: skip
        """People (k, 5) in each part of an image: box in frame pixels and score. Those cut off by
        the edge of a part are left out: they are nobody new, or will be seen whole."""
        boxes, scores = self._infer(image)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        for part, (x, y) in laid:
            (width, height), (x0, y0, x1, y1) = part.size, part.window
            frame = frames[part.frame]
            low = np.array([x if x0 > 0 else -np.inf, y if y0 > 0 else -np.inf]) + CUT
            high = np.array([x + width if x1 < frame.width else np.inf,
                             y + height if y1 < frame.height else np.inf]) - CUT  # fmt: skip
            here = (centres >= (x, y)).all(1) & (centres < (x + width, y + height)).all(1)
            here &= (boxes[:, :2] > low).all(1) & (boxes[:, 2:] < high).all(1)
            corner, end = np.array([x, y, x, y]), np.array([width, height, width, height])
            scale = np.array([(x1 - x0) / width, (y1 - y0) / height] * 2)
            inside = np.clip(boxes[here] - corner, 0, end) * scale + (x0, y0, x0, y0)
            yield np.column_stack([inside, scores[here]]).astype(np.float32)

    def _people(self, frame: Frame, found: list[_Found]) -> tuple[Detection, ...]:
        if not found:
            return ()
        people = np.concatenate(found)
        if len(found) > 1:  # parts may overlap
            people = people[nms(people[:, :4], people[:, 4], self._settings.iou)]
        zones = self._zones.get(frame.source, Zones())
        return tuple(
            Detection((x0, y0, x1, y1), score, appearance=appearance(frame, (x0, y0, x1, y1)))
            for x0, y0, x1, y1, score in people.tolist()
            if zones.counts((x0, y0, x1, y1), frame.width, frame.height)
        )
