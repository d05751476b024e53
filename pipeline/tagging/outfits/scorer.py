"""How well garments go together: NGNN (Cui et al., "Dressing as a Whole", WWW 2019) in NumPy.

The network of ``engines.nets.outfits.Ngnn``, on the garments that are there instead of all
categories, for several outfits of the same categories at once: an outfit, and the same with each of
its garments in turn replaced by what is usual of its category.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import ConfigError
from pipeline.tagging.outfits.items import COLOURS, Item

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
#: What comes along.
WEIGHTS = Path(__file__).with_name("outfits.npz")
#: Slope of LeakyReLU below zero.
LEAK = 0.01
#: Numbers that tell where a score stands among those of real outfits.
RANKS = 101


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of an outfit.

    Attributes:
        fits: share of real outfits that score lower, 0 to 1.
        least: index of the garment without which, another usual one in its place, it would score
            highest.
    """

    fits: float
    least: int


class Scorer:
    """A trained network; garments of categories it does not know are left out.

    ``weights``: ``categories`` (C,) text; ``mean`` and ``scale`` (D,) of features; ``edges``
    (C, C); ``enter`` (C, W, D), ``send`` and ``receive`` (C, W, W); ``gru_in``, ``gru_state``
    (3 W, W) and their biases (3 W,), gates in the order reset, update, new; ``attention`` and
    ``score`` (W,);
    ``ranks`` (RANKS,), quantiles of real outfits' scores; ``steps`` () of propagation.
    """

    def __init__(self, weights: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Raises ConfigError if arrays are missing or do not fit each other."""
        try:
            self.categories = tuple(str(name) for name in weights["categories"])
            floats = {k: np.asarray(weights[k], np.float32) for k in _shapes(1, 1)}
        except (KeyError, ValueError, TypeError) as error:
            raise ConfigError(f"no weights of a scorer: {error}") from None
        width = floats["attention"].size
        for name, shape in _shapes(len(self.categories), width).items():
            if floats[name].shape != shape or not np.isfinite(floats[name]).all():
                raise ConfigError(f"no weights of a scorer: '{name}' must be numbers {shape}")
        self._index = {name: i for i, name in enumerate(self.categories)}
        self._w = floats

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> Scorer:
        """The network in a file.

        Raises:
            ConfigError: it cannot be read, or holds something else.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return cls({name: stored[name] for name in stored.files})
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
        except (OSError, ValueError, EOFError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from None
        except Exception as error:  # zip files are broken in many ways
            raise ConfigError(f"{path}: damaged: {error}") from None

    def kinds(self, items: Sequence[Item]) -> list[int]:
        """Indices of the items whose category it knows."""
        return [i for i, item in enumerate(items) if item.category in self._index]

    def judge(self, items: Sequence[Item]) -> Verdict | None:
        """What is to be said of garments worn together; ``None`` of fewer than two it knows."""
        known = self.kinds(items)
        if len(known) < 2:
            return None
        own = self._scaled([items[i] for i in known])
        outfits = np.repeat(own[None], len(known) + 1, 0)
        outfits[np.arange(1, len(known) + 1), np.arange(len(known))] = 0.0  # the mean
        scores = self._scores(self._kinds([items[i] for i in known]), outfits)
        fits = float(np.searchsorted(self._w["ranks"], scores[0]) / RANKS)
        return Verdict(min(fits, 1.0), known[int(scores[1:].argmax())])

    def with_each(self, items: Sequence[Item], others: Sequence[Item]) -> F32:
        """Scores (n,) of an outfit with each of some other garments, all of one category.

        Raises:
            ConfigError: a category of theirs is unknown.
        """
        strange = {item.category for item in others} - self._index.keys()
        if strange:
            raise ConfigError(f"category '{min(strange)}': known are {', '.join(self.categories)}")
        own = [items[i] for i in self.kinds(items)]
        outfits = np.repeat(self._scaled([*own, others[0]])[None], len(others), 0)
        outfits[:, -1] = self._scaled(others)
        return self._scores(self._kinds([*own, others[0]]), outfits)

    def _kinds(self, items: Sequence[Item]) -> I64:
        return np.array([self._index[item.category] for item in items])

    def _scaled(self, items: Sequence[Item]) -> F32:
        colours = np.stack([item.colours for item in items])
        return np.asarray((colours - self._w["mean"]) * self._w["scale"], np.float32)

    def _scores(self, kinds: I64, outfits: F32) -> F32:
        """Scores (B,) of features (B, n, D) of the same categories (n,)."""
        w = self._w
        edges = w["edges"][np.ix_(kinds, kinds)].T
        send, receive = (w[name][kinds].transpose(0, 2, 1) for name in ("send", "receive"))
        by_garment = outfits.transpose(1, 0, 2)  # (n, B, D): each has a matrix of its own
        h = np.tanh(by_garment @ w["enter"][kinds].transpose(0, 2, 1))
        shape, width = h.shape, h.shape[2]
        for _ in range(int(w["steps"])):
            heard = (edges @ (h @ send).reshape(len(kinds), -1)).reshape(shape)
            told = (heard @ receive) @ w["gru_in"].T + w["gru_in_bias"]
            kept = h @ w["gru_state"].T + w["gru_state_bias"]
            gates = 1 / (1 + np.exp(-(told[..., : 2 * width] + kept[..., : 2 * width])))
            reset, update = gates[..., :width], gates[..., width:]
            new = np.tanh(told[..., 2 * width :] + reset * kept[..., 2 * width :])
            h = new + update * (h - new)
        value = h @ w["score"]
        parts = np.where(value > 0, value, LEAK * value) / (1 + np.exp(-(h @ w["attention"])))
        return np.asarray(parts.sum(0), np.float32)


def _shapes(categories: int, width: int) -> dict[str, tuple[int, ...]]:
    """Shape of every array but ``categories``."""
    return {
        "mean": (COLOURS,),
        "scale": (COLOURS,),
        "edges": (categories, categories),
        "enter": (categories, width, COLOURS),
        "send": (categories, width, width),
        "receive": (categories, width, width),
        "gru_in": (3 * width, width),
        "gru_state": (3 * width, width),
        "gru_in_bias": (3 * width,),
        "gru_state_bias": (3 * width,),
        "attention": (width,),
        "score": (width,),
        "ranks": (RANKS,),
        "steps": (),
    }
