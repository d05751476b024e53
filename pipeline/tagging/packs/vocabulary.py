"""What a pack can report: its labels, and of an embedder what they look like. Those of a file may
change while cameras run: only the text's side computes then, and only what is new."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engines.backends import open_engine
from engines.base import EngineError
from engines.packs import Label, Pack, PackError, labels
from engines.packs.label_files import F32, embeddings
from engines.packs.prompts import TOKENIZER, WORDS, read_prompts, sentences, tokens
from pipeline.tagging.packs.personal import is_personal

log = logging.getLogger("threadline.packs")

#: Seconds between two looks at the file.
EVERY_S = 1.0


class Vocabulary:
    """The labels of a pack.

    Args:
        file: of the labels that are wanted instead of the pack's own, read again when it changes.

    Raises:
        EngineError: the labels cannot be read, or the pack cannot take others.

    Attributes:
        labels: in the order of the scores.
        silent: names of those that compete and are never reported: the pack's ``ignore``, and what
            says who somebody is.
        known: of an embedder, float32 (labels, numbers) of unit length.
    """

    def __init__(self, pack: Pack, file: Path | None = None) -> None:
        self.labels: tuple[Label, ...] = labels(pack)
        self.known: F32 | None = None
        self._pack = pack
        self._file = file
        self._at = -math.inf
        self._stamp: tuple[int, int] | None = None
        self._cache: dict[str, F32] = {}
        if pack.tagger is not None and pack.tagger.kind == "embedder":
            self.known = embeddings(pack)
        self.silent = self._silent()
        if personal := sorted(filter(is_personal, self.names)):
            log.info("pack %s: never reported: %s", pack.name, ", ".join(personal))
        if file is not None:
            if self.known is None or WORDS not in pack.files or TOKENIZER not in pack.files:
                raise PackError(f"pack '{pack.name}' cannot take other labels than its own")
            self._stamp = _stamp(file)
            self._take(read_prompts(file))

    @property
    def names(self) -> list[str]:
        return [label.name for label in self.labels]

    def refresh(self, now: float) -> bool:
        """Read the file again if it has changed, now and then; whether the labels have. A file with
        a mistake is one warning, and the labels stay."""
        if self._file is None or now - self._at < EVERY_S:
            return False
        self._at = now
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._take(read_prompts(self._file))
        except EngineError as error:
            log.warning("pack %s keeps its labels: %s", self._pack.name, error)
            return False
        return True

    def _take(self, wanted: tuple[Label, ...]) -> None:
        table = self._pack.tagger
        assert table is not None
        asked = sentences(wanted, table)
        new = [text for text in dict.fromkeys(asked) if text not in self._cache]
        if new:
            self._cache.update(zip(new, self._encoded(new), strict=True))
        self._cache = {text: self._cache[text] for text in asked}
        self.labels, self.known = wanted, np.stack([self._cache[text] for text in asked])
        self.silent = self._silent()
        if personal := sorted(filter(is_personal, self.names)):
            log.warning(
                "pack %s: %s: who somebody is, is never reported: %s",
                self._pack.name,
                self._file,
                ", ".join(personal),
            )

    def _silent(self) -> frozenset[str]:
        ignored = self._pack.tagger.ignore if self._pack.tagger is not None else ()
        return frozenset([*ignored, *filter(is_personal, self.names)])

    def _encoded(self, texts: Sequence[str]) -> list[F32]:
        """Embeddings of texts. The engine is there for as long as that takes."""
        folder, table = self._pack.folder, self._pack.tagger
        assert table is not None
        found = []
        with open_engine(folder / WORDS) as engine:
            for row in tokens(folder / TOKENIZER, texts, table.context):
                [own] = engine.infer({engine.inputs[0].name: row[None]})[engine.outputs[0].name]
                found.append(np.asarray(own / np.linalg.norm(own), np.float32))
        return found


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes with a file's content."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size
