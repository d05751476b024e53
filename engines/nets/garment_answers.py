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
REGIONS: tuple[tuple[str, ...], ...] = (
    (
        *("t-shirt", "top", "shirt", "blouse", "sweatshirt", "hoodie", "sweater", "jumper"),
        *("cardigan", "jacket", "coat", "cape", "blazer", "suit", "vest"),
    ),
    ("dress", "romper", "bodysuit"),
    ("pants", "jeans", "leggings"),
    ("shorts", "skirt"),
    ("skin",),
    ("hair",),
    ("hat",),
    ("scarf",),
    ("bag", "purse", "wallet"),
    ("stockings", "tights", "socks"),
    ("null",),
)
#: Height and width of the grid of cells (stride 16).
GRID = (20, 10)
#: Numbers heard of each cell: maps, spread of the fine ones within the cell, regions.
CELL = 24 + 24 + 40 + 40 + 112 + 96 + len(REGIONS)


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
        for row, names in enumerate(REGIONS):
            member[row, [labels.index(name) for name in names]] = 1.0
        self.register_buffer("member", member)

    def forward(
        self, fine: Tensor, middle: Tensor, coarse: Tensor, decoded: Tensor, shares: Tensor
    ) -> Tensor:
        regions = F.conv2d(F.avg_pool2d(shares, 4), self.member[:, :, None, None])
        return torch.cat(
            (spread(fine, 4), spread(middle, 2), coarse, F.avg_pool2d(decoded, 4), regions), 1
        )


class GarmentAnswers(nn.Module):
    """Heads on a frozen parser. Each question looks where it wants: it has an attention over the
    cells of its own (masked pooling), besides the whole crop.

    ``forward`` takes cells float32 (N, CELL, 20, 10) and pooled features (N, 1280), and returns
    the logits of all answers (N, answers), question by question.
    """

    def __init__(self, width: int = 96, hidden: int = 64, drop: float = 0.3) -> None:
        super().__init__()
        self.scale = nn.BatchNorm1d(CELL)
        self.whole_scale = nn.BatchNorm1d(HEARD["whole"][1])
        self.cells = nn.Conv1d(CELL, width, 1)
        place = torch.stack(
            torch.meshgrid(torch.linspace(-1, 1, GRID[0]), torch.linspace(-1, 1, GRID[1]),
                           indexing="ij")
        ).flatten(1)  # fmt: skip
        y, x = place
        self.register_buffer("place", torch.stack((y, x, y * y, x * x))[None])
        self.where = nn.Conv1d(width + 4, 2 * len(QUESTIONS), 1)
        self.whole = nn.Sequential(nn.Dropout(drop), nn.Linear(HEARD["whole"][1], hidden))
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Dropout(drop), nn.Linear(2 * width + hidden + 2 * len(REGIONS), hidden),
                nn.ReLU(), nn.Dropout(drop), nn.Linear(hidden, len(answers)),
            )
            for answers in QUESTIONS.values()
        )  # fmt: skip

    def forward(self, cells: Tensor, whole: Tensor) -> Tensor:
        flat = cells.flatten(2)
        regions = flat[:, -len(REGIONS) :]
        heard = F.relu(self.cells(self.scale(flat)))
        place = self.place.expand(heard.shape[0], -1, -1)
        attention = torch.softmax(self.where(torch.cat((heard, place), 1)), dim=2)
        pooled = attention @ heard.transpose(1, 2)  # (N, 2 Q, width)
        seen = attention @ regions.transpose(1, 2)
        every = F.relu(self.whole(self.whole_scale(whole)))
        out = []
        for i, head in enumerate(self.heads):
            own = (
                pooled[:, 2 * i],
                pooled[:, 2 * i + 1],
                every,
                seen[:, 2 * i],
                seen[:, 2 * i + 1],
            )
            out.append(head(torch.cat(own, 1)))
        return torch.cat(out, 1)
