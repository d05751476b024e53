"""Swin: a vision transformer whose attention stays in windows (Liu et al., ICCV 2021).

Names of parameters are those of the original checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Added to the attention between cells that are neighbours only because of the shift.
APART = -100.0


@dataclass(frozen=True, slots=True)
class SwinConfig:
    """Sizes of a Swin: those of Swin-L for 384 x 384."""

    side: int = 384
    patch: int = 4
    width: int = 192
    depths: tuple[int, ...] = (2, 2, 18, 2)
    heads: tuple[int, ...] = (6, 12, 24, 48)
    window: int = 12

    @property
    def outputs(self) -> int:
        """Numbers of each token."""
        return int(self.width * 2 ** (len(self.depths) - 1))


def distances(window: int) -> Tensor:
    """Index (w * w, w * w) into a table of (2 w - 1) ** 2 for every pair of cells of a window: by
    how far they are apart, down and across."""
    cells = torch.stack(
        torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    ).flatten(1)
    apart = cells[:, :, None] - cells[:, None, :] + window - 1
    return apart[0] * (2 * window - 1) + apart[1]


def shift_mask(side: int, window: int, shift: int) -> Tensor:
    """What is added to the attention in each window of a map that was rolled by ``shift``:
    (windows, w * w, w * w)."""
    part = torch.zeros(side)
    part[side - window :] = 1
    part[side - shift :] = 2
    regions = (part[:, None] * 3 + part[None]).reshape(1, side, side, 1)
    flat = windows(regions, window)[..., 0]
    same = flat[:, :, None] == flat[:, None, :]
    return torch.where(same, 0.0, APART)


def windows(x: Tensor, window: int) -> Tensor:
    """A map (n, side, side, c) as windows (n * windows, w * w, c)."""
    count, side, _, numbers = x.shape
    parts = side // window
    x = x.reshape(count, parts, window, parts, window, numbers)
    return x.transpose(2, 3).reshape(-1, window * window, numbers)


def together(x: Tensor, window: int, side: int) -> Tensor:
    """Windows (n * windows, w * w, c) as a map (n, side, side, c)."""
    parts, numbers = side // window, x.shape[-1]
    x = x.reshape(-1, parts, parts, window, window, numbers)
    return x.transpose(2, 3).reshape(-1, side, side, numbers)


class _Attention(nn.Module):
    """Attention within windows, with a bias for how far cells are apart."""

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", distances(window), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        cells = x.shape[1]
        three = self.qkv(x).reshape(-1, cells, 3, self.heads, x.shape[2] // self.heads)
        query, key, value = three.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
        table = self.relative_position_bias_table[self.relative_position_index.flatten()]
        scores = scores + table.reshape(cells, cells, -1).permute(2, 0, 1)
        if mask is not None:
            own = scores.reshape(-1, len(mask), self.heads, cells, cells) + mask[None, :, None]
            scores = own.reshape(-1, self.heads, cells, cells)
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        return self.proj(mixed)


class _Perceptron(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class _Block(nn.Module):
    mask: Tensor | None

    def __init__(self, width: int, heads: int, side: int, window: int, shifted: bool) -> None:
        super().__init__()
        self.side = side
        self.window = min(window, side)
        self.shift = self.window // 2 if shifted and side > window else 0
        self.norm1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads, self.window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _Perceptron(width)
        mask = shift_mask(side, self.window, self.shift) if self.shift else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.norm1(x).reshape(-1, self.side, self.side, x.shape[2])
        if self.shift:
            whole = whole.roll((-self.shift, -self.shift), (1, 2))
        seen = self.attn(windows(whole, self.window), self.mask)
        whole = together(seen, self.window, self.side)
        if self.shift:
            whole = whole.roll((self.shift, self.shift), (1, 2))
        x = x + whole.flatten(1, 2)
        return x + self.mlp(self.norm2(x))


class _Merging(nn.Module):
    """Four neighbouring cells become one of twice the width."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        whole = x.reshape(-1, self.side, self.side, x.shape[2])
        corners = [whole[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1).flatten(1, 2)))


class _Stage(nn.Module):
    def __init__(self, config: SwinConfig, stage: int) -> None:
        super().__init__()
        width = config.width * 2**stage
        side = config.side // config.patch // 2**stage
        self.blocks = nn.ModuleList(
            _Block(width, config.heads[stage], side, config.window, i % 2 == 1)
            for i in range(config.depths[stage])
        )
        last = stage == len(config.depths) - 1
        self.downsample = None if last else _Merging(width, side)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class Swin(nn.Module):
    """``forward`` takes pictures float32 (n, 3, side, side), RGB, normalised, and returns tokens
    (n, 1 + cells, outputs): the mean of all first."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.config = config
        patch = nn.Conv2d(3, config.width, config.patch, config.patch)
        self.patch_embed = nn.ModuleDict({"proj": patch, "norm": nn.LayerNorm(config.width)})
        self.layers = nn.ModuleList(_Stage(config, i) for i in range(len(config.depths)))
        self.norm = nn.LayerNorm(config.outputs)

    def forward(self, pixel_values: Tensor) -> Tensor:
        x = self.patch_embed["proj"](pixel_values).flatten(2).transpose(1, 2)
        x = self.patch_embed["norm"](x)
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)
