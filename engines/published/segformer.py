"""SegFormer: a transformer over four scales that labels every pixel (Xie et al., NeurIPS 2021).

Names of parameters are those of the checkpoints on the Hugging Face hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.base import ModelFileError
from engines.published.checkpoint import load_state, read_state, weights_in
from engines.published.vit import attended, split

CONFIG = "config.json"
#: Batch normalisation counts its batches, which nobody needs.
IGNORED = r".*num_batches_tracked"
#: Of a LayerNorm within blocks and between stages: the network's own, not the configuration's.
EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class SegformerConfig:
    """Sizes of a SegFormer, a number for each stage.

    Attributes:
        reductions: by how much keys and values are made smaller.
        ratios: of the inner layer's width.
        decoder: width of what joins the stages.
        names: of the classes.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    heads: tuple[int, ...]
    reductions: tuple[int, ...]
    patches: tuple[int, ...]
    strides: tuple[int, ...]
    ratios: tuple[float, ...]
    decoder: int
    epsilon: float
    names: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> SegformerConfig:
        """Of a ``config.json`` of the hub.

        Raises:
            ModelFileError: it cannot be read, or describes another network.
        """
        try:
            found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if found.get("model_type") != "segformer" or found["hidden_act"] != "gelu":
                raise ValueError(f"describes a {found.get('model_type')}, no SegFormer with GELU")
            if not found.get("reshape_last_stage", True):
                raise ValueError("does not reshape its last stage")
            names = {int(i): str(name) for i, name in found["id2label"].items()}
            return cls(
                depths=tuple(map(int, found["depths"])),
                widths=tuple(map(int, found["hidden_sizes"])),
                heads=tuple(map(int, found["num_attention_heads"])),
                reductions=tuple(map(int, found["sr_ratios"])),
                patches=tuple(map(int, found["patch_sizes"])),
                strides=tuple(map(int, found["strides"])),
                ratios=tuple(map(float, found["mlp_ratios"])),
                decoder=int(found["decoder_hidden_size"]),
                epsilon=float(found.get("layer_norm_eps", 1e-6)),
                names=tuple(names[i] for i in range(len(names))),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelFileError(f"{path} is no configuration of a SegFormer: {error!r}") from None


def _as_map(x: Tensor, height: int, width: int) -> Tensor:
    """Tokens (n, cells, c) as a map (n, c, h, w)."""
    return x.transpose(1, 2).unflatten(2, (height, width))


class _Patches(nn.Module):
    """Overlapping patches of a map, as tokens."""

    def __init__(self, patch: int, stride: int, inputs: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, width, patch, stride, patch // 2)
        self.layer_norm = nn.LayerNorm(width, EPSILON)

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        x = self.proj(x)
        height, width = x.shape[2:]
        return self.layer_norm(x.flatten(2).transpose(1, 2)), height, width


class _Attention(nn.Module):
    """Attention to a smaller copy of the map."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.reduction = reduction
        if reduction > 1:
            self.sr = nn.Conv2d(width, width, reduction, reduction)
            self.layer_norm = nn.LayerNorm(width, EPSILON)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        small = x
        if self.reduction > 1:
            small = self.sr(_as_map(x, height, width)).flatten(2).transpose(1, 2)
            small = self.layer_norm(small)
        query, key, value = self.query(x), self.key(small), self.value(small)
        return attended(*(split(own, self.heads) for own in (query, key, value)))


class _Mix(nn.Module):
    """A perceptron that sees the neighbours between its layers: that is how it knows places."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.dense1 = nn.Linear(width, inner)
        around = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.dwconv = nn.ModuleDict({"dwconv": around})
        self.dense2 = nn.Linear(inner, width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        x = self.dwconv["dwconv"](_as_map(self.dense1(x), height, width))
        return self.dense2(F.gelu(x.flatten(2).transpose(1, 2)))


class _Block(nn.Module):
    def __init__(self, config: SegformerConfig, stage: int) -> None:
        super().__init__()
        width = config.widths[stage]
        own = _Attention(width, config.heads[stage], config.reductions[stage])
        output = nn.ModuleDict({"dense": nn.Linear(width, width)})
        self.layer_norm_1 = nn.LayerNorm(width, EPSILON)
        self.attention = nn.ModuleDict({"self": own, "output": output})
        self.layer_norm_2 = nn.LayerNorm(width, EPSILON)
        self.mlp = _Mix(width, int(width * config.ratios[stage]))

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        seen = self.attention["self"](self.layer_norm_1(x), height, width)
        x = x + self.attention["output"]["dense"](seen)
        return x + self.mlp(self.layer_norm_2(x), height, width)


class _Encoder(nn.Module):
    def __init__(self, config: SegformerConfig) -> None:
        super().__init__()
        widths = (3, *config.widths)
        stages = range(len(config.depths))
        self.patch_embeddings = nn.ModuleList(
            _Patches(config.patches[i], config.strides[i], widths[i], widths[i + 1]) for i in stages
        )
        self.block = nn.ModuleList(
            nn.ModuleList(_Block(config, i) for _ in range(config.depths[i])) for i in stages
        )
        self.layer_norm = nn.ModuleList(nn.LayerNorm(own, EPSILON) for own in config.widths)

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        x, found = pixel_values, []
        for patches, blocks, norm in zip(
            self.patch_embeddings, self.block, self.layer_norm, strict=True
        ):
            x, height, width = patches(x)
            for block in blocks:
                x = block(x, height, width)
            x = _as_map(norm(x), height, width)
            found.append(x)
        return found


class _Decoder(nn.Module):
    def __init__(self, config: SegformerConfig) -> None:
        super().__init__()
        joined = config.decoder * len(config.widths)
        self.linear_c = nn.ModuleList(
            nn.ModuleDict({"proj": nn.Linear(width, config.decoder)}) for width in config.widths
        )
        self.linear_fuse = nn.Conv2d(joined, config.decoder, 1, bias=False)
        self.batch_norm = nn.BatchNorm2d(config.decoder)
        self.classifier = nn.Conv2d(config.decoder, len(config.names), 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        size = maps[0].shape[2:]
        parts = []
        for own, linear in zip(maps, self.linear_c, strict=True):
            x = linear["proj"](own.flatten(2).transpose(1, 2))
            x = _as_map(x, own.shape[2], own.shape[3])
            parts.append(F.interpolate(x, size, mode="bilinear", align_corners=False))
        joined = self.linear_fuse(torch.cat(parts[::-1], dim=1))
        return self.classifier(F.relu(self.batch_norm(joined)))


class Segformer(nn.Module):
    """``forward`` takes pictures float32 (n, 3, h, w), RGB, normalised, and returns logits of every
    class (n, classes, h / 4, w / 4)."""

    def __init__(self, config: SegformerConfig) -> None:
        super().__init__()
        self.config = config
        self.segformer = nn.ModuleDict({"encoder": _Encoder(config)})
        self.decode_head = _Decoder(config)

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.decode_head(self.segformer["encoder"](pixel_values))


def read_segformer(folder: Path) -> Segformer:
    """A SegFormer of the hub's files in a folder.

    Raises:
        ModelFileError: a file is missing, unreadable or of another network.
    """
    net = Segformer(SegformerConfig.read(folder / CONFIG))
    state = read_state(weights_in(folder))
    own = net.state_dict()
    missing = {name: own[name] for name in own if name.endswith("num_batches_tracked")}
    load_state(net, {**missing, **state}, IGNORED)
    return net.eval()
