"""Masks for photos that only have tags: the parser's own, held to the tags.

A net that must choose among the labels a photo is known to show draws far better masks than one
that may choose any: the tags take away most of its mistakes (self-training with weak labels; the
setting of Clothing Co-Parsing, CVPR 2014, where tags are given).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from engines.nets.efficientnet_lite import normalise
from engines.nets.garment_parser import GarmentParser
from training.garment_data import (
    Image,
    Photo,
    crop_window,
    paste_window,
    person_box,
    take_window,
)


@torch.no_grad()
def _logits(net: GarmentParser, photo: Photo, window: npt.NDArray[np.float64]) -> torch.Tensor:
    image, _ = take_window(photo, window)
    pixels = normalise(torch.from_numpy(image)[None])
    return (net(pixels)[0] + net(pixels.flip(3))[0].flip(3))[0] / 2


def _largest(mask: Image) -> Image:
    """The mask without everything but its largest connected piece and what touches it."""
    near = cv2.dilate((mask > 0).astype(np.uint8), np.ones((9, 9), np.uint8))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(near)
    if count <= 2:
        return mask
    best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return np.where(pieces == best, mask, 0).astype(np.uint8)


def pseudo_mask(net: GarmentParser, photo: Photo, allowed: Sequence[int]) -> Image:
    """Label mask (H, W) of a photo, choosing only among ``allowed`` labels.

    The person is found by parsing the whole photo first.
    """
    shape = photo.rgb.shape[:2]
    shut = torch.full((net.labels,), -1e4)
    shut[list(allowed)] = 0.0
    window = crop_window(np.array([0.0, 0.0, shape[1], shape[0]]))
    mask: Image = np.zeros(shape, np.uint8)
    for _ in range(2):
        logits = _logits(net, photo, window) + shut[:, None, None]
        fine = F.interpolate(logits[None], scale_factor=4.0, mode="bilinear", align_corners=False)
        labels = fine[0].argmax(dim=0).to(torch.uint8).numpy()
        mask = _largest(paste_window(labels, window, photo.mask.shape))
        if not mask.any():
            break
        window = crop_window(person_box(mask))
    return mask
