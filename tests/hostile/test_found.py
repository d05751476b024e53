"""What ``tools/fuzz.py`` once found does no harm any more: every file is read again by the reader
it went wrong with, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import fuzz
import pytest

FOUND = Path(__file__).with_name("found")
CHILD = Path(__file__).parents[2] / "tools" / "fuzzing" / "child.py"
FILES = sorted(path.relative_to(FOUND).as_posix() for path in FOUND.glob("*/*"))
#: Seconds after which a reader hangs; what the corpus may hold, in bytes.
HANGS_S = 30
MOST_BYTES = 200_000


class Readers:
    """The process that reads; begun anew where an input killed it."""

    def __init__(self, folder: Path) -> None:
        self._command = [sys.executable, str(CHILD), "--replay", "--folder", str(folder)]
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, name: str) -> object:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name.split("/")[0], str(FOUND / name)]) + "\n")
        self._process.stdin.flush()
        alarm = threading.Timer(HANGS_S, self._process.kill)
        alarm.start()
        line = self._process.stdout.readline()
        alarm.cancel()
        assert line, f"died with {self._process.wait()}"
        return json.loads(line)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of memory is only told under Linux")
    made = Readers(tmp_path_factory.mktemp("replay"))
    yield made
    made.close()


@pytest.mark.parametrize("name", FILES)
def test_what_was_found_does_no_harm_any_more(readers, name):
    assert readers(name) is None


def test_harm_is_noticed(tmp_path):
    """The same process, with lower limits, on a reader that goes wrong in every way."""
    code = "from fuzzing import child; child.MOST_S, child.MOST_MB = 0.3, 50; child.main()"
    command = [sys.executable, "-c", code, "--replay", "--folder", str(tmp_path)]
    paths = ":".join(map(str, (CHILD.parents[1], Path(__file__).parent, CHILD.parents[2])))
    words = ("own error", "nothing", "raised", "broken", "slow", "memory", "told", "prints")
    for word in words:
        (tmp_path / word).write_text(word)
    asked = "".join(json.dumps(["harm", str(tmp_path / word)]) + "\n" for word in words)
    done = subprocess.run(
        [*command, "--targets", "harm"], input=asked, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [finding and finding["kind"] for finding in found]
    assert kinds == [None, None, "raised", "broken", "slow", "memory", "told", "told"], done.stderr


def test_an_input_that_kills_is_found_and_the_others_as_well(tmp_path, monkeypatch):
    paths = ":".join(map(str, (Path(__file__).parent, CHILD.parents[2])))
    monkeypatch.setenv("PYTHONPATH", paths)
    monkeypatch.setattr(fuzz, "TARGETS", "harm")
    monkeypatch.setattr(fuzz, "MOST_DEATHS", 1)
    found = fuzz.round_of("deadly", "hypothesis", 1.0, tmp_path)
    assert [(finding.kind, data) for finding, data in found] == [
        ("raised", b"raised"),
        ("died", b"died"),
    ]
    assert "KeyError" in found[0][0].what
    assert found[1][0].what == "exit status -11"


def test_the_corpus_stays_small():
    assert FILES
    assert sum((FOUND / name).stat().st_size for name in FILES) < MOST_BYTES
