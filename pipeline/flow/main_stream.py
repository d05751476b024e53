"""The main stream of a camera whose people are searched on its sub-stream: received on a thread of
its own and kept undecoded. Pictures are decoded when somebody asks.

While the sub-stream is down, every picture is decoded and offered in its place.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pipeline.errors import SourceDeniedError, SourceError, SourceRefusedError, redact
from pipeline.flow.backoff import backoff_s, denied_backoff_s, give_way
from pipeline.flow.pairing import Pairing
from pipeline.flow.stand_in import StandIn
from pipeline.flow.stats import MainStats
from pipeline.picture.area import Polygon
from pipeline.picture.registration import Registration
from pipeline.protocols import Source
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.sources.packets import Encoded, GroupDecoder, PacketStore
from pipeline.sources.stream import StreamSource
from pipeline.tagging.beside import Closeup
from pipeline.types import Frame

log = logging.getLogger("threadline.capture")

#: Seconds of good packets after which earlier failures are forgotten.
_FORGIVEN_S = 10.0
#: Seconds after which nobody waits for a picture that was asked for.
_ASKED_S = 1.5
#: Pictures that are kept until they are taken.
_MOST_READY = 2


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for, in the sub-stream's seconds, and when: monotonic."""

    after: float
    urgent: bool
    at: float


class Ready:
    """Pictures of a main stream that wait to be taken; from any thread."""

    def __init__(self) -> None:
        self._pictures: deque[Closeup] = deque(maxlen=_MOST_READY)

    def keep(self, closeups: Iterable[Closeup]) -> None:
        """Pictures whose moments are known, for whoever asked."""
        self._pictures.extend(closeups)

    def take(self) -> list[Closeup]:
        taken = []
        with suppress(IndexError):
            while True:
                taken.append(self._pictures.popleft())
        return taken

    def clear(self) -> None:
        """Those that were not taken yet are of no use any more."""
        self._pictures.clear()


class MainStream:
    """One camera's main stream; ``pipeline.tagging.beside.Main``.

    Its own thread receives and decodes; the capture thread tells it what the sub-stream shows, and
    the inference thread asks and takes.

    Attributes:
        standing_in: the sub-stream is down, and every picture is offered in its place.
        ready: where its pictures wait.

    Args:
        turn: held while decoding.
        offer: takes the pictures that stand in for the sub-stream's.
        stop: set when the camera is removed, or the run ends.
        mask: areas that are painted out of its pictures before anybody has them.
    """

    def __init__(
        self,
        camera: CameraSettings,
        stats: MainStats,
        turn: threading.BoundedSemaphore,
        offer: Callable[[Frame], None],
        stop: threading.Event,
        mask: Sequence[Polygon] = (),
    ) -> None:
        self.size: tuple[int, int] | None = None
        self._stats = stats
        self._camera = camera
        self._turn = turn
        self._offer = offer
        self._stop = stop
        self._lock = threading.Lock()
        self._pairing = Pairing(camera.name, stats, mask)
        self._wish: _Wish | None = None
        self.ready = Ready()
        self._store = PacketStore()
        #: How many packets of which group were decoded for somebody.
        self._given: tuple[Encoded | None, int] = (None, 0)
        self.standing_in = False

    @property
    def registration(self) -> Registration | None:
        return self._pairing.registration

    @property
    def up(self) -> bool:
        """Whether its packets come."""
        return self._stats.state == "up"

    def saw(self, frame: Frame) -> None:
        """The sub-stream's next picture."""
        self.standing_in = False
        self._pairing.saw(frame)

    def lost(self) -> bool:
        """The sub-stream is down: from now on, this one stands in for it; whether it is up."""
        self.standing_in = True
        self._pairing.sub_lost()
        self.ready.clear()
        with self._lock:
            self._wish = None
        return self.up

    def ask(self, after: float, urgent: bool) -> None:
        with self._lock:
            self._wish = _Wish(after, urgent, time.monotonic())

    def take(self) -> list[Closeup]:
        return self.ready.take()

    def run(self) -> None:
        """Until ``stop`` is set."""
        give_way()
        failures = 0
        while not self._stop.is_set():
            began, denied = time.monotonic(), False
            try:
                with open_source(self._camera.main_stream) as source:
                    self._read(source)
            except (SourceDeniedError, SourceRefusedError) as error:
                self._down(str(error))
                denied = True
            except SourceError as error:
                self._down(str(error))
            except Exception as error:  # one camera's defect must not end the others
                log.exception("camera %s: unexpected error in its main stream", self._camera.name)
                self._down(redact(str(error)))
            failures = 1 if time.monotonic() - began > _FORGIVEN_S else failures + 1
            pause = denied_backoff_s if denied else backoff_s
            self._stop.wait(pause(failures, random.random()))

    def _down(self, reason: str) -> None:
        if self._stats.state != "down" and not self._stop.is_set():
            log.warning(
                "%s: its main stream is down (%s); crops come from its sub-stream until it is back",
                self._camera.name,
                reason,
            )
        self._stats.state, self._stats.note = "down", reason
        self.ready.clear()
        self._store.clear()
        self._pairing.main_lost()

    def _read(self, source: Source) -> None:
        if not isinstance(source, StreamSource):
            raise SourceRefusedError(f"{source.id}: a stream of this kind cannot be a main stream")
        source.turn = self._turn
        self.size = source.size or self.size
        decoder, standing = GroupDecoder(source.context), StandIn(source)
        for encoded in source.encoded():
            if self._stop.is_set():
                return
            self._came(encoded)
            if self.standing_in:
                self._stand_in(standing, encoded)
                continue
            standing.end()
            self._serve(source, decoder)
            self.ready.keep(self._pairing.settled())

    def _came(self, encoded: Encoded) -> None:
        stats = self._stats
        self._store.add(encoded)
        stats.packets += 1
        stats.discarded = self._store.dropped
        if stats.state == "down":
            log.warning("%s: its main stream is back", self._camera.name)
        stats.state, stats.note = "up", ""

    def _stand_in(self, standing: StandIn, encoded: Encoded) -> None:
        """Offer every picture, from the last key frame on."""
        self._pairing.main_lost()
        for frame in standing.frames([encoded] if standing.began else self._store.group):
            self._stats.decoded += 1
            self.size = frame.width, frame.height
            self._offer(replace(frame, planes=self._pairing.masked(frame.planes)))

    def _serve(self, source: StreamSource, decoder: GroupDecoder) -> None:
        """Decode what is asked for."""
        count = self._wanted()
        if not count:
            return
        group, stats = self._store.group, self._stats
        found = decoder.decode(group, count, self._turn)
        self._given = group[0], count
        stats.keys += count == 1
        stats.forward += count > 1
        if found is not None:
            planes = source.shown(found[0])
            stats.decoded += 1
            self.size = planes.width, planes.height
            self._pairing.add(found[1], planes)

    def _wanted(self) -> int:
        """How many packets of the group to decode: one for its key frame, 0 for none."""
        group = self._store.group
        if not group or self._pairing.full:
            return 0
        with self._lock:
            wish = self._wish
            if wish is None or time.monotonic() - wish.at > _ASKED_S:
                return 0
            first, last = self._pairing.when(group[0]), self._pairing.when(group[-1])
            if first is None or last is None:
                return 0
            done = self._given[1] if self._given[0] is group[0] else 0
            # The first one also shows what the two streams have to do with each other.
            if done == 0 and (first >= wish.after or self.registration is None):
                count = 1
            elif wish.urgent and last >= wish.after and done < len(group):
                count = len(group)
            else:
                return 0
            self._wish = None
            return count
