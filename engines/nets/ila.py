"""A frozen transformer with adapters between its layers that leave fewer tokens to compute.

"Down-Sampling Inter-Layer Adapter" (arXiv 2409.11051), written from its description: after blocks 3
and 7 a small branch of convolutions without padding is added to a residual that sums neighbours, so
that 14 x 14 patches become 12 x 12, then 10 x 10. Only the adapters, the class token and the
classifier learn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets import official
from engines.nets.vit import Block, Shape, State, VisionTransformer

#: Numbers an adapter narrows tokens to.
NARROW = 8
#: Blocks after which tokens are down-sampled.
DOWN_AFTER = (3, 7)
#: Share of an adapter's numbers that are dropped in training.
DROP = 0.1
#: The residual starts as the sum over a neighbourhood, give or take so much.
SPREAD = 0.001
#: Kind -> whether adapters stand after the other blocks, and inside of blocks.
KINDS: Mapping[str, tuple[bool, bool]] = MappingProxyType(
    {"ila": (False, False), "ila+": (True, False), "ila++": (False, True)}
)


def narrowed(layer: nn.Module, x: Tensor) -> Tensor:
    """A normalisation over channels (N, C, T), applied to tokens (N, T, C)."""
    return layer(x.transpose(1, 2)).transpose(1, 2)


def adding_nothing(layer: nn.Linear) -> nn.Linear:
    """A branch's last layer, so that it begins by adding nothing to what was learnt before it."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class InterLayerAdapter(nn.Module):
    """Tokens (N, 1 + g * g, width) in, the class token first; out, with ``down``, (N, 1 + (g - 2)
    ** 2, width), else as many as came.

    The branch: a narrow layer, batch normalisation, GELU; then the class token through a 1x1
    convolution and the grid through a depthwise and a pointwise one; normalisation, GELU, and back
    to the width. With ``down`` the residual of the grid is a depthwise convolution, else the grid
    itself.
    """

    def __init__(self, width: int, grid: int, down: bool = True) -> None:
        super().__init__()
        pad = 0 if down else 1
        self.grid = grid
        self.adapter_down = nn.Linear(width, NARROW)
        self.norm1 = nn.BatchNorm1d(NARROW)
        self.adapter_cls = nn.Conv1d(NARROW, NARROW, 1)
        self.depthwise = nn.Conv2d(NARROW, NARROW, 3, padding=pad, groups=NARROW)
        self.norm2 = nn.BatchNorm2d(NARROW)
        self.pointwise = nn.Conv2d(NARROW, NARROW, 1)
        self.norm3 = nn.BatchNorm1d(NARROW)
        self.adapter_up = adding_nothing(nn.Linear(NARROW, width))
        self.drop = nn.Dropout(DROP)
        self.ds_conv: nn.Conv2d | None = None
        if down:
            self.ds_conv = nn.Conv2d(width, width, 3, groups=width, bias=False)
            nn.init.normal_(self.ds_conv.weight, 1.0, SPREAD)

    def forward(self, x: Tensor) -> Tensor:
        return self._residual(x) + self.drop(self._branch(x))

    def _residual(self, x: Tensor) -> Tensor:
        if self.ds_conv is None:
            return x
        grid = _as_grid(x[:, 1:], self.grid)
        return torch.cat((x[:, :1], self.ds_conv(grid).flatten(2).transpose(1, 2)), 1)

    def _branch(self, x: Tensor) -> Tensor:
        x = F.gelu(narrowed(self.norm1, self.adapter_down(x)))
        first = narrowed(self.adapter_cls, x[:, :1])
        grid = F.gelu(self.norm2(self.depthwise(_as_grid(x[:, 1:], self.grid))))
        rest = self.pointwise(grid).flatten(2).transpose(1, 2)
        return self.adapter_up(F.gelu(narrowed(self.norm3, torch.cat((first, rest), 1))))


def _as_grid(tokens: Tensor, side: int) -> Tensor:
    """Tokens (N, side * side, C) as a map (N, C, side, side)."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, side, side)


class Bottleneck(nn.Module):
    """A narrow layer, GELU, and back: what stands beside a sub-layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.adapter_down = nn.Linear(width, NARROW)
        self.adapter_up = adding_nothing(nn.Linear(NARROW, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.adapter_up(F.gelu(self.adapter_down(x)))


class AdaptedBlock(nn.Module):
    """A block with a bottleneck beside its attention and one beside its perceptron, each fed by
    what that sub-layer is fed."""

    def __init__(self, block: Block, width: int) -> None:
        super().__init__()
        self.block = block
        self.adapter_attn = Bottleneck(width)
        self.adapter_pwffn = Bottleneck(width)

    def forward(self, x: Tensor) -> Tensor:
        own = self.block
        heard = own.norm1(x)
        x = x + own.attn(heard) + self.adapter_attn(heard)
        heard = own.norm2(x)
        return x + own.mlp(heard) + self.adapter_pwffn(heard)


class AdaptedTransformer(nn.Module):
    """ILA, ILA+ (adapters that keep the tokens after the other blocks) or ILA++ (bottlenecks inside
    of the blocks): normalised RGB (N, 3, side, side) in, the class token (N, width) out.
    ``weights`` are the transformer's, by our names."""

    def __init__(self, shape: Shape, kind: str = "ila", weights: State | None = None) -> None:
        super().__init__()
        self.width = shape.width
        self.vit = VisionTransformer(shape)
        if weights is not None:
            self.vit.load_state_dict(weights)
        self.vit.requires_grad_(False)
        self.vit.class_token.requires_grad_(True)
        keeps, self.inside = KINDS[kind]
        grid = shape.grid
        adapters: dict[str, nn.Module] = {}
        for index in range(shape.depth):
            down = index in DOWN_AFTER
            if down or keeps:
                adapters[str(index)] = InterLayerAdapter(shape.width, grid, down)
            grid -= 2 * down
        self.adapters = nn.ModuleDict(adapters)
        if self.inside:
            self.vit.blocks = nn.ModuleList(
                AdaptedBlock(block, shape.width)
                for block in self.vit.blocks  # type: ignore[arg-type]
            )

    def load_official(self, state: State) -> None:
        """Take over a checkpoint of the authors' (``official.read_official``), adapters included;
        those of ILA+ that keep tokens stay new: their names are not published.

        Raises:
            KeyError: a tensor is missing.
            RuntimeError: one has another size.
        """
        found = official.transformer(state, self.vit.shape)
        if self.inside:
            found = {re.sub(r"^(blocks\.\d+)\.", r"\1.block.", n): t for n, t in found.items()}
            for i in range(self.vit.shape.depth):
                own = official.bottlenecks(state, i)
                found |= {f"blocks.{i}.{name}": tensor for name, tensor in own.items()}
        self.vit.load_state_dict(found)
        for index, place in enumerate(DOWN_AFTER):
            self.adapters[str(place)].load_state_dict(official.adapter(state, index))

    def tokens(self, x: Tensor) -> list[Tensor]:
        """Tokens after every block, adapters included."""
        x = self.vit.embed(x)
        found = []
        for index, block in enumerate(self.vit.blocks):
            x = block(x)
            if str(index) in self.adapters:
                x = self.adapters[str(index)](x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self.vit.norm(self.tokens(x)[-1])[:, 0]
