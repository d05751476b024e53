"""Pictures drawn for those who watch, beside everything else.

One thread gives way to all others; on a machine that is busy for long it may get no time at all. So
what has waited too long is drawn by a second one, which does not give way but takes no more than a
small share of a core.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass

from pipeline.flow.backoff import give_way
from pipeline.flow.worker import Worker

#: Seconds after which a picture is not left to the thread that gives way alone.
DUE_S = 0.2
#: Share of a core that the other one takes at most.
SHARE = 0.05


@dataclass(eq=False, slots=True)
class _Wanted:
    """A picture to be drawn.

    Attributes:
        taken: by the thread that gives way, which may be at it for long.
    """

    work: Callable[[], bytes]
    answer: Future[bytes]
    asked: float
    taken: bool = False


class Drawing:
    """Draws in the order in which it is asked; works from any thread."""

    def __init__(self) -> None:
        self._wanted: list[_Wanted] = []
        self._changed = threading.Condition()
        self._started = self._ended = False

    def ask(self, work: Callable[[], bytes]) -> Future[bytes]:
        """Have a picture drawn, maybe by both threads; what it raises is in the answer.

        Raises:
            RuntimeError: it has ended.
        """
        wanted = _Wanted(work, Future(), time.monotonic())
        with self._changed:
            if self._ended:
                raise RuntimeError("nothing is drawn any more")
            if not self._started:
                self._started = True
                Worker("drawing", self._giving_way, lambda worker: None).start()
                Worker("drawing in time", self._in_time, lambda worker: None).start()
            self._wanted.append(wanted)
            self._changed.notify_all()
        return wanted.answer

    def end(self) -> None:
        """Draw no more; what waits is cancelled."""
        with self._changed:
            self._ended = True
            for wanted in self._wanted:
                wanted.answer.cancel()
            self._wanted.clear()
            self._changed.notify_all()

    def _giving_way(self) -> None:
        give_way()
        while True:
            with self._changed:
                while not (some := [one for one in self._wanted if not one.taken]):
                    if self._ended:
                        return
                    self._changed.wait()
                some[0].taken = True
            self._draw(some[0])

    def _in_time(self) -> None:
        while True:
            with self._changed:
                while not (self._wanted and time.monotonic() - self._wanted[0].asked >= DUE_S):
                    if self._ended:
                        return
                    self._changed.wait(DUE_S if self._wanted else None)
                oldest = self._wanted[0]
            before = time.thread_time()
            self._draw(oldest)
            time.sleep((time.thread_time() - before) / SHARE)

    def _draw(self, wanted: _Wanted) -> None:
        with suppress(InvalidStateError):  # the other one was quicker, or nobody waits any more
            try:
                wanted.answer.set_result(wanted.work())
            except InvalidStateError:
                raise
            except Exception as error:
                wanted.answer.set_exception(error)
        with self._changed, suppress(ValueError):
            self._wanted.remove(wanted)
