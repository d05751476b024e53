"""Asks the run that writes into a folder to forget people, by files there: ``.forget-N.asked``,
which the run renames to ``.taken``, and answers with ``.done``. Used by ``threadline forget`` from
another process, and by the window."""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import ConfigError, StoreError
from pipeline.files import replace_file
from pipeline.store.forgetting import Forgetful, Forgetting, Meant, Request
from pipeline.store.protocol import Store

log = logging.getLogger("threadline.store")

#: Seconds within which a run takes a request up, and for which its end is waited for.
TAKEN_S = 10.0
DONE_S = 600.0
#: Seconds after which all that outlets had in hand is on the disk, and is deleted too.
LATE_S = 5.0
#: Seconds between two looks for requests.
LOOK_S = 0.4
#: Seconds after which nobody waits for an answer any more: it is read within a tenth.
UNREAD_S = 60.0
_POLL_S = 0.1


def ask(
    folder: Path, request: Request, ending: Callable[[], bool] = lambda: False
) -> tuple[int, int] | None:
    """Have a request carried out by the run that writes into a folder; how many visits are gone,
    and how many stayed since they are in view. ``None``: no run has taken it up.

    Args:
        ending: whether to wait no longer.

    Raises:
        StoreError: it was taken up, and is not finished yet.
    """
    asked = folder / f".forget-{secrets.token_hex(6)}.asked"
    _leave(asked, TypeAdapter(Request).dump_json(request))
    try:
        _wait(lambda: ending() or not asked.exists(), TAKEN_S)
    finally:
        withdrawn = _gone(asked)
    if withdrawn:
        return None
    done = asked.with_suffix(".done")
    _wait(lambda: ending() or done.exists(), DONE_S)
    if not done.exists():
        raise StoreError(f"{folder}: the run there is still at it, and goes on; look again later")
    answer = json.loads(done.read_bytes())
    done.unlink()
    if "error" in answer:
        raise StoreError(f"{folder}: {answer['error']}")
    return answer["gone"], answer["in_view"]


def _leave(asked: Path, content: bytes) -> None:
    """Write a request; where root asks, for whom the folder belongs to."""
    beside = asked.with_suffix(".part")
    replace_file(beside, content, durable=False, private=True)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = asked.parent.stat()
        os.chown(beside, owner.st_uid, owner.st_gid)
    beside.replace(asked)


def _wait(until: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(_POLL_S)


def _gone(path: Path) -> bool:
    """Delete a file, if it is there still."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


class Requests:
    """Carries out what is asked for in a folder. One that a run was stopped at is taken up again by
    the next: ``.late`` beside it says whom it was found to be about, and stays until what outlets
    had in hand is gone as well, some seconds after the answer."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._steps: Iterator[None] | None = None
        self._looked = float("-inf")
        self._late: dict[Path, tuple[float, Forgetting]] = {}

    def some(self, seconds: float, run: str | None, journal: Forgetful | None) -> bool:
        """Go on for about so long; whether there is nothing more to do now.

        Args:
            run: that is writing now.
        """
        if self._steps is None:
            if time.monotonic() - self._looked < LOOK_S:
                return True
            self._looked = time.monotonic()
            self._finish()
            found = sorted(self._folder.glob(".forget-*.taken"))
            found += sorted(self._folder.glob(".forget-*.asked"))
            if not found:
                return True
            self._steps = self._carried_out(found[0], run, journal)
        until, steps = time.monotonic() + seconds, self._steps
        self._steps = None  # unless it goes on: what raises is begun anew
        for _ in steps:
            if time.monotonic() > until:
                self._steps = steps
                return False
        return True

    def _carried_out(
        self, path: Path, run: str | None, journal: Forgetful | None
    ) -> Iterator[None]:
        taken, late = path.with_suffix(".taken"), path.with_suffix(".late")
        try:
            path.replace(taken)
            meant = Meant(TypeAdapter(Request).validate_json(taken.read_bytes()))
            if late.exists():  # some of whom it says may be gone by now
                meant = TypeAdapter(Meant).validate_json(late.read_bytes())
        except FileNotFoundError:  # withdrawn
            return
        except (OSError, ValidationError, ConfigError):
            log.warning("%s: no request to forget somebody that can be read; deleted", taken)
            self._answer(taken, {"error": "the run there could not read what is asked"})
            return
        forgetting = Forgetting(self._store, self._folder, meant, run)
        yield from forgetting.find()
        replace_file(late, TypeAdapter(Meant).dump_json(meant), private=True)
        yield from forgetting.steps(journal)
        self._late[late] = time.monotonic() + LATE_S, forgetting
        self._answer(taken, {"gone": forgetting.gone, "in_view": forgetting.in_view})
        log.warning("%d forgotten, as was asked", forgetting.gone)

    def _finish(self) -> None:
        """Delete what outlets had in hand of those who were forgotten, once it is on the disk: at
        once, if that was in a run before this."""
        for late in self._folder.glob(".forget-*.late"):
            if late.with_suffix(".taken").exists():  # begun anew
                continue
            due, forgetting = self._late.get(late) or self._before(late)
            if forgetting is not None and time.monotonic() >= due:
                forgetting.files()
            if time.monotonic() >= due:
                self._late.pop(late, None)
                late.unlink()

    def _before(self, late: Path) -> tuple[float, Forgetting | None]:
        try:
            meant = TypeAdapter(Meant).validate_json(late.read_bytes())
        except (OSError, ValidationError, ConfigError):
            log.warning("%s: nobody to forget that can be read; deleted", late)
            return 0.0, None
        return 0.0, Forgetting(self._store, self._folder, meant)

    def _answer(self, taken: Path, answer: Mapping[str, object]) -> None:
        for old in self._folder.glob(".forget-*.done"):
            if time.time() - old.stat().st_mtime > UNREAD_S:  # whoever asked did not wait
                old.unlink()
        replace_file(taken.with_suffix(".done"), json.dumps(answer).encode(), private=True)
        taken.unlink()
