"""Fixtures."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from host_cuda import HostCuda, compiled
from hypothesis import settings
from support import BIN, CLIP, SYSTEM_PYTHON, RtspServer, cut

from engines.trt.regions import Regions

# Processes run side by side: threads of each would only wait for each other, which costs time, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long one example takes on a busy machine proves nothing; a suite is the same each time.
settings.register_profile("busy", deadline=None, derandomize=True)
settings.load_profile("busy")

_PROBE = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); "
    "from gi.repository import Gst, GstRtspServer; Gst.init(None); "
    "raise SystemExit(not Gst.ElementFactory.find('h264parse'))"
)


#: What takes longest, begun first: no process waits for another at the end.
LONGEST = (
    "tests/test_docs.py",
    "tests/cli/test_cli.py",
    "tests/web/test_pages.py",
    "tests/contracts/test_engines.py",
    "tests/engines/test_plans.py",
    "tests/models/test_parity.py",
    "tests/tagging/test_measuring.py",
    "tests/training/test_logo_training.py",
    "tests/training/test_teach.py",
    "tests/cli/test_outputs.py",
    "tests/training/test_lengths.py",
)


#: Folders in which `make test` looks for what it runs apart: collecting everything takes long.
APART = {"live": ("flow",), "alone": ("cli", "faults", "flow", "web")}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark, folders in APART.items():
            if item.get_closest_marker(mark) and item.nodeid.split("/")[1] not in folders:
                raise pytest.UsageError(f"{item.nodeid}: `make test` looks for {mark} in {folders}")
    rank = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests compile is kept for the other tests, not for the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def clip() -> Path:
    return CLIP


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first three seconds of the clip."""
    path = tmp_path_factory.mktemp("clip") / "short.mp4"
    return cut(path, 30)


@pytest.fixture(scope="session")
def few_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first one and a half: people enter and are tagged."""
    return cut(tmp_path_factory.mktemp("clip") / "few.mp4", 15)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """The command in a process that goes on while the test does, and no longer."""
    begun: list[subprocess.Popen[str]] = []

    def one(*args: object) -> subprocess.Popen[str]:
        words, pipe = [str(BIN), *map(str, args)], subprocess.PIPE
        begun.append(subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True))
        return begun[-1]

    yield one
    for process in begun:
        process.kill()
        with process:  # closes its pipes
            pass


@pytest.fixture(scope="session")
def annexb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole clip as a bare H.264 stream."""
    return cut(tmp_path_factory.mktemp("h264") / "street.h264", -1, "h264")


@pytest.fixture
def rtsp(annexb: Path) -> Iterator[Callable[..., RtspServer]]:
    """Factory of started RTSP servers; skips where GStreamer is missing."""
    usable = shutil.which(SYSTEM_PYTHON) and (
        subprocess.run([SYSTEM_PYTHON, "-c", _PROBE], capture_output=True).returncode == 0
    )
    if not usable:
        pytest.skip("no GStreamer RTSP server: run tools/install_test_system.sh as root")
    servers: list[RtspServer] = []

    def start(
        mounts: int = 1,
        user: str | None = None,
        file: Path = annexb,
        epoch: float | None = None,
    ) -> RtspServer:
        servers.append(RtspServer(file, mounts, user, epoch).start())
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def gstreamer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """GStreamer in this process: the system's PyGObject, where it is for this version of Python."""
    version = f"import sys; raise SystemExit(sys.version_info[:2] != {sys.version_info[:2]})"
    folder = tmp_path_factory.mktemp("gi")
    home = subprocess.run(
        [SYSTEM_PYTHON, "-c", f"import gi; print(gi.__path__[0]); {version}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if home.returncode:
        pytest.skip("no PyGObject for this version of Python")
    (folder / "gi").symlink_to(home.stdout.strip())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        with warnings.catch_warnings():  # older ones load their modules in an older way
            warnings.simplefilter("ignore", ImportWarning)
            gi = importlib.import_module("gi")
            try:
                for name in ("Gst", "GstVideo"):
                    gi.require_version(name, "1.0")
                    importlib.import_module(f"gi.repository.{name}")
            except ValueError as error:
                pytest.skip(str(error))
        yield


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The GPU's arithmetic compiled for the host."""
    return compiled(tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def regions(kernels: ctypes.CDLL) -> Iterator[Regions]:
    """What reads pictures on the GPU, over the host's memory."""
    found = Regions(HostCuda(kernels))
    yield found
    found.close()
