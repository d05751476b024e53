"""Labels as texts: a file of them that users edit, the sentences that are asked, and their tokens.

One label a line, or ``group: label``: the labels of a group exclude each other. ``other/group:
label`` is asked as far as the label ``other`` of the same file fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engines.base import EngineError
from engines.packs.pack import Label, PackError
from engines.packs.tagger import TaggerTable

#: The text's side of a pack, and what makes tokens of a text for it.
WORDS = "text.onnx"
TOKENIZER = "tokenizer.json"
MOST_LABELS = 1000
MOST_TEXT = 200


def read_prompts(path: Path) -> tuple[Label, ...]:
    """The labels of a file; empty lines and those that begin with ``#`` are none.

    Raises:
        PackError: it cannot be read, holds no label, too many, or one twice.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_LABELS * MOST_TEXT)
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(f"{path}: the labels cannot be read: {error}") from None
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(_label(line) for line in lines if line and not line.startswith("#"))
    names = [label.name for label in found]
    double = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if double is not None:
        raise PackError(f"{path}: '{double}' stands twice")
    above = {label.name for label in found if not label.under}
    lost = next((label.under for label in found if label.under and label.under not in above), None)
    if lost is not None:
        raise PackError(f"{path}: '{lost}/' needs a line with the label '{lost}' itself")
    if not 0 < len(found) <= MOST_LABELS:
        raise PackError(f"{path}: {len(found)} labels; it must be 1 to {MOST_LABELS}")
    bad = next((name for name in names if not name.isprintable() or len(name) > MOST_TEXT), None)
    if bad is not None:
        raise PackError(f"{path}: {bad[:40]!a} is no label")
    return found


def _label(line: str) -> Label:
    group, colon, name = line.partition(":")
    if not colon or not name.strip():
        return Label(line, None)
    under, slash, rest = group.partition("/")
    if slash and under.strip() and rest.strip():
        return Label(name.strip(), rest.strip(), under.strip())
    return Label(name.strip(), group.strip())


def sentences(labels: Sequence[Label], table: TaggerTable) -> list[str]:
    """What is asked of a picture for each label."""
    above = {label.under for label in labels if label.under}
    # Whatever shares the probability with a label that others stand under is asked alike.
    groups = {label.category for label in labels if label.name in above}
    found = []
    for label in labels:
        text = table.prompt if label.category is None else table.group_prompt
        if label.under:
            text = table.under_prompt or text
        elif label.category in groups:
            text = table.top_prompt or text
        for key, own in (("under", label.under), ("group", label.category or "")):
            text = text.replace(f"{{{key}}}", own)
        found.append(text.replace("{label}", label.name))
    return found


def tokens(path: Path, texts: Sequence[str], context: int) -> npt.NDArray[np.int64]:
    """Tokens (texts, context) of texts, by a ``tokenizer.json``; long ones are cut, the mark of the
    end stays. Short ones are filled up by what the file says, or by 0.

    Raises:
        EngineError: what makes tokens is not installed, or the file is another thing.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise EngineError(
            "tokens of texts need: pip install 'threadline[hub]', or tokenizers alone"
        ) from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
        filling = int((tokenizer.padding or {}).get("pad_id", 0))
        tokenizer.no_padding()
        tokenizer.enable_truncation(context)
        rows = [tokenizer.encode(text.lower()).ids for text in texts]
    except Exception as error:  # the library raises plain exceptions
        raise PackError(f"{path} makes no tokens: {' '.join(str(error).split())[:160]}") from None
    found = np.full((len(rows), context), filling, np.int64)
    for i, row in enumerate(rows):
        found[i, : len(row)] = row
    return found
