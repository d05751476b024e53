"""YOLOS trained on Fashionpedia, as a pack: garments on people, for pictures of one size."""

from __future__ import annotations

from pathlib import Path

import torch

from engines.base import ModelFileError
from engines.published.fashionpedia import CATEGORIES, PARTS
from engines.published.making import IMAGENET_MEAN, IMAGENET_STD, Built
from engines.published.recipes import Options
from engines.published.yolos import FixedYolos, read_yolos

#: Width and height of its pictures: people stand. The long side is the one it was trained with.
SIZE = (288, 512)


def build(folder: Path, options: Options) -> Built:
    """The network in a folder of the hub's files.

    Raises:
        ModelFileError: a file is missing, unreadable or of another network.
    """
    net = read_yolos(folder)
    if net.config.classes != len(CATEGORIES):
        raise ModelFileError(
            f"{folder} knows {net.config.classes} classes; Fashionpedia has {len(CATEGORIES)}"
        )
    width, height = options.size if options.size[0] else SIZE
    patch = net.config.patch
    if width % patch or height % patch:
        raise ModelFileError(f"sides of its pictures must be multiples of {patch}")
    return Built(
        net=FixedYolos(net, height, width),
        example=torch.zeros(1, 3, height, width),
        outputs=("logits", "pred_boxes"),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        labels=[{"label": name, "category": name} for name in CATEGORIES],
        # Names of checkpoints may be LABEL_0 to LABEL_45: those of the ontology hold.
        tagger={
            "kind": "detector",
            "subject": "person",
            "report": "garment-found",
            "least": 0.5,
            "filter": "bilinear",
            "boxes": "cxcywh",
            "overlap": 0.7,
            "ignore": list(PARTS),
            "most": 20,
        },
    )
