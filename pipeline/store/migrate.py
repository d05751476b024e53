"""Brings a store's tables to this version of the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from pipeline.errors import StoreError
from pipeline.store.schema import metadata

_FOLDER = Path(__file__).parent / "migrations"


def scripts() -> ScriptDirectory:
    """All changes there are."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def version(connection: Connection) -> str | None:
    """The last change a store has; ``None`` of an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def check_version(connection: Connection, where: str) -> None:
    """Make sure that this program knows a store's tables.

    Raises:
        StoreError: it is of a newer version, or of an older one that was not brought up to date.
    """
    found, known = version(connection), scripts()
    if found is not None and found not in {one.revision for one in known.walk_revisions()}:
        raise StoreError(
            f"{where}: made by a newer version of threadline (its tables are '{found}'); update "
            "threadline, or choose another --out"
        )
    if found != known.get_current_head():
        raise StoreError(f"{where}: of an older version; bring it up to date: threadline db check")


def upgrade(connection: Connection, where: str, upto: str = "head") -> None:
    """Make all changes that a store lacks, within the connection's transaction.

    Raises:
        StoreError: it is of a newer version.
    """
    script = scripts()
    found = version(connection)
    if found == script.get_current_head():
        return
    if found is not None:
        known = {one.revision for one in script.walk_revisions()}
        if found not in known:
            check_version(connection, where)

    def steps(revision: Any, context: MigrationContext) -> Any:
        return script._upgrade_revs(upto, revision)

    config = Config()
    with EnvironmentContext(config, script, fn=steps, destination_rev=upto) as environment:
        environment.configure(connection=connection, target_metadata=metadata)
        environment.run_migrations()
