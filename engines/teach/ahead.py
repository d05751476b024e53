"""Batches prepared while the net learns from the one before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(batches: Iterable[T], count: int = 3) -> Iterator[T]:
    """The same items, up to ``count`` of them made in advance by a thread.

    A thread, not a process: forking a process in which an inference engine has run crashes now
    and then, and most of the time goes to OpenCV and NumPy, which run beside the net.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(count)
    stop = threading.Event()

    def offer(item: T | None, error: BaseException | None = None) -> None:
        while not stop.is_set():
            try:
                ready.put((item, error), timeout=0.2)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for batch in batches:
                offer(batch)
                if stop.is_set():
                    return
            offer(None)
        except BaseException as error:  # handed to whoever waits
            offer(None, error)

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            batch, error = ready.get()
            if error is not None:
                raise error
            if batch is None:
                return
            yield batch
    finally:
        stop.set()
        thread.join()
