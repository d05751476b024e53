"""A tagger that raises loses that look; one that goes on raising is switched off."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from pipeline.tagging.tagger import Evidence, Subject, Tagger

log = logging.getLogger("threadline.taggers")

Timed = Callable[[str], AbstractContextManager[None]]
#: Looks in a row that may fail.
MOST_FAILURES = 10


class Failures:
    """Shows subjects to taggers. A look at which one raises has found nothing.

    ``timed`` counts the looks that failed, as ``NAME failed``. Without ``lenient`` it raises what
    taggers raise.
    """

    def __init__(self, timed: Timed = lambda name: nullcontext(), lenient: bool = True) -> None:
        self._timed = timed
        self._lenient = lenient
        self._in_a_row: Counter[str] = Counter()
        self._told: set[str] = set()

    def look(self, tagger: Tagger, subjects: Sequence[Subject]) -> list[Evidence]:
        """Evidence of each subject."""
        try:
            with self._timed(tagger.name):
                found = tagger.look(subjects)
        except Exception as error:
            if not self._lenient:
                raise
            if len(subjects) > 1:
                return [one for subject in subjects for one in self.look(tagger, [subject])]
            self._failed(tagger, error)
            return [Evidence()]
        self._in_a_row[tagger.name] = 0
        return found

    def forgive(self, tagger: Tagger) -> None:
        """Begin anew with a tagger, which may be another of the same name."""
        self._in_a_row.pop(tagger.name, None)
        self._told.discard(tagger.name)

    def broken(self, tagger: Tagger) -> bool:
        """Whether a tagger has failed too often."""
        return self._in_a_row[tagger.name] >= MOST_FAILURES

    def _failed(self, tagger: Tagger, error: Exception) -> None:
        name = tagger.name
        with self._timed(f"{name} failed"):
            self._in_a_row[name] += 1
        if name not in self._told:
            self._told.add(name)
            log.error("%s failed at a look; more are only counted", name, exc_info=error)
        if self._in_a_row[name] == MOST_FAILURES:
            log.error("%s failed %d times in a row and is switched off", name, MOST_FAILURES)
