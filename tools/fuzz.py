"""Fuzz every reader of foreign input, each in a process of its own that may die of it.

    python tools/fuzz.py                        # all, ten minutes each
    python tools/fuzz.py pictures settings --seconds 120
    python tools/fuzz.py --list

Half of the time inputs come from Hypothesis, half from Atheris, which follows what of the program
an input reaches. Atheris is optional (``pip install -e '.[fuzz]'``); without it Hypothesis has all
the time. A finding is: an error that is none of the program's own, a broken promise of the reader
(tools/fuzzing/targets.py), more than two seconds of processor time or 300 MB for one input, a
password that is told, a hang, the death of the process. Each defect is shown once; its input is
kept as out/fuzz/TARGET/NAME. Once it is mended, the file goes to tests/hostile/found/TARGET/, where
the tests replay it. Ends with 1 if anything was found.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from fuzzing.child import MOST_S, Finding, Now

CHILD = Path(__file__).parent / "fuzzing" / "child.py"
TARGETS = "fuzzing.targets"
#: Seconds by the clock after which an input hangs for sure, however busy the machine is.
HUNG_S = 20.0
#: Deaths of the process after which a target is given up.
MOST_DEATHS = 5


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one target.

    Attributes:
        findings: each with the input that shows it.
    """

    tried: int
    findings: list[tuple[Finding, bytes]]


def processor_s(pid: int) -> float:
    """Processor time of a process so far; of one that is gone, nothing."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hung(process: subprocess.Popen[Any], now: Now) -> bool:
    """Whether the input of this moment takes too long."""
    state = now.read()
    if not state[2] or state != now.read():  # the second look: it may just be writing
        return False
    _, cpu, wall, _ = state
    return processor_s(process.pid) - cpu > 2 * MOST_S or time.monotonic() - wall > HUNG_S


def child(folder: Path, *more: str) -> list[str]:
    """The command of a process that tries inputs and works in a folder."""
    return [sys.executable, str(CHILD), "--folder", str(folder), "--targets", TARGETS, *more]


def again(name: str, data: bytes, folder: Path) -> bool:
    """Whether an input hangs, or kills, a second time."""
    path = folder / "again"
    path.write_bytes(data)
    asked, limit = json.dumps([name, str(path)]), 2 * HUNG_S
    command = child(folder, "--replay")
    try:
        done = subprocess.run(
            command, input=asked, stdout=subprocess.PIPE, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return True
    return done.stdout.strip() != "null"


def ended(command: list[str], now: Now, told: Path) -> str:
    """Run a process that tries inputs; how it came to a bad end, empty if it came to a good one."""
    with told.open("wb") as out:
        process = subprocess.Popen(command, stdout=out)
        while process.poll() is None:
            time.sleep(0.1)
            if hung(process, now):
                process.kill()
                process.wait()
                return "hung"
    return f"exit status {process.returncode}" if process.returncode else ""


def round_of(name: str, how: str, seconds: float, folder: Path) -> list[tuple[Finding, bytes]]:
    """Fuzz until the time is over, beginning anew where an input killed the process."""
    found: list[tuple[Finding, bytes]] = []
    now, until, told = Now(folder / "now"), time.monotonic() + seconds, folder / "told"
    for _ in range(MOST_DEATHS):
        rest = f"{max(until - time.monotonic(), 1):.0f}"
        end = ended(child(folder, name, "--with", how, "--seconds", rest), now, told)
        for line in told.read_text().splitlines():
            row = json.loads(line)
            data = bytes.fromhex(row.pop("input"))
            found.append((Finding(**row), data))
        if not end:
            break
        tried, _, _, data = now.read()
        said = (folder / "printed").read_text(errors="replace")[-1500:]
        if not tried:
            raise SystemExit(f"{name}: {end} before the first input\n{said}")
        now.end()
        if again(name, data, folder):
            found.append((Finding("hung" if end == "hung" else "died", end, "", said), data))
        else:
            print(f"{name}: began anew ({end}), its last input does no harm alone")
        if time.monotonic() > until:
            break
    return found


def fuzz(name: str, seconds: float, engines: list[str]) -> Result:
    """Fuzz one target with every engine in turn, each for its share of the time."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory) as place:
        folder = Path(place)
        found = [f for how in engines for f in round_of(name, how, seconds / len(engines), folder)]
        tried = Now(folder / "now").read()[0]
    each = {finding.key: (finding, data) for finding, data in reversed(found)}
    return Result(tried, list(each.values()))


def keep(name: str, out: Path, result: Result) -> None:
    """Write the inputs that went wrong, and say what each did."""
    for finding, data in result.findings:
        path = out / name / hashlib.sha256(data).hexdigest()[:12]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"  {finding.kind}: {finding.what}\n    at {finding.where or '?'}; input {path}")
        for line in finding.trace.splitlines():
            print(f"      {line}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", help="all without")
    parser.add_argument("--seconds", type=float, default=600.0, help="for every target")
    parser.add_argument(
        "--with", dest="how", choices=("both", "hypothesis", "atheris"), default="both"
    )
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="folder for findings")
    parser.add_argument("--list", action="store_true", help="list the targets")
    args = parser.parse_args()
    known = import_module(TARGETS).TARGETS
    if args.list:
        print("\n".join(known))
        return 0
    if unknown := sorted(set(args.targets) - set(known)):
        parser.error(f"no target {unknown[0]}; see --list")
    engines = ["hypothesis", "atheris"] if args.how == "both" else [args.how]
    if "atheris" in engines and importlib.util.find_spec("atheris") is None:
        print("Atheris is not installed, Hypothesis alone makes inputs: pip install -e '.[fuzz]'")
        engines = ["hypothesis"]
    count = 0
    for name in args.targets or known:
        began = time.monotonic()
        result = fuzz(name, args.seconds, engines)
        passed = time.monotonic() - began
        print(
            f"{name}: {result.tried} inputs in {passed:.0f} s, {len(result.findings)} findings",
            flush=True,
        )
        keep(name, args.out, result)
        count += len(result.findings)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
