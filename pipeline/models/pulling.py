"""A published model becomes a pack: fetched, converted, compared with the original, written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.base import EngineError
from engines.packs import read_pack, verify
from engines.published.recipes import Options, Recipe
from pipeline.models.fetching import fetch

if TYPE_CHECKING:
    from engines.published.making import Cost


def pull(
    recipe: Recipe,
    packs: Path,
    options: Options,
    revision: str = "",
    given: Path | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> Cost | None:
    """Make a pack of a published model in a folder of packs; what it costs, or ``None`` if it is
    there already.

    Args:
        revision, given: as of ``fetch``.
        told: is given what is being done, in a line.

    Raises:
        EngineError: files cannot be had or read, or the pack does not compute what the original
            does; nothing is left then.
    """
    target = packs / recipe.name
    if target.exists():
        verify(read_pack(target))
        return None
    making, module = _imported("engines.published.making"), _imported(recipe.build)
    packs.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that it is moved there whole or not at all.
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=packs) as work:
        files, made = Path(work) / "files", Path(work) / recipe.name
        files.mkdir()
        made.mkdir()
        told(f"fetching {recipe.name}")
        source = fetch(recipe, files, revision, given)
        told(f"converting {recipe.name}")
        built = module.build(files, options)
        cost: Cost = making.write_pack(made, built, recipe, source)
        verify(read_pack(made))
        shutil.move(made, target)
    return cost


def _imported(module: str) -> Any:
    """A module that needs PyTorch.

    Raises:
        EngineError: that is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise EngineError(f"{error}; converting needs: pip install 'threadline[hub]'") from None
