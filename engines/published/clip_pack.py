"""A CLIP or SigLIP as a pack: any labels, as sentences that are asked of a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from engines.base import ModelFileError
from engines.packs import Label
from engines.packs.prompts import TOKENIZER, read_prompts
from engines.packs.tagger import TaggerTable
from engines.published.clip import Clip
from engines.published.fashionpedia import GARMENTS
from engines.published.making import CLIP_MEAN, CLIP_STD, Built
from engines.published.recipes import Options
from engines.published.text_side import cleaned_tokenizer, label_rows, text_files
from engines.published.towers import OPEN_CONFIG, Towers, read_towers

#: By which pictures are normalised for SigLIP, unless its files say otherwise.
HALF = (0.5, 0.5, 0.5)


def build(folder: Path, options: Options) -> Built:
    """The network in a folder of the hub's files.

    Raises:
        ModelFileError: a file is missing, unreadable or of another network.
    """
    net = read_towers(folder)
    side = net.config.side
    options.fixed(side)
    labels = tuple(Label(name, "garment") for name in GARMENTS)
    if options.tags is not None:
        labels = read_prompts(options.tags)
    if not (folder / TOKENIZER).is_file():
        raise ModelFileError(f"{folder / TOKENIZER} is missing")
    table = _table(net)
    tokenizer = (
        (folder / TOKENIZER).read_bytes() if isinstance(net, Clip) else cleaned_tokenizer(folder)
    )
    mean, std = _norm(folder, net)
    return Built(
        net=net.visual,
        example=torch.zeros(1, 3, side, side),
        outputs=("embedding",),
        mean=mean,
        std=std,
        labels=label_rows(labels),
        tagger=table,
        files=text_files(net, tokenizer, labels, TaggerTable(**table)),
        free=True,
    )


def _table(net: Towers) -> dict[str, Any]:
    """How it is used: labels of a CLIP share the probability, SigLIP judges each by itself."""
    table: dict[str, Any] = {
        "kind": "embedder",
        "report": "look",
        "filter": "bicubic",
        "scale": float(net.logit_scale.detach().exp()),
        "context": net.config.context,
    }
    if isinstance(net, Clip):
        return {**table, "least": 0.5}
    bias = float(net.logit_bias.detach())
    return {**table, "least": 0.3, "activation": "sigmoid", "bias": bias}


def _norm(folder: Path, net: Towers) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """By what pictures are normalised: as open_clip's file says, else as they always were."""
    try:
        own = json.loads((folder / OPEN_CONFIG).read_text(encoding="utf-8"))["preprocess_cfg"]
        mean, std = tuple(map(float, own["mean"])), tuple(map(float, own["std"]))
    except (OSError, ValueError, KeyError, TypeError):
        return (CLIP_MEAN, CLIP_STD) if isinstance(net, Clip) else (HALF, HALF)
    return mean, std
