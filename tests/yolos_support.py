"""A small YOLOS with random weights, and its files as the hub has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import nn

from engines.base import Array
from engines.packs import Pack
from engines.published.yolos import Yolos, YolosConfig
from pipeline.tagging.packs.cutting import as_input, pictures, window
from pipeline.tagging.tagger import Subject
from pipeline.types import Box, Frame

Net = TypeVar("Net", bound=nn.Module)
SMALL = YolosConfig(hidden=48, layers=3, heads=3, inner=96, image=(64, 96), tokens=10)


def randomised(net: Net, seed: int = 0) -> Net:
    """Every tensor at random, the positions behind the layers too: where they begin, at zero, it
    would not show that they are missing."""
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, own in net.named_parameters():
            ones = 1.0 if own.ndim == 1 and "norm" in name and name.endswith("weight") else 0.0
            own.copy_(torch.randn(own.shape, generator=noise) * 0.2 + ones)
    return net.eval()


def described(config: YolosConfig) -> dict[str, object]:
    """A ``config.json`` as the hub has it; names of labels may be anything."""
    return {
        "model_type": "yolos",
        "hidden_act": "gelu",
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.inner,
        "patch_size": config.patch,
        "image_size": list(config.image),
        "num_detection_tokens": config.tokens,
        "use_mid_position_embeddings": config.middle,
        "layer_norm_eps": config.epsilon,
        "id2label": {str(i): f"LABEL_{i}" for i in range(config.classes)},
    }


def saved(folder: Path, net: Yolos, name: str = "pytorch_model.bin") -> Path:
    """A network as the hub keeps it."""
    (folder / "config.json").write_text(json.dumps(described(net.config)))
    if name.endswith(".safetensors"):
        save_file = pytest.importorskip("safetensors.torch").save_file
        save_file(net.state_dict(), str(folder / name))
    else:
        torch.save(net.state_dict(), folder / name)
    return folder


def shown_to(pack: Pack, frame: Frame, box: Box) -> Array:
    """What a pack is given of a person in a frame."""
    assert pack.tagger is not None
    own = window(box, pack.tagger, pack.size)
    subject = Subject("person", frame, box)
    return as_input(pictures([(subject, own)], pack, ["keep"]), pack.inputs[0])
