"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines import BACKENDS

OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="YAML settings.")]
EngineOption = Annotated[
    str | None, typer.Option("--engine", help=f"What runs the models: auto, {', '.join(BACKENDS)}.")
]
GalleryOption = Annotated[
    Path | None, typer.Option("--gallery", help="Folder of brands whose marks are tagged.")
]
PacksOption = Annotated[
    Path | None, typer.Option("--packs", help="Folder of further models, one folder each.")
]
PackOption = Annotated[
    list[str] | None,
    typer.Option("--pack", help="A pack that tags, too: its name or folder; may be repeated."),
]
AcceptOption = Annotated[
    bool, typer.Option("--accept-licence", help="Accept what the licences of the --pack ask.")
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Log what is opened and when, too.")
]
LogJsonOption = Annotated[
    bool, typer.Option("--log-json", help="Log one JSON object a line instead of text.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]
