"""The tables of the store, for SQLite and PostgreSQL. Times are integer milliseconds UTC, names are
numbers of ``term``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


class Terms(TypeDecorator[Sequence[int]]):
    """A rising sequence of term numbers: an array on PostgreSQL; on SQLite, which has none, bytes:
    each number's distance to the one before, seven bits a byte."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        postgres = dialect.name == "postgresql"
        return dialect.type_descriptor(ARRAY(Integer()) if postgres else LargeBinary())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return list(value) if dialect.name == "postgresql" else packed(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return list(value) if dialect.name == "postgresql" else unpacked(value)


def packed(numbers: Sequence[int]) -> bytes:
    """Rising numbers as bytes."""
    out, before = bytearray(), 0
    for number in numbers:
        rest, before = number - before, number
        while rest > 127:
            out.append(rest & 127 | 128)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def unpacked(content: bytes) -> list[int]:
    """The numbers ``packed`` into bytes."""
    found: list[int] = []
    number, shift, before = 0, 0, 0
    for byte in content:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            before += number
            found.append(before)
            number, shift = 0, 0
    return found


def occurrences(packs: Sequence[bytes]) -> dict[int, int]:
    """How often each number is in many ``packed`` sequences, all read at once."""
    content = np.frombuffer(b"".join(packs), np.uint8)
    if not len(content):
        return {}
    begins = np.flatnonzero(np.concatenate(([True], content[:-1] < 128)))
    place = np.arange(len(content)) - np.repeat(begins, np.diff(begins, append=len(content)))
    distances = np.add.reduceat((content & 127).astype(np.int64) << 7 * place, begins)
    totals = np.cumsum(distances)  # over all sequences: less what was reached before each
    offsets = np.cumsum([len(one) for one in packs if one])[:-1]
    firsts = np.concatenate(([0], np.searchsorted(begins, offsets)))
    before = totals[firsts] - distances[firsts]
    numbers = totals - np.repeat(before, np.diff(firsts, append=len(totals)))
    found, times = np.unique(numbers, return_counts=True)
    return dict(zip(found.tolist(), times.tolist(), strict=True))


metadata = MetaData()

#: SQLite has a table's rows in the order of a key only if it is called INTEGER there.
Key = BigInteger().with_variant(Integer, "sqlite")

#: What is known of the store itself: its time zone, its own name.
meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text))

#: Every name there is, of a kind: camera, label, category, colour, brand, model, zone, line, an
#: attribute's value, and pairs on one garment.
term = Table(
    "term",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("kind", "name"),
)

#: A run at a camera; of a recording that tells it, when it was recorded.
stream = Table(
    "stream",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("run", Text, nullable=False),
    Column("camera", Integer, nullable=False),
    Column("recorded", BigInteger),  # when the recording began
    Column("recording", Text),  # what its file is known by
    Column("last", BigInteger, nullable=False),  # number of the last event counted
    Index("stream_run", "run"),
    Index("stream_camera", "camera"),
)

#: Ids rise with the time of beginning: tenths of a second * 64 + n.
visit = Table(
    "visit",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("name", LargeBinary(16), nullable=False),  # its UUID
    Column("stream", Integer, nullable=False),
    Column("camera", Integer, nullable=False),
    Column("track", Integer, nullable=False),
    Column("began", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=False),
    Column("first_pts", BigInteger, nullable=False),
    Column("open", SmallInteger, nullable=False),
    Column("last", BigInteger, nullable=False),  # number of the last event counted
    Column("picture", Text),  # empty: as pictures of visits are called
    Column("terms", Terms, nullable=False),  # as they stand in the index
    Column("heads", SmallInteger),  # in the picture: 0 pixelated, 1 kept
    Index("visit_stream", "stream"),
    # PostgreSQL, where visits lie in tables of months, keeps nothing unique over all of these.
    UniqueConstraint("name").ddl_if(dialect="sqlite"),
    Index("visit_name", "name").ddl_if(dialect="postgresql"),
)

tag = Table(
    "tag",
    metadata,
    Column("visit", BigInteger, primary_key=True),
    Column("n", SmallInteger, primary_key=True),
    Column("kind", Integer, nullable=False),
    Column("label", Integer, nullable=False),
    Column("category", Integer),
    Column("level", SmallInteger, nullable=False),
    Column("colour", Integer),
    Column("colour2", Integer),
    Column("attributes", Text),  # ",12,40,"
    Column("score", SmallInteger, nullable=False),  # thousandths
    Column("gone", SmallInteger, nullable=False),
    *(Column(side, Integer, nullable=False) for side in ("x0", "y0", "x1", "y1")),
    Column("model", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: What happened besides people's tags: zones, lines, marks on nobody.
event = Table(
    "event",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),  # made of its UUID
    Column("at", BigInteger, nullable=False),
    Column("camera", Integer, nullable=False),
    Column("stream", Integer, nullable=False),
    Column("visit", BigInteger),
    Column("name", Integer, nullable=False),
    Column("what", Integer),  # zone, line or brand
    Column("direction", SmallInteger),  # 1 in, -1 out
    Column("dwell", BigInteger),  # milliseconds
    Index("event_at", "at"),
    Index("event_visit", "visit"),
)

#: Where people stood, tenths of a second a cell of 48 x 27 and hour.
presence = Table(
    "presence",
    metadata,
    Column("camera", Integer, primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("cell", SmallInteger, primary_key=True),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: Counts by hour and day: dimension and value -> n. Camera 0: all together.
roll = Table(
    "roll",
    metadata,
    Column("size", SmallInteger, primary_key=True),  # 0: hour, 1: day
    Column("dim", SmallInteger, primary_key=True),
    Column("camera", Integer, primary_key=True),
    Column("bucket", Integer, primary_key=True),  # its first minute, since the epoch
    Column("value", Integer, primary_key=True),
    Column("n", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
