"""The only place where frames wait, and the only place where they are dropped."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Slot(Generic[T]):
    depth: int
    replace: bool
    waiting: deque[T] = field(default_factory=deque)
    done: bool = False
    discarded: int = 0


class Inbox(Generic[T]):
    """A slot per key under one lock. ``take`` visits keys in turn: fairness and batching in one.

    A replacing slot (live cameras) throws its oldest item away when full; any other makes ``put``
    wait (files, and the outbox towards a slow sink).
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._slots: dict[str, _Slot[T]] = {}
        self._order: deque[str] = deque()
        self._stopped = False

    def open(self, key: str, *, replace: bool, depth: int = 1) -> None:
        """Add a slot, or open it again; must happen before its first ``put``."""
        with self._condition:
            if key not in self._slots:
                self._order.append(key)
                self._slots[key] = _Slot(depth, replace)
            slot = self._slots[key]
            slot.depth, slot.replace, slot.done = depth, replace, False

    def put(self, key: str, item: T) -> int:
        """Offer an item; returns how many were dropped for it (itself too, once stopped)."""
        with self._condition:
            slot = self._slots[key]
            if not slot.replace:
                self._condition.wait_for(lambda: self._stopped or len(slot.waiting) < slot.depth)
            if self._stopped:
                return 1
            dropped = 0
            while len(slot.waiting) >= slot.depth:
                slot.waiting.popleft()
                dropped += 1
            slot.waiting.append(item)
            self._condition.notify_all()
            return dropped

    def offer(self, key: str, item: T, most: int) -> bool:
        """Put an item if fewer than ``most`` wait, without waiting or dropping; whether it was."""
        with self._condition:
            slot = self._slots[key]
            if self._stopped or len(slot.waiting) >= min(most, slot.depth):
                return False
            slot.waiting.append(item)
            self._condition.notify_all()
            return True

    def take(self, most: int, timeout_s: float | None = None) -> list[T]:
        """Up to ``most`` items, at most one per key, waiting for the first.

        An empty list means stopped, timed out, or (see ``drained``) that no more will come.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._ready(), timeout_s)
            if self._stopped:
                return []
            items: list[T] = []
            for _ in range(len(self._order)):
                key = self._order[0]
                self._order.rotate(-1)
                if self._slots[key].waiting:
                    items.append(self._slots[key].waiting.popleft())
                if len(items) == most:
                    break
            self._condition.notify_all()
            return items

    def close(self, key: str) -> int:
        """No more items for this key; what waits is still handed out, unless the box was stopped.

        Returns how many of its items were discarded by ``stop``.
        """
        with self._condition:
            self._condition.notify_all()
            if key not in self._slots:
                return 0
            slot = self._slots[key]
            slot.done = True
            discarded, slot.discarded = slot.discarded, 0
            return discarded

    def stop(self) -> None:
        """Wake everybody and discard what waits."""
        with self._condition:
            self._stopped = True
            for slot in self._slots.values():
                slot.discarded += len(slot.waiting)
                slot.waiting.clear()
            self._condition.notify_all()

    @property
    def drained(self) -> bool:
        """All keys are closed and empty, or the box was stopped."""
        with self._condition:
            return self._stopped or self._empty_for_good()

    def _ready(self) -> bool:
        return any(slot.waiting for slot in self._slots.values()) or self._empty_for_good()

    def _empty_for_good(self) -> bool:
        return all(slot.done and not slot.waiting for slot in self._slots.values())
