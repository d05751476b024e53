"""A first look, and a second one at a part, cut from the picture itself: what each says, and from
when the first is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from engines.nets.efficientnet_lite import normalise
from engines.nets.glsim import TaughtTwice
from engines.teach.calibration import fit_temperature, softmax
from engines.teach.lesson import Indices
from engines.teach.twins import Image
from engines.teach.views import PAD, square

F32 = npt.NDArray[np.float32]
#: Pictures shown at once.
_SHOWN = 16
#: A threshold is a multiple of one in so many.
_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Glance:
    """What pictures held out say of looking again only where the first look leaves a doubt.

    Attributes:
        below: probability of the first look's surest label under which there is a second look.
        temperature: of the first look's probabilities.
        again: share of the pictures that need a second look.
        same: share that gets the label that always looking again gives.
        once, always, right: share that is right by first looks alone, by always looking again, and
            by looking again below ``below``.
    """

    below: float
    temperature: float
    again: float
    same: float
    once: float
    always: float
    right: float

    def __str__(self) -> str:
        return (
            f"The first look is enough where it gives its label {self.below:.3f} or more; the "
            f"other {self.again:.0%} of these pictures, by which that was chosen, are looked at "
            f"again, at a part cut from the picture. Right so: {self.right:.3f}; by first looks "
            f"alone: {self.once:.3f}; by always looking again: {self.always:.3f}, whose label "
            f"{self.same:.0%} get."
        )


@torch.no_grad()
def look_once(net: TaughtTwice, pictures: Sequence[Image], side: int) -> tuple[F32, F32]:
    """Class tokens (n, width) of whole pictures, and the parts (n, 4) worth another look, xyxy in
    shares of the square that they are fitted into."""
    net.eval()
    device = net.fc.weight.device
    tokens, parts = [], []
    for start in range(0, len(pictures), _SHOWN):
        shown = np.stack([square(rgb, side) for rgb in pictures[start : start + _SHOWN]])
        token, where = net.features.first(normalise(torch.from_numpy(shown).to(device)))
        tokens.append(token.float().cpu().numpy())
        parts.append(where[:, [1, 0, 3, 2]].cpu().numpy().astype(np.float32) / side)
    return np.concatenate(tokens), np.concatenate(parts)


@torch.no_grad()
def look_again(
    net: TaughtTwice, pictures: Sequence[Image], tokens: F32, parts: F32, side: int
) -> F32:
    """Logits (n, classes) of both looks, the parts cut from the pictures as they are."""
    device = net.fc.weight.device
    logits = []
    for start in range(0, len(pictures), _SHOWN):
        rows = slice(start, start + _SHOWN)
        own = zip(pictures[rows], parts[rows], strict=True)
        shown = torch.from_numpy(np.stack([part_of(rgb, part, side) for rgb, part in own]))
        whole = torch.from_numpy(tokens[rows]).to(device)
        logits.append(net.again(normalise(shown.to(device)), whole).float().cpu().numpy())
    return np.concatenate(logits)


def part_of(rgb: Image, part: F32, side: int) -> Image:
    """A part, xyxy in shares of the square that a picture (H, W, 3) is fitted into, stretched to
    (side, side, 3); grey where it shows more than the picture."""
    height, width = rgb.shape[:2]
    longest = max(height, width)
    left, top = (longest - width) / 2, (longest - height) / 2
    edges = part * longest - np.array([left, top, left, top], np.float32)
    x0, y0, x1, y1 = np.round(edges).astype(int).tolist()
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    out = np.full((y1 - y0, x1 - x0, 3), PAD, np.uint8)
    inside = rgb[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    y, x = max(-y0, 0), max(-x0, 0)
    out[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    how = cv2.INTER_AREA if max(out.shape[:2]) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(out, (side, side), interpolation=how), np.uint8)


def settle(first: F32, both: F32, classes: Indices, temperature: float) -> tuple[Glance, F32]:
    """From when the first look is enough, and the logits (n, classes) that this gives, at
    ``temperature``.

    The threshold is the one at which most pictures are right; of several, the lowest, which needs
    the fewest second looks.

    Args:
        first, both: logits (n, classes) of the first look, and of both, of pictures held out.
        temperature: of ``both``.
    """
    early = fit_temperature(first, classes)
    sure = softmax(first, early).max(axis=1)
    once, always = (logits.argmax(axis=1) == classes for logits in (first, both))
    steps = {1.0, *(max(int(one * _STEPS), 1) / _STEPS for one in sure)}
    below = max(sorted(steps), key=lambda least: np.where(sure < least, always, once).sum())
    again = sure < below
    logits = np.where(again[:, None], both, first * np.float32(temperature / early))
    told = logits.argmax(axis=1)
    shares = (again, told == both.argmax(axis=1), once, always, told == classes)
    return Glance(below, early, *(float(share.mean()) for share in shares)), logits
