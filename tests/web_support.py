"""A window for tests: a real run, a real server, and clients of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from unittest import mock

import httpx

from engines.packs import shipped
from pipeline.settings.schema import make_config
from pipeline.store.outlet import StoreSink
from pipeline.web.service import Asked, Service
from pipeline.web.serving import Address, Serving

PASSWORD = "correct horse battery"
#: User -> role and cameras.
USERS = {
    "anna": ("admin", None),
    "otto": ("operator", None),
    "vera": ("viewer", None),
    "door": ("viewer", ["entrance"]),
}


class Fed(StoreSink):
    """Writes events of tests besides those of the run, on the same thread."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self._handed: SimpleQueue[tuple[list[dict], Future[None]]] = SimpleQueue()

    def hand(self, records: list[dict]) -> Future[None]:
        done: Future[None] = Future()
        self._handed.put((records, done))
        return done

    def idle(self) -> None:
        while not self._handed.empty():
            records, done = self._handed.get()
            self._store.write(records)
            done.set_result(None)
        super().idle()


class Window:
    """A service that is served, and clients of it."""

    def __init__(self, service: Service, serving: Serving) -> None:
        self.service = service
        self.url = serving.url.rstrip("/")

    @contextmanager
    def client(self, user: str = "") -> Iterator[httpx.Client]:
        """A browser, logged in."""
        base = f"{self.url}/api/v1"
        with httpx.Client(base_url=base, headers={"Origin": self.url}, timeout=20) as client:
            if user:
                done = client.post("/login", json={"user": user, "password": PASSWORD})
                assert done.status_code == 200, done.text
            yield client

    def token(self, role: str, *scopes: str, cameras: list[str] | None = None) -> dict[str, str]:
        """Headers of a program with a new token."""
        _, secret = self.service.accounts.add_token("test", role, scopes, cameras, 1)
        return {"Authorization": f"Bearer {secret}"}

    def write(self, records: list[dict]) -> None:
        """Have events written into the store, as the run does."""
        self.service.runner.store.hand(records).result(20)


@contextmanager
def served(out: Path, **sections) -> Iterator[Window]:
    """A window on a folder."""
    wanted = {
        "garments": {"enabled": False},
        "logos": {"gallery": str(out / "gallery")},
        "store": {"zone": "Europe/Berlin"},
    }
    config = make_config(**{**wanted, **sections})
    service = Service(Asked(config, out, shipped(), "The Shop, Main Street 1"))
    with (
        mock.patch("pipeline.store.outlet.StoreSink", Fed),
        service,
        Serving(service, Address(port=0)) as serving,
    ):
        service.start()
        serving.start()
        window = Window(service, serving)
        wait_for(lambda: httpx.get(f"{window.url}/healthz").status_code == 200)
        yield window
        service.stop()
        service.close_store()
        serving.stop()
        service.runner.wait()


def wait_for(condition, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)
