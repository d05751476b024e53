"""The command itself, as a user would run it, on a list of pictures."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engines import Pack
from engines.packs import SHIPPED
from pipeline.cli.start import main as threadline


def tagged_files(
    files: Sequence[Path], engine: str, pack: Pack, out: Path | None = None, masks: bool = False
) -> list[dict[str, Any]]:
    """Records of ``threadline tag``, one a file, parsed by a model; ``out`` keeps what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = out or Path(folder) / "out"
        settings = Path(folder) / "settings.yaml"
        settings.write_text(f"garments: {{model: {pack.name}}}\nlogos: {{enabled: false}}\n")
        given = sys.argv
        sys.argv = ["threadline", "tag", *map(str, files), "--out", str(out)]
        sys.argv += ["--engine", engine, "--config", str(settings), *["--masks"] * masks]
        if pack.folder.parent != SHIPPED:
            sys.argv += ["--packs", str(pack.folder.parent)]
        try:
            threadline()
        except SystemExit as done:
            if done.code:
                raise
        finally:
            sys.argv = given
        return [json.loads(line) for line in (out / "tags.jsonl").read_text().splitlines()]
