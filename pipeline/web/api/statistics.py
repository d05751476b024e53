"""The timeline, and counts by hour and day."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from pipeline.errors import ConfigError
from pipeline.store.asking import Wish, now, query_of, span
from pipeline.store.passages import HIGH, WIDE
from pipeline.store.query import Query as StoreQuery
from pipeline.web.access import Reader, Serving
from pipeline.web.mistakes import missing
from pipeline.web.service import Service
from pipeline.web.who import Who

router = APIRouter(tags=["statistics"])
_Time = Annotated[str | None, Query(max_length=64)]
_MOST_BUCKETS = 20_000
#: What is counted by hour and day, and what only among the newest people.
_Counted = Literal["garments", "colours", "brands", "garments and colours"]
_Sampled = Literal["categories", "attributes"]


class Span:
    """When, and at which camera."""

    def __init__(
        self,
        who: Reader,
        service: Serving,
        camera: Annotated[str | None, Query(max_length=64)] = None,
        from_: Annotated[str | None, Query(alias="from", max_length=64)] = None,
        to: _Time = None,
        last: _Time = None,
    ) -> None:
        store = service.store
        moment = now(store)
        if not from_ and not to and not last:
            last = "7d"
        since, until = span(moment, from_ or None, to or None, last or None)
        if since is None:
            raise ConfigError("to: give from as well")
        self.since, self.until = since, until or moment.ms
        if camera and not who.sees(camera):
            raise missing(f"no camera is called '{camera}'")
        #: One question each: all cameras together, or those that may be known of.
        self.cameras: list[str | None] = [camera or None]
        if not camera and who.cameras is not None:
            self.cameras = sorted(who.cameras)  # type: ignore[assignment]  # none of them is None

    def top(self, service: Service, what: str) -> Counter[str]:
        """How many people, by value."""
        found: Counter[str] = Counter()
        for camera in self.cameras:
            found.update(dict(service.store.top(what, self.since, self.until, camera)))
        return found


When = Annotated[Span, Depends()]


@router.get("/statistics/people")
def people(
    who: Reader, service: Serving, when: When, per: Literal["hour", "day"] = "hour"
) -> dict[str, Any]:
    """People per hour or day."""
    hours = (when.until - when.since) / 3_600_000
    if hours > _MOST_BUCKETS * (24 if per == "day" else 1):
        raise ConfigError(f"more than {_MOST_BUCKETS} of them; choose a later from, or per=day")
    found: Counter[int] = Counter()
    for camera in when.cameras:
        series = service.store.series(per, when.since, when.until, camera)
        found.update(dict(zip(series.starts, series.counts, strict=True)))
    rows = [[service.iso(start), n] for start, n in sorted(found.items())]
    return {"per": per, "people": rows, "total": sum(found.values())}


@router.get("/statistics/top")
def top(
    who: Reader,
    service: Serving,
    when: When,
    what: _Counted | _Sampled = "garments",
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> dict[str, Any]:
    """The most frequent garments, colours, brands ...; of categories and attributes, among the
    newest people."""
    kind = {"categories": "category", "attributes": "attribute"}.get(what)
    if kind is None:
        found, exact = when.top(service, what), True
    else:
        facets = service.store.facets_of(_within(Wish(), who, service, when))
        found, exact = Counter(dict(facets.counts.get(kind, {}))), facets.exact
    return {"what": what, "top": [list(pair) for pair in found.most_common(limit)], "exact": exact}


@router.get("/statistics/dwell")
def dwell(who: Reader, service: Serving, when: When) -> dict[str, Any]:
    """How many people were in each zone, and for how long."""
    stays, spent = when.top(service, "zones"), when.top(service, "dwell")
    zones = [
        {"zone": zone, "people": n, "mean_s": round(spent[zone] / 1000 / n, 1)}
        for zone, n in stays.most_common()
    ]
    return {"zones": zones}


@router.get("/statistics/lines")
def lines(who: Reader, service: Serving, when: When) -> dict[str, Any]:
    """How many people crossed each line, and which way."""
    into, out = when.top(service, "in"), when.top(service, "out")
    names = sorted(into.keys() | out.keys())
    return {"lines": [{"line": name, "in": into[name], "out": out[name]} for name in names]}


@router.get("/statistics/presence")
def presence(who: Reader, service: Serving, when: When) -> dict[str, Any]:
    """Where people stood in a camera's picture."""
    [camera] = when.cameras if len(when.cameras) == 1 else [None]
    if camera is None:
        raise ConfigError("camera: name one")
    cells = service.store.presence(camera, when.since, when.until)
    found = [[cell % WIDE, cell // WIDE, tenths / 10] for cell, tenths in sorted(cells)]
    most_s = max((seconds for _, _, seconds in found), default=0.0)
    return {"wide": WIDE, "high": HIGH, "cells": found, "most_s": most_s}


@router.get("/timeline")
def timeline(
    who: Reader,
    service: Serving,
    when: When,
    bins: Annotated[int, Query(ge=1, le=2000)] = 288,
    term: Annotated[str, Query(max_length=500)] = "",
) -> dict[str, Any]:
    """People over time, and those who wore something."""
    everybody = _within(Wish(), who, service, when)
    wearing = None
    if term.strip():
        wearing = service.store.density(_within(Wish((term,)), who, service, when), bins)
    return {
        "from": service.iso(when.since),
        "to": service.iso(when.until),
        "bins": bins,
        "people": service.store.density(everybody, bins),
        "term": wearing,
        "exact": True,
    }


def _within(wish: Wish, who: Who, service: Service, when: Span) -> StoreQuery:
    """What is asked for, at the cameras and in the time of a question."""
    query = query_of(service.store, wish, who.cameras)
    cameras = tuple(name for name in when.cameras if name) or query.cameras
    return replace(query, cameras=cameras, since=when.since, until=when.until)
