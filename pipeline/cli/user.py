"""``threadline user``: who may use the window, from the command line."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.errors import explained
from pipeline.cli.options import OutOption
from pipeline.cli.serve import refuse_without

app = typer.Typer(no_args_is_help=True, help="Users of the window (threadline serve).")


class Role(str, Enum):
    """What a user may."""

    viewer = "viewer"
    operator = "operator"
    admin = "admin"


PasswordOption = Annotated[
    str,
    typer.Option("--password", envvar="THREADLINE_PASSWORD", help="Else it is asked for."),
]


@app.command("add")
def add(
    name: str,
    password: PasswordOption = "",
    role: Annotated[Role, typer.Option("--role", help="What they may.")] = Role.admin,
    out: OutOption = Path("out"),
) -> None:
    """Add a user of the window of a folder."""
    with explained():
        refuse_without()
        from pipeline.web.accounts import Accounts
        from pipeline.web.kept import Kept

        with Kept(out) as kept:
            Accounts(kept).add(name, password or _asked(), role.value)
            kept.note("", "command line", "user.added", name)
        typer.echo(f"{name} ({role.value}) added")


@app.command("password")
def password_(name: str, password: PasswordOption = "", out: OutOption = Path("out")) -> None:
    """Give a user another password; all of their sessions end."""
    with explained():
        refuse_without()
        from pipeline.web.accounts import Accounts
        from pipeline.web.kept import Kept

        with Kept(out) as kept:
            Accounts(kept).change(name, password=password or _asked())
            kept.note("", "command line", "password.changed", name)
        typer.echo(f"{name}: changed")


def _asked() -> str:
    text: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return text
