"""The scorer that comes along with the tagger ``outfits``: colours alone, all garments alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engines.nets.outfits import Ngnn
from pipeline.tagging.outfits.scorer import RANKS, Scorer
from training import outfit_street, outfits
from training.outfit_data import load_people
from training.outfit_street import SHARED, Shared, split, standard

F32 = npt.NDArray[np.float32]
#: Seed of the split whose training part it learns from: the rest is for ``evaluate.py outfits``.
SEED = 0


def arrays(
    net: Ngnn,
    categories: tuple[str, ...],
    mean: F32,
    scale: F32,
) -> dict[str, Any]:
    """A network as ``Scorer`` takes it, without ``ranks``. One with a single kind of node has the
    same matrices for every category."""
    state = {name: value.detach().numpy() for name, value in net.state_dict().items()}

    def each(name: str) -> F32:
        own = state[name]
        return own if len(own) == len(categories) else np.repeat(own, len(categories), 0)

    edges = state["edges"]
    if len(edges) != len(categories):
        edges = np.broadcast_to(edges, (len(categories),) * 2)
    return {
        "categories": np.array(categories), "mean": mean, "scale": scale, "edges": edges,
        "enter": each("enter.weight"), "send": each("walk.send.weight"),
        "receive": each("walk.receive.weight"), "gru_in": state["walk.gru.weight_ih"],
        "gru_state": state["walk.gru.weight_hh"], "gru_in_bias": state["walk.gru.bias_ih"],
        "gru_state_bias": state["walk.gru.bias_hh"],
        "attention": state["read.attention.weight"][0], "score": state["read.score.weight"][0],
        "steps": np.array(net.walk.steps),
    }  # fmt: skip


def ship(file: Path, target: Path) -> str:
    """Train on the training part of the split by ``SEED``, and write the scorer's file."""
    of = split(load_people(file), SEED)
    train, _ = outfit_street.dressed(of, ("colours",))
    scaled = standard(np.concatenate([one.colours for one in of.train]))
    torch.manual_seed(SEED)
    net = Shared(train[0].items.shape[1], 0)
    outfit_street.trained(net, train, SEED)
    ranks = np.quantile(outfits.scores_of(net, train), np.linspace(0, 1, RANKS))
    content = arrays(net.net, of.names, scaled.mean, np.diag(scaled.basis))
    content["ranks"] = ranks.astype(np.float32)
    np.savez_compressed(target, **content)
    Scorer.load(target)
    return f"{target}: {target.stat().st_size} bytes, {SHARED[0]} wide, {len(train)} outfits"
