"""How the service is, its settings, and what a camera is for."""

from __future__ import annotations

import logging
import os
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pipeline import __version__
from pipeline.web.access import Admin, Reader, Serving, client_of
from pipeline.web.api.cameras import state_of
from pipeline.web.logs import MOST_LINES
from pipeline.web.mistakes import missing
from pipeline.web.service import Service
from pipeline.web.watch import memory_mb

router = APIRouter(tags=["system"])
_GB = 1e9
#: What people may ask of whoever films them (GDPR, articles 15, 17, 21, 77).
RIGHTS = ("access", "erasure", "objection", "complaint")


class SettingsIn(BaseModel):
    """Settings that change, by their keys, and those that are as in the file again."""

    model_config = ConfigDict(extra="forbid")

    changes: dict[str, bool | float | Annotated[str, Field(max_length=64)] | None] = Field(
        default={}, max_length=200
    )
    undo: list[Annotated[str, Field(max_length=100)]] = Field(default=[], max_length=200)


@router.get("/state")
def state(who: Reader, service: Serving) -> dict[str, Any]:
    """Everything that changes by itself."""
    runner, disk = service.runner, service.watch.disk
    with runner.stats.lock:
        cameras = list(runner.stats.cameras.values())
        outlets = [{**one.as_json(), "note": one.note} for one in runner.stats.outlets]
    return {
        "version": __version__,
        "now": service.iso(time.time() * 1000),
        "zone": service.zone.key,
        "uptime_s": round(time.time() - service.started, 1),
        "load": {
            "cpu": round(service.watch.load, 3),
            "memory_mb": round(memory_mb(), 1),
            "cores": os.cpu_count() or 1,
        },
        "slowdown": round(runner.pace.slowdown.factor, 2),
        "disk": {
            "free_gb": round(disk.free / _GB, 2),
            "total_gb": round(disk.total / _GB, 2),
            "pictures_gb": round(disk.pictures / _GB, 3),
            "store_gb": round(disk.store / _GB, 3),
        },
        "retention": _retention(service),
        "engines": {"people": runner.running_on},
        "models": _models(service),
        "outlets": outlets if who.may("admin", "admin") else [],
        "viewers": service.live.viewers,
        "cameras": [state_of(one, who, service) for one in cameras if who.sees(one.id)],
    }


@router.get("/settings")
def settings(who: Admin, service: Serving) -> dict[str, Any]:
    """All settings in force, without credentials, and what can be changed of them."""
    found = service.runner.config.model_dump(mode="json", exclude={"cameras"}, exclude_none=True)
    found["cameras"] = [
        camera.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        for camera in service.cameras.all()
    ]
    return {"settings": found, "fields": service.settings.fields()}


@router.patch("/settings")
def change_settings(
    wanted: SettingsIn, request: Request, who: Admin, service: Serving
) -> dict[str, Any]:
    """Change settings of all cameras; those that cannot follow at once hold from the next start."""
    service.settings.change(wanted.changes, frozenset(wanted.undo))
    what = ", ".join(sorted({*wanted.changes, *wanted.undo}))
    service.kept.note(who.name, client_of(request), "settings.changed", what)
    return {"fields": service.settings.fields()}


@router.get("/logs")
def logs(
    who: Admin,
    service: Serving,
    after: Annotated[int, Query(ge=0, le=1 << 62)] = 0,
    level: Literal["debug", "info", "warning", "error"] = "info",
    limit: Annotated[int, Query(ge=1, le=MOST_LINES)] = 200,
) -> dict[str, Any]:
    """What was logged last, oldest first; ``next`` is what to ask for ``after``."""
    lines = service.logs.after(after, logging.getLevelName(level.upper()), limit)
    found = [
        {
            "id": one.id,
            "at": service.iso(one.at),
            "level": logging.getLevelName(one.level).lower(),
            "name": one.name,
            "text": one.text,
        }
        for one in lines
    ]
    return {"lines": found, "next": lines[-1].id if lines else after}


@router.get("/notice/{camera}")
def notice(camera: str, service: Serving) -> dict[str, Any]:
    """What people in front of a camera are told; there is one once its purpose is written."""
    purpose = service.cameras.purpose_of(camera)
    if not purpose or camera not in {one.name for one in service.cameras.all()}:
        raise missing("no notice")
    keep = service.runner.config.store.keep
    return {
        "camera": camera,
        "purpose": purpose,
        "controller": service.asked.controller,
        "pictures_h": keep.pictures_h,
        "rows_d": keep.rows_d,
        "counts": "for ever",
        "heads": service.runner.settings.section("privacy").of(camera).heads,
        "rights": list(RIGHTS),
    }


def _retention(service: Service) -> dict[str, Any]:
    keep, due = service.runner.config.store.keep, service.watch.next_deletion()
    return {
        "pictures_h": keep.pictures_h,
        "rows_d": keep.rows_d,
        "pictures_gb": keep.pictures_gb,
        "next": None if due is None else service.iso(due[0]),
        "next_what": None if due is None else due[1],
    }


def _models(service: Service) -> list[dict[str, Any]]:
    """The packs that the settings name."""
    named = set()
    for name in type(service.asked.config).model_fields:
        section = getattr(service.asked.config, name)
        for key, field in getattr(type(section), "model_fields", {}).items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("task"):
                named.add(getattr(section, key))
    packs = [pack for pack in service.asked.packs if pack.name in named]
    return [{"name": p.name, "task": p.task, "licence": p.licence} for p in packs]
