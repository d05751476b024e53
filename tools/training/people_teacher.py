"""Who is in a picture that nobody labelled: four detectors of other makers, and what they agree on.

Their files are named in docs/training.md. Needs OpenVINO.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino

from engines.boxes import nms, overlaps
from training.garment_data import Image
from training.people_data import F64

#: A detector: boxes (n, 4) xyxy in pixels of an RGB picture, and scores (n,).
Find = Callable[[Image], tuple[F64, F64]]
#: Score under which a teacher says nothing.
LEAST = 0.1
#: Boxes that overlap more than this are of one person.
SAME = 0.5
#: Boxes that are averaged overlap the best one more than this.
NEAR = 0.7


def _result(boxes: Any, scores: Any, rgb: Image) -> tuple[F64, F64]:
    height, width = rgb.shape[:2]
    inside = np.clip(np.asarray(boxes, np.float64).reshape(-1, 4), 0, [width, height] * 2)
    sure = np.asarray(scores, np.float64)
    large = (sure >= LEAST) & (inside[:, 2:] - inside[:, :2] > 3).all(axis=1)
    inside, sure = inside[large], sure[large]
    kept = nms(inside, sure, 0.6)
    return inside[kept], sure[kept]


def _scaled(rgb: Image, side: int, multiple: int, pad: int) -> tuple[Image, F64]:
    """A picture whose longer side is ``side``, filled up, and the scale of its boxes."""
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    size = (round(width * scale), round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    rows, columns = (-(-n // multiple) * multiple for n in (size[1], size[0]))
    canvas = np.full((rows, columns, 3), pad, np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(rgb, size, interpolation=how)
    return canvas, np.array([size[0] / width, size[1] / height] * 2)


class Rtm:
    """RTMDet-nano with non-maximum suppression in its graph, at any size."""

    def __init__(self, path: Path, side: int) -> None:
        self._model = openvino.Core().compile_model(str(path), "CPU")
        self._side = side

    def __call__(self, rgb: Image) -> tuple[F64, F64]:
        canvas, scale = _scaled(rgb, self._side, 32, 114)
        mean, deviation = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
        pixels = ((canvas - np.array(mean)) / np.array(deviation))[..., ::-1]
        found = self._model(pixels.transpose(2, 0, 1)[None].astype(np.float32))["dets"]
        rows = np.asarray(found).reshape(-1, 5)
        return _result(rows[:, :4] / scale, rows[:, 4], rgb)


class Yolox:
    """YOLOX, the person class, at one size."""

    def __init__(self, path: Path, side: int) -> None:
        core = openvino.Core()
        model = core.read_model(str(path))
        model.reshape([1, 3, side, side])
        self._model, self._side = core.compile_model(model, "CPU"), side
        spots, strides = [], []
        for stride in (8, 16, 32):
            cells = side // stride
            xs, ys = np.meshgrid(np.arange(cells), np.arange(cells))
            spots.append(np.stack([xs, ys], axis=-1).reshape(-1, 2))
            strides.append(np.full((cells * cells, 1), stride))
        self._spots, self._strides = np.concatenate(spots), np.concatenate(strides)

    def __call__(self, rgb: Image) -> tuple[F64, F64]:
        canvas, scale = _scaled(rgb, self._side, self._side, 114)
        pixels = canvas[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        rows = np.asarray(self._model(pixels)[0])[0]
        centre = (rows[:, :2] + self._spots) * self._strides
        half = np.exp(rows[:, 2:4]) * self._strides / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1)
        return _result(boxes / scale, rows[:, 4] * rows[:, 5], rgb)


class OpenModelZoo:
    """A detector of Intel's Open Model Zoo with the output [1, 1, n, 7]."""

    def __init__(self, path: Path) -> None:
        self._model = openvino.Core().compile_model(str(path), "CPU")
        self._rows, self._columns = (int(n) for n in self._model.input(0).shape[2:])

    def __call__(self, rgb: Image) -> tuple[F64, F64]:
        how = cv2.INTER_AREA if rgb.shape[1] > self._columns else cv2.INTER_LINEAR
        picture = cv2.resize(rgb[..., ::-1], (self._columns, self._rows), interpolation=how)
        found = self._model(picture.transpose(2, 0, 1)[None].astype(np.float32))[0]
        rows = np.asarray(found).reshape(-1, 7)
        rows = rows[rows[:, 0] >= 0]
        height, width = rgb.shape[:2]
        return _result(rows[:, 3:] * [width, height, width, height], rows[:, 2], rgb)


def mirrored(find: Find) -> Find:
    """The same detector, shown the mirror image."""

    def found(rgb: Image) -> tuple[F64, F64]:
        boxes, scores = find(np.ascontiguousarray(rgb[:, ::-1]))
        width = rgb.shape[1]
        return boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0], scores

    return found


def teachers(weights: Path) -> list[Find]:
    """Near and far people are seen at two sizes by the first two; the last has another view."""
    rtm = weights / "rtmdet_nano.onnx"
    return [
        Rtm(rtm, 512),
        mirrored(Rtm(rtm, 832)),
        Yolox(weights / "yolox_nano_coco80.onnx", 640),
        OpenModelZoo(weights / "person-detection-0202.xml"),
    ]


#: Which of the teachers sees far people only: near ones fall apart at its size.
FAR_TEACHER = 1
#: Share of the picture's height from which somebody is near.
NEARBY = 0.4


@dataclass(frozen=True, slots=True)
class Said:
    """A person some teachers see: box xyxy, and the score of each that does, best first."""

    box: F64
    scores: tuple[float, ...]

    @property
    def sure(self) -> bool:
        return (len(self.scores) >= 3 and sum(self.scores[:3]) >= 1.2) or (
            len(self.scores) >= 2 and sum(self.scores[:2]) >= 1.1
        )

    @property
    def doubtful(self) -> bool:
        return self.scores[0] >= 0.35 or (len(self.scores) >= 2 and self.scores[0] >= 0.2)


def together(found: Sequence[tuple[F64, F64]], height: int) -> list[Said]:
    """What several teachers found in a picture of this height, put together."""
    rows = []
    for teacher, (boxes, scores) in enumerate(found):
        for box, score in zip(boxes, scores.tolist(), strict=True):
            if teacher != FAR_TEACHER or box[3] - box[1] <= NEARBY * height:
                rows.append((score, teacher, box))
    rows.sort(key=lambda row: -row[0])
    boxes = np.array([row[2] for row in rows]).reshape(-1, 4)
    iou, _ = overlaps(boxes, boxes)
    free = np.ones(len(rows), bool)
    said = []
    for i in range(len(rows)):
        if not free[i]:
            continue
        alike = np.flatnonzero(free & (iou[i] >= SAME))
        free[alike] = False
        best: dict[int, int] = {}
        for j in alike.tolist():
            best.setdefault(rows[j][1], j)
        close = [j for j in best.values() if iou[i, j] >= NEAR]
        box = np.average(boxes[close], axis=0, weights=[rows[j][0] for j in close])
        said.append(Said(box, tuple(sorted((rows[j][0] for j in best.values()), reverse=True))))
    return said
