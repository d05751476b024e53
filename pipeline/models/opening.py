"""Opens models of packs on the configured engine, each once, and closes them together."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from pydantic import Field, field_validator

from engines import (
    BACKENDS,
    Engine,
    EngineError,
    EngineOptions,
    Pack,
    Packs,
    Precision,
    choose,
    names,
    open_engine,
    runs_plans,
    warm_up,
)
from engines.trt.build import Batch
from engines.trt.plans import Plans
from pipeline.errors import ConfigError
from pipeline.settings.section import Section

log = logging.getLogger("threadline.models")


class EngineSettings(Section):
    """What runs the models; the same for all cameras."""

    backend: str = Field("auto", description="engine that runs the models, or auto")
    threads: int = Field(0, ge=0, le=256, description="CPU threads; 0: chosen by cores and cameras")
    cache: bool = Field(True, description="keep compiled models in ~/.cache/threadline")
    precision: Precision = Field("f32", description="arithmetic of the models")
    batch: str = Field("1:1:8", description="plans: least, usual and most pictures in one run")
    plans: str = Field("", description="folder of the plans; empty: ~/.cache/threadline/plans")
    fallback: bool = Field(
        False, description="run a model on the processor if the engine cannot run it or changes it"
    )

    @field_validator("backend")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "auto" and value not in BACKENDS and value not in names():
            raise ValueError(f"must be one of auto, {', '.join(names())}")
        return value

    @field_validator("batch")
    @classmethod
    def _readable(cls, value: str) -> str:
        Batch.parse(value)
        return value


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_folder() -> Path | None:
    """Where compiled models are kept, made if need be; ``None`` where that is not possible."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "threadline"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def plans_folder(named: str) -> Path:
    """Where plans are kept.

    Raises:
        ConfigError: no folder is named, and ~/.cache cannot be written.
    """
    if named:
        return Path(named)
    base = cache_folder()
    if base is None:
        raise ConfigError("~/.cache/threadline cannot be written; name a folder for the plans")
    return base / "plans"


def engine_threads(settings: EngineSettings, live: int) -> int:
    """CPU threads of an engine; 0 leaves the choice to it.

    One where live cameras outnumber cores: an engine's threads wait for each other, and among as
    many decoders the slowest of them is late.
    """
    return settings.threads or (1 if live > cores() else 0)


Opened = tuple[Engine, Pack]


class Models:
    """The models of a run. Each is opened when it is first asked for, on any thread, and all are
    closed on leaving.

    Args:
        packs: where models are found by name.
        live: number of live cameras, which decides how many threads an engine gets.
        any_size: pictures are of many sizes, as photos are.
    """

    def __init__(
        self, settings: EngineSettings, packs: Packs, live: int = 0, any_size: bool = False
    ) -> None:
        self.packs = packs
        self._any_size = any_size
        self._settings = settings
        self._threads = engine_threads(settings, live)
        self._lock = Lock()
        self._changing = Lock()
        self._opened: dict[str, Future[Opened]] = {}
        self._engines: list[Engine] = []
        self._closed = False

    def open(self, name: str, pixels: int = 0) -> Opened:
        """A model, warmed up where its pictures have one size, and the pack of what runs: of an
        INT8 twin on an engine that runs plans, the model that it was made from.

        Args:
            pixels: of its pictures, where a model of free size is to see more than its own; plans
                are built for that many. Only what the first call says counts.

        Raises:
            PackError: no pack has this name.
            EngineError: the model cannot run on the engine, and is not to run elsewhere.
        """
        with self._lock:
            known = self._opened.get(name)
            mine = self._opened.setdefault(name, Future())
        if known is not None:
            return known.result()
        try:
            opened = self._kept(self.packs.find(name), pixels)
        except BaseException as error:
            with self._lock:
                del self._opened[name]  # the next caller tries again
            mine.set_exception(error)
            raise
        mine.set_result(opened)
        return opened

    def _kept(self, asked: Pack, pixels: int) -> Opened:
        """A pack's engine, warmed up and remembered, and the pack that it runs."""
        threads, began = self._threads, time.monotonic()
        engine, pack = self._engine(asked, pixels, threads)
        took = time.monotonic() - began
        log.info("model %s: opened on %s in %.1f s", pack.name, engine.backend, took)
        try:
            if pack.size[0] and not pack.multiple:
                warm_up(engine, pack.size)
            while not self._remembered(engine, threads, pack):
                threads = self._threads  # cameras came or went meanwhile
                engine.threads(threads)
        except BaseException:
            engine.__exit__()
            raise
        return engine, pack

    def _remembered(self, engine: Engine, threads: int, pack: Pack) -> bool:
        """Remember an engine for closing, if it has as many threads as it should have now."""
        with self._lock:
            if self._closed:
                raise EngineError(f"model '{pack.name}': opened after the run had ended")
            if threads == self._threads:
                self._engines.append(engine)
            return threads == self._threads

    def _engine(self, pack: Pack, pixels: int, threads: int) -> Opened:
        settings = self._settings
        cache = cache_folder() if settings.cache else None
        options = EngineOptions(threads, settings.precision, cache, self._any_size)
        if not runs_plans(settings.backend):
            return open_engine(pack, settings.backend, options), pack
        try:
            return self._planned(self.packs.in_float(pack.name), pixels)
        except (EngineError, OSError) as error:
            if not settings.fallback:
                raise
            log.warning("%s; running it on the processor instead", error)
        options = EngineOptions(threads, cache=cache, any_size=self._any_size)
        return open_engine(pack, "auto", options), pack

    def _planned(self, pack: Pack, pixels: int) -> Opened:
        """A float model on an engine that runs plans. Such engines compute INT8 in their own way:
        INT8 twins are for processors."""
        # Building needs what running does not.
        from pipeline.models.building import PRECISIONS, PlanRequest, open_built

        settings = self._settings
        choose(settings.backend)
        if settings.precision not in PRECISIONS:
            raise ConfigError(
                f"engine.precision {settings.precision}: plans are {', '.join(PRECISIONS)}"
            )
        request = PlanRequest(
            pack,
            settings.precision,
            Batch.parse(settings.batch),
            engine=settings.backend,
            pixels=pixels,
        )
        # The first build takes minutes: whoever waits is told.
        return open_built(request, Plans(plans_folder(settings.plans)), log.warning), pack

    def take_in(self, pack: Pack) -> None:
        """Know one more pack by its name, in the place of another of that name."""
        by_name = {**self.packs.by_name, pack.name: pack}
        self.packs = Packs(MappingProxyType(by_name), self.packs.broken)

    def let_go(self, name: str) -> Callable[[], None]:
        """Have a model opened anew when it is next asked for. What is returned closes the engine
        that there is: to be called once nobody uses it."""
        with self._lock:
            known = self._opened.pop(name, None)

        def close() -> None:
            engine = None if known is None else known.result()[0]
            with self._changing:
                with self._lock:
                    if engine not in self._engines:
                        return
                    self._engines.remove(engine)
                engine.__exit__()

        return close

    def live_cameras(self, count: int) -> None:
        """Give every engine the threads that suit a number of live cameras. Where that changes
        anything it takes about as long as opening the models did; inference goes on meanwhile."""
        with self._changing:
            with self._lock:
                threads = engine_threads(self._settings, count)
                engines = [] if threads == self._threads else list(self._engines)
                self._threads = threads
            for engine in engines:
                engine.threads(threads)

    def __enter__(self) -> Models:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._closed = True
            while self._engines:
                self._engines.pop().__exit__(*error)
