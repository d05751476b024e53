"""``threadline config``: settings files checked and shown."""

from __future__ import annotations

import json
from pathlib import Path

import typer
import yaml

from engines.packs import open_packs
from pipeline.cli.errors import explained
from pipeline.cli.options import ConfigOption, PacksOption
from pipeline.cli.settings import read_settings
from pipeline.errors import redact
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
