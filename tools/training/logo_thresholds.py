"""When a mark counts as recognised: fitted on marks of brands that are in a gallery and others."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

#: Margins to the second brand and to the background that are tried. Without the least margin one of
#: two brands with the same mark would be said, by chance.
MARGINS = (0.02, 0.03, 0.04, 0.06, 0.08, 0.1)
ABOVES = (-1.0, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1)


@dataclass(frozen=True, slots=True)
class Scores:
    """Of some crops (n,): likeness to the nearest brand, margin to the second, that brand's
    likeness to the background, and whether it is the crop's own."""

    likeness: F32
    margin: F32
    background: F32
    right: npt.NDArray[np.bool_]

    def taken(self, margin: float, above: float) -> F32:
        """Likeness of each crop; -1 of those that margin or background rule out."""
        sure = (self.margin >= margin) & (self.likeness >= self.background + above)
        return np.where(sure, self.likeness, np.float32(-1.0))


@dataclass(frozen=True, slots=True)
class Fit:
    """Least likeness, margin and difference to the background, and the share of known marks that
    are recognised rightly with them."""

    likeness: float
    margin: float
    above: float
    found: float


def fit(known: Scores, unknown: Scores, accepts: float) -> Fit:
    """What recognises most known marks rightly while the share ``accepts`` of unknown ones is taken
    for a brand."""
    best = Fit(1.0, 0.0, 0.0, -1.0)
    for margin, above in itertools.product(MARGINS, ABOVES):
        # The quantile itself is let in, so the next number above it is asked for.
        least = float(np.quantile(unknown.taken(margin, above), 1 - accepts)) + 1e-6
        found = float((known.right & (known.taken(margin, above) >= least)).mean())
        if found > best.found:
            best = Fit(max(least, 0.0), margin, above, found)
    return best
