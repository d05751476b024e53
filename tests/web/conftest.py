"""One window for all tests here: a real run with a recording, a real server, a filled store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from store_support import BLUE_JEANS, HAT, RED_JACKET, Run, brand

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")

from engines.packs import shipped  # noqa: E402
from pipeline.settings.schema import make_config  # noqa: E402
from pipeline.web.service import Asked, Service  # noqa: E402
from pipeline.web.serving import Address, Serving  # noqa: E402

PASSWORD = "correct horse battery"
#: User -> role and cameras.
USERS = {
    "anna": ("admin", None),
    "otto": ("operator", None),
    "vera": ("viewer", None),
    "door": ("viewer", ["entrance"]),
}


class Window:
    """A service that is served, and clients of it."""

    def __init__(self, service: Service, serving: Serving) -> None:
        self.service = service
        self.url = serving.url.rstrip("/")

    def client(self, user: str = "", **headers: str) -> httpx.Client:
        """A browser, logged in."""
        client = httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Origin": self.url, **headers}, timeout=20
        )
        if user:
            done = client.post("/login", json={"user": user, "password": PASSWORD})
            assert done.status_code == 200, done.text
        return client

    def token(self, role: str, *scopes: str, cameras: list[str] | None = None) -> dict[str, str]:
        """Headers of a program with a new token."""
        _, secret = self.service.accounts.add_token("test", role, scopes, cameras, 1)
        return {"Authorization": f"Bearer {secret}"}

    def write(self, records: list[dict]) -> None:
        """Have events written into the store, as the run does."""
        self.service.runner.store.ask(lambda store: store.write(records)).result(20)


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
    with service, Serving(service, Address(port=0)) as serving:
        service.start()
        serving.start()
        window = Window(service, serving)
        wait_for(lambda: httpx.get(f"{window.url}/healthz").status_code == 200)
        yield window
        service.stop()
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


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory, short_clip: Path) -> Iterator[Window]:
    out = tmp_path_factory.mktemp("shop")
    camera = {"id": "clip", "url": str(short_clip)}
    with served(out, cameras=[camera]) as window:
        for name, (role, cameras) in USERS.items():
            window.service.accounts.add(name, PASSWORD, role, cameras)
        yield window


@pytest.fixture(scope="session")
def people(window: Window) -> list[str]:
    """Visits of two cameras, ten minutes ago; the first has a picture."""
    at, run = time.time() - 600, Run(time.time() - 600)
    found = []
    for i, (tags, camera) in enumerate(
        [
            ((RED_JACKET, BLUE_JEANS), "entrance"),
            ((RED_JACKET,), "exit"),
            ((HAT, brand("acme")), "entrance"),
        ]
    ):
        records = run.visit(*tags, camera=camera, at=at + 60 * i)
        window.write(records)
        found.append(records[0]["visit"])
    one = window.service.store.visit(bytes.fromhex(found[0].replace("-", "")))
    path = window.service.out / one.picture
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 20, 3), 90, np.uint8))
    return found
