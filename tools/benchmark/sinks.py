"""What the sinks of the benchmarks have in common: nothing to open, nothing to finish."""

from __future__ import annotations

from pipeline.types import TaggedFrame


class Listener:
    """A sink that only notes what passes."""

    name = "listener"

    def write(self, tagged: TaggedFrame) -> None:
        raise NotImplementedError

    def forget(self, source: str) -> None:
        pass

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *error: object) -> None:
        pass
