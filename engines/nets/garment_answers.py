"""What a garment is, asked of the parser's own features: one look, every question."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Questions and their answers, in the order of the outputs. The first answer is that nothing is to
#: be seen, or worn.
QUESTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "upper": (
            *("none", "t-shirt", "top", "shirt", "blouse", "sweatshirt", "sweater", "cardigan"),
            *("jacket", "coat", "blazer", "vest", "dress"),
        ),
        "lower": ("none", "pants", "jeans", "leggings", "shorts", "skirt", "dress"),
        "sleeve": ("none", "long", "short"),
        "pattern": ("none", "plain", "striped", "plaid", "printed"),
        "hat": ("none", "hat"),
        "scarf": ("none", "scarf"),
        "bag": ("none", "bag"),
    }
)
#: Tensors of the exported parser that are heard, with their channels: maps at strides 4, 8, 16 and
#: 4, each label's share of every cell at stride 4, and the pooled features.
HEARD: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "fine": ("/net/backbone/_blocks.2/Add_output_0", 24),
        "middle": ("/net/backbone/_blocks.4/Add_output_0", 40),
        "coarse": ("/net/backbone/_blocks.10/Add_output_0", 112),
        "decoded": ("/net/smooth.0/smooth.0.3/Clip_output_0", 96),
        "shares": ("/tags/Softmax_output_0", 59),
        "whole": ("/net/ReduceMean_output_0", 1280),
    }
)
#: Regions of the body whose shares of a cell are heard, by the parser's labels.
REGIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "upper": (
            *("t-shirt", "top", "shirt", "blouse", "sweatshirt", "hoodie", "sweater", "jumper"),
            *("cardigan", "jacket", "coat", "cape", "blazer", "suit", "vest"),
        ),
        "dress": ("dress", "romper", "bodysuit"),
        "trousers": ("pants", "jeans", "leggings"),
        "short": ("shorts", "skirt"),
        "skin": ("skin",),
        "hair": ("hair",),
        "hat": ("hat",),
        "scarf": ("scarf",),
        "bag": ("bag", "purse", "wallet"),
        "stockings": ("stockings", "tights", "socks"),
        "null": ("null",),
    }
)
#: Height and width of the grid of cells (stride 16).
GRID = (20, 10)
#: Numbers heard of each cell: maps with their spread within the cell, and regions.
CELL = 2 * 24 + 2 * 40 + 112 + 96 + len(REGIONS)
#: Where is looked: regions (``body``: everything but ``null``) between two rows of the grid. Bands
#: of the body help where the parser takes one thing for another.
PLACES: Mapping[str, tuple[tuple[str, ...], int, int]] = MappingProxyType(
    {
        "head": (("body",), 0, 5),
        "chest": (("body",), 3, 11),
        "hips": (("body",), 8, 15),
        "legs": (("body",), 10, 20),
        "upper": (("upper", "dress"), 0, 20),
        "lower": (("trousers", "short", "dress", "stockings"), 7, 20),
        "arms": (("skin",), 4, 13),
        "calves": (("skin", "stockings"), 10, 20),
        "hair": (("hair", "hat"), 0, 20),
        "carried": (("bag",), 0, 20),
        "around": (("null",), 0, 20),
    }
)
#: Where each question looks.
LOOKS_AT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "upper": ("chest", "hips", "upper", "arms"),
        "lower": ("hips", "legs", "lower", "calves"),
        "sleeve": ("chest", "upper", "arms"),
        "pattern": ("chest", "upper"),
        "hat": ("head", "hair"),
        "scarf": ("head", "chest", "upper"),
        "bag": ("chest", "hips", "carried", "around"),
    }
)


def spread(x: Tensor, factor: int) -> Tensor:
    """Mean and standard deviation of a map (N, C, h, w) within cells: (N, 2 C, h/f, w/f)."""
    mean = F.avg_pool2d(x, factor)
    square = F.avg_pool2d(x * x, factor)
    return torch.cat((mean, torch.sqrt((square - mean * mean).clamp(min=0) + 1e-4)), 1)


class Heard(nn.Module):
    """From the parser's tensors to numbers of cells (N, CELL, 20, 10)."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__()
        member = torch.zeros(len(REGIONS), len(labels))
        for row, names in enumerate(REGIONS.values()):
            member[row, [labels.index(name) for name in names]] = 1.0
        self.register_buffer("member", member)

    def forward(
        self, fine: Tensor, middle: Tensor, coarse: Tensor, decoded: Tensor, shares: Tensor
    ) -> Tensor:
        regions = F.conv2d(F.avg_pool2d(shares, 4), self.member[:, :, None, None])
        return torch.cat(
            (spread(fine, 4), spread(middle, 2), coarse, F.avg_pool2d(decoded, 4), regions), 1
        )


class Pooled(nn.Module):
    """From cells (N, CELL, 20, 10) to what each place shows (N, places, CELL + 1): the mean over
    its cells, by how much of each belongs to it, and how large it is (logarithm)."""

    def __init__(self) -> None:
        super().__init__()
        names = list(REGIONS)
        regions = torch.zeros(len(PLACES), len(names))
        rows = torch.zeros(len(PLACES), GRID[0], 1)
        for i, (own, first, last) in enumerate(PLACES.values()):
            body = [n for n in names if n != "null"] if own == ("body",) else own
            regions[i, [names.index(name) for name in body]] = 1.0
            rows[i, first:last] = 1.0
        self.register_buffer("regions", regions[:, :, None, None])
        self.register_buffer("rows", rows)

    def forward(self, cells: Tensor) -> Tensor:
        mask = (F.conv2d(cells[:, -len(REGIONS) :], self.regions) * self.rows).flatten(2)
        size = mask.sum(dim=2, keepdim=True)
        mean = (mask / (size + 0.5)) @ cells.flatten(2).transpose(1, 2)
        return torch.cat((mean, torch.log(size + 0.5)), 2)


class Standard(nn.Module):
    """Numbers by how far they are from their mean, in deviations, as in training; 4 at most."""

    def __init__(self, *size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("factor", torch.ones(size))

    def measure(self, x: Tensor) -> None:
        """Take mean and deviation over the samples (N, ...)."""
        self.mean.copy_(x.mean(dim=0))
        self.factor.copy_(1.0 / (x.std(dim=0) + 1e-3))

    def forward(self, x: Tensor) -> Tensor:
        return ((x - self.mean) * self.factor).clamp(-4.0, 4.0)


class GarmentAnswers(nn.Module):
    """Heads on a frozen parser: each question looks at its places, and at the whole crop.

    ``forward`` takes places float32 (N, places, CELL + 1) and pooled features (N, 1280), and
    returns the logits of all answers (N, answers), question by question.
    """

    def __init__(self, width: int = 64, hidden: int = 48, drop: float = 0.3) -> None:
        super().__init__()
        names = list(PLACES)
        self.own = [[names.index(name) for name in LOOKS_AT[q]] for q in QUESTIONS]
        self.places = Standard(len(PLACES), CELL + 1)
        self.whole = Standard(HEARD["whole"][1])
        self.each = nn.Sequential(nn.Dropout(drop), nn.Linear(CELL + 1, width), nn.ReLU())
        self.every = nn.Sequential(nn.Dropout(drop), nn.Linear(HEARD["whole"][1], 16), nn.ReLU())
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Dropout(drop),
                nn.Linear(len(own) * width + 16, hidden),
                nn.ReLU(),
                nn.Dropout(drop),
                nn.Linear(hidden, len(answers)),
            )
            for own, answers in zip(self.own, QUESTIONS.values(), strict=True)
        )

    def judge(self, places: Tensor, whole: Tensor) -> Tensor:
        """Logits of what is standard already."""
        each, every = self.each(places), self.every(whole)
        out = []
        for own, head in zip(self.own, self.heads, strict=True):
            parts = [each[:, i] for i in own]
            out.append(head(torch.cat((*parts, every), 1)))
        return torch.cat(out, 1)

    def forward(self, places: Tensor, whole: Tensor) -> Tensor:
        return self.judge(self.places(places), self.whole(whole))
