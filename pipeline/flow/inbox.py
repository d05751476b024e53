"""The only place where frames wait, and the only place where they are dropped."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """The place of one key. A replacing slot (live cameras) throws its oldest item away when full;
    any other makes ``put`` wait (files, and the outbox towards a slow sink)."""

    def __init__(self, condition: threading.Condition) -> None:
        self._condition = condition
        self.depth = 1
        self.replace = False
        self.waiting: deque[T] = deque()
        self.done = False
        self.discarded = 0

    def put(self, item: T) -> int:
        """Offer an item; returns how many were dropped for it (itself too, once it is closed for
        good or stopped)."""
        with self._condition:
            if not self.replace:
                self._condition.wait_for(lambda: self.done or len(self.waiting) < self.depth)
            if self.done:
                return 1
            dropped = 0
            while len(self.waiting) >= self.depth:
                self.waiting.popleft()
                dropped += 1
            self.waiting.append(item)
            self._condition.notify_all()
            return dropped

    def offer(self, item: T, most: int) -> bool:
        """Put an item if fewer than ``most`` wait, without waiting or dropping; whether it was."""
        with self._condition:
            if self.done or len(self.waiting) >= min(most, self.depth):
                return False
            self.waiting.append(item)
            self._condition.notify_all()
            return True

    def open(self, *, replace: bool, depth: int = 1) -> None:
        """Set what it does when full; before its first ``put``, or later."""
        with self._condition:
            self.depth, self.replace = depth, replace

    def close(self) -> int:
        """No more items; what waits is still handed out, unless it was discarded by ``stop``.

        Returns how many were discarded.
        """
        with self._condition:
            self._condition.notify_all()
            self.done = True
            discarded, self.discarded = self.discarded, 0
            return discarded

    def discard(self) -> None:
        """No more items, and none of those that wait."""
        with self._condition:
            self.discarded += len(self.waiting)
            self.waiting.clear()
            self.done = True
            self._condition.notify_all()


class Inbox(Generic[T]):
    """A slot per key under one lock. ``take`` visits keys in turn: fairness and batching in one.

    Attributes:
        stay: it never counts as drained, however empty: more keys may come.
    """

    def __init__(self, stay: bool = False) -> None:
        self.stay = stay
        self._condition = threading.Condition()
        self._slots: dict[str, Slot[T]] = {}
        self._order: deque[str] = deque()
        self._stopped = False
        self._poked = False

    def add(self, key: str, *, replace: bool, depth: int = 1) -> Slot[T]:
        """A new slot for a key that has none."""
        with self._condition:
            slot: Slot[T] = Slot(self._condition)
            slot.depth, slot.replace, slot.done = depth, replace, self._stopped
            self._slots[key] = slot
            self._order.append(key)
            return slot

    def remove(self, key: str) -> None:
        """Discard a slot with what waits in it; whoever still holds it puts into the void."""
        with self._condition:
            slot = self._slots.pop(key)
            self._order.remove(key)
        slot.discard()

    def take(self, most: int | None = None, timeout_s: float | None = None) -> list[T]:
        """Up to ``most`` items, at most one per key, waiting for the first.

        An empty list means stopped, timed out, poked, or (see ``drained``) that no more will come.
        """
        with self._condition:
            self._condition.wait_for(self._ready, timeout_s)
            self._poked = False
            if self._stopped:
                return []
            items: list[T] = []
            for _ in range(len(self._order)):
                if most is not None and len(items) == most:
                    break
                key = self._order[0]
                self._order.rotate(-1)
                if self._slots[key].waiting:
                    items.append(self._slots[key].waiting.popleft())
            if items:
                self._condition.notify_all()
            return items

    def poke(self) -> None:
        """Wake ``take``, though nothing may wait: there is something else to do."""
        with self._condition:
            self._poked = True
            self._condition.notify_all()

    def stop(self) -> None:
        """Wake everybody and discard what waits."""
        with self._condition:
            self._stopped = True
            for slot in self._slots.values():
                slot.discard()
            self._condition.notify_all()

    @property
    def drained(self) -> bool:
        """All slots are closed and empty, or the box was stopped."""
        with self._condition:
            return self._stopped or self._empty_for_good()

    def _ready(self) -> bool:
        waiting = any(slot.waiting for slot in self._slots.values())
        return self._stopped or self._poked or waiting or self._empty_for_good()

    def _empty_for_good(self) -> bool:
        return not self.stay and all(s.done and not s.waiting for s in self._slots.values())
