"""The tagger of tests/data/extension: installed into a folder, as pip would, or opened here."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

from support import HERE

EXTENSION = HERE / "data" / "extension"


def load(name: str) -> ModuleType:
    """A module of the extension, without installing it."""
    path = EXTENSION / name / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name, path if path.exists() else EXTENSION / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look modules up by name
    spec.loader.exec_module(module)
    return module


def make_pack(packs: Path) -> Path:
    """The extension's pack, made in a folder of packs."""
    folder: Path = load("make_pack").make_pack(packs)
    return folder


def install(site: Path, package: str = "threadline_stripes", group: str = "threadline.taggers",
            **entries: str) -> Path:  # fmt: skip
    """Make a folder for PYTHONPATH that holds a package and its entry points.

    ``entries`` are names and objects; without any, the extension's own. A package that is not the
    extension's is not there: only its entry points are.
    """
    about = site / f"{package}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    points = entries or {"stripes": "threadline_stripes:ENTRY"}
    rows = [f"[{group}]", *(f"{name} = {place}" for name, place in points.items()), ""]
    (about / "entry_points.txt").write_text("\n".join(rows))
    if (EXTENSION / package).is_dir():
        shutil.copytree(
            EXTENSION / package, site / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return site
