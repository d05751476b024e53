"""What a look of a pack takes here: measured through the engine that would run it."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from engines.packs import Pack
from pipeline.models.opening import Models
from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.tagging.packs.opening import open_pack
from pipeline.tagging.packs.settings import PackSettings
from pipeline.tagging.tagger import Subject
from pipeline.types import Box, Frame, TaggedFrame

#: Looks that are not counted, at most so many that are, and seconds after which no more begin.
_WARM = 2
_LOOKS = 20
_MOST_S = 3.0
#: A picture where no camera has one yet, and somebody on it.
_SIZE = (640, 360)
_PERSON: Box = (260.0, 60.0, 380.0, 340.0)


def measured(
    pack: Pack, entry: PackSettings, models: Models, newest: TaggedFrame | None
) -> tuple[float, int]:
    """Median milliseconds of one look, with what is cut and what is read of the outputs, and of how
    many looks. Whatever else the machine does meanwhile is in it: the pack would share it.

    Args:
        newest: a camera's newest result; looks are at somebody on it.

    Raises:
        EngineError: it cannot be used here.
    """
    tagger = open_pack(pack, Fixed(entry), models)
    assert pack.tagger is not None
    frame, box = _shown(newest)
    if pack.tagger.shown != "person":
        box = (0.0, 0.0, float(frame.width), float(frame.height))
    subject = Subject(pack.tagger.shown, frame, box, 0)
    for _ in range(_WARM):
        tagger.look([subject])
    took: list[float] = []
    until = time.perf_counter() + _MOST_S
    while len(took) < _LOOKS and (not took or time.perf_counter() < until):
        began = time.perf_counter()
        tagger.look([subject])
        took.append(time.perf_counter() - began)
    return 1000 * median(took), len(took)


def _shown(newest: TaggedFrame | None) -> tuple[Frame, Box]:
    """A picture, and somebody on it."""
    if newest is not None:
        frame = newest.frame
        if newest.tracks:
            return frame, newest.tracks[0].box
        width, height = frame.width, frame.height
        return frame, (0.4 * width, 0.2 * height, 0.6 * width, 0.9 * height)
    noise = np.random.default_rng(0).integers(0, 256, (*_SIZE[::-1], 3), np.uint8)
    return Frame("", 0, 0.0, 0.0, 0.0, from_bgr(noise)), _PERSON
