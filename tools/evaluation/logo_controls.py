"""Ways to compare marks that were never trained for it: what a trained embedder must beat."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from engines.nets.efficientnet_lite import EfficientNetLite0, normalise
from engines.nets.logo_embedder import SIDE, LogoEmbedder
from engines.teach.weights import imagenet_weights
from pipeline.tagging.logos.gallery_file import F32

Pictures = npt.NDArray[np.uint8]


def raw_pixels(pictures: Pictures) -> F32:
    """Grey levels at 32 x 32 without their mean: products are correlations."""
    small = [cv2.resize(p, (32, 32), interpolation=cv2.INTER_AREA).mean(axis=2) for p in pictures]
    flat = np.stack(small).reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))


def _by(net: nn.Module) -> Callable[[Pictures], F32]:
    net.eval()

    @torch.no_grad()
    def embed(pictures: Pictures) -> F32:
        found: F32 = net(normalise(torch.from_numpy(pictures))).numpy()
        return found

    return embed


class Features(nn.Module):
    """Pooled features of a backbone, unit vectors."""

    def __init__(self, backbone: EfficientNetLite0) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.backbone.embed(self.backbone(x)[-1]), dim=1)


def controls() -> dict[str, tuple[Callable[[Pictures], F32], int]]:
    """Name -> what embeds, and the side of its input in pixels."""
    torch.manual_seed(0)
    known = EfficientNetLite0()
    known.load_imagenet(imagenet_weights())
    return {
        "raw pixels": (raw_pixels, SIDE),
        "untrained network": (_by(LogoEmbedder()), SIDE),
        "ImageNet features": (_by(Features(known)), 128),
    }
