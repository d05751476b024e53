"""All that requests are answered with: the run, the past, who may, what was kept."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from engines.packs import Packs
from pipeline.errors import StoreError
from pipeline.flow.runner import Runner
from pipeline.settings.schema import Config
from pipeline.store.calendar import local
from pipeline.store.opening import made, place_of
from pipeline.web.accounts import Accounts
from pipeline.web.brands import Brands
from pipeline.web.cameras import CameraBook
from pipeline.web.kept import Kept
from pipeline.web.lessons import Lessons
from pipeline.web.limiter import Limiter
from pipeline.web.live import Live
from pipeline.web.logs import Recent
from pipeline.web.outfits import Outfits
from pipeline.web.packs import PackBook
from pipeline.web.settings import SettingsBook, of_last_time
from pipeline.web.watch import Watch
from pipeline.web.who import Who

if TYPE_CHECKING:
    from pipeline.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for when the service was started.

    Attributes:
        controller: who is responsible for the cameras, as the notice names them.
    """

    config: Config
    out: Path
    packs: Packs
    controller: str = ""


class Service:
    """Enter to open everything; ``start`` begins the run."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.out = asked.out
        self.started = time.time()
        self.stopping = threading.Event()
        self.limiter = Limiter()
        self.live = Live()
        self.logs = Recent()
        self.kept = Kept(asked.out)
        with self.kept:
            config = of_last_time(self.kept, asked.config, asked.packs)
        self.runner = Runner(config, asked.out, [self.live], asked.packs, True, self.live.opened)
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Service:
        with ExitStack() as stack:
            stack.enter_context(self.logs)
            stack.enter_context(self.kept)
            self.accounts = Accounts(self.kept)
            self.brands = stack.enter_context(Brands(self.asked.config, self.asked.packs))
            self.outfits = stack.enter_context(Outfits(self.asked.config, self.asked.packs))
            self.lessons = Lessons(self.kept, self.out)
            self.lessons.tidy()
            self.cameras = CameraBook(self.kept, self.runner)
            self.live.masked = self.cameras.closed
            stack.enter_context(self.runner)
            stack.callback(self.close_store)
            self.packs = PackBook(self.kept, self.runner, self.asked.packs, self.out)
            self.settings = SettingsBook(
                self.kept, self.runner, self.asked.config, self.asked.packs
            )
            self.watch = Watch(self)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def start(self) -> None:
        """Begin, with the cameras that were kept."""
        self.runner.start()
        self.watch.start()
        self.cameras.restore()
        self.runner.preparation.ask("packs", self.packs.restore)

    def stop(self) -> None:
        """Have everything end."""
        self.stopping.set()
        self.live.stop()
        self.runner.stop()

    def still(self, who: Who) -> bool:
        """Whether somebody who was let in may stay: sessions end, users change."""
        if who.session is None:
            return who.name in {f"token:{one['name']}" for one in self.accounts.tokens()}
        now = self.accounts.of_hash(who.session)
        return now is not None and (now.role, now.cameras) == (who.role, who.cameras)

    @property
    def store(self) -> Store:
        """The past, to read.

        Raises:
            StoreError: it is switched off, or away.
        """
        settings = self.asked.config.store
        if not settings.enabled:
            raise StoreError("the store is switched off in the settings: store: false")
        with self._lock:
            if self._store is None:
                if self.stopping.is_set():
                    raise StoreError("the service is ending")
                store = made(place_of(settings, self.out), settings.counts_only)
                store.open_to_read()
                self._store = store
            return self._store

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the store."""
        try:
            return self.store.zone
        except StoreError:
            return ZoneInfo("UTC")

    def iso(self, ms: float) -> str:
        """A time in milliseconds since the epoch as the API tells it."""
        return local(round(ms), self.zone).isoformat(timespec="milliseconds")

    def close_store(self) -> None:
        """Let go of the past, once stopping: before the run does, since the last one to leave
        clears SQLite's log."""
        with self._lock:
            if self._store is not None:
                self._store.close()  # type: ignore[attr-defined]  # of those that are opened here
                self._store = None
