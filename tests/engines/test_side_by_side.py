"""Models are opened side by side: in a fresh process, by threads that begin at the same moment."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engines import BACKENDS, available

SCRIPT = """
import os, sys, threading
from engines import EngineOptions, open_engine
from engines.packs import find

barrier = threading.Barrier(3)

def go(name):
    barrier.wait()
    open_engine(find(name), sys.argv[1], EngineOptions())

names = ("logo-embedder-lite0", "person-store", "logo-embedder-lite0")
threads = [threading.Thread(target=go, args=(name,), daemon=True) for name in names]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(20)
os._exit(any(thread.is_alive() for thread in threads))
"""


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_models_opened_at_the_same_moment_do_not_wait_for_each_other(backend):
    if not available()[backend]:
        pytest.skip(f"{backend} cannot run here")
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", SCRIPT, backend], timeout=60, check=False)
        assert done.returncode == 0, "some thread hangs"
