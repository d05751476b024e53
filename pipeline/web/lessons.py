"""Tags that were marked wrong: pictures of people for the next ``threadline teach``, in a folder a
class, where the settings allow that they are kept."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.files import make_folder, replace_file
from pipeline.picture.still import jpeg, load_image
from pipeline.pictures import LESSONS, lessons
from pipeline.sinks.annotate import without_caption
from pipeline.store.visits import Visit
from pipeline.tagging.packs.personal import is_personal
from pipeline.web.accounts import ConflictError, NoSuchError
from pipeline.web.kept import Kept, now_ms

#: What is learnt and never reported: of what nobody knows better.
OTHER = "other"
#: Pictures that are kept at most.
MOST = 20_000
#: A class is the name of a folder.
_CLASS = re.compile(r"[^\W_][\w .,'+&-]{0,62}[\w']|[^\W_]")
_QUALITY = 92


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag that ``user`` says is wrong, and what it is instead; empty: something else."""

    kind: str
    label: str
    right: str
    user: str


class Lessons:
    """The pictures of one folder of results. Works from any thread."""

    def __init__(self, kept: Kept, out: Path) -> None:
        self._kept = kept
        self._out = out

    def of(self, visit: str) -> list[dict[str, Any]]:
        """What was marked wrong of a visit, as far as its pictures are still there."""
        query = "SELECT kind, label, class, file, user, at FROM wrong WHERE visit = ? ORDER BY at"
        rows = [dict(row) for row in self._kept.all(query, visit)]
        return [row for row in rows if (self._out / row.pop("file")).is_file()]

    def mark(self, one: Visit, picture: Path, wrong: Mark) -> str:
        """Keep the picture of a visit as one of a class; which.

        Raises:
            ConfigError: there is no such tag or picture, heads are seen on it, or that is no class.
            ConflictError: there are too many.
        """
        visit, name = str(uuid.UUID(bytes=one.name)), wrong.right.strip() or OTHER
        if not _CLASS.fullmatch(name) or is_personal(name):
            raise ConfigError("right: letters, digits and spaces; and nothing of who somebody is")
        kind, label = wrong.kind, wrong.label
        if (kind, label) not in {(tag.kind, tag.label) for tag in one.tags.values()}:
            raise ConfigError("label: nobody said that of this person")
        if name == label:
            raise ConfigError("right: that is what was said")
        content = _shown(one, picture)
        if sum(1 for _ in lessons(self._out)) >= MOST:
            raise ConflictError(f"{MOST} pictures are kept already; teach, and delete some")
        self.undo(visit, kind, label, missing_ok=True)
        file = f"{LESSONS}/{name}/{visit}-{_safe(kind)}-{_safe(label)}.jpg"
        make_folder((self._out / file).parent, private=True)
        replace_file(self._out / file, content, private=True)
        query = "INSERT OR REPLACE INTO wrong VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._kept.change(query, visit, kind, label, name, file, wrong.user, now_ms())
        return name

    def undo(self, visit: str, kind: str, label: str, missing_ok: bool = False) -> None:
        """Take a mark back, and delete its picture; NoSuchError if there is none."""
        where = "WHERE visit = ? AND kind = ? AND label = ?"
        row = self._kept.one(f"SELECT file FROM wrong {where}", visit, kind, label)
        if row is None:
            if missing_ok:
                return
            raise NoSuchError("nothing of this was marked wrong")
        path = self._out / row["file"]
        path.unlink(missing_ok=True)
        self._kept.change(f"DELETE FROM wrong {where}", visit, kind, label)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()

    def tidy(self) -> None:
        """Forget marks whose pictures are gone: people were forgotten, or it was too long ago."""
        for row in self._kept.all("SELECT visit, kind, label, file FROM wrong"):
            if not (self._out / row["file"]).is_file():
                self.undo(row["visit"], row["kind"], row["label"], missing_ok=True)


def _shown(one: Visit, picture: Path) -> bytes:
    """A visit's picture without its caption."""
    if one.heads != "pixelate":
        raise ConfigError("heads are seen on this picture; it is not kept to teach with")
    return jpeg(without_caption(load_image(picture)), _QUALITY)


def _safe(name: str) -> str:
    """Part of a file's name."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name)[:24] or "x"
