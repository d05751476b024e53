"""A private PostgreSQL server in a folder of its own, on a socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

#: PostgreSQL refuses to run as root: these users are there for nothing else.
_USERS = ("postgres", "nobody")


class PostgresServer:
    """Started on entering; ``url`` names a fresh database each time."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tl-pg-", dir="/tmp"))
        self._count = 0

    @staticmethod
    def why_not() -> str:
        """Why there is none here; empty where there is."""
        missing = [name for name in ("initdb", "pg_ctl", "postgres") if not shutil.which(name)]
        return f"needs PostgreSQL: no {missing[0]}" if missing else ""

    def __enter__(self) -> PostgresServer:
        if os.getuid() == 0:
            user = next(u for u in _USERS if u in {p.pw_name for p in pwd.getpwall()})
            shutil.chown(self.folder, user)
            self._as: list[str] = ["setpriv", f"--reuid={user}", "--clear-groups", "--regid=65534"]
        else:
            self._as = []
        self.data = self.folder / "data"
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "threadline", "-N", "-E", "UTF8")
        self.start()
        return self

    def start(self) -> None:
        options = f"-c listen_addresses='' -k {self.folder} -c shared_buffers=64MB"
        self._run(
            "pg_ctl", "-D", self.data, "-w", "-o", options, "-l", self.folder / "log", "start"
        )

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def __exit__(self, *error: object) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fresh(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        self._count += 1
        name = f"store{self._count}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://threadline@/{database}?host={quote(str(self.folder), safe='')}"

    def _run(self, *words: object) -> None:
        done = subprocess.run(
            [*self._as, *map(str, words)], capture_output=True, text=True, cwd=self.folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
