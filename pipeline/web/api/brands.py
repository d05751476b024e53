"""Brands: added, shown, tested and removed while cameras run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePath
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from pipeline.errors import ConfigError
from pipeline.tagging.logos.gallery_edit import ENDINGS
from pipeline.tagging.logos.gallery_file import GalleryError
from pipeline.tagging.logos.marks import MOST_BYTES
from pipeline.web.access import Operator, Reader, Seer, Serving, client_of
from pipeline.web.mistakes import RefusedError

router = APIRouter(tags=["brands"])
MOST_FILES = 20
#: Ending of a file -> how it is sent. SVG is sent as a download: in a page it could run a script.
_TYPES = (("png", "image/png"), ("jpg", "image/jpeg"), ("jpeg", "image/jpeg"))


@router.get("/brands")
def brands(who: Reader, service: Serving) -> dict[str, Any]:
    """All brands, and whether logos are looked for."""
    return {"brands": service.brands.all(), "on": service.brands.on}


@router.get("/brands/{name}/{number}.png", response_class=Response)
def brand_picture(name: str, number: int, who: Seer, service: Serving) -> Response:
    """One of a brand's pictures."""
    path = service.brands.picture(name, number)
    kind = dict(_TYPES).get(path.suffix.lower().lstrip("."), "image/svg+xml")
    # As a picture in a page, SVG runs nothing; opened by itself, it would be a page of this site.
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
    return Response(path.read_bytes(), media_type=kind, headers=headers)


@router.post("/brands", status_code=201)
def add_brand(
    request: Request,
    who: Operator,
    service: Serving,
    name: Annotated[str, Form(max_length=100)],
    files: Annotated[list[UploadFile], File()],
) -> dict[str, Any]:
    """Add pictures of a brand."""
    if not service.brands.on:
        raise ConfigError("logos are switched off in the settings: logos.enabled")
    if not 1 <= len(files) <= MOST_FILES:
        raise ConfigError(f"files: 1 to {MOST_FILES}")
    with tempfile.TemporaryDirectory(prefix="threadline-") as folder:
        try:
            paths = [_saved(Path(folder), i, file) for i, file in enumerate(files)]
            added = service.brands.add(name, paths)
        except GalleryError as error:
            raise GalleryError(str(error).replace(f"{folder}/", "")) from None
    service.kept.note(who.name, client_of(request), "brand.added", name)
    return added


@router.post("/brands/test")
def test_picture(
    who: Operator, service: Serving, file: Annotated[UploadFile, File()]
) -> dict[str, Any]:
    """Which brands are found on a picture."""
    if not service.brands.on:
        raise ConfigError("logos are switched off in the settings: logos.enabled")
    with tempfile.TemporaryDirectory(prefix="threadline-") as folder:
        return service.brands.test(_saved(Path(folder), 0, file))


@router.delete("/brands/{name}", status_code=204)
def remove_brand(name: str, request: Request, who: Operator, service: Serving) -> None:
    """Remove a brand."""
    service.brands.remove(name)
    service.kept.note(who.name, client_of(request), "brand.removed", name)


def _saved(folder: Path, number: int, file: UploadFile) -> Path:
    """What was sent, in a file whose name is ours but for its ending."""
    ending = PurePath(file.filename or "").suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"file {number + 1}: use {', '.join(ENDINGS)}")
    path = folder / f"picture-{number + 1}{ending}"
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
        if target.tell() > MOST_BYTES:
            raise RefusedError(413, "large", f"file {number + 1}: larger than 8 MB")
    return path
