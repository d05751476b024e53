"""A transformer that looks again at the part of a picture that is most like the whole.

"Global-Local Similarity" (arXiv 2407.12891), written from its description: the patches nearest to
the class token span a box; what is in it is enlarged and seen by the same network; both class
tokens go through one more block.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets import official
from engines.nets.efficientnet_lite import normalise
from engines.nets.taught import Taught
from engines.nets.vit import EPS, Block, Shape, State, VisionTransformer

#: Patches that span the box.
NEAREST = 8


def similarity(tokens: Tensor) -> Tensor:
    """Cosine of each patch (N, g * g) with the class token, of tokens (N, 1 + g * g, D)."""
    return F.cosine_similarity(tokens[:, 1:], tokens[:, :1], dim=2)


def boxes(likeness: Tensor, grid: int, patch: int, nearest: int = NEAREST) -> Tensor:
    """Boxes (N, 4) of the nearest patches, int64 y0, x0, y1, x1 in pixels, ends excluded.

    As published: the last row and column of patches is cut off, unless the span is a single one.
    """
    chosen = likeness.topk(nearest, dim=1).indices
    rows = torch.div(chosen, grid, rounding_mode="floor")
    ends = []
    for places in (rows, chosen - rows * grid):
        start = places.amin(dim=1) * patch
        end = torch.maximum(places.amax(dim=1) * patch, start + patch)
        ends.append((start, end.clamp(max=grid * patch)))
    (y0, y1), (x0, x1) = ends
    return torch.stack((y0, x0, y1, x1), dim=1)


def enlarged(images: Tensor, where: Tensor) -> Tensor:
    """What is in the boxes (N, 4) of square images (N, C, side, side), enlarged to their side:
    bilinear, corner pixels on corner pixels.

    Sampling never leaves a box, so that this is exactly a crop and its enlargement, in a form that
    can be exported.
    """
    side = images.shape[-1]
    step = torch.arange(side, device=images.device, dtype=images.dtype) / (side - 1)
    start, end = where[:, :2].to(images.dtype), where[:, 2:].to(images.dtype)
    at = start[:, :, None] + step * (end - 1 - start)[:, :, None]  # (N, 2, side): y, x in pixels
    at = at * (2 / (side - 1)) - 1
    rows, columns = at[:, 0, :, None], at[:, 1, None, :]
    shape = (images.shape[0], side, side)
    sampled = torch.stack((columns.expand(shape), rows.expand(shape)), dim=3)
    return F.grid_sample(images, sampled, "bilinear", "border", align_corners=True)


class GlobalLocal(nn.Module):
    """Normalised RGB (N, 3, side, side) in; features (N, width) of the whole and its part out, and
    whether there is a second look is the caller's: ``first`` is the first alone."""

    def __init__(self, shape: Shape, nearest: int = NEAREST) -> None:
        super().__init__()
        self.width = shape.width
        self.nearest = nearest
        self.vit = VisionTransformer(shape)
        self.aggregator = Block(shape)
        self.aggregator_norm = nn.LayerNorm(shape.width, eps=EPS)

    def load_official(self, state: State) -> None:
        """Take over a checkpoint of the authors' (``official.read_official``).

        Raises:
            KeyError: a tensor is missing.
            RuntimeError: one has another size.
        """
        self.vit.load_state_dict(official.transformer(state, self.vit.shape))
        own = official.block(state, "aggregator.blocks.0", "block")
        self.aggregator.load_state_dict({n.removeprefix("block."): t for n, t in own.items()})
        norm = {kind: state[f"aggregator_norm.{kind}"] for kind in ("weight", "bias")}
        self.aggregator_norm.load_state_dict(norm)

    def first(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The class token (N, width) of whole pictures, and the boxes (N, 4) worth another look."""
        tokens = self.vit(x)
        shape = self.vit.shape
        with torch.no_grad():
            where = boxes(similarity(tokens), shape.grid, shape.patch, self.nearest)
        return tokens[:, 0], where

    def second(self, whole: Tensor, part: Tensor) -> Tensor:
        """Features (N, width) of class tokens of whole pictures and of their parts."""
        pair = self.aggregator(torch.stack((whole, part), dim=1))
        return self.aggregator_norm(pair)[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        whole, where = self.first(x)
        return self.second(whole, self.vit(enlarged(x, where))[:, 0])


class TaughtTwice(Taught):
    """A classifier of both looks, and another one, ``glance``, of what the first says alone."""

    features: GlobalLocal

    def __init__(self, features: GlobalLocal, classes: int) -> None:
        super().__init__(features, features.width, classes)
        self.glance = nn.Linear(features.width, classes)

    def again(self, x: Tensor, whole: Tensor) -> Tensor:
        """Logits (N, classes) of parts, normalised RGB (N, 3, side, side), and the class tokens
        (N, width) of the wholes they are of."""
        logits: Tensor = self.fc(self.features.second(whole, self.features.vit(x)[:, 0]))
        return logits


class ExportedLook(nn.Module):
    """One look, as engines see it: the first at the whole, or, given what that said, the second.

    In go ``images`` uint8 RGB (N, side, side, 3) and ``whole`` float32 (N, width), ``token`` of the
    first look, which itself is not told anything by it. Out come, all float32: ``scores``
    (N, classes), which count after the second look; ``first`` (N, classes), which count after the
    first; ``token`` (N, width); and ``part`` (N, 4), what to look at next, xyxy in shares of the
    picture.

    Args:
        temperatures: of the first look's probabilities, and of both looks'.
    """

    def __init__(self, net: TaughtTwice, temperatures: tuple[float, float]) -> None:
        super().__init__()
        self.net = net
        self.temperatures = temperatures

    def forward(self, images: Tensor, whole: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        net, (early, late) = self.net, self.temperatures
        token, where = net.features.first(normalise(images))
        scores = torch.softmax(net.fc(net.features.second(whole, token)) / late, dim=1)
        first = torch.softmax(net.glance(token) / early, dim=1)
        part = where[:, [1, 0, 3, 2]].float() / net.features.vit.shape.side
        return scores, first, token, part
