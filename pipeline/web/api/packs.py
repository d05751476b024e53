"""Packs: what tags besides garments and brands, switched on and off while cameras run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from pipeline.web.access import Admin, Serving, client_of
from pipeline.web.service import Service

router = APIRouter(tags=["packs"])


class PackIn(BaseModel):
    """What changes of a pack."""

    model_config = ConfigDict(extra="forbid")

    on: bool | None = None
    cameras: list[Annotated[str, Field(max_length=64)]] | None = Field(None, max_length=1000)
    least: float | None = Field(None, ge=0, le=1)
    share: float | None = Field(None, ge=0, le=1)
    accept_licence: bool | None = None
    labels: list[Annotated[str, Field(max_length=300)]] | None = Field(None, max_length=1000)


class Accepted(BaseModel):
    """Whether what a licence asks is accepted."""

    accept_licence: bool = False


@router.get("/packs")
def packs(who: Admin, service: Serving) -> dict[str, Any]:
    """All packs that can be taggers, and those that are broken."""
    broken = [{"name": name, "why": why} for name, why in service.packs.broken().items()]
    return {"packs": service.packs.all(), "broken": broken}


@router.post("/packs", status_code=201)
async def add_pack(request: Request, who: Admin, service: Serving) -> dict[str, Any]:
    """Add a pack: the body is a ZIP file of its folder."""
    with tempfile.TemporaryDirectory(dir=service.out, prefix=".pack-") as folder:
        path = Path(folder) / "pack.zip"
        with path.open("wb") as file:
            async for piece in request.stream():
                file.write(piece)
        added = await run_in_threadpool(service.packs.add, path)
    await run_in_threadpool(_note, service, who.name, request, "pack.added", added["name"])
    return added


@router.patch("/packs/{name}")
def change_pack(
    name: str, wanted: PackIn, request: Request, who: Admin, service: Serving
) -> dict[str, Any]:
    """Switch a pack on or off, at some cameras or at all, or change what it is asked for."""
    changes = wanted.model_dump(exclude_unset=True)
    # Of all but the cameras, null says nothing.
    changes = {
        key: value for key, value in changes.items() if key == "cameras" or value is not None
    }
    changed = service.packs.change(name, changes)
    _note(service, who.name, request, "pack.changed", f"{name}: {_said(changes)}")
    return changed


@router.post("/packs/{name}/measure")
def measure_pack(name: str, wanted: Accepted, who: Admin, service: Serving) -> dict[str, Any]:
    """Measure what one look of a pack takes here, and remember it."""
    cameras = (camera.name for camera in service.cameras.all())
    newest = next(filter(None, map(service.live.newest, cameras)), None)
    return service.packs.measure(name, wanted.accept_licence, newest)


@router.delete("/packs/{name}", status_code=204)
def remove_pack(name: str, request: Request, who: Admin, service: Serving) -> None:
    """Remove a pack that was sent; what it found stays."""
    service.packs.remove(name)
    _note(service, who.name, request, "pack.removed", name)


def _note(service: Service, user: str, request: Request, action: str, what: str) -> None:
    service.kept.note(user, client_of(request), action, what)


def _said(changes: dict[str, Any]) -> str:
    """What changed, for the audit log."""
    switched = [] if "on" not in changes else ["on" if changes["on"] else "off"]
    return ", ".join(switched + sorted(key for key in changes if key != "on"))
