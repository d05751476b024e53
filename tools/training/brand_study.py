"""Thousands of brands, few pictures of most: what intermediate class tokens bring.

Every mark of ``simple-icons`` (CC0) is a class. How many pictures there are to learn from falls
with a brand's rank, from forty to one. Pictures are drawn as for the logo networks: printed on
plain ground in any colour, turned, tilted and bent. A frozen transformer sees each once; two kinds
of heads learn from what it says: from the last class token alone, and from those of all blocks
(IFA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.nets.efficientnet_lite import normalise
from engines.nets.ifa import Aggregated
from engines.nets.vit import VisionTransformer
from engines.nets.vit_names import from_timm, shape_of
from engines.published.checkpoint import read_state
from engines.teach.splits import draws
from engines.teach.twins import Image
from training.logo_marks import Brand, load_brands, without_twins
from training.logo_prints import ROUGH, lay, printed, warped

#: Brands, and the pictures of the first one and the rank by which there are half as many.
KINDS = 3000
MOST = 40
HALVED = 60
#: Pixels of a picture's side, and how large a mark is in it.
SIDE = 112
SIZES = (0.55, 0.85)
#: How rough prints are.
ROUGHNESS = 0.5 * ROUGH
#: Pictures at a time: for the transformer, and for a head's step.
SHOWN = 64
BATCH = 256
RATE = 2e-3
DECAY = 0.01


class Arm(NamedTuple):
    """Whether a head hears all blocks, and how classes are drawn (``splits.draws``)."""

    every_block: bool
    power: float


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "last token": Arm(False, 0.5),
        "ifa": Arm(True, 0.5),
        "last token, drawn as they are": Arm(False, 1.0),
        "ifa, drawn as they are": Arm(True, 1.0),
    }
)


class Tokens(NamedTuple):
    """Class tokens (n, width, blocks + 1), those of all blocks and the normalised last one, and
    the classes (n,) of pictures to learn from, and those of one picture of each class."""

    learnt: npt.NDArray[np.float16]
    classes: npt.NDArray[np.int64]
    asked: npt.NDArray[np.float16]


def counts() -> npt.NDArray[np.int64]:
    """Pictures to learn from of each class, the commonest first."""
    return np.maximum(np.round(MOST / (1 + np.arange(KINDS) / HALVED)), 1).astype(np.int64)


def ranked(package: Path, cache: Path) -> list[Brand]:
    """Marks nobody could take for another, in an order of no meaning."""
    brands = without_twins(load_brands(package, cache))
    order = np.random.default_rng(0).permutation(len(brands))[:KINDS]
    return [brands[i] for i in order]


def picture(brand: Brand, rng: np.random.Generator) -> Image:
    """A print of a mark on plain ground, RGB (SIDE, SIDE, 3)."""
    ground = rng.uniform(0, 255, 3).astype(np.float32)
    mark = printed(brand, SIDE * rng.uniform(*SIZES), ground, rng, ROUGHNESS)
    mark, _ = warped(mark, rng, ROUGHNESS)
    height, width = mark.cover.shape
    canvas = np.tile(ground, (SIDE, SIDE, 1))
    x, y = (np.array([SIDE - width, SIDE - height]) // 2 + rng.integers(-4, 5, 2)).tolist()
    lay(canvas, mark, x, y, rng)
    return np.asarray(np.clip(canvas + rng.normal(0, 4, canvas.shape), 0, 255), np.uint8)


@torch.no_grad()
def _tokens(net: VisionTransformer, images: Sequence[Image]) -> npt.NDArray[np.float16]:
    with torch.autocast("cpu", torch.bfloat16):
        x = net.embed(normalise(torch.from_numpy(np.stack(images))))
        firsts = []
        for block in net.blocks:
            x = block(x)
            firsts.append(x[:, 0].float())
        firsts.append(net.norm(x)[:, 0].float())
    return torch.stack(firsts, dim=2).numpy().astype(np.float16)


def seen(package: Path, weights: Path, side: int, cache: Path) -> Tokens:
    """What the transformer says of all pictures, kept in a file."""
    file = cache / "tokens.npz"
    if file.exists():
        kept = np.load(file)
        return Tokens(kept["learnt"], kept["classes"], kept["asked"])
    brands = ranked(package, cache)
    state = read_state(weights)
    net = VisionTransformer(shape_of(state, side)).eval()
    net.load_state_dict(from_timm(state, net.shape))
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(KINDS), counts())
    parts = []
    for wanted in (classes, np.arange(KINDS)):
        found = []
        for start in range(0, len(wanted), SHOWN):
            views = [picture(brands[i], rng) for i in wanted[start : start + SHOWN]]
            small = [cv2.resize(v, (side, side), interpolation=cv2.INTER_AREA) for v in views]
            found.append(_tokens(net, [np.asarray(v, np.uint8) for v in small]))
        parts.append(np.concatenate(found))
    np.savez(file, learnt=parts[0], classes=classes, asked=parts[1])
    return Tokens(parts[0], classes, parts[1])


class Head(nn.Module):
    """Logits (N, classes) of class tokens (N, width, blocks + 1)."""

    def __init__(self, width: int, blocks: int, every_block: bool) -> None:
        super().__init__()
        self.aggregated = Aggregated(width, blocks) if every_block else None
        self.fc = nn.Linear(width, KINDS)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.aggregated is None:
            return self.fc(tokens[..., -1])
        return self.fc(self.aggregated(tokens[..., :-1]))


def right(tokens: Tokens, arm: str, steps: int, seed: int) -> npt.NDArray[np.bool_]:
    """Which classes, the commonest first, are named rightly on a picture of theirs."""
    torch.manual_seed(seed)
    own = ARMS[arm]
    _, width, blocks = tokens.learnt.shape
    head = Head(width, blocks - 1, own.every_block)
    search = torch.optim.AdamW(head.parameters(), RATE, weight_decay=DECAY, fused=True)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(search, steps)
    rows = draws(tokens.classes, steps * BATCH, own.power, np.random.default_rng(seed))
    for chosen in rows.reshape(steps, BATCH):
        shown = torch.from_numpy(tokens.learnt[chosen].astype(np.float32))
        loss = F.cross_entropy(head(shown), torch.from_numpy(tokens.classes[chosen]))
        search.zero_grad()
        loss.backward()
        search.step()
        falling.step()
    with torch.no_grad():
        logits = head(torch.from_numpy(tokens.asked.astype(np.float32)))
    return np.asarray(logits.argmax(dim=1).numpy() == np.arange(KINDS))
