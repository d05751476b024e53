"""Packs that are switched on and off while a run lasts, from any thread. Nothing waits for them:
they are opened beside the run, and look from its next round on."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from engines.packs import Pack
from pipeline.flow.preparation import Preparation
from pipeline.models.opening import Models
from pipeline.settings.live import LiveSettings
from pipeline.tagging.looks import LookStage
from pipeline.tagging.packs.opening import open_pack
from pipeline.tagging.packs.settings import PackSettings
from pipeline.tagging.packs.tagger import PackTagger

log = logging.getLogger("threadline.packs")


@dataclass(frozen=True, slots=True)
class Room:
    """What packs need of a run."""

    settings: LiveSettings
    models: Models
    looks: LookStage
    preparation: Preparation


@dataclass(frozen=True, slots=True)
class _On:
    pack: Pack
    entry: PackSettings
    tagger: PackTagger


class RunningPacks:
    """The packs of one run that came while it lasted."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._lock = threading.RLock()
        self._on: dict[str, _On] = {}

    def names(self) -> list[str]:
        """Those that are on."""
        with self._lock:
            return list(self._on)

    def on(self, pack: Pack, entry: PackSettings, only: frozenset[str] | None) -> None:
        """Have a pack look, with other settings if it does so already.

        Args:
            only: at these cameras; ``None``: at all.

        Raises:
            EngineError, PipelineError, OSError, MemoryError: it cannot be used here; it is off.
        """
        settings, models = self._room.settings, self._room.models
        with self._lock:
            known = self._on.get(pack.name)
            if known is not None and (known.pack, known.entry) == (pack, entry):
                settings.look_at(pack.name, only)
                return
            self.off(pack.name)
            models.take_in(pack)
            parsed = settings.section("garments") if settings.uses("garments") else None
            try:
                tagger = open_pack(pack, settings.take_pack(entry, only), models, parsed)
            except BaseException:
                settings.drop_pack(pack.name)
                models.let_go(pack.name)()
                raise
            self._on[pack.name] = _On(pack, entry, tagger)
            self._room.looks.add(tagger)
        log.info("pack %s: on", pack.name)

    def off(self, name: str) -> None:
        """Have a pack look no more; nothing happens if it does not."""
        with self._lock:
            known = self._on.pop(name, None)
            if known is None:
                return
            tagger = known.tagger
            self._room.settings.drop_pack(name)
            close = self._room.models.let_go(name)
            key = ("close", name, id(tagger))
            self._room.looks.remove(tagger, lambda: self._room.preparation.ask(key, close))
        log.info("pack %s: off", name)
