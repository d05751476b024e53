"""Objects on a plain belt or table: what differs from the empty one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.tagging.measures.shape import State
from pipeline.types import Rgb

Mask = npt.NDArray[np.uint8]
#: Pictures that the empty plane is learnt from.
SAMPLES = 13
#: Share of the picture that objects cover at most; more is another light, or a covered lens.
MOST_COVERED = 0.6
#: Seconds between two steps by which the empty plane follows the light, and the size of a step.
_FOLLOW_S = 1.0
_FOLLOW = 0.1
#: Objects are looked for at this part of the resolution, and outlined at all of it.
_COARSE = 2
#: A camera's exposure changes by this factor at most; more is a covered lens.
_DIMMEST = 0.7
#: Half of the difference between object and plane is where its outline is.
_HALF = 0.5
#: Width of the neighbourhood that tells how much an object differs near its outline, in cells of
#: this many pixels a side.
_NEAR = 7
_NEAR_STEP = 4
#: Rows at a time, and the difference of a channel up to which two pictures agree.
_BAND = 64
_ALIKE = 10
#: How much of the colour may change in a shadow.
_TINT = 0.12
#: What stands for all of the light where shares of it are bytes.
_FULL = 200


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One object in one picture.

    Attributes:
        at: x, y of the mask's first pixel in the picture.
        mask: (h, w) of 0 and 1, connected, without holes.
        holes: share of it that was holes.
        label, score: what it is, and how surely, where a pack says so.
        state: what its place among the others tells; its shape may tell more.
    """

    at: tuple[int, int]
    mask: Mask
    holes: float = 0.0
    label: str = ""
    score: float = 1.0
    state: State = "whole"

    @property
    def box(self) -> tuple[float, float, float, float]:
        height, width = self.mask.shape
        return (
            float(self.at[0]),
            float(self.at[1]),
            float(self.at[0] + width),
            float(self.at[1] + height),
        )


class EmptyPlane:
    """The picture of the plane without objects: given, or what the pictures of a
    stream's first seconds agree on.
    """

    def __init__(self, learn_s: float, picture: Rgb | None = None) -> None:
        self._learn_s = learn_s
        self._samples: list[tuple[float, Rgb]] = []
        self._followed = -np.inf
        self.picture = picture

    def learn(self, picture: Rgb, pts: float) -> bool:
        """Take in a picture; whether the empty plane is known."""
        if self.picture is not None and self.picture.shape == picture.shape:
            return True
        if self._samples and self._samples[0][1].shape != picture.shape:
            self._samples.clear()
        gap = self._learn_s / (SAMPLES - 1)
        if not self._samples or pts >= self._samples[-1][0] + 0.99 * gap:
            self._samples.append((pts, picture))
        if len(self._samples) < SAMPLES:
            return False
        self.picture = commonest([sample for _, sample in self._samples])
        self._samples.clear()
        return True

    def follow(self, picture: Rgb, covered: Mask, pts: float) -> None:
        """Go along with the light, where nothing lies (``covered`` is 0)."""
        if self.picture is None or pts < self._followed + _FOLLOW_S:
            return
        self._followed = pts
        mixed = cv2.addWeighted(self.picture, 1 - _FOLLOW, picture, _FOLLOW, 0)
        # Rounding would keep differences under half a step for ever; they do no harm.
        cv2.copyTo(mixed, cv2.bitwise_not(covered * 255), self.picture)


def commonest(samples: list[Rgb]) -> Rgb:
    """What most pictures (at least two) agree on, pixel by pixel: unlike the middle, right also
    where objects, of many colours, were in view more often than not."""
    out = np.empty_like(samples[0])
    for row in range(0, len(out), _BAND):
        bands = np.stack([sample[row : row + _BAND] for sample in samples])
        agree = np.zeros(bands.shape[:3], np.uint8)
        for i, one in enumerate(bands):
            for j in range(i):
                near = (_largest(cv2.absdiff(one, bands[j])) < _ALIKE).view(np.uint8)
                agree[i] += near
                agree[j] += near
        best = agree.argmax(0)[None, ..., None]
        out[row : row + _BAND] = np.take_along_axis(bands, best, 0)[0]
    return np.asarray(cv2.medianBlur(out, 3), np.uint8)


def _largest(channels: Rgb) -> Mask:
    """The largest of three channels (H, W, 3), pixel by pixel."""
    red, green, blue = cv2.split(channels)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def lit_alike(picture: Rgb, empty: Rgb) -> Rgb:
    """The empty plane in the light of a picture: cameras change their exposure."""
    now, then = (image[::16, ::16].astype(np.float32) + 8 for image in (picture, empty))
    gain = float(np.median(now / then))
    gain = min(max(gain, _DIMMEST), 1 / _DIMMEST)
    return empty if abs(gain - 1) < 0.015 else np.asarray(cv2.convertScaleAbs(empty, alpha=gain))


def instances(
    picture: Rgb, empty: Rgb, contrast: int, shadow: float, least_px: float
) -> list[Instance] | None:
    """The objects in a picture (H, W, 3), in no order; ``None`` where most of it differs.

    Args:
        contrast: difference of a channel, 0 to 255, from which something lies there.
        shadow: share of the light that the darkest shadow leaves.
        least_px: smaller areas are dirt.
    """
    rough = _rough(picture, empty, contrast)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(rough)
    if stats[1:, cv2.CC_STAT_AREA].sum() > MOST_COVERED * rough.size:
        return None
    found: list[Instance] = []
    for i in range(1, count):
        x, y, w, h, area = (int(v) * _COARSE for v in stats[i])
        if area * _COARSE < least_px:
            continue
        x0, y0 = max(x - 4, 0), max(y - 4, 0)
        rows, columns = slice(y0, y + h + 4), slice(x0, x + w + 4)
        one, none = picture[rows, columns], empty[rows, columns]
        inner = labels[y // _COARSE : (y + h) // _COARSE, x // _COARSE : (x + w) // _COARSE] == i
        own = _grown(inner, (x - x0, y - y0), one.shape)
        lit = _without_shadow(one, none, _largest(cv2.absdiff(one, none)), shadow)
        found += pieces(_refined(lit, own, contrast), (x0, y0), least_px)
    return found


def _grown(coarse: npt.NDArray[np.bool_], at: tuple[int, int], shape: tuple[int, ...]) -> Mask:
    """A coarse mask at full resolution, a little larger, at x, y of a part of this shape."""
    fine = coarse.astype(np.uint8).repeat(_COARSE, 0).repeat(_COARSE, 1)
    out = np.zeros(shape[:2], np.uint8)
    room = out[at[1] :, at[0] :]
    fine = fine[: room.shape[0], : room.shape[1]]
    room[: fine.shape[0], : fine.shape[1]] = fine
    return np.asarray(cv2.dilate(out, np.ones((7, 7), np.uint8)), np.uint8)


def _rough(picture: Rgb, empty: Rgb, contrast: int) -> Mask:
    """Where something lies, 0 or 1, at half the resolution."""
    half = (picture.shape[1] // _COARSE, picture.shape[0] // _COARSE)
    now, then = (cv2.resize(image, half, interpolation=0) for image in (picture, empty))
    apart = cv2.blur(_largest(cv2.absdiff(now, then)), (3, 3))
    rough = (apart >= contrast).view(np.uint8)
    return np.asarray(cv2.morphologyEx(rough, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)


def _without_shadow(picture: Rgb, empty: Rgb, difference: Mask, shadow: float) -> Mask:
    """The difference (h, w), 0 where all channels are darker by the same share, and not by more
    than a shadow can. The rims of dark objects look like that too; they are thin, shadows not."""
    if shadow >= 1:
        return difference
    share = cv2.divide(picture, empty, scale=_FULL, dtype=cv2.CV_8U)
    red, green, blue = cv2.split(share)
    low, high = cv2.min(cv2.min(red, green), blue), cv2.max(cv2.max(red, green), blue)
    evenly = cv2.subtract(high, low) < _TINT * _FULL
    dark = ((low > shadow * _FULL) & (high < _FULL) & evenly).astype(np.uint8)
    wide = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    return np.asarray(np.where(wide == 1, 0, difference), np.uint8)


def _refined(difference: Mask, own: Mask, contrast: int) -> Mask:
    """The object's pixels: those that differ by more than half of what it does near by."""
    sure = cv2.erode((difference >= contrast) & own, np.ones((3, 3), np.uint8))
    inside = cv2.erode(sure, np.ones((5, 5), np.uint8))
    inside = inside if inside.any() else sure
    # What is blurred this widely is as good at a part of the resolution.
    size = tuple(-(-side // _NEAR_STEP) for side in inside.shape[::-1])
    mean = float(cv2.mean(difference, inside)[0]) if inside.any() else contrast
    weight, level = (
        cv2.blur(cv2.resize(part, size, interpolation=cv2.INTER_AREA), (_NEAR, _NEAR))
        for part in (inside.astype(np.float32), cv2.multiply(difference, inside, dtype=cv2.CV_32F))
    )
    level = np.where(weight > 1e-4, level / np.maximum(weight, 1e-6), mean)
    limit = cv2.resize(np.maximum(_HALF * level, 0.5 * contrast), inside.shape[::-1])
    return np.asarray((difference > limit) & own, np.uint8)


def pieces(mask: Mask, at: tuple[int, int], least_px: float) -> list[Instance]:
    """Connected pieces of a mask, their holes filled, each cut out."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for contour in contours:
        x, y, w, h = cv2.boundingRect(contour)
        whole = np.zeros((h, w), np.uint8)
        cv2.drawContours(whole, [contour], -1, 1, cv2.FILLED, offset=(-x, -y))
        whole = cv2.morphologyEx(whole, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        area = cv2.countNonZero(whole)
        if area >= least_px:
            full = cv2.countNonZero(whole & mask[y : y + h, x : x + w])
            found.append(Instance((at[0] + x, at[1] + y), whole, 1 - full / area))
    return found


def spread_mask(found: list[Instance], shape: tuple[int, ...]) -> Mask:
    """Where objects lie in a picture (H, W), 0 or 1, with some room around them."""
    covered = np.zeros(shape[:2], np.uint8)
    for one in found:
        x, y = one.at
        height, width = one.mask.shape
        covered[max(y - 8, 0) : y + height + 8, max(x - 8, 0) : x + width + 8] = 1
    return covered
