"""A stage that fails loses the frames it fails on, not the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from pipeline.protocols import Stage
from pipeline.types import TaggedFrame

log = logging.getLogger("threadline.stages")

#: Rounds without a single frame done after which a stage may be taken for broken.
MOST_FAILURES = 20


class Guard:
    """Runs one stage. If it raises, each frame is tried alone; those on which it raises again are
    lost, and what the stage kept for their cameras is forgotten: it may be half done.

    Raises what the stage raised, once it has failed on every frame of ``MOST_FAILURES`` rounds, and
    on frames of all cameras that are there: one whose frames are late may be one it works on.

    Args:
        there: names of the cameras whose frames come or are about to.

    Attributes:
        failed: frames lost since this was last asked, as names of their cameras.
    """

    def __init__(self, stage: Stage, there: Callable[[], Collection[str]]) -> None:
        self.stage = stage
        self.failed: list[str] = []
        self._there = there
        self._in_a_row = 0
        #: Cameras on whose frames it failed in these rounds.
        self._on: set[str] = set()
        self._told: set[str] = set()

    def __call__(self, batch: list[TaggedFrame]) -> list[TaggedFrame]:
        if not batch:
            return batch
        try:
            done = self.stage(batch)
        except Exception as error:
            self._in_a_row += 1
            if len(batch) > 1:
                return [one for tagged in batch for one in self._alone(tagged)]
            self._lost(batch[0].frame.source, error)
            return []
        self._worked()
        return done

    def _alone(self, tagged: TaggedFrame) -> list[TaggedFrame]:
        try:
            done = self.stage([tagged])
        except Exception as error:
            self._lost(tagged.frame.source, error)
            return []
        self._worked()
        return done

    def _worked(self) -> None:
        self._in_a_row = 0
        self._on.clear()

    def _lost(self, source: str, error: Exception) -> None:
        self._on.add(source)
        if self._in_a_row >= MOST_FAILURES and self._on.issuperset(self._there()):
            raise error
        self.failed.append(source)
        if source not in self._told:
            self._told.add(source)
            log.error(
                "camera %s: %s failed on a frame, which is lost; more are only counted (failed)",
                source,
                self.stage.name,
                exc_info=error,
            )
        try:
            self.stage.forget(source)
        except Exception:
            log.debug("%s: cannot forget %s", self.stage.name, source, exc_info=True)

    def forget(self, source: str) -> None:
        """As of the stage."""
        self._told.discard(source)
        self.stage.forget(source)
