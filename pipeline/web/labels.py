"""Labels that were typed for packs that take sentences: a file a pack, which it reads anew while it
looks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engines.packs import Pack, PackError
from engines.packs.prompts import TOKENIZER, WORDS, read_prompts
from pipeline.errors import ConfigError
from pipeline.files import make_folder, replace_file
from pipeline.tagging.packs.personal import is_personal

#: In the folder of the results.
FOLDER = "labels"


def takes_words(pack: Pack) -> bool:
    """Whether a pack can be asked for any label."""
    return WORDS in pack.files and TOKENIZER in pack.files


class TypedLabels:
    """The files of one folder of results."""

    def __init__(self, out: Path) -> None:
        self._folder = out / FOLDER

    def file(self, name: str) -> str | None:
        """Where the labels of a pack are; ``None`` if none were typed."""
        path = self._path(name)
        return str(path) if path.is_file() else None

    def of(self, name: str) -> list[str]:
        """The lines that were typed for a pack."""
        try:
            text = self._path(name).read_text(encoding="utf-8")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()]

    def keep(self, pack: Pack, lines: Sequence[str]) -> None:
        """Keep what was typed for a pack; nothing: it has its own labels again.

        Raises:
            ConfigError: the pack takes no others, a line is no label or stands twice, or tells who
                somebody is.
        """
        if not takes_words(pack):
            raise ConfigError(f"pack '{pack.name}' cannot take other labels than its own")
        wanted = [" ".join(line.split()) for line in lines if line.strip()]
        if not wanted:
            self.drop(pack.name)
            return
        make_folder(self._folder, private=True)
        path = self._path(pack.name)
        trial = path.with_suffix(".new")
        content = ("\n".join(wanted) + "\n").encode()
        replace_file(trial, content, durable=False, private=True)
        try:
            found = read_prompts(trial)
        except PackError as error:
            raise ConfigError(str(error).replace(f"{trial}: ", "")) from None
        finally:
            trial.unlink(missing_ok=True)
        if personal := sorted(one.name for one in found if is_personal(one.name)):
            raise ConfigError(f"who somebody is, is never reported: {', '.join(personal)}")
        replace_file(path, content, private=True)

    def drop(self, name: str) -> None:
        """Forget what was typed for a pack."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.txt"
