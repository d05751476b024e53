"""Cameras: what there is, changed while they run."""

from __future__ import annotations

from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as LateError
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.flow.stats import CameraStats
from pipeline.sources.onvif.device import chosen, offered
from pipeline.sources.onvif.discovery import find
from pipeline.sources.probe import Offer, probe, warnings
from pipeline.web.access import Admin, Reader, Seer, Serving, client_of
from pipeline.web.cameras import host_of, refuse_address, shown
from pipeline.web.live import WIDEST
from pipeline.web.mistakes import RefusedError, missing
from pipeline.web.service import Service
from pipeline.web.who import Who

router = APIRouter(tags=["cameras"])
#: Seconds in which a picture has to be drawn.
_DRAWN_S = 10.0
_Url = Annotated[str, Field(max_length=2000)]


class CameraIn(BaseModel):
    """A camera to be, or what changes of one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: str | None = Field(None, max_length=64)
    url: _Url | None = None
    sub: _Url | None = None
    user: str | None = Field(None, max_length=200)
    password: str | None = Field(None, max_length=200)
    purpose: str | None = Field(None, max_length=2000)
    include: list[Any] | None = Field(None, max_length=64)
    exclude: list[Any] | None = Field(None, max_length=64)
    far: list[Any] | None = Field(None, max_length=16)
    zones: dict[str, Any] | None = None
    lines: dict[str, Any] | None = None
    mask: list[Any] | None = Field(None, max_length=32)
    heads: str | None = Field(None, max_length=20)
    settings: dict[str, Any] | None = None


class Probed(BaseModel):
    """An address to be tried out, or a camera that is there."""

    id: str = Field("", max_length=64)
    url: _Url = ""
    sub: _Url = ""
    user: str = Field("", max_length=200)
    password: str = Field("", max_length=200)
    seconds: float = Field(6.0, ge=1, le=20)


class Sought(BaseModel):
    """How long to ask the network for cameras, or one ``host`` alone."""

    seconds: float = Field(3.0, ge=0.2, le=10)
    host: str = Field("", max_length=255)


class Device(BaseModel):
    """A camera by its ONVIF service or host, to be asked for its streams."""

    address: _Url
    user: str = Field("", max_length=200)
    password: str = Field("", max_length=200)


@router.get("/cameras")
def cameras(who: Reader, service: Serving) -> dict[str, Any]:
    """All cameras."""
    found = [_told(one.name, who, service) for one in service.cameras.all() if who.sees(one.name)]
    broken = [
        {"id": name, "origin": "window", "state": {"id": name, "state": "failed", "note": why}}
        for name, why in service.cameras.broken.items()
        if who.sees(name)
    ]
    return {"cameras": [*found, *broken]}


@router.get("/cameras/{name}")
def camera(name: str, who: Reader, service: Serving) -> dict[str, Any]:
    """One camera."""
    return _told(name, who, service)


@router.post("/cameras", status_code=201)
def add_camera(wanted: CameraIn, request: Request, who: Admin, service: Serving) -> dict[str, Any]:
    """Add a camera and start it."""
    added = service.cameras.add(wanted.model_dump(exclude_none=True))
    service.kept.note(who.name, client_of(request), "camera.added", added.name)
    service.watch.tell("cameras", {"id": added.name, "what": "added"})
    return _told(added.name, who, service)


@router.post("/cameras/probe")
def probe_camera(wanted: Probed, who: Admin, service: Serving) -> dict[str, Any]:
    """Watch an address for some seconds: codec, size, rate and key frames, and what will cost."""
    settings = service.cameras.probed(wanted.model_dump(exclude={"seconds"}, exclude_defaults=True))
    main = probe(settings.main_stream, wanted.seconds)
    small = probe(settings.sub_stream, wanted.seconds) if settings.sub else None
    return {
        "main": _offer(main),
        "sub": None if small is None else _offer(small),
        "warnings": list(warnings(main, small)),
    }


@router.post("/cameras/find")
def find_cameras(wanted: Sought, who: Admin, service: Serving) -> dict[str, Any]:
    """Cameras on the network that answer (ONVIF), and which of them are there already."""
    known = {
        host: one.name
        for one in service.cameras.all()
        for url in (one.sub, one.url)
        if (host := host_of(url))
    }
    found = find(wanted.seconds, wanted.host)
    return {"found": [{**asdict(one), "known": known.get(one.host)} for one in found]}


@router.post("/cameras/onvif")
def ask_camera(wanted: Device, who: Admin) -> dict[str, Any]:
    """The streams that a camera offers (ONVIF), and which of them suit."""
    address = wanted.address
    refuse_address(address if "://" in address else f"http://{address}")
    told = offered(address, wanted.user, wanted.password)
    url, sub = chosen(told.streams)
    return {
        "maker": told.maker,
        "model": told.model,
        "streams": [
            {
                "name": one.name,
                "url": one.url,
                "codec": one.codec,
                "width": one.size[0],
                "height": one.size[1],
                "rate": one.rate,
            }
            for one in told.streams
        ],
        "url": url,
        "sub": sub,
    }


@router.patch("/cameras/{name}")
def change_camera(
    name: str, wanted: CameraIn, request: Request, who: Admin, service: Serving
) -> dict[str, Any]:
    """Change a camera: it is started anew with what changed."""
    changes = wanted.model_dump(exclude_none=True, exclude={"id"})
    changed = service.cameras.change(name, changes)
    what = f"{name}: {', '.join(sorted(changes))}"
    service.kept.note(who.name, client_of(request), "camera.changed", what)
    service.watch.tell("cameras", {"id": name, "what": "changed"})
    return _told(changed.name, who, service)


@router.delete("/cameras/{name}", status_code=204)
def remove_camera(name: str, request: Request, who: Admin, service: Serving) -> None:
    """Stop a camera; what was found stays."""
    service.cameras.remove(name)
    service.kept.note(who.name, client_of(request), "camera.removed", name)
    service.watch.tell("cameras", {"id": name, "what": "removed"})


@router.get("/cameras/{name}/picture.jpg", response_class=Response)
def picture(
    name: str,
    who: Seer,
    service: Serving,
    width: Annotated[int, Query(ge=64, le=WIDEST)] = 640,
    boxes: bool = False,
) -> Response:
    """The newest picture that was looked at, heads hidden."""
    newest = service.live.newest(name) if who.sees(name) else None
    if newest is None:
        raise missing(f"camera {name[:64]}: no picture yet")
    try:
        packed = service.live.jpeg(newest, width, boxes).result(_DRAWN_S)
    except (CancelledError, LateError, RuntimeError):
        raise RefusedError(503, "away", "no picture can be drawn now; try again") from None
    return Response(packed, media_type="image/jpeg")


def _told(name: str, who: Who, service: Service) -> dict[str, Any]:
    if not who.sees(name):
        raise missing(f"no camera is called '{name[:64]}'")
    one = service.cameras.find(name)
    found = shown(one, who.may("admin", "admin"))
    privacy = service.runner.settings.section("privacy").of(name)
    return {
        **found,
        "origin": service.cameras.origin(name),
        "purpose": service.cameras.purpose_of(name),
        "mask": [list(map(list, area)) for area in privacy.mask],
        "heads": privacy.heads,
        "state": state_of(service.runner.stats.camera(name), who, service),
    }


def state_of(stats: CameraStats, who: Who, service: Service) -> dict[str, Any]:
    """How a camera is, as the API tells it."""
    newest = service.live.newest(stats.id)
    counted = stats.as_json()
    names = (
        *("people", "zones", "latency", "decoded", "analysed", "dropped", "skipped", "reconnects"),
        *("lost", "failed", "detector_runs", "looks"),
    )
    return {
        "id": stats.id,
        "state": stats.state,
        "note": stats.note,
        "since": service.iso(1000 * service.watch.since(stats.id)),
        "size": None if newest is None else [newest.frame.width, newest.frame.height],
        "heads": stats.heads,
        "masked": stats.masked,
        "raw": who.may("operator", "live") and service.live.video(stats.id) is not None,
        "purpose": service.cameras.purpose_of(stats.id),
        **{name: counted[name] for name in names},
    }


def _offer(one: Offer) -> dict[str, Any]:
    return {
        "codec": one.codec,
        "width": one.size[0],
        "height": one.size[1],
        "rate": round(one.rate, 1),
        "mbit_s": round(one.bits / 1e6, 2),
        "key_s": None if one.key_s is None else round(one.key_s, 2),
        "watched_s": round(one.watched_s, 1),
        "b_frames": one.b_frames,
        "reports": one.reports,
    }
