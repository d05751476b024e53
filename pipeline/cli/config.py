"""``threadline config``: settings files checked and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from engines.packs import open_packs
from pipeline.cli.errors import explained
from pipeline.cli.options import ConfigOption, OutOption, PacksOption
from pipeline.cli.serve import refuse_without
from pipeline.cli.settings import read_settings
from pipeline.errors import redact
from pipeline.settings.file import read_raw
from pipeline.settings.schema import schema

app = typer.Typer(no_args_is_help=True, help="Settings files.")


@app.command("check")
def check(file: Path, packs: PacksOption = None) -> None:
    """Check a settings file."""
    with explained():
        settings = read_settings(file, open_packs(packs), {})
        typer.echo(f"{file}: ok, {len(settings.cameras)} cameras")


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema for editors."""
    typer.echo(json.dumps(schema().model_json_schema(), indent=2))


@app.command("show")
def show(config_file: ConfigOption = None, packs: PacksOption = None) -> None:
    """Print all settings in force, defaults included, without credentials."""
    with explained():
        settings = read_settings(config_file, open_packs(packs), {})
        data = settings.model_dump(mode="json", exclude_none=True)
        typer.echo(redact(yaml.safe_dump(data, sort_keys=False, allow_unicode=True)), nl=False)


@app.command("export")
def export(
    out: OutOption = Path("out"),
    config_file: ConfigOption = None,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="With the cameras' users and passwords.")
    ] = False,
) -> None:
    """Print the cameras that the window keeps, with --config what its file sets, as YAML.

    Passwords are left out: they become ${NAME_PASSWORD}, to be set in the environment.
    """
    with explained():
        refuse_without()
        from pipeline.web.exporting import exported

        base = read_raw(config_file) if config_file is not None else {}
        typer.echo(yaml.safe_dump(exported(out, base, secrets), sort_keys=False), nl=False)
