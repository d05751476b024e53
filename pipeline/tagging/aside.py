"""Looks that nobody waits for: taggers that pay for themselves look at live cameras on a thread of
their own, and what they find is counted in a later round."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from pipeline.picture.nv12 import Nv12Planes
from pipeline.tagging.failures import Failures
from pipeline.tagging.shares import Shares
from pipeline.tagging.tagger import Evidence, Subject, Tagger
from pipeline.types import Box

#: A subject as it is known, where it was in the picture that was shown, and what brings evidence
#: from there into the pixels it is known in.
Origin = tuple[Subject, Box, Callable[[Evidence], Evidence]]


@dataclass(slots=True)
class Job:
    """One tagger's looks that are under way, and whom they are at."""

    tagger: Tagger
    result: Future[tuple[list[Evidence], float]]
    origins: list[Origin] = field(default_factory=list)

    @property
    def evidence(self) -> list[Evidence]:
        """Of each of ``origins``, once it is done."""
        return self.result.result()[0]


class Aside:
    """Shows subjects to taggers; one that pays for itself is not waited for, unless a recording is
    looked at. Such a tagger's engine is used on one thread at a time."""

    def __init__(self, failures: Failures, shares: Shares) -> None:
        self._failures = failures
        self._shares = shares
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: dict[str, Job] = {}

    @property
    def busy(self) -> frozenset[str]:
        """Names of taggers whose looks are under way."""
        return frozenset(self._jobs)

    def look(self, tagger: Tagger, subjects: Sequence[Subject]) -> list[Evidence] | None:
        """Evidence of each subject, or ``None``: it will be among those ``arrived``."""
        if tagger.share is None:
            return self._failures.look(tagger, subjects)
        live = all(subject.frame.live for subject in subjects)
        if any(isinstance(subject.frame.planes, Nv12Planes) for subject in subjects):
            found, seconds = self._timed(tagger, list(subjects))  # cut on the inference thread
            if live:
                self._shares.spent(tagger, seconds, len(subjects))
            return found
        self._pool = self._pool or ThreadPoolExecutor(1, "aside")
        result = self._pool.submit(self._timed, tagger, list(subjects))
        if live:
            self._jobs[tagger.name] = Job(tagger, result)
            return None
        return result.result()[0]

    def _timed(self, tagger: Tagger, subjects: list[Subject]) -> tuple[list[Evidence], float]:
        began = time.perf_counter()
        return self._failures.look(tagger, subjects), time.perf_counter() - began

    def remember(self, tagger: Tagger, origins: Sequence[Origin]) -> None:
        """Whom the looks of a tagger that were just begun are at, in their order."""
        self._jobs[tagger.name].origins = list(origins)

    def arrived(self) -> list[Job]:
        """Looks that were done since this was last asked."""
        done = [job for job in self._jobs.values() if job.result.done()]
        for job in done:
            del self._jobs[job.tagger.name]
            self._shares.spent(job.tagger, job.result.result()[1], len(job.origins))
        return done

    def close(self) -> None:
        """Wait for what is under way, which is lost: engines are about to be closed."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
