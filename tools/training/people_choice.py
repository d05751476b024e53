"""How nets between the original and the trained one do on the pictures that choose."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from engines.boxes import peak_detections
from engines.nets.person_rtm import ExportedPerson, PersonRTM
from engines.packs.pack import fitted_size
from pipeline.people.detect import PersonSettings
from training.detection_figures import Looked, curve
from training.garment_data import Image
from training.people_data import F64
from training.people_scenes import IGNORE, PERSON, Material

PIXELS = 512 * 288
LEAST = 0.02


@torch.no_grad()
def found(net: ExportedPerson, rgb: Image) -> tuple[F64, F64]:
    """Boxes (n, 4) xyxy in pixels of the picture and their scores, as the pipeline has them."""
    height, width = rgb.shape[:2]
    size = fitted_size(width, height, PIXELS, 32)
    how = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
    outputs = net(torch.from_numpy(cv2.resize(rgb, size, interpolation=how))[None])
    boxes, scores = (output[0].numpy() for output in outputs)
    shares, kept = peak_detections(boxes, scores, size, LEAST, PersonSettings().iou)
    return shares * np.array([width, height, width, height], float), kept.astype(float)


def figures(net: PersonRTM, chosen: Material) -> dict[str, float]:
    """Average precision and recall at precision 0.95 on pictures with people, and the share of
    pictures without, clothes most of them, in which somebody is found at the default score."""
    exported = ExportedPerson(net).eval()

    def looked(source: str, i: int) -> Looked:
        pictures = getattr(chosen, source)
        width, height = (int(v) for v in pictures.sizes[i])
        rgb = pictures.levels[0][i, :, :height, :width].permute(1, 2, 0).contiguous().numpy()
        boxes, marks = pictures.boxes[i].double().numpy(), pictures.marks[i].numpy()
        at, scores = found(exported, rgb)
        return Looked(at, scores, boxes[marks == PERSON], boxes[marks == IGNORE])

    result = curve([looked("real", i) for i in range(len(chosen.real))])
    empty = [looked("empty", i) for i in range(len(chosen.empty))]
    least = PersonSettings().score
    wrong = np.mean([bool((look.scores >= least).any()) for look in empty])
    return {
        "AP50": result.average_precision(),
        "recall at precision 0.95": result.recall_at(0.95)[0],
        "score for that": result.recall_at(0.95)[1],
        f"somebody found where nobody is, at {least}": float(wrong),
    }
