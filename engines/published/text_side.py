"""The side for texts of a network with two: its tokens, its embeddings of labels, its ONNX file."""

from __future__ import annotations

import io
import json
import string
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engines.backends import open_engine
from engines.base import EngineError, ModelFileError
from engines.packs import Label
from engines.packs.prompts import TOKENIZER, WORDS, sentences, tokens
from engines.packs.tagger import TaggerTable
from engines.published.export import export
from engines.published.making import MOST_APART
from engines.published.towers import Words

#: What says which token fills texts up.
TOKENIZER_CONFIG = "tokenizer_config.json"
#: The token that does in the first SigLIP, whose files need not say so.
FILLING = "</s>"


def cleaned_tokenizer(folder: Path) -> bytes:
    """A ``tokenizer.json`` that cleans texts and fills them up as SigLIP was trained: small
    letters, no punctuation, single spaces, and the same token up to the end.

    Raises:
        ModelFileError: a file is missing or no tokenizer.
    """
    from tokenizers import Regex, Tokenizer, normalizers

    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        name = _filling(folder / TOKENIZER_CONFIG)
        number = tokenizer.token_to_id(name)
        if number is None:
            raise ValueError(f"has no token {name!a}")
    except Exception as error:  # the library raises plain exceptions
        reason = " ".join(str(error).split())[:160]
        raise ModelFileError(f"{folder / TOKENIZER} makes no tokens: {reason}") from None
    marks = "[" + "".join(f"\\{mark}" for mark in string.punctuation) + "]"
    steps = [
        normalizers.Replace("_", " "),
        normalizers.Replace(Regex(marks), ""),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip(),
        normalizers.Lowercase(),
    ]
    own = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([*steps, *own])
    tokenizer.no_truncation()
    tokenizer.enable_padding(pad_id=number, pad_token=name)
    return bytes(tokenizer.to_str(), "utf-8")


def _filling(path: Path) -> str:
    """The token that fills texts up."""
    if not path.is_file():
        return FILLING
    found: Any = json.loads(path.read_text(encoding="utf-8")).get("pad_token") or FILLING
    return str(found["content"] if isinstance(found, dict) else found)


def text_files(
    net: Any, tokenizer: bytes, labels: tuple[Label, ...], table: TaggerTable
) -> dict[str, bytes]:
    """The files of a pack that make embeddings of texts, and those of its labels.

    Args:
        net: has ``words``, and in its ``config`` how many ``words`` it knows.

    Raises:
        EngineError: the tokens are of another network, or the ONNX file does not compute what
            ``net.words`` does.
    """
    with tempfile.TemporaryDirectory() as work:
        given, path = Path(work) / TOKENIZER, Path(work) / WORDS
        given.write_bytes(tokenizer)
        rows = torch.from_numpy(tokens(given, sentences(labels, table), table.context))
        if int(rows.max()) >= net.config.words:
            raise ModelFileError(f"{TOKENIZER} has more tokens than the network: it is another's")
        with torch.no_grad():
            known = torch.cat([net.words(row[None]) for row in rows]).numpy()
        export(Words(net), rows[:1], path, ["embedding"], given="tokens")
        with open_engine(path) as engine:
            for row, wanted in zip(rows.numpy()[:4], known, strict=False):
                apart = np.abs(engine.infer({"tokens": row[None]})["embedding"][0] - wanted).max()
                if not apart <= MOST_APART:
                    raise EngineError(f"the text's side is {apart:.1e} from PyTorch's: not used")
        content = io.BytesIO()
        np.save(content, known.astype(np.float32))
        return {
            WORDS: path.read_bytes(),
            TOKENIZER: tokenizer,
            "embeddings.npy": content.getvalue(),
        }


def label_rows(labels: tuple[Label, ...]) -> list[dict[str, str | None]]:
    """Labels as they stand in ``labels.json``."""
    rows: list[dict[str, str | None]] = []
    for label in labels:
        row = {"label": label.name, "category": label.category}
        rows.append({**row, "under": label.under} if label.under else row)
    return rows
