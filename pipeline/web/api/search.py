"""Searching: one box of words and facets, for people by what they wore, where and when."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from pipeline.finest import uncovered
from pipeline.store.asking import ALL_NAMES, Wish, names_within, query_of
from pipeline.store.query import Query as StoreQuery
from pipeline.store.told import COLUMNS, cells, row_of
from pipeline.store.visits import Visit
from pipeline.web.access import Reader, Serving, Writer, client_of
from pipeline.web.accounts import ConflictError
from pipeline.web.kept import now_ms
from pipeline.web.mistakes import missing
from pipeline.web.service import Service

router = APIRouter(tags=["search"])
_Words = Annotated[str, Query(max_length=500)]
_Several = Annotated[list[Annotated[str, Field(max_length=500)]], Query(max_length=50)]
_Time = Annotated[str | None, Query(max_length=64)]
#: Visits in a file.
MOST_EXPORTED = 10_000
_PAGE = 500
#: Seconds in which facets are counted, of fewer people if that takes longer.
_FACETS_S = 0.05
#: Searches one user may save.
_MOST_SAVED = 500


class Saved(BaseModel):
    """A search to be found again."""

    name: str = Field(min_length=1, max_length=100)
    query: str = Field(max_length=4000)


class Place:
    """Where and when, of a question; empty values stand for none."""

    def __init__(
        self,
        camera: _Several = [],  # noqa: B006  # FastAPI copies it
        zone: _Several = [],  # noqa: B006
        from_: Annotated[str | None, Query(alias="from", max_length=64)] = None,
        to: _Time = None,
        last: _Time = None,
    ) -> None:
        self.cameras, self.zones = _full(camera), _full(zone)
        self.begin, self.end, self.last = from_ or None, to or None, last or None


class Words:
    """What somebody wore, of a question."""

    def __init__(
        self,
        q: _Words = "",
        also: Annotated[_Several, Query(alias="and")] = [],  # noqa: B006
        instead: Annotated[_Several, Query(alias="or")] = [],  # noqa: B006
        without: Annotated[_Several, Query(alias="not")] = [],  # noqa: B006
        brand: _Several = [],  # noqa: B006
    ) -> None:
        self.words = _full([q, *also])
        self.alternatives, self.without, self.brands = map(_full, (instead, without, brand))


def _full(texts: list[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text.strip())


def asked(
    who: Reader,
    service: Serving,
    words: Annotated[Words, Depends()],
    place: Annotated[Place, Depends()],
) -> StoreQuery:
    """A question as a query, within the cameras that whoever asks may know of."""
    wish = Wish(
        words.words,
        words.alternatives,
        words.without,
        words.brands,
        place.cameras,
        place.zones,
        place.begin,
        place.end,
        place.last,
    )
    return query_of(service.store, wish, who.cameras)


Wanted = Annotated[StoreQuery, Depends(asked)]


@router.get("/search")
def search(
    who: Reader,
    service: Serving,
    query: Wanted,
    cursor: Annotated[str | None, Query(max_length=20)] = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE)] = 50,
) -> dict[str, Any]:
    """People, newest first."""
    page = service.store.search(query, cursor or None, limit)
    return {
        "visits": [visit_row(one, service) for one in page.visits],
        "next": page.next,
        "zone": service.zone.key,
        "understood": {
            "either": [[str(one) for one in garments] for garments in query.either],
            "without": [str(one) for one in query.without],
            "cameras": [name for name in query.cameras if name],
            "zones": list(query.zones),
            "from": None if query.since is None else service.iso(query.since),
            "to": None if query.until is None else service.iso(query.until),
        },
    }


@router.get("/search/counts")
def counts(who: Reader, service: Serving, query: Wanted) -> dict[str, Any]:
    """How many people, and what they wear."""
    tally, facets = service.store.count(query), service.store.facets_of(query, _FACETS_S)
    kinds = {kind: dict(facets.counts.get(kind, {})) for kind in ALL_NAMES}
    kinds["category"] = uncovered(kinds["category"], kinds["label"])
    return {
        "n": tally.n,
        "exact": tally.exact,
        "facets": kinds,
        "of": facets.of,
        "facets_exact": facets.exact,
    }


@router.get("/search/names")
def names(who: Reader, service: Serving) -> dict[str, Any]:
    """Everything that can be asked for."""
    known = names_within(service.store, who.cameras)
    return {kind: sorted(name for its, name in known if its == kind) for kind in ALL_NAMES}


@router.get("/search/export", response_class=StreamingResponse)
def export(
    request: Request,
    who: Reader,
    service: Serving,
    query: Wanted,
    format_: Annotated[Literal["csv", "json"], Query(alias="format")] = "csv",
) -> StreamingResponse:
    """What was found, as a file."""
    service.kept.note(who.name, client_of(request), "search.exported", str(request.url.query))
    rows = _exported(service, query)
    headers = {"Content-Disposition": f'attachment; filename="people.{format_}"'}
    if format_ == "json":
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)
    return StreamingResponse(_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)


def _exported(service: Service, query: StoreQuery) -> Iterator[dict[str, Any]]:
    cursor, left = None, MOST_EXPORTED
    while left > 0:
        page = service.store.search(query, cursor, min(_PAGE, left), tags=True)
        yield from (visit_row(one, service) for one in page.visits)
        left -= len(page.visits)
        cursor = page.next
        if cursor is None:
            return


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(cells(row))
        yield file.getvalue()
        file.seek(0)
        file.truncate()
    yield file.getvalue()


def visit_row(one: Visit, service: Service) -> dict[str, Any]:
    """A visit as the API tells it: its picture by where it can be had."""
    row = row_of(one, service.zone)
    picture = f"/api/v1/visits/{row['visit']}/picture.jpg" if one.picture else None
    return {**row, "picture": picture}


@router.get("/searches", tags=["searches"])
def searches(who: Reader, service: Serving) -> dict[str, Any]:
    """One's own saved searches."""
    query = "SELECT id, name, query, made FROM search WHERE user = ? ORDER BY name, id"
    return {"searches": [_saved(dict(row), service) for row in service.kept.all(query, who.name)]}


@router.post("/searches", status_code=201, tags=["searches"])
def save_search(wanted: Saved, who: Writer, service: Serving) -> dict[str, Any]:
    """Save a search."""
    query = "SELECT count(*) AS n FROM search WHERE user = ?"
    row = service.kept.one(query, who.name)
    if row is not None and row["n"] >= _MOST_SAVED:
        raise ConflictError("too many saved searches; remove some")
    made = now_ms()
    insert = "INSERT INTO search (user, name, query, made) VALUES (?, ?, ?, ?)"
    number = service.kept.add(insert, who.name, wanted.name, wanted.query, made)
    return _saved({"id": number, **wanted.model_dump(), "made": made}, service)


@router.delete("/searches/{number}", status_code=204, tags=["searches"])
def remove_search(number: int, who: Writer, service: Serving) -> None:
    """Remove one's own saved search."""
    query = "DELETE FROM search WHERE id = ? AND user = ?"
    if not service.kept.change(query, number, who.name):
        raise missing(f"search {number}: none of this number")


def _saved(row: dict[str, Any], service: Service) -> dict[str, Any]:
    return {**row, "made": service.iso(row["made"])}
