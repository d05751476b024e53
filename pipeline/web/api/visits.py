"""One person's visit: everything known of it, its picture, and forgetting it."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from pipeline.errors import ConfigError
from pipeline.pictures import FOLDER
from pipeline.store.asking import Wish, query_of
from pipeline.store.told import picture_file
from pipeline.store.visits import Visit, milliseconds
from pipeline.web.access import Operator, Reader, Seer, Serving, client_of
from pipeline.web.api.search import visit_row
from pipeline.web.forgetting import forget_all, forget_one
from pipeline.web.mistakes import missing
from pipeline.web.service import Service
from pipeline.web.who import Who

router = APIRouter(tags=["visits"])
_Short = Annotated[str, Field(max_length=500)]


class Whom(BaseModel):
    """Whom to forget; ``dry`` only counts them."""

    q: str = Field("", max_length=500)
    cameras: list[_Short] = Field(default=[], max_length=100)
    begin: str | None = Field(None, alias="from", max_length=64)
    to: str | None = Field(None, max_length=64)
    last: str | None = Field(None, max_length=64)
    counts: bool = False
    dry: bool = True


@router.get("/visits/{name}")
def visit(name: str, who: Reader, service: Serving) -> dict[str, Any]:
    """Everything known of a visit."""
    one = _found(name, who, service)
    before, after = service.store.beside(one)
    return {
        **visit_row(one, service),
        "tags": visit_row(one, service).get("tags", []),
        "events": _events(one, service),
        "before": before and str(uuid.UUID(bytes=before)),
        "after": after and str(uuid.UUID(bytes=after)),
    }


@router.get("/visits/{name}/picture.jpg", response_class=Response)
def picture(name: str, who: Seer, service: Serving) -> Response:
    """The best picture of a visit, heads hidden as they were when it was taken."""
    content = _picture(_found(name, who, service), service)
    if content is None:
        raise missing("no picture (any more)")
    headers = {"Cache-Control": "private, max-age=60"}
    return Response(content, media_type="image/jpeg", headers=headers)


@router.get("/visits/{name}/export", response_class=Response)
def export(name: str, request: Request, who: Seer, service: Serving) -> Response:
    """Everything of a visit in one file."""
    one = _found(name, who, service)
    row = {**visit_row(one, service), "events": _events(one, service)}
    content = _picture(one, service)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("visit.json", json.dumps(row, ensure_ascii=False, indent=1))
        if content is not None:
            packed.writestr("picture.jpg", content)
    service.kept.note(who.name, client_of(request), "visit.exported", row["visit"])
    headers = {"Content-Disposition": f'attachment; filename="{row["visit"]}.zip"'}
    return Response(file.getvalue(), media_type="application/zip", headers=headers)


@router.delete("/visits/{name}", status_code=204)
def forget_visit(
    name: str, request: Request, who: Operator, service: Serving, counts: bool = False
) -> None:
    """Forget a visit for good, with ``counts`` from these too."""
    one = _found(name, who, service)
    forget_one(service, one, counts)
    service.kept.note(who.name, client_of(request), "visit.forgotten", name)


@router.post("/forget")
def forget_many(wanted: Whom, request: Request, who: Operator, service: Serving) -> dict[str, Any]:
    """Forget all that a search finds for good; ``dry`` only counts them."""
    if not any((wanted.q, wanted.cameras, wanted.begin, wanted.to, wanted.last)):
        raise ConfigError("say whom: q, cameras, from, to or last")
    words = (wanted.q,) if wanted.q.strip() else ()
    cameras = tuple(wanted.cameras)
    wish = Wish(words, cameras=cameras, begin=wanted.begin, end=wanted.to, last=wanted.last)
    query = query_of(service.store, wish, who.cameras)
    if wanted.dry:
        tally = service.store.count(query)
        return {"n": tally.n, "exact": tally.exact, "in_view": 0, "done": False}
    gone, in_view = forget_all(service, query, wanted.counts)
    what = json.dumps(wanted.model_dump(mode="json", exclude_defaults=True))
    service.kept.note(who.name, client_of(request), "forgotten", f"{gone}: {what}")
    return {"n": gone, "exact": True, "in_view": in_view, "done": True}


def _found(name: str, who: Who, service: Service) -> Visit:
    try:
        key = uuid.UUID(name)
    except ValueError:
        raise missing("no id of a visit") from None
    one = next(iter(service.store.named([key.bytes])), None)
    if one is None or not who.sees(one.camera):
        raise missing("nobody of this id, or they were forgotten")
    return one


def _picture(one: Visit, service: Service) -> bytes | None:
    """A visit's picture. A name that leads out of their folder is none: rows may have come from
    another machine."""
    path = picture_file(one, service.out)
    if path is None or (service.out / FOLDER).resolve() not in path.resolve().parents:
        return None
    try:
        return path.read_bytes()
    except OSError:
        return None


def _events(one: Visit, service: Service) -> list[dict[str, Any]]:
    """What happened, as far as the journal still has it."""
    reader = service.runner.outlets.journaling.reader()
    try:
        records = [json.loads(text) for text in reader.of_visit(str(uuid.UUID(bytes=one.name)))]
    finally:
        reader.close()
    return [
        {
            "at": service.iso(milliseconds(record.get("recorded_at") or record["utc"])),
            "event": record["event"],
            **{key: record[key] for key in ("tag", "zone", "line", "direction") if key in record},
        }
        for record in records
    ]
