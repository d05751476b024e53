"""Reads pictures in a process of its own, which may die of them: a path a line in, a line out."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from pipeline.errors import SourceRefusedError
from pipeline.picture.still import load_image


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def main() -> None:
    for line in sys.stdin:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        began = time.monotonic()
        try:
            said = f"read {load_image(Path(json.loads(line))).shape}"
        except SourceRefusedError as error:
            said = f"refused {error}"
        except Exception as error:
            said = f"crashed {error!r}"
        told = {"said": said, "seconds": time.monotonic() - began, "peak_mb": peak_mb()}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


main()
