"""What a camera's main and sub-stream have to do with each other: where the picture of one lies in
that of the other, and when each picture of the main stream was taken in the sub-stream's time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.flow.stats import MainStats
from pipeline.picture.area import Polygon
from pipeline.picture.privacy import masked
from pipeline.picture.registration import (
    MOMENT,
    PLACE,
    SAME_ASPECT,
    WHOLE,
    Registration,
    Thumbnail,
    is_plain,
    registered,
    seen,
    thumbnail,
)
from pipeline.sources.alignment import Alignment, Placed, Sight
from pipeline.sources.packets import Encoded
from pipeline.tagging.beside import Closeup
from pipeline.types import Frame, Picture

log = logging.getLogger("threadline.capture")

#: Decoded pictures that wait until it is known of which moment they are.
MOST_PENDING = 2
#: Seconds after which such a picture is given up.
PENDING_S = 5.0
#: Offset between the streams, in seconds, that is worth a word.
WORTH_S = 0.3
#: Pictures in a row that must have it: a machine with too little time makes single ones.
STEADY = 4
#: Seconds after which it is tried again where the streams show different things.
AGAIN_S = 10.0


@dataclass(slots=True)
class _Pending:
    """A decoded picture of the main stream, its thumbnail, and since when (monotonic) its moment is
    sought."""

    encoded: Encoded
    picture: Picture
    thumb: Thumbnail
    since: float


class Pairing:
    """One camera's two streams. The capture thread tells what the sub-stream shows; all else is the
    main stream's thread's.

    Attributes:
        registration: where the sub-stream's picture lies in the main stream's, once known.
    """

    def __init__(self, name: str, stats: MainStats, mask: Sequence[Polygon] = ()) -> None:
        """``mask`` are areas of the sub-stream's picture that nobody may see."""
        self.registration: Registration | None = None
        self._name = name
        self._mask = mask
        self._stats = stats
        self._lock = threading.Lock()
        self._alignment = Alignment()
        self._place: Thumbnail | None = None
        self._aspect = 1.0
        self._pending: list[_Pending] = []
        self._offsets: deque[float] = deque(maxlen=STEADY)
        self._index = 0
        self._told: set[str] = set()
        self._compared = float("-inf")

    def saw(self, frame: Frame) -> None:
        """The sub-stream's next picture."""
        moment = thumbnail(frame.planes, MOMENT)
        place = thumbnail(frame.planes, PLACE) if self.registration is None else None
        sight = Sight(frame.pts, frame.captured_at, frame.camera_utc, moment)
        with self._lock:
            self._alignment.saw(sight)
            self._place, self._aspect = place, frame.width / frame.height

    def sub_lost(self) -> None:
        """The sub-stream is down; its time will begin anew."""
        with self._lock:
            self._alignment.restart()

    def main_lost(self) -> None:
        """The main stream is down."""
        self._pending.clear()

    def when(self, encoded: Encoded) -> float | None:
        """When a packet was taken, in the sub-stream's seconds, as far as is known."""
        with self._lock:
            placed = self._alignment.placed(encoded.taken, encoded.utc)
            return None if placed is None else placed.pts + self._alignment.shift(placed.clock)

    def masked(self, planes: Picture) -> Picture:
        """A picture of the main stream with the same areas painted out as of the sub-stream's."""
        place = self.registration or WHOLE
        return masked(planes, place.moved(self._mask))

    def add(self, encoded: Encoded, planes: Picture) -> None:
        """A picture of the main stream was decoded."""
        self._register(self.masked(planes))
        planes = self.masked(planes)
        thumb = thumbnail(planes, MOMENT)
        self._pending.append(_Pending(encoded, planes, thumb, time.monotonic()))

    @property
    def full(self) -> bool:
        """Whether as many pictures wait for their moments as may."""
        return len(self._pending) >= MOST_PENDING

    def settled(self) -> list[Closeup]:
        """The pictures whose moments are known by now; those that fit none are let go of."""
        if self.registration is None:
            self._pending.clear()
            return []
        found, waiting = [], []
        for one in self._pending:
            moment = self._moment(one, self.registration)
            if isinstance(moment, float):
                found.append(Closeup(self._frame(one, moment), self.registration))
            elif moment == "later" and time.monotonic() - one.since < PENDING_S:
                waiting.append(one)
        self._pending = waiting
        return found

    def _frame(self, one: _Pending, moment: float) -> Frame:
        encoded, index = one.encoded, self._index
        self._index += 1
        utc = time.time() - (time.monotonic() - encoded.taken)
        return Frame(self._name, index, moment, encoded.taken, utc, one.picture, True, encoded.utc)

    def _moment(self, one: _Pending, registration: Registration) -> float | Literal["later"] | None:
        shown, encoded = seen(one.thumb, registration), one.encoded
        with self._lock:
            placed = self._alignment.placed(encoded.taken, encoded.utc)
            if placed is None:
                return "later"
            moment = self._alignment.moment(placed, shown)
            arrival = self._alignment.placed(encoded.taken, encoded.utc, "arrival")
        self._stats.doubtful = self._alignment.doubtful
        if isinstance(moment, float) and arrival is not None:
            self._note_offset(arrival.pts - moment, placed)
        return moment

    def _note_offset(self, offset: float, placed: Placed) -> None:
        """How much later this stream's pictures come than the sub-stream's of the same moment."""
        self._stats.offset_s, self._stats.clock = offset, placed.clock
        self._offsets.append(offset)
        least, most = min(self._offsets), max(self._offsets)
        if len(self._offsets) == STEADY and (least >= WORTH_S or most <= -WORTH_S):
            which = "behind" if offset > 0 else "ahead of"
            self._tell(
                "offset",
                f"its main stream comes {abs(offset):.1f} s {which} its sub-stream; pictures are "
                "matched by when they were taken",
            )

    def _register(self, planes: Picture) -> None:
        """Find where the sub-stream's picture lies in this one's."""
        now, place, aspect = time.monotonic(), self._place, planes.width / planes.height
        if self.registration is not None or place is None or now < self._compared + AGAIN_S:
            return
        own = thumbnail(planes, PLACE)
        bent = max(self._aspect / aspect, aspect / self._aspect)
        if is_plain(place) or is_plain(own):
            self.registration = WHOLE if bent <= SAME_ASPECT else None
            return
        found, _ = registered(place, own, (self._aspect, aspect))
        self.registration = found
        if found is None:
            self._compared = now
            self._tell(
                "other",
                "its main stream and its sub-stream show different things; is sub an address of "
                "the same camera? Crops come from the sub-stream",
            )
        elif found != WHOLE:
            self._tell("part", f"{_how(found)}; boxes are moved accordingly")
        elif bent > SAME_ASPECT:
            self._tell(
                "aspect",
                f"its sub-stream shows the same as its main stream at another aspect ratio "
                f"({self._aspect:.2f} and {aspect:.2f}); boxes are stretched accordingly",
            )

    def _tell(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning("%s: %s", self._name, text)


def _how(found: Registration) -> str:
    """Where the sub-stream's picture lies in the main stream's, in words."""
    if found.x > 1 or found.y > 1:
        return "its sub-stream shows more than its main stream"
    return (
        f"its sub-stream shows {100 * found.x:.0f} % of the width and {100 * found.y:.0f} % of the "
        "height of its main stream"
    )
