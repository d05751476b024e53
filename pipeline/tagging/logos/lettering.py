"""Reading the letters of marks: a second opinion where looks alone do not decide.

The reading is RapidOCR's (PP-OCR models, Apache-2.0, in its package): the ``lettering`` extra.
"""

from __future__ import annotations

import unicodedata
from difflib import SequenceMatcher
from importlib.util import find_spec

from pipeline.errors import ConfigError
from pipeline.types import Rgb

#: Probability from which a reading is believed.
SURE = 0.6
#: Letters a reading must have.
LETTERS = 3
#: Letters from which a brand's whole name says enough, whatever its mark looks like.
NAME = 4
#: Width of a line of letters against its height.
WIDE = 1.2
#: Share of letters in common from which a reading is a brand's name.
ALIKE = 0.8


def folded(text: str) -> str:
    """Letters and digits alone, without accents and case."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def agrees(text: str, name: str) -> bool:
    """Whether what was read is a brand's name, or one of its words of four letters or more."""
    read = folded(text)
    if len(read) < LETTERS:
        return False
    words = [folded(name), *(w for w in map(folded, name.split()) if len(w) > LETTERS)]
    return any(SequenceMatcher(None, read, word).ratio() >= ALIKE for word in words if word)


def installed() -> bool:
    """Whether letters can be read here."""
    return find_spec("rapidocr") is not None


class Lettering:
    """Reads the one line of letters that a crop shows.

    Raises:
        ConfigError: RapidOCR is not installed.
    """

    def __init__(self, threads: int = 1) -> None:
        try:
            from rapidocr import RapidOCR
        except ImportError:
            raise ConfigError(
                "logos.lettering: RapidOCR is not installed: pip install 'rapidocr>=3.10'"
            ) from None
        self._read = RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": max(threads, 1),
            }
        )

    def __call__(self, crop: Rgb) -> str:
        """The text on a crop RGB (h, w, 3); empty if it cannot be read."""
        found = self._read(crop[:, :, ::-1], use_det=False, use_cls=False, use_rec=True)
        if not found.txts or min(found.scores) < SURE:
            return ""
        return "".join(found.txts)
