"""What the window keeps of cameras, as a settings file for machines without one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.address import login_span
from pipeline.errors import ConfigError
from pipeline.web.kept import NAME, Kept


def exported(out: Path, base: Mapping[str, Any], secrets: bool) -> dict[str, Any]:
    """Settings with the cameras of a folder after those of ``base``.

    Args:
        secrets: with logins; else these are names of environment variables.

    Raises:
        ConfigError: the folder holds none.
    """
    if not (out / NAME).is_file():
        raise ConfigError(f"{out}: holds no window; --out names the folder of threadline serve")
    with Kept(out) as kept:
        cameras = [json.loads(settings) for settings in kept.cameras().values()]
    shown = cameras if secrets else [_without_login(camera) for camera in cameras]
    return {**base, "cameras": [*base.get("cameras", ()), *shown]}


def _without_login(camera: Mapping[str, Any]) -> dict[str, Any]:
    name = re.sub(r"\W", "_", str(camera["id"]), flags=re.ASCII).upper()
    found = dict(camera)
    for key in ("user", "password"):
        if found.get(key):
            found[key] = f"${{{name}_{key.upper()}}}"
    for key in ("url", "sub"):
        span = login_span(found.get(key, ""))
        if span:
            login = f"${{{name}_USER}}:${{{name}_PASSWORD}}"
            found[key] = found[key][: span.start] + login + found[key][span.stop :]
    return found
