"""Packs that look again at a part of what they are unsure of: one model, run once or twice.

Besides the picture it takes what the first look said of the whole, and gives what each look makes
of it and where to look next.
"""

from __future__ import annotations

from engines.packs.pack import Pack, PackError

#: Input float32 (n, width): ``TOKEN`` of the first look, or zeros in it.
WHOLE = "whole"
#: Outputs float32: of the second look and of the first (n, labels), (n, width), and the part to
#: look at next (n, 4), xyxy in shares of the picture.
SCORES = "scores"
FIRST = "first"
TOKEN = "token"
PART = "part"


def check(pack: Pack) -> None:
    """Raise PackError if a pack that looks again lacks what that needs."""
    if pack.tagger is None or not pack.tagger.again_below:
        return
    if pack.tagger.kind != "classifier" or pack.tagger.activation != "none":
        raise PackError('tagger.again_below in pack.toml is for a classifier, activation = "none"')
    taken = {tensor.name: tensor.shape[1:] for tensor in pack.inputs}
    given = {tensor.name: tensor.shape[1:] for tensor in pack.outputs}
    lacking = [name for name in (SCORES, FIRST, TOKEN, PART) if name not in given]
    if WHOLE not in taken or lacking:
        name = lacking[0] if lacking else WHOLE
        raise PackError(f"tagger.again_below in pack.toml needs a tensor '{name}'")
    if given[SCORES] != given[FIRST] or given[PART] != (4,) or given[TOKEN] != taken[WHOLE]:
        raise PackError(
            f"pack.toml: {FIRST} must be as large as {SCORES}, {TOKEN} as {WHOLE}, {PART} (n, 4)"
        )
