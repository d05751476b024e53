"""One window for all tests here: a real run with a recording, a real server, a filled store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from store_support import BLUE_JEANS, HAT, RED_JACKET, Run, brand

pytest.importorskip("fastapi")

from web_support import PASSWORD, USERS, Window, served


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
    [one] = window.service.store.named([bytes.fromhex(found[0].replace("-", ""))])
    path = window.service.out / one.picture
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 20, 3), 90, np.uint8))
    return found
