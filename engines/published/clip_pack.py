"""A CLIP as a pack: any labels, as sentences that are asked of a picture."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engines.backends import open_engine
from engines.base import EngineError, ModelFileError
from engines.packs import Label
from engines.packs.prompts import TOKENIZER, WORDS, read_prompts, sentence, tokens
from engines.packs.tagger import TaggerTable
from engines.published.clip import OPEN_CONFIG, Clip, Words, read_clip
from engines.published.export import export
from engines.published.fashionpedia import GARMENTS
from engines.published.making import CLIP_MEAN, CLIP_STD, MOST_APART, Built
from engines.published.recipes import Options


def build(folder: Path, options: Options) -> Built:
    """The network in a folder of the hub's files.

    Raises:
        ModelFileError: a file is missing, unreadable or of another network.
    """
    net = read_clip(folder)
    side = net.config.side
    if options.size not in ((0, 0), (side, side)):
        raise ModelFileError(f"its pictures are {side}x{side}: leave --size out")
    table: dict[str, Any] = {
        "kind": "embedder",
        "subject": "person",
        "report": "look",
        "least": 0.5,
        "filter": "bicubic",
        "scale": float(net.logit_scale.detach().exp()),
        "context": net.config.context,
    }
    labels = tuple(Label(name, "garment") for name in GARMENTS)
    if options.tags is not None:
        labels = read_prompts(options.tags)
    mean, std = _norm(folder)
    return Built(
        net=net.visual,
        example=torch.zeros(1, 3, side, side),
        outputs=("embedding",),
        mean=mean,
        std=std,
        labels=[{"label": one.name, "category": one.category} for one in labels],
        tagger=table,
        files=_text_side(net, folder / TOKENIZER, labels),
        free=True,
    )


def _text_side(net: Clip, tokenizer: Path, labels: tuple[Label, ...]) -> dict[str, bytes]:
    """The files that make embeddings of texts, and those of the labels."""
    asked = [sentence(label, TaggerTable("embedder")) for label in labels]
    if not tokenizer.is_file():
        raise ModelFileError(f"{tokenizer} is missing")
    rows = torch.from_numpy(tokens(tokenizer, asked, net.config.context))
    if int(rows.max()) >= net.config.words:
        raise ModelFileError(f"{tokenizer} has more tokens than the network: it is another's")
    with torch.no_grad():
        known = torch.cat([net.words(row[None]) for row in rows]).numpy()
    content = io.BytesIO()
    np.save(content, known.astype(np.float32))
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / WORDS
        export(Words(net), rows[:1], path, ["embedding"], given="tokens")
        with open_engine(path) as engine:
            for row, wanted in zip(rows.numpy()[:4], known, strict=False):
                apart = np.abs(engine.infer({"tokens": row[None]})["embedding"][0] - wanted).max()
                if not apart <= MOST_APART:
                    raise EngineError(f"the text's side is {apart:.1e} from PyTorch's: not used")
        return {
            WORDS: path.read_bytes(),
            TOKENIZER: tokenizer.read_bytes(),
            "embeddings.npy": content.getvalue(),
        }


def _norm(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """By what pictures are normalised: as open_clip's file says, else as CLIP's always were."""
    try:
        own = json.loads((folder / OPEN_CONFIG).read_text(encoding="utf-8"))["preprocess_cfg"]
        mean, std = tuple(map(float, own["mean"])), tuple(map(float, own["std"]))
    except (OSError, ValueError, KeyError, TypeError):
        return CLIP_MEAN, CLIP_STD
    return mean, std
