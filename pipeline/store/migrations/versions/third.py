"""PostgreSQL: visits and tags by months."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

from pipeline.store.months import CUT, begin, make_room, month_of
from pipeline.store.numbering import first_of

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Move what is there into tables of months. SQLite's file stays as it is."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    for table, column in CUT:
        _cut(table, column)
    make_room(connection, [first_of(round(time.time() * 1000)), *_months(connection)])
    for table, _ in CUT:
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_whole")
        op.drop_table(f"{table}_whole")
    # What was unique over all months, only the writer can keep so now.
    op.create_index("visit_name", "visit", ["name"])
    op.create_index("visit_stream", "visit", ["stream"])
    op.execute("CREATE INDEX visit_terms ON visit USING gin (terms) WITH (fastupdate = off)")
    for table, _ in CUT:
        op.execute(f"ANALYZE {table}")


def _cut(table: str, column: str) -> None:
    op.rename_table(table, f"{table}_whole")
    for index in ("pkey", "name_key", "stream", "terms"):
        op.execute(f"ALTER INDEX IF EXISTS {table}_{index} RENAME TO {table}_whole_{index}")
    columns = f"LIKE {table}_whole INCLUDING DEFAULTS"
    key = "id" if table == "visit" else "visit, n"
    op.execute(
        f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({key})) PARTITION BY RANGE ({column})"
    )


def _months(connection: sa.Connection) -> list[int]:
    """A visit's number of every month in which somebody came."""
    found: list[int] = []
    low = 0
    query = sa.text("SELECT min(id) FROM visit_whole WHERE id >= :low")
    while (first := connection.execute(query, {"low": low}).scalar()) is not None:
        found.append(first)
        low = first_of(begin(month_of(first) + 1))
    return found
