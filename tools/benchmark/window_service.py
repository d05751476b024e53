"""`threadline serve` in a process of its own, to be measured from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from pipeline.web.accounts import Accounts
from pipeline.web.kept import Kept

#: Nothing is looked at but people, and nothing is too old: folders of benchmarks are of any time.
_SETTINGS = """
garments: {enabled: false}
store: {keep: {rows_d: null, pictures_h: null}, zone: Europe/Berlin}
"""


class Served:
    """A service on a folder.

    Attributes:
        url: without a slash at the end.
        headers: of a program that may do everything.
    """

    def __init__(self, folder: Path, cameras: str = "", feed: float = 0.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with Kept(folder) as kept:
            scopes = ("read", "pictures", "live", "write", "admin")
            _, secret = Accounts(kept).add_token("bench", "admin", scopes, None, 1)
        self.headers = {"Authorization": f"Bearer {secret}"}
        settings = folder / "settings.yaml"
        settings.write_text(_SETTINGS + cameras)
        command = [sys.executable, "-m", "benchmark.window_child", str(folder), str(feed)]
        here = str(Path(__file__).parents[1])
        found = os.pathsep.join((here, str(Path(here).parent)))
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": found}
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip().rstrip("/")

    def memory_mb(self) -> float:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def busy_s(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
