"""A pack that gives masks of objects, for whatever makes something of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.base import Array, Engine
from engines.packs import Pack, PackError
from engines.packs.label_files import thresholds
from pipeline.tagging.packs.cutting import as_input, pictures, window
from pipeline.tagging.packs.masks import Mask, Masked, masks_found
from pipeline.tagging.packs.vocabulary import Vocabulary
from pipeline.tagging.tagger import Subject
from pipeline.types import Box, Frame, Window


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One object in one frame.

    Attributes:
        at: x, y of the mask's first pixel in the frame.
        mask: (h, w) of 0 and 1; may have holes and several pieces, and may be empty.
    """

    label: str
    score: float
    at: tuple[int, int]
    mask: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """The objects in one frame.

    Attributes:
        segments: the surest first.
        view: the part of the frame that was looked at.
        cell: pixels of the frame, at least 1, that a pixel of the model's masks is wide: nearer
            to the edge of the view nothing is known.
    """

    segments: tuple[Segment, ...]
    view: Window
    cell: float


class Segmenter:
    """Does what the ``[tagger]`` table of a segmenter says.

    Raises:
        PackError: the pack is no segmenter, or its files or outputs do not fit its labels.
    """

    def __init__(self, engine: Engine, pack: Pack) -> None:
        if pack.tagger is None or pack.tagger.kind != "segmenter":
            raise PackError(f"model '{pack.name}' gives no masks: its [tagger] is no segmenter")
        self.name = pack.name
        self._engine, self._pack, self._table = engine, pack, pack.tagger
        self._input = next(tensor for tensor in pack.inputs if tensor.layout)
        words, own = Vocabulary(pack), thresholds(pack)
        self._names = words.names
        self._least = np.array(
            [
                np.inf if name in words.silent else own.get(name, pack.tagger.least)
                for name in words.names
            ],
            np.float32,
        )
        self._masks(np.zeros((pack.size[1], pack.size[0], 3), np.uint8))  # fits, or not

    def look(self, frame: Frame) -> Segmented:
        """The objects in a frame.

        Raises:
            EngineError: the engine cannot run it, or its outputs do not fit its labels.
        """
        whole: Box = (0.0, 0.0, float(frame.width), float(frame.height))
        own = window(whole, self._table, self._pack.size)
        [shown] = pictures([(Subject("frame", frame, whole), own)], self._pack, ["keep"])
        found = self._masks(shown)
        view = (max(own[0], 0), max(own[1], 0), min(own[2], frame.width), min(own[3], frame.height))
        segments = tuple(
            Segment(self._names[int(label)], min(float(score), 1.0), *found.through(i, own, view))
            for i, (label, score) in enumerate(zip(found.labels, found.scores, strict=True))
        )
        return Segmented(segments, view, _cell(found, own))

    def _masks(self, shown: Array) -> Masked:
        outputs = self._engine.infer({self._input.name: as_input([shown], self._input)})
        return masks_found(outputs, self._pack, self._least)


def _cell(found: Masked, own: Window) -> float:
    if not len(found):
        return 1.0
    height, width = found.maps[0].shape
    return float(max((own[2] - own[0]) / width, (own[3] - own[1]) / height, 1.0))
