"""Many pictures in the memory of a training's device, and parts of them drawn on canvases."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of several sizes on the device, each in the top left corner of its square.

    Attributes:
        levels: uint8 (n, channels, side, side), and the same at a half, a quarter, an eighth.
        sizes: (n, 2) width and height in pixels.
        boxes: (n, most, 4) xyxy in pixels.
        marks: (n, most) NOBODY, PERSON or IGNORE.
    """

    levels: tuple[Tensor, ...]
    sizes: Tensor
    boxes: Tensor
    marks: Tensor

    def __len__(self) -> int:
        return len(self.sizes)


def pictures(pixels: Tensor, sizes: Tensor, boxes: Tensor, marks: Tensor, levels: int) -> Pictures:
    """With smaller versions, so that far views are not ragged."""
    made = [pixels]
    while len(made) < levels:
        half = [F.avg_pool2d(part.float(), 2).round().byte() for part in made[-1].split(64)]
        made.append(torch.cat(half))
    return Pictures(tuple(made), sizes.float(), boxes.float(), marks)


def drawn(
    source: Pictures, which: Tensor, scale: Tensor, shift: Tensor, size: tuple[int, int]
) -> Tensor:
    """Pictures at ``scale`` (n, 2; negative: mirrored) moved by ``shift`` (n, 2) on canvases of
    ``size``: (n, channels, height, width), and in a last channel where they are."""
    width, height = size
    side = source.levels[0].shape[-1]
    out = torch.empty(
        (len(which), source.levels[0].shape[1] + 1, height, width), device=which.device
    )
    level = (-torch.log2(scale.abs().amax(1))).round().clamp(0, len(source.levels) - 1)
    xs = torch.arange(width, device=which.device) + 0.5
    ys = torch.arange(height, device=which.device) + 0.5
    x = (xs[None] - shift[:, :1]) / scale[:, :1]
    y = (ys[None] - shift[:, 1:]) / scale[:, 1:]
    grid = torch.stack(
        [x[:, None].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=3
    )
    inside = ((grid >= 0) & (grid <= source.sizes[which][:, None, None])).all(3)
    for k in range(len(source.levels)):
        rows = torch.nonzero(level == k)[:, 0]
        if len(rows):
            pixels = source.levels[k][which[rows]].float()
            out[rows, :-1] = F.grid_sample(
                pixels, grid[rows] / side * 2 - 1, padding_mode="border", align_corners=False
            )
    out[:, -1] = inside
    return out


def moved(boxes: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Boxes (n, most, 4) under the same."""
    a = boxes[..., :2] * scale[:, None] + shift[:, None]
    b = boxes[..., 2:] * scale[:, None] + shift[:, None]
    return torch.cat([torch.minimum(a, b), torch.maximum(a, b)], dim=2)


def cut(boxes: Tensor, room: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes cut at rooms (n, 4), and the share of each that is left."""
    low, high = room[:, None, :2], room[:, None, 2:]
    cut = torch.cat([boxes[..., :2].clamp(low, high), boxes[..., 2:].clamp(low, high)], dim=2)
    area = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-3).prod(2)
    return cut, (cut[..., 2:] - cut[..., :2]).prod(2) / area
