"""One person's visit: everything known of it, its picture, and forgetting it."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ConfigError
from pipeline.pictures import FOLDER, MOST_LOOKS, look_file, looks_of
from pipeline.store.asking import Wish, query_of
from pipeline.store.told import picture_file
from pipeline.store.visits import Visit, milliseconds
from pipeline.web.access import Operator, Reader, Seer, Serving, client_of
from pipeline.web.api.search import visit_row
from pipeline.web.forgetting import forget_all, forget_one
from pipeline.web.lessons import Mark
from pipeline.web.mistakes import missing
from pipeline.web.service import Service
from pipeline.web.who import Who

router = APIRouter(tags=["visits"])
_Short = Annotated[str, Field(max_length=500)]
_Name = Annotated[str, Query(max_length=200)]


class Whom(BaseModel):
    """Whom to forget; ``dry`` only counts them."""

    q: str = Field("", max_length=500)
    cameras: list[_Short] = Field(default=[], max_length=100)
    begin: str | None = Field(None, alias="from", max_length=64)
    to: str | None = Field(None, max_length=64)
    last: str | None = Field(None, max_length=64)
    counts: bool = False
    dry: bool = True


class Wrong(BaseModel):
    """A tag that is wrong, and what it should have said; empty: something else."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(max_length=100)
    label: str = Field(max_length=200)
    right: str = Field("", max_length=64)


@router.get("/visits/{name}")
def visit(name: str, who: Reader, service: Serving) -> dict[str, Any]:
    """Everything known of a visit."""
    one = _found(name, who, service)
    before, after = service.store.beside(one)
    return {
        **visit_row(one, service),
        "tags": visit_row(one, service).get("tags", []),
        "events": _events(one, service),
        "looks": _looks(one, service),
        "wrong": _wrong(one, service),
        "teach": service.runner.settings.section("privacy").of(one.camera).teach,
        "complete": service.outfits.on,
        "before": before and str(uuid.UUID(bytes=before)),
        "after": after and str(uuid.UUID(bytes=after)),
    }


@router.get("/visits/{name}/picture.jpg", response_class=Response)
def picture(
    name: str,
    who: Seer,
    service: Serving,
    look: Annotated[int, Query(ge=1, le=MOST_LOOKS)] = 1,
) -> Response:
    """The best picture of a visit, or another look, heads hidden as they were when it was taken."""
    content = _picture(_found(name, who, service), service, look)
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
        for look in looks_of(service.out, one.picture or ""):
            packed.writestr(f"picture-{look}.jpg", _picture(one, service, look) or b"")
    service.kept.note(who.name, client_of(request), "visit.exported", row["visit"])
    headers = {"Content-Disposition": f'attachment; filename="{row["visit"]}.zip"'}
    return Response(file.getvalue(), media_type="application/zip", headers=headers)


@router.get("/visits/{name}/complete")
def complete(
    name: str, who: Seer, service: Serving, top: Annotated[int, Query(ge=1, le=20)] = 3
) -> dict[str, Any]:
    """Products of the store that would complete what somebody wore. Experimental."""
    path = _path(_found(name, who, service), service)
    if path is None:
        raise missing("no picture (any more)")
    return service.outfits.complete(path, top)


@router.get("/products/{key}.jpg", response_class=Response)
def product_picture(key: str, who: Seer, service: Serving) -> Response:
    """A product that was suggested."""
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(service.outfits.picture(key), media_type="image/jpeg", headers=headers)


@router.post("/visits/{name}/wrong", status_code=201)
def mark_wrong(
    name: str, wanted: Wrong, request: Request, who: Operator, service: Serving
) -> dict[str, Any]:
    """Keep a visit's picture for teaching, as one of what a tag should have said."""
    one = _found(name, who, service)
    if not service.runner.settings.section("privacy").of(one.camera).teach:
        raise ConfigError(
            "pictures are not kept to teach with: privacy.teach is off, in the settings"
        )
    path = _path(one, service)
    if path is None:
        raise missing("no picture (any more)")
    mark = Mark(wanted.kind, wanted.label, wanted.right, who.name)
    right = service.lessons.mark(one, path, mark)
    what = f"{name}: {wanted.kind} {wanted.label} is {right}"
    service.kept.note(who.name, client_of(request), "tag.wrong", what)
    return {"wrong": _wrong(one, service)}


@router.delete("/visits/{name}/wrong")
def undo_wrong(
    name: str, request: Request, who: Operator, service: Serving, kind: _Name, label: _Name
) -> dict[str, Any]:
    """Take that back: the picture is deleted."""
    one = _found(name, who, service)
    service.lessons.undo(str(uuid.UUID(bytes=one.name)), kind, label)
    service.kept.note(who.name, client_of(request), "tag.wrong.undone", f"{name}: {kind} {label}")
    return {"wrong": _wrong(one, service)}


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


def _looks(one: Visit, service: Service) -> list[str]:
    """Where the further pictures of a visit can be had."""
    base = f"/api/v1/visits/{uuid.UUID(bytes=one.name)}/picture.jpg"
    return [f"{base}?look={look}" for look in looks_of(service.out, one.picture or "")]


def _wrong(one: Visit, service: Service) -> list[dict[str, Any]]:
    """What was marked wrong."""
    rows = service.lessons.of(str(uuid.UUID(bytes=one.name)))
    return [{**row, "at": service.iso(row["at"])} for row in rows]


def _path(one: Visit, service: Service, look: int = 1) -> Path | None:
    """The file of a visit's picture. A name that leads out of their folder is none: rows may have
    come from another machine."""
    path = picture_file(one, service.out)
    if look > 1 and one.picture:
        path = service.out / look_file(one.picture, look)
    inside = (service.out / FOLDER).resolve()
    return path if path is not None and inside in path.resolve().parents else None


def _picture(one: Visit, service: Service, look: int = 1) -> bytes | None:
    path = _path(one, service, look)
    try:
        return None if path is None else path.read_bytes()
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
