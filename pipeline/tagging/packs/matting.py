"""A pack that tells what lies in front: for packs that change backgrounds, of people whose garments
nobody parses."""

from __future__ import annotations

from threading import Lock

import numpy as np

from engines.base import Array, Engine
from engines.packs import Pack, PackError
from engines.packs.label_files import F32
from pipeline.picture.resample import resample
from pipeline.tagging.packs.cutting import as_input
from pipeline.tagging.packs.outputs import probabilities
from pipeline.tagging.parsing import Mask
from pipeline.types import Rgb

#: Shares of a picture that somebody whom it shows covers: less is nobody, more is no outline.
LEAST_SHARE = 0.05
MOST_SHARE = 0.95
#: Mean probability of what is in front from which an outline is believed.
SURE = 0.8


class Matting:
    """Runs a matting model. Probabilities are taken as they are: stretched between each picture's
    least and largest, as rembg does, an empty picture would show a phantom.

    Raises:
        PackError: the model's outputs are no picture.
    """

    def __init__(self, engine: Engine, pack: Pack) -> None:
        assert pack.tagger is not None
        self._engine = engine
        self._pack = pack
        self._table = pack.tagger
        self._input = next(tensor for tensor in pack.inputs if tensor.layout)
        self._lock = Lock()
        width, height = pack.size
        if self.chances(np.zeros((height, width, 3), np.uint8)).shape[0] < 2:
            raise PackError(f"pack '{pack.name}' has no output (1, 1, h, w)")

    def chances(self, rgb: Rgb) -> F32:
        """How likely each pixel of a picture uint8 (h, w, 3) lies in front: float32 of the model's
        size."""
        shown = resample(rgb, self._pack.size, self._table.filter)
        with self._lock:  # several packs may ask on different threads
            answer = self._engine.infer({self._input.name: as_input([shown], self._input)})
        return _front(answer[self._pack.outputs[0].name], self._pack)

    def mask(self, rgb: Rgb) -> Mask | None:
        """Where a picture (h, w, 3) shows who is in front, of the model's size; ``None`` where it
        does not show that well enough."""
        return self.outline(self.chances(rgb))

    def outline(self, found: F32) -> Mask | None:
        """Where it is likely enough that something is in front; ``None`` as of ``mask``."""
        mask: Mask = found >= self._table.least
        share = float(mask.mean())
        if not LEAST_SHARE <= share <= MOST_SHARE or float(found[mask].mean()) < SURE:
            return None
        return mask


def _front(values: Array, pack: Pack) -> F32:
    """An output (1, 1, h, w), or without some of the ones, as probabilities (h, w)."""
    plain = values.reshape([n for n in values.shape if n != 1] or [1])
    if plain.ndim != 2:
        raise PackError(f"pack '{pack.name}' has no output (1, 1, h, w)")
    assert pack.tagger is not None
    return probabilities(plain, pack.tagger)
