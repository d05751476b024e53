"""A named thread that never dies in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker(threading.Thread):
    """Runs ``body``; keeps what it raised in ``error`` and calls ``on_end(self)`` either way.

    Daemonic, because a native read can outlast the program's patience: main joins with a deadline.
    """

    def __init__(
        self, name: str, body: Callable[[], None], on_end: Callable[[Worker], None]
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.error: BaseException | None = None
        self._body = body
        self._on_end = on_end

    def run(self) -> None:
        try:
            self._body()
        except BaseException as error:  # handed to main, which raises it
            self.error = error
        finally:
            self._on_end(self)
