"""The packs that the window switches on and off while cameras run, and what it keeps of them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from engines.base import EngineError
from engines.packs import Pack, PackError, Packs, labels, user_folder
from pipeline.errors import ConfigError, PipelineError
from pipeline.flow.runner import Runner
from pipeline.models.opening import Models
from pipeline.models.unpacking import removed, unpacked
from pipeline.settings.schema import first_mistake
from pipeline.tagging.packs.settings import PackSettings
from pipeline.types import TaggedFrame
from pipeline.web.accounts import ConflictError, NoSuchError
from pipeline.web.costs import measured
from pipeline.web.kept import Kept, now_ms
from pipeline.web.labels import TypedLabels, takes_words

log = logging.getLogger("threadline.web")

#: In the folder of the results: packs that were sent.
FOLDER = "packs"
#: Kinds of packs that give tags.
_KINDS = frozenset({"classifier", "tags", "detector", "embedder"})
#: Labels of a pack that are told.
_TOLD = 60
#: What is kept of a pack; ``cameras``: ``None`` for all.
_FRESH: Mapping[str, Any] = MappingProxyType(
    {"on": False, "cameras": None, "accept_licence": False}
)
#: Why a pack may be no tagger now: whatever its files, the engine or the memory do.
_REASONS = (EngineError, PipelineError, OSError, MemoryError)


class PackBook:
    """All packs that may be taggers. Works from any thread; what changes one waits for the others.

    Attributes:
        problems: packs that should look and cannot, and why.
    """

    def __init__(self, kept: Kept, runner: Runner, packs: Packs, out: Path) -> None:
        self._kept = kept
        self._runner = runner
        self._packs = packs
        self._own = out / FOLDER
        self._labels = TypedLabels(out)
        self._lock = threading.RLock()
        self.problems: dict[str, str] = {}

    # What there is.

    def registry(self) -> Packs:
        """All packs, those that were taught or pulled since the start as well."""
        later = Packs.read(user_folder(), self._own)
        fresh = {pack.name: pack for pack in later if pack.name not in self._packs}
        return Packs({**self._packs.by_name, **fresh}, {**self._packs.broken, **later.broken})

    def all(self) -> list[dict[str, Any]]:
        """Every pack that can be a tagger, as the API tells it."""
        kept = self._all_kept()
        return [self._told(pack, kept.get(pack.name, _FRESH)) for pack in self._taggers()]

    def one(self, name: str) -> dict[str, Any]:
        """One of them; NoSuchError if there is none."""
        return self._told(self.find(name), self._all_kept().get(name, _FRESH))

    def broken(self) -> dict[str, str]:
        """Folders that hold no usable pack, by their names, and why."""
        return {folder.name: why for folder, why in self.registry().broken.items()}

    def find(self, name: str) -> Pack:
        for pack in self._taggers():
            if pack.name == name:
                return pack
        raise NoSuchError(f"no pack called '{name[:64]}' can be a tagger")

    def _taggers(self) -> list[Pack]:
        return [one for one in self.registry() if one.tagger and one.tagger.kind in _KINDS]

    def _told(self, pack: Pack, kept: Mapping[str, Any]) -> dict[str, Any]:
        assert pack.tagger is not None
        fixed = self._of_file(pack.name)
        try:
            names = [label.name for label in labels(pack)]
            problem = self.problems.get(pack.name, "")
        except PackError as error:
            names, problem = [], str(error)
        return {
            "name": pack.name,
            "kind": pack.tagger.kind,
            "subject": pack.tagger.subject,
            "reports": pack.tagger.report or pack.name,
            "labels": names[:_TOLD],
            "labels_n": len(names),
            "words": takes_words(pack),
            "typed": self._labels.of(pack.name),
            "licence": pack.licence,
            "terms": pack.terms,
            "origin": "file" if fixed else "window" if self._is_own(pack) else "installed",
            "on": fixed.enabled if fixed else pack.name in self._runner.packs.names(),
            "cameras": None if fixed else kept["cameras"],
            "accept_licence": fixed.accept_licence if fixed else kept["accept_licence"],
            "least": (fixed.least if fixed else kept.get("least")) or pack.tagger.least,
            "share": fixed.share if fixed else kept.get("share") or PackSettings(pack="x").share,
            "cost": self._cost(pack),
            "problem": problem,
        }

    def _of_file(self, name: str) -> PackSettings | None:
        return next((one for one in self._runner.config.packs if one.pack == name), None)

    def _is_own(self, pack: Pack) -> bool:
        return pack.folder.parent == self._own

    # What changes.

    def restore(self) -> None:
        """Switch on what was on; one that cannot be is told, and stays kept."""
        for name, kept in self._all_kept().items():
            if kept["on"] and not self._of_file(name):
                try:
                    self._switch(self.find(name), kept)
                except _REASONS as error:
                    log.error("pack %s: %s", name, error)
                    self.problems[name] = str(error) or type(error).__name__

    def change(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change what is kept of a pack, and have it look, or not, at once.

        Args:
            changes: ``on``, ``cameras``, ``least``, ``share``, ``accept_licence``, ``labels``:
                those named.

        Raises:
            ConfigError, EngineError: a setting is wrong, or the pack cannot be used here; then all
                is as it was.
            ConflictError: it is one of the settings file.
        """
        with self._lock:
            pack = self.find(name)
            if self._of_file(name):
                raise ConflictError(f"pack {name} is of the settings file; change it there")
            if name in type(self._runner.config).model_fields:
                raise ConflictError(f"'{name}' is the name of a section of the settings")
            old = self._all_kept().get(name, _FRESH)
            new = {**old, **{key: value for key, value in changes.items() if key != "labels"}}
            _refuse_unknown(new["cameras"], self._runner.cameras.names())
            self._entry(name, new)
            if "labels" in changes:
                self._labels.keep(pack, changes["labels"])
            if new["on"]:
                try:
                    self._switch(pack, new)
                except _REASONS:
                    self._back(pack, old)
                    raise
            else:
                self._runner.packs.off(name)
                self.problems.pop(name, None)
            self._keep(name, new)
        return self.one(name)

    def add(self, archive: Path) -> dict[str, Any]:
        """Take in a pack that was sent as a ZIP file; it is off.

        Raises:
            PackError: it is none; see ``unpacked``.
            ConflictError: one of its name is there.
        """
        with self._lock:
            pack = unpacked(archive, self._own)
            why = ""
            if pack.tagger is None:
                why = f"'{pack.name}' has no [tagger] in its pack.toml: no tagger by itself"
            elif pack.tagger.kind not in _KINDS:
                why = f"'{pack.name}' gives no tags; it is named in the settings file"
            elif self.registry().find(pack.name).folder != pack.folder:
                why = f"a pack called '{pack.name}' comes with Threadline, or is installed"
            if why:
                removed(pack.folder)
                raise ConflictError(why)
        return self.one(pack.name)

    def remove(self, name: str) -> None:
        """Remove a pack that was sent; what it found stays.

        Raises:
            NoSuchError, ConflictError: there is none, or it was not sent here.
        """
        with self._lock:
            pack = self.find(name)
            if not self._is_own(pack):
                raise ConflictError(f"pack {name} was not sent here: it is in {pack.folder}")
            self._runner.packs.off(name)
            removed(pack.folder)
            self._labels.drop(name)
            self._kept.change("DELETE FROM pack WHERE name = ?", name)
            self._kept.change("DELETE FROM cost WHERE pack = ?", name)
            self.problems.pop(name, None)

    def measure(self, name: str, accepted: bool, newest: TaggedFrame | None) -> dict[str, Any]:
        """Measure what a look of a pack takes here, and remember it.

        Raises:
            EngineError: it cannot be used here.
        """
        with self._lock:
            pack, engine = self.find(name), self._runner.config.engine
            entry = self._entry(name, {**_FRESH, "accept_licence": accepted})
            with Models(engine, self.registry(), self._runner.cameras.live) as models:
                ms, looks = measured(pack, entry, models, newest)
            query = "INSERT OR REPLACE INTO cost VALUES (?, ?, ?, ?, ?)"
            self._kept.change(query, name, self._known_by(pack), round(ms, 3), looks, now_ms())
        return self.one(name)

    def _switch(self, pack: Pack, kept: Mapping[str, Any]) -> None:
        cameras = kept["cameras"]
        only = None if cameras is None else frozenset(cameras)
        self._runner.packs.on(pack, self._entry(pack.name, kept), only)
        self.problems.pop(pack.name, None)

    def _back(self, pack: Pack, old: Mapping[str, Any]) -> None:
        """Have a pack as it was before a change that failed."""
        if old["on"]:
            try:
                self._switch(pack, old)
            except _REASONS as error:
                self.problems[pack.name] = str(error) or type(error).__name__

    def _entry(self, name: str, kept: Mapping[str, Any]) -> PackSettings:
        wanted = {key: kept.get(key) for key in ("least", "share", "accept_licence")}
        wanted["labels"] = self._labels.file(name)
        set_ = {key: value for key, value in wanted.items() if value is not None}
        try:
            return PackSettings(pack=name, **set_)
        except ValidationError as error:
            raise ConfigError(first_mistake(error)) from None

    # What is kept.

    def _all_kept(self) -> dict[str, dict[str, Any]]:
        rows = self._kept.all("SELECT name, settings FROM pack")
        return {row["name"]: {**_FRESH, **json.loads(row["settings"])} for row in rows}

    def _keep(self, name: str, settings: Mapping[str, Any]) -> None:
        query = "INSERT OR REPLACE INTO pack VALUES (?, ?)"
        self._kept.change(query, name, json.dumps(settings))

    def _cost(self, pack: Pack) -> dict[str, Any] | None:
        query = "SELECT ms, looks, at FROM cost WHERE pack = ? AND known = ?"
        row = self._kept.one(query, pack.name, self._known_by(pack))
        return None if row is None else dict(row)

    def _known_by(self, pack: Pack) -> str:
        """What a cost is of: the model and what runs it."""
        engine = self._runner.config.engine
        return f"{pack.sha256[:16]} {engine.backend} {engine.precision} {engine.threads}"


def _refuse_unknown(cameras: Collection[str] | None, known: Collection[str]) -> None:
    if unknown := sorted(set(cameras or ()) - set(known)):
        raise ConfigError(f"cameras: no camera is called '{unknown[0][:64]}'")
