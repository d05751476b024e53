"""Swin's tables of how far cells are apart, for smaller windows than they were trained with.

As BEiT and Swin do it (Bao et al., ICLR 2022; Liu et al., CVPR 2022): a table is taken for samples
of a smooth function at places that lie in a geometric row, dense in the middle, and read by cubic
splines.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

BIAS_TABLE = "relative_position_bias_table"
#: Bounds of the row's ratio, and how well it is searched.
LEAST_RATIO = 1.01
MOST_RATIO = 1.5
CLOSE = 1e-6

F64 = npt.NDArray[np.float64]


def places(source: int, target: int) -> F64:
    """Where the samples of a table with ``source`` of them a side lie, such that the outermost is
    about as far out as in one with ``target``."""
    half, low, high = source // 2, LEAST_RATIO, MOST_RATIO
    ratio = high
    while high - low > CLOSE:
        ratio = (low + high) / 2
        reach = (1 - ratio**half) / (1 - ratio)
        low, high = (low, ratio) if reach > target // 2 else (ratio, high)
    outward = np.cumsum(ratio ** np.arange(half))
    return np.concatenate([-outward[::-1], [0.0], outward])


def spline(known: F64, wanted: F64) -> F64:
    """Weights (wanted, known) by which samples at rising places make the cubic spline through them
    at others, the third derivative continuous at the second sample and the last but one."""
    knots = np.concatenate([[known[0]] * 4, known[2:-2], [known[-1]] * 4])
    weights: F64 = np.linalg.solve(_basis(knots, known).T, _basis(knots, wanted).T).T
    return weights


def _basis(knots: F64, at: F64) -> F64:
    """Cubic B-splines at some places (at, splines), by de Boor's recursion."""
    at = np.clip(at, knots[3], knots[-4])
    last = len(knots) - 5
    piece = np.clip(np.searchsorted(knots, at, side="right") - 1, 3, last)
    found = np.zeros((len(at), len(knots) - 1))
    found[np.arange(len(at)), piece] = 1
    for degree in range(1, 4):
        count = len(knots) - degree - 1
        left = knots[degree : degree + count] - knots[:count]
        right = knots[degree + 1 : degree + 1 + count] - knots[1 : 1 + count]
        rising = np.divide(at[:, None] - knots[:count], left, where=left > 0, out=_none(at, count))
        falling = np.divide(
            knots[degree + 1 : degree + 1 + count] - at[:, None],
            right,
            where=right > 0,
            out=_none(at, count),
        )
        found = rising * found[:, :count] + falling * found[:, 1 : count + 1]
    return found


def _none(at: F64, count: int) -> F64:
    return np.zeros((len(at), count))


def for_window(table: Tensor, rows: int) -> Tensor:
    """A table (source * source, heads) as one of ``rows`` = target * target; unchanged where it has
    as many, or is no table of a square."""
    source, target = round(len(table) ** 0.5), round(rows**0.5)
    if len(table) in (rows, 0) or source * source != len(table) or table.ndim != 2 or source < 7:
        return table
    reach = target // 2
    weights = spline(places(source, target), np.arange(-reach, reach + 1, dtype=np.float64))
    whole = table.to(torch.float64).numpy().reshape(source, source, -1)
    found = np.einsum("as,bt,sth->abh", weights, weights, whole)
    return torch.from_numpy(found.reshape(rows, -1)).to(torch.float32)
