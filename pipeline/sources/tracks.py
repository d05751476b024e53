"""Which of a file's tracks is the video, and how fast it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from fractions import Fraction
from itertools import chain, islice, pairwise
from statistics import median
from typing import Any

import av
from av.stream import Disposition

from pipeline.sources.begins import possible

#: Frame rate assumed where a stream names none that can be.
_FALLBACK = Fraction(25)
#: Pictures a second that no recording exceeds, and seconds between two that none does.
_MOST = 300
#: Packets by which a recording's times are judged, and those by which doubtful ones are again.
_JUDGED = 16
_JUDGED_WELL = 250
#: Covers and previews in players' timelines.
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def video_track(streams: Any, live: bool) -> Any:
    """The PyAV stream to decode; ``None`` if there is no video.

    Covers and previews are not meant. Of a recording's others, those of about the largest picture
    are, and of these the one that players show.
    """
    tracks = list(streams.video)
    tracks = [track for track in tracks if not track.disposition & _PICTURES] or tracks
    if live:
        return next(iter(tracks), None)
    tracks = [track for track in tracks if track.codec_context is not None] or tracks
    tracks = [track for track in tracks if track.frames != 1] or tracks
    largest = max(map(_pixels, tracks), default=0)
    tracks = [track for track in tracks if 2 * _pixels(track) >= largest]
    tracks = [track for track in tracks if track.disposition & Disposition.default] or tracks
    return next(iter(tracks), None)


def _pixels(track: Any) -> int:
    context = track.codec_context
    return context.width * context.height if context is not None else 0


def recorded_at(metadata: Mapping[str, str]) -> float | None:
    """When a recording began, in seconds since the epoch, as its container tells; ``None`` if it
    does not, or tells what cannot be, as of cameras whose clock was never set."""
    try:
        at = datetime.fromisoformat(metadata["creation_time"].replace("Z", "+00:00"))
    except (KeyError, ValueError):
        return None
    seconds = (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    return seconds if possible(seconds) else None


def rate_of(stream: Any) -> Fraction:
    """Pictures a second that a PyAV stream tells, as far as it can be believed."""
    told = (stream.average_rate, stream.guessed_rate)
    return next((rate for rate in told if rate and is_possible(rate)), _FALLBACK)


def is_possible(rate: Fraction | float) -> bool:
    """Whether a recording may have so many pictures a second."""
    return 1 / _MOST <= rate <= _MOST


def timed(packets: Iterator[Any], stream: Any) -> tuple[Iterator[Any], float]:
    """A recording's packets, and the length of its time in that of its stamps: 1 unless these
    cannot be, as of recorders that write a thousand pictures a second; 0 if there are none, nor a
    rate that can be."""
    first, failure = _some(packets, _JUDGED)
    step = _step(first, stream)
    if step and failure is None and not is_possible(1 / step):  # perhaps only at the beginning
        more, failure = _some(packets, _JUDGED_WELL)
        first += more
        step = _step(first, stream)
    told = stream.average_rate
    if step == 0:
        stretch = 1.0 if not told or is_possible(told) or len(first) < 2 else 0.0
    else:
        stretch = 1.0 if is_possible(1 / step) else float(1 / rate_of(stream)) / step
    return chain(first, packets if failure is None else _failing(failure)), stretch


def _some(packets: Iterator[Any], count: int) -> tuple[list[Any], Exception | None]:
    """The next packets, and what ended them before there were so many."""
    found: list[Any] = []
    try:
        found.extend(islice(packets, count))
    except (av.FFmpegError, OSError) as error:
        return found, error
    return found, None


def _failing(error: Exception) -> Iterator[Any]:
    raise error
    yield


def _step(packets: Iterable[Any], stream: Any) -> float:
    """Seconds from one picture to the next by their stamps, 0 if these tell nothing."""
    stamps = [packet.dts if packet.pts is None else packet.pts for packet in packets]
    order = sorted(float(at * stream.time_base) for at in stamps if at is not None)
    return median([after - before for before, after in pairwise(order)] or [0.0])
