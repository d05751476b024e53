"""The ``pack.toml`` of what a training wrote, brought up to date in its own text."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from engines.packs import SHIPPED

FILE = "pack.toml"


def refresh(folder: Path, thresholds: Mapping[str, float] | None = None) -> str:
    """Write the SHA-256 of a pack's files, and thresholds if given, into its ``pack.toml``. A
    folder without one gets that of the shipped pack of its name.

    Returns:
        What was done, for whoever trains.
    """
    path = folder / FILE
    if not path.exists():
        if not (SHIPPED / folder.name / FILE).exists():
            return f"wrote {folder}, which has no {FILE} yet"
        shutil.copyfile(SHIPPED / folder.name / FILE, path)
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r'^"(.+)" = "[0-9a-f]{64}"$', text, re.MULTILINE):
        if (folder / name).exists():
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            text = _with(text, f'"{name}"', f'"{digest}"')
    for name, value in (thresholds or {}).items():
        text = _with(text, name, repr(value))
    path.write_text(text, encoding="utf-8")
    return f"wrote {folder}; its {FILE} has the new hashes"


def _with(text: str, key: str, value: str) -> str:
    """The text with another value for a key that stands in it once."""
    changed, count = re.subn(
        rf"^{re.escape(key)} = .*$", lambda match: f"{key} = {value}", text, flags=re.MULTILINE
    )
    if count != 1:
        raise ValueError(f"{FILE} has '{key}' {count} times, not once")
    return changed
