"""What every peer does with a picture, and what it notes: the same models, the same engine.

Runs in the peers' own environments, with this project and tools/ on their path; needs NumPy, OpenCV
and OpenVINO.
"""

from __future__ import annotations

import argparse
import json
import resource
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmark.numbers import painted


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--urls", nargs="+", required=True)
    parser.add_argument("--mains", nargs="*", default=[], help="main streams beside")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--job", required=True, help="tags, or sleep:SECONDS for a model that long")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


class Tags:
    """Finds people and parses the garments of each, on every picture it is given."""

    def __init__(self) -> None:
        from engines import open_engine
        from engines.boxes import peak_detections
        from engines.packs import find
        from pipeline.picture.crop import person_window

        self._window, self._decode = person_window, peak_detections
        self._detector, self._parser = (
            open_engine(find(name), "openvino")
            for name in ("person-store-int8", "garments-lite0-int8")
        )

    def __call__(self, picture: np.ndarray[Any, Any]) -> int:
        """People in a BGR picture (H, W, 3) uint8."""
        import cv2

        height, width = picture.shape[:2]
        small = cv2.cvtColor(cv2.resize(picture, (512, 288)), cv2.COLOR_BGR2RGB)
        out = self._detector.infer({"images": small[None]})
        boxes, _ = self._decode(out["boxes"][0], out["scores"][0], (512, 288), 0.42, 0.5)
        for box in boxes * np.array([width, height] * 2):
            x0, y0, x1, y1 = self._window(tuple(box), (160, 320))
            part = picture[max(y0, 0) : max(y1, 1), max(x0, 0) : max(x1, 1)]
            crop = cv2.cvtColor(cv2.resize(part, (160, 320)), cv2.COLOR_BGR2RGB)
            self._parser.infer({"images": crop[None]})
        return len(boxes)


class Sleep:
    """A model that takes its time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, picture: np.ndarray[Any, Any]) -> int:
        time.sleep(self._seconds)
        return 0


def job(name: str) -> Tags | Sleep:
    return Sleep(float(name.split(":")[1])) if name.startswith("sleep") else Tags()


class Log:
    """Results as they come: wall-clock seconds, camera, number painted into the picture."""

    def __init__(self, args: argparse.Namespace, version: str) -> None:
        self._args = args
        self._version = version
        self._results: list[tuple[float, int, int]] = []
        self._began = time.monotonic()
        timer = threading.Timer(args.seconds + 20, self.finish)  # however much hangs by then
        timer.daemon = True
        timer.start()

    @property
    def over(self) -> bool:
        return time.monotonic() - self._began > self._args.seconds

    def add(self, camera: int, picture: np.ndarray[Any, Any]) -> None:
        """Note a result on a picture (H, W), of which one colour will do."""
        self._results.append((time.time(), camera, painted(picture)))

    def finish(self) -> None:
        """Write the results and end the process, whatever its threads do."""
        import os

        usage = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            "version": self._version,
            "results": self._results,
            "cores": (usage.ru_utime + usage.ru_stime) / (time.monotonic() - self._began),
            "memory, MB": usage.ru_maxrss * 1024 / 1e6,
        }
        self._args.out.write_text(json.dumps(figures))
        os._exit(0)
