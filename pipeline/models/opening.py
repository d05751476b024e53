"""Opens the configured models and puts the stages together."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from engines import Engine, EngineError, EngineOptions, open_engine, warm_up
from engines.trt.build import Batch
from engines.trt.plans import Plans
from engines.zoo import find
from pipeline.errors import ConfigError
from pipeline.flow.pace import Pace
from pipeline.flow.stats import Stats
from pipeline.people.detect import DetectStage
from pipeline.people.schedule import ScheduleStage
from pipeline.people.stage import EventStage, TrackStage
from pipeline.picture.colour import colour_table
from pipeline.protocols import Stage
from pipeline.settings.schema import Config
from pipeline.sources import is_live
from pipeline.tagging.garments.parser import GarmentParser, GarmentStage
from pipeline.tagging.garments.types import TypeRefiner
from pipeline.tagging.logos.gallery import open_gallery
from pipeline.tagging.logos.lettering import Lettering
from pipeline.tagging.logos.reader import Embedder, LogoReader, LogoStage

log = logging.getLogger("threadline.models")

#: The classifier behind ``garments.types``.
TYPES = "garment-types-lite0"


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def live_cameras(config: Config) -> int:
    """How many of the cameras are no recordings, by their looks."""
    return sum(is_live(camera.url) for camera in config.cameras)


def cache_folder() -> Path | None:
    """Where compiled models are kept, made if need be; ``None`` where that is not possible."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "threadline"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def engine_threads(config: Config) -> int:
    """CPU threads of an engine. With more cameras than cores, one: its threads wait for each other,
    and the slowest of several among as many decoders is late."""
    return config.engine.threads or (1 if live_cameras(config) > cores() else 0)


def plans_folder(named: str) -> Path:
    """Where TensorRT's plans are kept.

    Raises:
        ConfigError: nowhere.
    """
    base = cache_folder()
    if not named and base is None:
        raise ConfigError("~/.cache/threadline cannot be written: name a folder for the plans")
    return Path(named) if named or base is None else base / "plans"


def open_model(config: Config, name: str) -> Engine:
    """A registered model on the configured engine.

    Raises:
        EngineError: it cannot run there, and is not to run elsewhere.
    """
    engine = config.engine
    cache = cache_folder() if engine.cache else None
    if engine.backend != "tensorrt":
        options = EngineOptions(engine_threads(config), engine.precision, cache)
        return open_engine(find(name), engine.backend, options)
    try:
        return _on_gpu(config, name)
    except (EngineError, OSError) as error:
        if not engine.fallback:
            raise
        log.warning("%s; running it on the processor instead", error)
    return open_engine(find(name), "auto", EngineOptions(engine_threads(config), cache=cache))


def _on_gpu(config: Config, name: str) -> Engine:
    """A registered model on TensorRT, which computes INT8 in its own way: the twins that are for
    processors are replaced by what they were made from."""
    # Building needs what running does not.
    from pipeline.models.building import Wanted, open_built

    engine = config.engine
    if engine.precision == "bf16":
        raise ConfigError("engine.precision bf16: TensorRT plans are f32, f16 or int8")
    wanted = Wanted(
        find(find(name).in_float),
        engine.precision,
        Batch.parse(engine.batch),
        pixels=config.person.pixels,
    )
    return open_built(wanted, Plans(plans_folder(engine.plans)), log.info)


def open_detector(config: Config, stack: ExitStack, pace: Pace | None = None) -> DetectStage:
    """The configured person detector; ``stack`` closes its engine."""
    engine = stack.enter_context(open_model(config, config.person.model))
    return DetectStage(engine, find(config.person.model), config.person, pace, config.zones)


def open_parser(config: Config, stack: ExitStack) -> GarmentParser:
    """The configured garment parser, warmed up; ``stack`` closes its engine."""
    colour_table()

    def model(name: str) -> Engine:
        engine = stack.enter_context(open_model(config, name))
        warm_up(engine, find(name).size)
        return engine

    refiner = None
    if config.garments.types:
        refiner = TypeRefiner(model(TYPES), find(TYPES), config.garments.background)
    name = config.garments.model
    return GarmentParser(model(name), find(name), refiner)


def open_embedder(config: Config, stack: ExitStack) -> Embedder:
    """The configured model that embeds marks, warmed up; ``stack`` closes its engine."""
    spec = find(config.logos.embedder)
    engine = stack.enter_context(open_model(config, spec.name))
    warm_up(engine, spec.size)
    return Embedder(engine, spec)


def open_logos(config: Config, stack: ExitStack) -> LogoReader:
    """The configured logo models and the gallery; ``stack`` closes their engines.

    Raises:
        GalleryError: the gallery cannot be used.
        ConfigError: letters are to be read, and what reads them is not installed.
    """
    spec = find(config.logos.detector)
    gallery = open_gallery(Path(config.logos.gallery), find(config.logos.embedder))
    engine = stack.enter_context(open_model(config, spec.name))
    warm_up(engine, spec.size)
    embedder = open_embedder(config, stack)
    lettering = Lettering() if config.logos.lettering else None
    return LogoReader(engine, spec.size, embedder, gallery, config.logos.score, lettering)


def build_stages(
    config: Config, stats: Stats, pace: Pace, stack: ExitStack
) -> tuple[list[Stage], DetectStage]:
    """The stages of a run, in order, and the detector among them; ``stack`` closes all engines."""
    with ThreadPoolExecutor(1) as pool:  # models are opened side by side
        parser = pool.submit(open_parser, config, stack) if config.garments.enabled else None
        logos = pool.submit(open_logos, config, stack) if config.logos.gallery else None
        detector = open_detector(config, stack, pace)
        if live_cameras(config):
            detector.warm_up()
    track = TrackStage(config.track_policy)
    where = track.where if config.person.parts and detector.canvases else None
    schedule = ScheduleStage(config.skip_policy, stats, pace, config.zones, where)
    stages: list[Stage] = [schedule, detector, track]
    if parser is not None:
        stages.append(GarmentStage(parser.result(), config.garments, config.vote_policy, pace))
        if logos is not None:
            names = parser.result().labels
            stages.append(LogoStage(logos.result(), names, config.logos, pace))
    stages.append(EventStage(stats))
    return stages, detector
