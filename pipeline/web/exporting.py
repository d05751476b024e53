"""What the window keeps of cameras, as a settings file for machines without one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.address import login_span
from pipeline.errors import ConfigError
from pipeline.settings.schema import merged
from pipeline.web.kept import NAME, Kept
from pipeline.web.settings import nested, settings_of

#: What is told of a pack besides its name.
_PACK = ("accept_licence", "least", "share")


def exported(out: Path, base: Mapping[str, Any], secrets: bool) -> dict[str, Any]:
    """Settings with the cameras of a folder after those of ``base``, the packs that are on there,
    and the settings that were changed there.

    Args:
        secrets: with logins; else these are names of environment variables.

    Raises:
        ConfigError: the folder holds none.
    """
    if not (out / NAME).is_file():
        raise ConfigError(f"{out}: holds no window; --out names the folder of threadline serve")
    with Kept(out) as kept:
        cameras = [json.loads(settings) for settings in kept.cameras().values()]
        packs, base = _packs(kept), merged(base, nested(settings_of(kept)))
    if packs:
        entries = [entry for entry, _ in packs.values()]
        base = {**base, "packs": [*base.get("packs", ()), *entries]}
        cameras = [_with_packs(camera, packs) for camera in cameras]
    shown = cameras if secrets else [_without_login(camera) for camera in cameras]
    return {**base, "cameras": [*base.get("cameras", ()), *shown]}


#: How each pack that is on is set, and the cameras it looks at; ``None``: all.
_Packs = Mapping[str, tuple[Mapping[str, Any], list[str] | None]]


def _packs(kept: Kept) -> _Packs:
    rows = kept.all("SELECT name, settings FROM pack ORDER BY name")
    found = {row["name"]: json.loads(row["settings"]) for row in rows}
    return {
        name: (
            {"pack": name} | {key: one[key] for key in _PACK if one.get(key)},
            one["cameras"],
        )
        for name, one in found.items()
        if one["on"]
    }


def _with_packs(camera: Mapping[str, Any], packs: _Packs) -> dict[str, Any]:
    """A camera with the packs that look at it, where these are not all."""
    if all(only is None for _, only in packs.values()):
        return dict(camera)
    own = [name for name, (_, only) in packs.items() if only is None or camera["id"] in only]
    return {**camera, "packs": own}


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
