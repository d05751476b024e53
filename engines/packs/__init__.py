"""Packs: models with everything needed to use them, one folder each.

The registry is the folders beside this file, an extra folder (``--packs DIR``) and the user's own
data folder. A broken pack never stops it from being read: it is kept with its reason.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from engines.packs.pack import (
    Label,
    Pack,
    PackError,
    Tensor,
    answers,
    categories,
    fitted_size,
    labels,
    verify,
)
from engines.packs.reading import read_pack

__all__ = [
    "SHIPPED",
    "Label",
    "Pack",
    "PackError",
    "Packs",
    "Tensor",
    "answers",
    "categories",
    "find",
    "fitted_size",
    "labels",
    "open_packs",
    "read_pack",
    "shipped",
    "user_folder",
    "verify",
]

#: Folder of the packs that come with the program.
SHIPPED = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Packs:
    """A registry of packs.

    Attributes:
        by_name: name -> pack, in the order in which they were found.
        broken: folder -> why it cannot be used, one line.
    """

    by_name: Mapping[str, Pack]
    broken: Mapping[Path, str]

    @classmethod
    def read(cls, *places: Path) -> Packs:
        """Every pack in some folders. Where two have one name, the first is taken and the other is
        broken. Never raises because of what is in the folders."""
        good: dict[str, Pack] = {}
        broken: dict[Path, str] = {}
        for place in places:
            for folder in _folders(place, broken):
                try:
                    pack = read_pack(folder)
                except PackError as error:
                    broken[folder] = str(error)
                    continue
                if pack.name in good:
                    taken = good[pack.name].folder.parent
                    whose = "comes with threadline" if taken == SHIPPED else f"is in {taken}, too"
                    broken[folder] = f"{folder}: a pack of this name {whose}; rename this one"
                else:
                    good[pack.name] = pack
        return cls(MappingProxyType(good), MappingProxyType(broken))

    def joined(self, more: Iterable[Pack]) -> Packs:
        """The same with some packs from elsewhere.

        Raises:
            PackError: one has the name of another pack.
        """
        found = dict(self.by_name)
        for pack in more:
            taken = found.setdefault(pack.name, pack).folder
            if taken != pack.folder:
                raise PackError(f"{pack.folder}: {taken} has this name, too; rename one")
        return Packs(MappingProxyType(found), self.broken)

    def __iter__(self) -> Iterator[Pack]:
        return iter(self.by_name.values())

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __len__(self) -> int:
        return len(self.by_name)

    def of(self, task: str) -> tuple[Pack, ...]:
        """The packs for a task."""
        return tuple(pack for pack in self if pack.task == task)

    def find(self, name: str) -> Pack:
        """The pack of a name.

        Raises:
            PackError: there is none, with the nearest name; or it is broken, with the reason.
        """
        if name in self.by_name:
            return self.by_name[name]
        for folder, reason in self.broken.items():
            if folder.name == name:
                raise PackError(f"model '{name}' is broken: {reason}")
        near = difflib.get_close_matches(name, self.by_name, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(self.by_name)}"
        raise PackError(f"model '{name}' is unknown; {hint}")

    def in_float(self, name: str) -> Pack:
        """The pack of a name, or the one it is the INT8 twin of.

        Raises:
            PackError: as ``find``.
        """
        return self.find(self.find(name).in_float)


def _folders(place: Path, broken: dict[Path, str]) -> list[Path]:
    """Folders that hold packs, sorted; hidden ones and Python's own are none."""
    try:
        inside = sorted(place.iterdir())
        return [path for path in inside if path.name[0] not in "._" and path.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        broken[place] = f"{place}: cannot be read: {error.strerror or error}"
        return []


def user_folder() -> Path:
    """Where a user's own packs are; it need not exist."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "threadline" / "packs"


def open_packs(extra: Path | None = None) -> Packs:
    """The registry of a run: what is shipped, then ``extra``, then the user's own.

    Raises:
        PackError: ``extra`` is no folder.
    """
    if extra is not None and not extra.is_dir():
        raise PackError(f"{extra}: no folder of packs; name another with --packs")
    return Packs.read(SHIPPED, *([extra] if extra is not None else []), user_folder())


@lru_cache(maxsize=1)
def shipped() -> Packs:
    """What comes with the program. Read once."""
    return Packs.read(SHIPPED)


def find(name: str) -> Pack:
    """A shipped pack.

    Raises:
        PackError: there is none of that name.
    """
    return shipped().find(name)
