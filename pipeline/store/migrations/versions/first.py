"""The tables a store begins with."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables, and what searches them."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    _names()
    _visits(sa.LargeBinary() if sqlite else ARRAY(sa.Integer()))
    _tags()
    _events()
    _counts()
    if sqlite:
        op.execute(
            "CREATE VIRTUAL TABLE facet USING fts5(t, content='', columnsize=0, detail=none)"
        )
    else:
        op.execute("CREATE INDEX visit_terms ON visit USING gin (terms) WITH (fastupdate = off)")


def _number(name: str, kind: type[sa.types.TypeEngine[int]], null: bool = False) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=null)


def _key(name: str, kind: Any) -> sa.Column[int]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _names() -> None:
    op.create_table(
        "meta", sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text)
    )
    op.create_table(
        "term",
        _key("id", sa.Integer),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("kind", "name"),
    )
    op.create_table(
        "stream",
        _key("id", sa.Integer),
        sa.Column("run", sa.Text, nullable=False),
        _number("camera", sa.Integer),
        _number("recorded", sa.BigInteger, null=True),
        sa.Column("recording", sa.Text),
        _number("last", sa.BigInteger),
    )
    op.create_index("stream_run", "stream", ["run"])
    op.create_index("stream_camera", "stream", ["camera"])


def _visits(terms: Any) -> None:
    op.create_table(
        "visit",
        _key("id", sa.BigInteger().with_variant(sa.Integer, "sqlite")),
        sa.Column("name", sa.LargeBinary(16), nullable=False, unique=True),
        _number("stream", sa.Integer),
        _number("camera", sa.Integer),
        _number("track", sa.Integer),
        _number("began", sa.BigInteger),
        _number("ended", sa.BigInteger),
        _number("first_pts", sa.BigInteger),
        _number("open", sa.SmallInteger),
        _number("last", sa.BigInteger),
        sa.Column("picture", sa.Text),
        sa.Column("terms", terms, nullable=False),
    )
    op.create_index("visit_stream", "visit", ["stream"])


def _tags() -> None:
    op.create_table(
        "tag",
        _key("visit", sa.BigInteger),
        _key("n", sa.SmallInteger),
        _number("kind", sa.Integer),
        _number("label", sa.Integer),
        _number("category", sa.Integer, null=True),
        _number("level", sa.SmallInteger),
        _number("colour", sa.Integer, null=True),
        _number("colour2", sa.Integer, null=True),
        sa.Column("attributes", sa.Text),
        _number("score", sa.SmallInteger),
        _number("gone", sa.SmallInteger),
        *(_number(side, sa.Integer) for side in ("x0", "y0", "x1", "y1")),
        _number("model", sa.Integer),
        sqlite_with_rowid=False,
    )


def _events() -> None:
    op.create_table(
        "event",
        _key("id", sa.BigInteger().with_variant(sa.Integer, "sqlite")),
        _number("at", sa.BigInteger),
        _number("camera", sa.Integer),
        _number("stream", sa.Integer),
        _number("visit", sa.BigInteger, null=True),
        _number("name", sa.Integer),
        _number("what", sa.Integer, null=True),
        _number("direction", sa.SmallInteger, null=True),
        _number("dwell", sa.BigInteger, null=True),
    )
    op.create_index("event_at", "event", ["at"])
    op.create_index("event_visit", "event", ["visit"])


def _counts() -> None:
    op.create_table(
        "presence",
        _key("camera", sa.Integer),
        _key("hour", sa.Integer),
        _key("cell", sa.SmallInteger),
        _number("n", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "roll",
        _key("size", sa.SmallInteger),
        _key("dim", sa.SmallInteger),
        _key("camera", sa.Integer),
        _key("bucket", sa.Integer),
        _key("value", sa.Integer),
        _number("n", sa.BigInteger),
        sqlite_with_rowid=False,
    )
