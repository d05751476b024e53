"""The command line: ``threadline COMMAND``. One module a command or group of commands."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from pipeline import __version__

#: Commands, where each is, and what the list of them says. A module is imported once its command
#: is asked for: together they take a second.
COMMANDS = MappingProxyType(
    {
        "run": (
            "pipeline.cli.run:run",
            "Tag people's clothes and logos on cameras and recordings until they end or Ctrl-C.",
        ),
        "serve": (
            "pipeline.cli.serve:serve",
            "Run cameras, and serve the window on them: pages, API, live pictures.",
        ),
        "tag": ("pipeline.cli.tag:tag", "Tag the clothes and logos on pictures."),
        "teach": (
            "pipeline.cli.teach:teach",
            "Learn labels from pictures and write a model that knows them.",
        ),
        "search": (
            "pipeline.cli.search:search",
            "Find people by what they wore, where and when: newest first.",
        ),
        "stats": (
            "pipeline.cli.statistics:stats",
            "Count people, and their commonest garments, colours and brands. Without a "
            "time: 7 days.",
        ),
        "forget": (
            "pipeline.cli.forget:forget",
            "Delete people for good: pictures, rows, index, events.jsonl and the journal.",
        ),
        "doctor": ("pipeline.cli.doctor:command", "Report what this machine can run."),
        "db": ("pipeline.cli.db:app", "The store: check, back up, import, copy."),
        "gallery": (
            "pipeline.cli.gallery:app",
            "Brands that cameras recognise, by pictures of them.",
        ),
        "models": ("pipeline.cli.models:app", "The models: list, check, build and quantise them."),
        "measure": ("pipeline.cli.measure:app", "Sizes in cm: calibrate a camera's plane."),
        "outfits": ("pipeline.cli.outfits:app", "What goes with what. Experimental."),
        "config": ("pipeline.cli.config:app", "Settings files."),
        "camera": ("pipeline.cli.camera:app", "Cameras."),
        "user": ("pipeline.cli.user:app", "Users of the window (threadline serve)."),
    }
)


def opened(name: str) -> Any:
    """A command of ``COMMANDS`` with everything it needs, as ``typer`` makes it."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # which click would tell as an abort, with 1
    one = typer.Typer()
    if isinstance(found, typer.Typer):
        one.add_typer(found, name=name)
    else:
        one.command(name)(found)
        one.callback()(lambda: None)  # a group also of one
    return get_group(one).commands[name]


class Commands(TyperGroup):
    """Lists every command, and opens the one that is asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, line) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=line)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and opened(command.name or ""), rest


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Tags clothes and logos on live cameras, recordings and pictures.",
)


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
