"""The store in PostgreSQL 14 or newer, for several boxes' data or somebody else's backups."""

from __future__ import annotations

from sqlalchemy import Connection, create_engine, make_url, select, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import NullPool

from pipeline.errors import ConfigError, StoreError, StoreInUseError, redact
from pipeline.store.facets import Arrays, Facets
from pipeline.store.months import begin, drop, made, month_of, span
from pipeline.store.numbering import first_of
from pipeline.store.past import PastStore, young
from pipeline.store.schema import visit
from pipeline.store.sql import explained

_OLDEST = 140_000
#: The lock of the one process that writes.
_LOCK = 0x7468726561646C
_CONNECT_S = 5
#: What PostgreSQL takes a page out of order to cost, in pages in order. Its 4 is a disk that turns:
#: the newest 50 of a rare brand it would rather look for among all visits, five times as long.
_PAGE_COST = 1.1


class PostgresStore(PastStore):
    """A store in the database ``url``.

    Raises:
        ConfigError: the URL is none, or the library is missing.
    """

    facets: Facets = Arrays()

    def __init__(self, url: str, counts_only: bool = False) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise ConfigError(
                "PostgreSQL needs a library: pip install 'threadline[postgres]'"
            ) from None
        try:
            self._url = make_url(url).set(drivername="postgresql+psycopg")
        except ArgumentError:
            raise ConfigError(f"{redact(url)}: no URL of a database") from None
        self._holder = ""
        reader = create_engine(
            self._url,
            pool_pre_ping=True,
            pool_size=2,
            connect_args={
                "connect_timeout": _CONNECT_S,
                "options": f"-c default_transaction_read_only=on -c random_page_cost={_PAGE_COST}",
            },
        )
        super().__init__(redact(url), reader, counts_only)

    def open(self, zone: str, holder: str) -> None:
        """Open for writing; tables are made if missing.

        Raises:
            StoreError: another process writes it, or it cannot be reached.
        """
        self._holder = holder
        try:
            self.prepare(zone)
        except BaseException:
            self.close()
            raise

    def open_to_read(self) -> None:
        """Open for reading; StoreError if there is nothing to read."""
        self.open_reading()

    def _writing_connection(self) -> Connection:
        engine = create_engine(
            self._url,
            poolclass=NullPool,
            connect_args={
                "connect_timeout": _CONNECT_S,
                "application_name": self._holder[:60],
                # A cable that was pulled is noticed within half a minute, also in mid-sentence.
                "tcp_user_timeout": 30_000,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
            },
        )
        connection = engine.connect()
        try:
            with connection.begin():
                self._lock(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _lock(self, connection: Connection) -> None:
        version = int(connection.execute(text("SHOW server_version_num")).scalar() or 0)
        if version < _OLDEST:
            raise StoreError(f"{self.where}: PostgreSQL {version // 10000}; 14 or newer is needed")
        if not connection.execute(text(f"SELECT pg_try_advisory_lock({_LOCK})")).scalar():
            who = text(
                "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) "
                "WHERE locktype = 'advisory' AND granted AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database()) "
                "AND (classid::bigint << 32 | objid::bigint) = :lock"
            )
            name = connection.execute(who, {"lock": _LOCK}).scalar() or "another process"
            raise StoreInUseError(
                f"{self.where}: in use by {name}; wait until it has ended, or stop it"
            )

    def past_months(self, before: int) -> list[int]:
        found = []
        with self.reading() as connection:
            for month in made(connection):
                (low, high), end = span(month), begin(month + 1)
                inside = select(visit.c.id).where(visit.c.id >= low, visit.c.id < high)
                of_young = inside.where(visit.c.stream.in_(young(connection, end)))
                if end <= before and not connection.execute(of_young.limit(1)).first():
                    found.append(end)
        return found

    def drop_month(self, end: int) -> None:
        from psycopg.errors import LockNotAvailable

        with self.writing() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(text("SET LOCAL lock_timeout = '1s'"))
                    drop(connection, month_of(first_of(end) - 1))
            except OperationalError as error:
                if not isinstance(error.orig, LockNotAvailable):
                    raise
        self._writer = None  # it may remember them

    def backup(self, file: str) -> None:
        raise StoreError(f"{self.where}: use pg_dump, which backs up PostgreSQL while it is used")

    def check(self) -> list[str]:
        with self.reading() as connection:
            connection.execute(text("SELECT count(*) FROM visit")).scalar()
        return []

    def settle(self) -> None:
        """Have PostgreSQL overwrite what was deleted: rows stay in its files until then."""
        with explained(self.where):
            if self._connection is None:
                self._connection = self._writing_connection()
            plain = self._connection.execution_options(isolation_level="AUTOCOMMIT")
            try:
                for table in ("visit", "tag", "event"):
                    plain.execute(text(f"VACUUM {table}"))
            finally:
                plain.execution_options(isolation_level=plain.default_isolation_level)
