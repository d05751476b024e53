"""The command line: ``threadline COMMAND``. One module a command or group of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import __version__
from pipeline.cli import camera, config, db, doctor, gallery, measure, models, outfits, user
from pipeline.cli.errors import standard_output
from pipeline.cli.forget import forget
from pipeline.cli.run import run
from pipeline.cli.search import search
from pipeline.cli.serve import serve
from pipeline.cli.statistics import stats
from pipeline.cli.tag import tag
from pipeline.cli.teach import teach

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Tags clothes and logos on live cameras, recordings and pictures.",
)
app.command()(run)
app.command()(serve)
app.command()(tag)
app.command()(teach)
app.command()(search)
app.command()(stats)
app.command()(forget)
app.add_typer(db.app, name="db")
app.add_typer(gallery.app, name="gallery")
app.add_typer(models.app, name="models")
app.add_typer(measure.app, name="measure")
app.add_typer(outfits.app, name="outfits")
app.add_typer(config.app, name="config")
app.add_typer(camera.app, name="camera")
app.add_typer(user.app, name="user")


@app.command("doctor")
def doctor_command() -> None:
    """Report what this machine can run."""
    raise typer.Exit(0 if doctor.report(standard_output()) else 1)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"threadline {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Threadline: cameras in, tags out."""
