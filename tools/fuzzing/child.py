"""A process that tries inputs of one reader after another, and may die of them.

What it tries just now stands in a file that outlives it. It writes one line of JSON to standard
output for every finding; whatever readers print goes to a file and is searched for the secret.

    python tools/fuzzing/child.py TARGET --with atheris --seconds 300 --folder FOLDER
    python tools/fuzzing/child.py --replay          # a target and a path a line in, a finding out
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import struct
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

#: Seconds of processor time and megabytes that one input may cost.
MOST_S = 2.0
MOST_MB = 300
#: Seconds spent on making an input that goes wrong smaller.
SMALLER_S = 5.0
#: Inputs tried so far, processor and wall time at which the present one began, its length.
NOW = struct.Struct("<QddQ")
#: Bytes of an input that are kept.
MOST_BYTES = 1 << 20
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong with one input.

    Attributes:
        kind: ``raised``, ``broken``, ``slow``, ``memory``, ``told``, ``died`` or ``hung``.
        what: the error or the figures.
        where: innermost place in the program's own code.
        trace: of the error.
    """

    kind: str
    what: str
    where: str = ""
    trace: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for inputs that show the same defect."""
        return self.kind, self.what.partition(":")[0] if self.kind == "raised" else "", self.where


class Now:
    """The input of this moment, in a file that other processes see."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(NOW.size + MOST_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), NOW.size + MOST_BYTES)

    def begin(self, data: bytes) -> None:
        tried = NOW.unpack_from(self._map)[0]
        kept = data[:MOST_BYTES]
        self._map[NOW.size : NOW.size + len(kept)] = kept
        NOW.pack_into(self._map, 0, tried + 1, time.process_time(), time.monotonic(), len(kept))

    def end(self) -> None:
        """Between two inputs, nothing can hang."""
        tried, cpu, _, size = NOW.unpack_from(self._map)
        NOW.pack_into(self._map, 0, tried, cpu, 0.0, size)

    def read(self) -> tuple[int, float, float, bytes]:
        """Inputs tried; processor and wall time when the present one began (0: none); its bytes."""
        tried, cpu, wall, size = NOW.unpack_from(self._map)
        return tried, cpu, wall, bytes(self._map[NOW.size : NOW.size + size])


def memory_mb(line: str) -> float:
    """Of this process: ``VmRSS`` now, ``VmHWM`` the most since it was last cleared."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{line}:")[1].split()[0]) / 1000


class Trial:
    """Tries inputs of one target; each defect is told once, by the smallest input found."""

    def __init__(
        self, target: Any, secret: str, now: Now, tell: Callable[[Finding, bytes], None]
    ) -> None:
        from engines import EngineError
        from pipeline.errors import PipelineError
        from pipeline.tagging.logos.marks import MarkError

        self._own = (PipelineError, EngineError, MarkError)
        self._check, self._secret = target.check, secret
        self._now, self._tell = now, tell
        self._known: set[tuple[str, str, str]] = set()

    def __call__(self, data: bytes) -> None:
        found = self.run(data)
        if found is not None and found.kind in ("slow", "memory"):
            found = self.run(data)  # a busy machine, or something that is done once
        if found is None or found.key in self._known:
            return
        self._known.add(found.key)
        small = self._smaller(data, found) if found.kind in ("raised", "broken") else data
        self._tell(found, small)

    def run(self, data: bytes) -> Finding | None:
        """What goes wrong with one input, if anything does."""
        self._now.begin(data)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before, began = memory_mb("VmHWM"), time.process_time()
        found = self._tried(data)
        took, grown = time.process_time() - began, memory_mb("VmHWM") - before
        self._now.end()
        if found is None and took > MOST_S:
            found = Finding("slow", f"{took:.1f} s")
        if found is None and grown > MOST_MB:
            found = Finding("memory", f"{grown:.0f} MB")
        return found or self._printed()

    def _tried(self, data: bytes) -> Finding | None:
        try:
            self._check(data)
        except self._own as error:
            text = str(error)
            if self._secret in text and self._secret.encode() not in data:
                return Finding("told", text[:300], place(error))
        except Exception as error:
            kind = "broken" if type(error).__name__ == "WrongError" else "raised"
            trace = traceback.format_exc(limit=-6)
            return Finding(kind, f"{type(error).__name__}: {error}"[:300], place(error), trace)
        return None

    def _printed(self) -> Finding | None:
        """Whether something that was printed holds the secret."""
        sys.stdout.flush()
        sys.stderr.flush()
        size = os.fstat(1).st_size
        if not size:
            return None
        said = os.pread(1, size, 0)
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)
        return Finding("told", "printed") if self._secret.encode() in said else None

    def _smaller(self, data: bytes, found: Finding) -> bytes:
        """Less of an input that shows the same."""
        until, step = time.monotonic() + SMALLER_S, max(len(data) // 2, 1)
        while time.monotonic() < until:
            at = 0
            while at < len(data) and time.monotonic() < until:
                less = data[:at] + data[at + step :]
                again = self.run(less)
                if again is not None and again.key == found.key:
                    data = less
                else:
                    at += step
            if step == 1:
                break
            step //= 2
        return data


def place(error: BaseException) -> str:
    """File, function and line of our own code where an error came up."""
    found, at = "", error.__traceback__
    while at is not None:
        path = Path(at.tb_frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "pipeline") or path.is_relative_to(ROOT / "engines"):
            found = f"{path.relative_to(ROOT)}:{at.tb_lineno} {at.tb_frame.f_code.co_name}"
        at = at.tb_next
    return found


def with_hypothesis(trial: Trial, target: Any, seeds: list[bytes], seconds: float) -> None:
    from hypothesis import HealthCheck, Phase, given, seed, settings

    quick = settings(
        max_examples=200,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    until, number = time.monotonic() + seconds, time.time_ns() % 2**32
    while time.monotonic() < until:
        number += 1

        @seed(number)
        @quick
        @given(target.inputs(seeds))
        def one(data: bytes) -> None:
            if time.monotonic() < until:
                trial(data[: target.most])

        one()


def with_atheris(trial: Trial, target: Any, seeds: list[bytes], seconds: float) -> None:
    """By what of our code an input reaches; never returns."""
    import atheris

    corpus = Path.cwd() / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    options = [f"-max_total_time={max(round(seconds), 1)}", f"-max_len={target.most}"]
    options += ["-timeout=600", "-rss_limit_mb=0", "-detect_leaks=0", "-close_fd_mask=0"]
    atheris.Setup(["fuzz", *options, str(corpus)], trial)
    atheris.Fuzz()


def loaded(name: str, instrumented: bool = False) -> Any:
    """The module of targets; for Atheris, all that it loads of ours tells what it reaches."""
    if not instrumented:
        return import_module(name)
    import atheris

    with atheris.instrument_imports(include=["pipeline", "engines", name]):
        return import_module(name)


def told_apart() -> Any:
    """Standard output for findings alone: what anything prints goes to a file."""
    told = os.fdopen(os.dup(1), "w", buffering=1)
    printed = os.open("printed", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    return told


def fuzz(name: str, module: str, how: str, seconds: float) -> None:
    out = told_apart()
    targets = loaded(module, how == "atheris")
    target = targets.TARGETS[name]

    def tell(found: Finding, data: bytes) -> None:
        out.write(json.dumps(asdict(found) | {"input": data.hex()}) + "\n")

    trial = Trial(target, targets.SECRET, Now(Path("now")), tell)
    seeds = target.seeds()
    for data in seeds:
        trial(data)
    {"hypothesis": with_hypothesis, "atheris": with_atheris}[how](trial, target, seeds, seconds)


def replay(module: str) -> None:
    """Run files that once went wrong; a line ``null`` where nothing does."""
    out, lines = told_apart(), sys.stdin
    targets = loaded(module)
    for line in lines:
        name, path = json.loads(line)
        data = Path(path).read_bytes()
        trial = Trial(targets.TARGETS[name], targets.SECRET, Now(Path("now")), lambda *found: None)
        found = trial.run(data)
        out.write(json.dumps(asdict(found) if found else None) + "\n")


def main() -> None:
    sys.path[:0] = [str(ROOT / "tools"), str(ROOT)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?")
    parser.add_argument(
        "--with", dest="how", choices=("hypothesis", "atheris"), default="hypothesis"
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--folder", type=Path, required=True, help="for what passes between processes"
    )
    parser.add_argument("--targets", default="fuzzing.targets", help="the module that has them")
    parser.add_argument("--replay", action="store_true")
    args = parser.parse_args()
    os.chdir(args.folder)
    if args.replay:
        replay(args.targets)
    else:
        fuzz(args.target, args.targets, args.how, args.seconds)


if __name__ == "__main__":
    main()
