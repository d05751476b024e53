"""Two streams of one camera: where the picture of one lies in that of the other, and which of its
pictures is of the same moment. From thumbnails of the luma; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.picture.area import Polygon
from pipeline.types import Box, Picture

#: Luma of a whole picture at the size of ``MOMENT`` or ``PLACE``, uint8 (h, w).
Thumbnail = npt.NDArray[np.uint8]
#: The same as another picture shows it; not a number where it does not.
Seen = npt.NDArray[np.float32]

#: Width and height of thumbnails that tell moments apart, and of those that tell places apart.
MOMENT = (64, 36)
PLACE = (160, 90)
#: Likeness of two thumbnails, -1 to 1, from which they show the same scene, and by how much another
#: part must be more alike than the whole.
ALIKE = 0.5
CLEARER = 0.1
#: Standard deviation of a thumbnail's details below which it shows nothing to go by.
PLAIN = 1.0
#: Ratio of two aspect ratios up to which they count as one.
SAME_ASPECT = 1.03
#: Smallest share of a side that a cut picture shows.
LEAST_PART = 0.4
#: Steps of luma by which a cell changes where something moves, and cells it takes.
MOVING = 12
LEAST_CELLS = 4
#: Of so many thumbnails, one is enough to tell what is there most of the time.
SOME = 8
#: Contrast by which two streams of one camera may differ.
GAINS = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Registration:
    """Where a sub-stream's picture lies in the main stream's, as shares of width and height:
    main = scale x sub + shift."""

    x: float = 1.0
    y: float = 1.0
    left: float = 0.0
    top: float = 0.0

    def to_main(self, box: Box, sub: tuple[int, int], main: tuple[int, int]) -> Box:
        """A box in the sub-stream's pixels in the main stream's; sizes are (width, height)."""
        across, down = main[0] * self.x / sub[0], main[1] * self.y / sub[1]
        left, top = main[0] * self.left, main[1] * self.top
        x0, y0, x1, y1 = box
        return x0 * across + left, y0 * down + top, x1 * across + left, y1 * down + top

    def to_sub(self, box: Box, sub: tuple[int, int], main: tuple[int, int]) -> Box:
        """The other way round."""
        return self.inverse.to_main(box, main, sub)

    def moved(self, areas: Sequence[Polygon]) -> list[Polygon]:
        """Areas of the sub-stream's picture in the main stream's."""
        return [
            tuple(
                (
                    min(max(self.x * x + self.left, 0.0), 1.0),
                    min(max(self.y * y + self.top, 0.0), 1.0),
                )
                for x, y in area
            )
            for area in areas
        ]

    @property
    def inverse(self) -> Registration:
        return Registration(1 / self.x, 1 / self.y, -self.left / self.x, -self.top / self.y)


WHOLE = Registration()


def thumbnail(picture: Picture, size: tuple[int, int]) -> Thumbnail:
    """A picture's luma at a size (width, height), whatever its proportions."""
    # Every second or third pixel is enough: the mean of what is left is taken.
    step = max(min(picture.width // (4 * size[0]), picture.height // (4 * size[1])), 1)
    luma = np.ascontiguousarray(picture.points((0, 0, picture.width, picture.height), step))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def seen(main: Thumbnail, registration: Registration) -> Seen:
    """What of a main stream's thumbnail the sub-stream shows, laid out as its own thumbnails."""
    height, width = main.shape
    move = np.array(
        [
            [registration.x, 0, 0.5 * registration.x + registration.left * width - 0.5],
            [0, registration.y, 0.5 * registration.y + registration.top * height - 0.5],
        ]
    )
    padded = cv2.copyMakeBorder(main.astype(np.float32), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    move[:, 2] += 1  # half a cell at the edge is not outside
    moved = cv2.warpAffine(
        padded,
        move,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float("nan"),
    )
    return np.asarray(moved, np.float32)


def likeness(sub: Thumbnail, main: Seen) -> float:
    """Correlation of the details that both show, -1 to 1; 0 where there are too few."""
    both = np.isfinite(main)
    if both.mean() < LEAST_PART**2:
        return 0.0
    filled = np.where(both, main, np.float32(np.mean(main[both])))
    one, other = _details(sub.astype(np.float32))[both], _details(filled)[both]
    spread = float(one.std() * other.std())
    return float(np.mean((one - one.mean()) * (other - other.mean()))) / spread if spread else 0.0


def is_plain(thumb: Thumbnail) -> bool:
    """Whether a thumbnail shows nothing by which it could be recognised: a lens cap, the night."""
    return float(_details(thumb.astype(np.float32)).std()) < PLAIN


def registered(
    sub: Thumbnail, main: Thumbnail, aspects: tuple[float, float]
) -> tuple[Registration | None, float]:
    """Where the sub-stream's picture lies in the main stream's, and how alike they are there;
    ``None`` if nowhere.

    Args:
        sub, main: thumbnails of ``PLACE`` taken at about the same time.
        aspects: width by height of the pictures themselves.
    """
    best, most = WHOLE, likeness(sub, seen(main, WHOLE))
    for part in _parts(*aspects):
        like = likeness(sub, seen(main, part))
        if like > most + CLEARER * (best == WHOLE):
            best, most = part, like
    if most < ALIKE:
        for part in (_found(sub, main, aspects), _found(main, sub, aspects[::-1]).inverse):
            part = _refined(sub, main, part)
            like = likeness(sub, seen(main, part))
            if like > most:
                best, most = part, like
    return (best if most >= ALIKE else None), most


def _details(thumb: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What is left of a thumbnail without its light and shade."""
    return np.asarray(thumb - cv2.blur(thumb, (thumb.shape[1] // 8, thumb.shape[0] // 6)))


def _parts(sub: float, main: float) -> Iterator[Registration]:
    """Where one picture would lie in the other if its sides were cut off, or bars were added."""
    if max(sub / main, main / sub) <= SAME_ASPECT:
        return
    share = min(sub / main, main / sub)
    narrow = Registration(share, 1.0, (1 - share) / 2, 0.0)
    flat = Registration(1.0, share, 0.0, (1 - share) / 2)
    yield from (narrow, flat.inverse) if sub < main else (flat, narrow.inverse)


def _found(part: Thumbnail, whole: Thumbnail, aspects: tuple[float, float]) -> Registration:
    """Where a picture lies in another that shows more, at its own proportions."""
    height, width = whole.shape
    best, most = WHOLE, -1.0
    ratio = aspects[0] / aspects[1]
    for share in np.arange(LEAST_PART, 1.0, 0.02):
        size = round(share * width), round(share * height / ratio)
        if size[0] > width or size[1] > height:
            continue
        piece = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        scores = cv2.matchTemplate(whole, piece, cv2.TM_CCOEFF_NORMED)
        _, like, _, (left, top) = cv2.minMaxLoc(scores)
        if like > most:
            found = size[0] / width, size[1] / height, left / width, top / height
            best, most = Registration(*found), like
    return best


def _refined(sub: Thumbnail, main: Thumbnail, near: Registration) -> Registration:
    """The same more exactly than to a cell."""
    height, width = main.shape
    start = np.array([[near.x, 0, near.left * width], [0, near.y, near.top * height]], np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-4)
    try:
        _, move = cv2.findTransformECC(sub, main, start, cv2.MOTION_AFFINE, stop, None, 5)
    except cv2.error:  # it did not converge
        return near
    x, y = float(move[0, 0]), float(move[1, 1])
    if not (0.9 < x / near.x < 1.1 and 0.9 < y / near.y < 1.1):
        return near
    return Registration(x, y, float(move[0, 2]) / width, float(move[1, 2]) / height)


def differences(
    history: Sequence[Thumbnail], main: Seen
) -> tuple[npt.NDArray[np.float64], float] | None:
    """How much every one of the sub-stream's thumbnails differs from what the main stream shows, in
    steps of luma, where anything moves, and how much what is there changes; ``None`` where nothing
    moves: then all are alike."""
    stack = np.stack(history)
    both = np.isfinite(main)
    change = np.ptp(stack, axis=0)
    moving = both & (change > MOVING)
    if np.count_nonzero(moving) < LEAST_CELLS:
        return None
    # Both have their own exposure, which shows where nothing moves.
    fixed = both & ~moving if np.count_nonzero(both & ~moving) >= LEAST_CELLS else both
    usual, own = np.median(stack[::SOME], axis=0)[fixed], main[fixed]
    gain = float(np.clip(usual.std() / max(float(own.std()), 1e-3), *GAINS))
    level = (main[moving] - np.median(own)) * gain + np.median(usual)
    apart = np.asarray(np.abs(stack[:, moving] - level).mean(axis=1), np.float64)
    return apart, float(change[moving].mean())
