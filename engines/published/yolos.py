"""YOLOS: a plain vision transformer with detection tokens (Fang et al., NeurIPS 2021).

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
from engines.published.vit import Block

CONFIG = "config.json"
#: Files that may hold the weights, the safest first.


@dataclass(frozen=True, slots=True)
class YolosConfig:
    """Sizes of a YOLOS.

    Attributes:
        image: height and width of the pictures that the stored positions are for.
        classes: without that for nothing at all.
        middle: positions are added again behind every layer but the last.
    """

    hidden: int = 384
    layers: int = 12
    heads: int = 6
    inner: int = 1536
    patch: int = 16
    image: tuple[int, int] = (512, 864)
    tokens: int = 100
    classes: int = 46
    middle: bool = True
    epsilon: float = 1e-12

    @classmethod
    def read(cls, path: Path) -> YolosConfig:
        """Of a ``config.json`` of the hub.

        Raises:
            ModelFileError: it cannot be read, or describes another network.
        """
        try:
            found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if found.get("model_type", "yolos") != "yolos" or found["hidden_act"] != "gelu":
                raise ValueError(f"describes a {found.get('model_type')}, no YOLOS with GELU")
            high, wide = found["image_size"]
            return cls(
                hidden=int(found["hidden_size"]),
                layers=int(found["num_hidden_layers"]),
                heads=int(found["num_attention_heads"]),
                inner=int(found["intermediate_size"]),
                patch=int(found["patch_size"]),
                image=(int(high), int(wide)),
                tokens=int(found["num_detection_tokens"]),
                classes=len(found["id2label"]),
                middle=bool(found["use_mid_position_embeddings"]),
                epsilon=float(found["layer_norm_eps"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelFileError(f"{path} is no configuration of a YOLOS: {error!r}") from None


class _Embeddings(nn.Module):
    def __init__(self, config: YolosConfig, length: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden))
        self.detection_tokens = nn.Parameter(torch.zeros(1, config.tokens, config.hidden))
        self.position_embeddings = nn.Parameter(torch.zeros(1, length, config.hidden))
        patch = nn.Conv2d(3, config.hidden, config.patch, config.patch)
        self.patch_embeddings = nn.ModuleDict({"projection": patch})


class _Encoder(nn.Module):
    def __init__(self, config: YolosConfig, length: int) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            Block(config.hidden, config.heads, config.inner, config.epsilon)
            for _ in range(config.layers)
        )
        if config.middle:
            shape = (config.layers - 1, 1, length, config.hidden)
            self.mid_position_embeddings = nn.Parameter(torch.zeros(shape))


class _Trunk(nn.Module):
    def __init__(self, config: YolosConfig) -> None:
        super().__init__()
        high, wide = (side // config.patch for side in config.image)
        length = 1 + high * wide + config.tokens
        self.embeddings = _Embeddings(config, length)
        self.encoder = _Encoder(config, length)
        self.layernorm = nn.LayerNorm(config.hidden, config.epsilon)


class _Head(nn.Module):
    """Three linear layers with ReLU between them."""

    def __init__(self, hidden: int, outputs: int) -> None:
        super().__init__()
        sizes = (hidden, hidden, hidden, outputs)
        self.layers = nn.ModuleList(nn.Linear(sizes[i], sizes[i + 1]) for i in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[2](F.relu(self.layers[1](F.relu(self.layers[0](x)))))


class Yolos(nn.Module):
    """``forward`` takes pictures float32 (n, 3, h, w), RGB, normalised, sides divisible by the
    patch, all of one size: there is no mask for padding. It returns logits (n, tokens, classes +
    1), the last of nothing at all, and boxes (n, tokens, 4): middle, width and height in shares of
    the picture."""

    def __init__(self, config: YolosConfig) -> None:
        super().__init__()
        self.config = config
        self.vit = _Trunk(config)
        self.class_labels_classifier = _Head(config.hidden, config.classes + 1)
        self.bbox_predictor = _Head(config.hidden, 4)

    def positions(self, height: int, width: int) -> tuple[Tensor, Tensor | None]:
        """Positions for pictures of a size: of the tokens at first, and those behind each layer.
        The grid of the patches is resized, the rest is used as it is."""
        first = self._resized(self.vit.embeddings.position_embeddings, height, width)
        if not self.config.middle:
            return first, None
        middle = self.vit.encoder.mid_position_embeddings
        return first, self._resized(middle[:, 0], height, width)[:, None]

    def _resized(self, own: Tensor, height: int, width: int) -> Tensor:
        config = self.config
        grid = [side // config.patch for side in config.image]
        patches = own[:, 1 : -config.tokens].transpose(1, 2).reshape(len(own), -1, *grid)
        size = (height // config.patch, width // config.patch)
        patches = F.interpolate(patches, size, mode="bicubic", align_corners=False)
        patches = patches.flatten(2).transpose(1, 2)
        return torch.cat([own[:, :1], patches, own[:, -config.tokens :]], dim=1)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        return self.placed(pixel_values, *self.positions(*pixel_values.shape[2:]))

    def placed(
        self, pixel_values: Tensor, first: Tensor, middle: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same, with positions that are known already."""
        own = self.vit.embeddings
        patches = own.patch_embeddings["projection"](pixel_values).flatten(2).transpose(1, 2)
        count = pixel_values.shape[0]
        x = torch.cat(
            [
                own.cls_token.expand(count, -1, -1),
                patches,
                own.detection_tokens.expand(count, -1, -1),
            ],
            dim=1,
        )
        x = x + first
        for i, layer in enumerate(self.vit.encoder.layer):
            x = layer(x)
            if middle is not None and i < self.config.layers - 1:
                x = x + middle[i]
        x = self.vit.layernorm(x)[:, -self.config.tokens :]
        return self.class_labels_classifier(x), self.bbox_predictor(x).sigmoid()


class FixedYolos(nn.Module):
    """A YOLOS for pictures of one size, its positions resized once for all: resizing by cubics is
    what engines do differently."""

    def __init__(self, net: Yolos, height: int, width: int) -> None:
        super().__init__()
        self.net = net
        with torch.no_grad():
            first, middle = net.positions(height, width)
        self.register_buffer("first", first)
        self.register_buffer("middle", middle)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.placed(pixel_values, self.first, self.middle)


def read_yolos(folder: Path) -> Yolos:
    """A YOLOS of the hub's files in a folder.

    Raises:
        ModelFileError: a file is missing, unreadable or of another network.
    """
    net = Yolos(YolosConfig.read(folder / CONFIG))
    load_state(net, read_state(weights_in(folder)))
    return net.eval()
