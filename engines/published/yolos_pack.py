"""YOLOS trained on Fashionpedia, as a pack: garments on people, for pictures of one size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from engines.base import ModelFileError
from engines.published.fashionpedia import CATEGORIES, PARTS
from engines.published.making import IMAGENET_MEAN, IMAGENET_STD, Built
from engines.published.recipes import Options
from engines.published.yolos import FixedYolos, read_yolos

#: Width and height of its pictures: people stand. The long side is the one it was trained with.
SIZE = (288, 512)
PREPROCESSOR = "preprocessor_config.json"
#: Of the model's own rule: how long the short side is to be, and the long one at most. Those of the
#: YOLOS it was made from; used where its files do not say.
SHORTEST = 512
LONGEST = 1333


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
    patch = net.config.patch
    width, height = _size(folder, options, patch)
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


def _size(folder: Path, options: Options, patch: int) -> tuple[int, int]:
    """Width and height of its pictures."""
    if not options.fit[0]:
        return options.size if options.size[0] else SIZE
    if options.size[0]:
        raise ModelFileError("name either --size or --fit")
    return ruled_size(*options.fit, *_edges(folder / PREPROCESSOR), patch)


def _edges(path: Path) -> tuple[int, int]:
    """How long the short side is to be, and the long one at most, as the hub's file says."""
    if not path.is_file():
        return SHORTEST, LONGEST
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        size = found["size"]
        if isinstance(size, dict):
            return int(size["shortest_edge"]), int(size["longest_edge"])
        return int(size), int(found.get("max_size", LONGEST))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} tells no size of pictures: {error!r}") from None


def ruled_size(
    width: int, height: int, shortest: int = SHORTEST, longest: int = LONGEST, patch: int = 16
) -> tuple[int, int]:
    """Width and height that the model was trained to see a picture at: its short side
    ``shortest`` pixels, its long one at most ``longest``, both cut to whole patches."""
    small, large = min(width, height), max(width, height)
    exact = float(shortest)
    if large / small * shortest > longest:
        exact = longest * small / large
        shortest = round(exact)
    if width < height:
        size = (shortest, int(exact * height / width))
    elif height == shortest:
        size = (width, height)
    else:
        size = (int(exact * width / height), shortest)
    return max(size[0] // patch, 1) * patch, max(size[1] // patch, 1) * patch
