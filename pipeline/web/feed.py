"""Server-sent events: what the journal records, and what changes by itself. Who comes back with the
id of the last event they have misses nothing that the journal still holds."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pipeline.errors import PipelineError
from pipeline.store.journal import Reader
from pipeline.web.service import Service
from pipeline.web.watch import EVERY_S
from pipeline.web.who import Who

NAMES = frozenset({"event", "camera", "cameras", "stats"})
#: Seconds between two signs of life.
ALIVE_S = 15.0
#: Records read at a time; changes that wait for one viewer, the oldest go first.
_BATCH = 200
_WAITING = 200
#: Seconds after which it is asked anew whether somebody may still be told.
_CHECK_S = 30.0


class Feed:
    """One viewer's events."""

    def __init__(self, service: Service, who: Who, wanted: frozenset[str], last: str) -> None:
        self._service = service
        self._who = who
        self._wanted = wanted
        self._last = last
        self._changes: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=_WAITING)

    async def lines(self) -> AsyncIterator[str]:
        """The stream's text, until the service ends or the viewer may not be told any more."""
        service, loop = self._service, asyncio.get_running_loop()
        reader = service.runner.outlets.journaling.reader()

        def changed(name: str, what: Mapping[str, Any]) -> None:
            self._changes.append((name, what))

        service.watch.listen(changed)
        try:
            cursor = await loop.run_in_executor(None, self._begin, reader)
            yield "retry: 3000\n\n"
            told = checked = loop.time()
            while not service.stopping.is_set():
                some = await self._some(reader, cursor)
                for cursor, text in some:  # noqa: B007  # where it stopped is where it goes on
                    yield text
                for text in self._changed():
                    yield text
                    told = loop.time()
                now = loop.time()
                if some:
                    told = now
                elif now - told > ALIVE_S:
                    told = now
                    yield ": still here\n\n"
                if now - checked > _CHECK_S:
                    checked = now
                    if not service.still(self._who):
                        return
                if not some:
                    await asyncio.sleep(EVERY_S / 2)
        except PipelineError:
            return  # the journal is gone; whoever reads comes back
        finally:
            service.watch.leave(changed)
            reader.close()

    def _begin(self, reader: Reader) -> int:
        known = reader.number(self._last) if self._last else None
        return self._service.runner.outlets.journaling.last if known is None else known

    async def _some(self, reader: Reader, cursor: int) -> list[tuple[int, str]]:
        journaling = self._service.runner.outlets.journaling
        if "event" not in self._wanted or journaling.last <= cursor:
            return []
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(None, reader.after, cursor, _BATCH)
        found = []
        for number, text in rows:
            record = json.loads(text)
            if self._who.sees(record.get("camera", "")):
                found.append((number, _event("event", text, record["event_id"])))
            else:
                found.append((number, ""))
        return found

    def _changed(self) -> list[str]:
        found = []
        while self._changes:
            name, what = self._changes.popleft()
            if name not in self._wanted or ("id" in what and not self._who.sees(what["id"])):
                continue
            found.append(_event(name, json.dumps(self._told(what), ensure_ascii=False)))
        return found

    def _told(self, what: Mapping[str, Any]) -> dict[str, Any]:
        told = dict(what)
        if "since" in told:
            told["since"] = self._service.iso(1000 * told["since"])
        if "cameras" in told:
            told["cameras"] = [one for one in told["cameras"] if self._who.sees(one["id"])]
        return told


def _event(name: str, content: str, id_: str = "") -> str:
    number = f"id: {id_}\n" if id_ else ""
    return f"{number}event: {name}\ndata: {content}\n\n"
