"""What an address offers: codec, size, rate and key frames, by watching it for some seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from pipeline.errors import SourceRefusedError
from pipeline.picture.registration import SAME_ASPECT
from pipeline.sources.camera import CameraSettings
from pipeline.sources.packets import Encoded
from pipeline.sources.stream import StreamSource
from pipeline.sources.table import is_live, open_source

#: Seconds between two key frames from which looks come late.
RARE_S = 4.0
#: Height in pixels from which a stream is larger than detecting needs.
LARGE = 720


@dataclass(frozen=True, slots=True)
class Offer:
    """What one address offers, as far as it showed.

    Attributes:
        size: width and height in pixels.
        rate: pictures a second.
        bits: bits a second.
        key_s: longest time between two key frames; ``None`` if fewer than two came.
        watched_s: for how long it was watched.
        b_frames: whether pictures come in another order than they are shown.
        reports: whether the camera tells its clock.
    """

    codec: str
    size: tuple[int, int]
    rate: float
    bits: float
    key_s: float | None
    watched_s: float
    b_frames: bool
    reports: bool


@dataclass(slots=True)
class _Watch:
    """What came so far."""

    stamps: list[float] = field(default_factory=list)
    keys: list[float] = field(default_factory=list)
    size: int = 0
    reports: bool = False

    def add(self, encoded: Encoded) -> None:
        self.stamps.append(encoded.stamp)
        self.size += encoded.size
        self.reports |= encoded.utc is not None
        if encoded.key:
            self.keys.append(encoded.stamp)

    @property
    def span_s(self) -> float:
        return max(self.stamps) - min(self.stamps) if self.stamps else 0.0

    def offer(self, codec: str, size: tuple[int, int]) -> Offer:
        """What that says."""
        span_s = max(self.span_s, 1e-3)
        gaps = [after - before for before, after in pairwise(self.keys)]
        return Offer(
            codec,
            size,
            (len(self.stamps) - 1) / span_s,
            8 * self.size / span_s,
            max(gaps, default=None),
            self.span_s,
            any(after < before for before, after in pairwise(self.stamps)),
            self.reports,
        )


def probe(camera: CameraSettings, seconds: float) -> Offer:
    """Watch a live camera's stream of ``url`` for some seconds, without decoding it.

    Raises:
        SourceError: it cannot be read, or is no camera.
    """
    if not is_live(camera.url):
        raise SourceRefusedError(f"{camera.name}: no live camera; only those have two streams")
    with open_source(camera) as source:
        if not isinstance(source, StreamSource):
            raise SourceRefusedError(f"{camera.name}: a stream of this kind cannot be probed")
        watch, began = _Watch(), time.monotonic()
        for encoded in source.encoded():
            watch.add(encoded)
            if time.monotonic() - began >= seconds:
                break
        return watch.offer(source.context.name, source.size or (0, 0))


def warnings(main: Offer, sub: Offer | None = None) -> Iterator[str]:
    """What of it will cost quality or time, a sentence each."""
    for name, one in (("main stream", main), ("sub-stream", sub)):
        if one is None:
            continue
        if one.key_s is None and one.watched_s > RARE_S:
            yield f"{name}: no two key frames in {one.watched_s:.0f} s; set one every 1 to 2 s"
        elif one.key_s is not None and one.key_s > RARE_S:
            yield f"{name}: a key frame only every {one.key_s:.1f} s; set one every 1 to 2 s"
        if one.b_frames:
            yield f"{name}: B-frames delay every picture and cost time to decode; switch them off"
    if sub is None:
        return
    (width, height), (small, low) = main.size, sub.size
    if small * low >= width * height:
        yield "the sub-stream is not smaller than the main stream; are the two swapped?"
    elif low >= LARGE:
        yield f"the sub-stream is {low} pixels high; 360 to 576 are enough to find people"
    if height and low:
        large, little = width / height, small / low
        if max(large / little, little / large) > SAME_ASPECT:
            yield (
                f"the aspect ratios differ ({large:.2f} and {little:.2f}): boxes are moved to fit, "
                "but set the same if you can"
            )
