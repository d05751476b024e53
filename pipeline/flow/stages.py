"""Opens the configured models and puts the stages of a run together, in their order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from engines import EngineError
from pipeline.errors import PipelineError
from pipeline.events import EventStage, Pictured
from pipeline.flow.stats import Stats
from pipeline.models.opening import Models
from pipeline.people.detect import DetectStage
from pipeline.people.places import PlaceStage
from pipeline.people.schedule import ScheduleStage
from pipeline.people.track import Trackers
from pipeline.people.tracking import TrackStage
from pipeline.pictures import snapshot_file
from pipeline.protocols import Budget, Stage
from pipeline.settings.live import LiveSettings
from pipeline.tagging import known_taggers
from pipeline.tagging.beside import Main
from pipeline.tagging.looks import LookStage
from pipeline.tagging.packs.matting import Matting
from pipeline.tagging.packs.opening import open_matting, open_pack
from pipeline.tagging.packs.tagger import PackTagger
from pipeline.tagging.tagger import Tagger

log = logging.getLogger("threadline.stages")

#: Camera -> its main stream, where that is received beside a sub-stream and is up.
Mains = Callable[[str], Main | None]
#: Widths and heights of live cameras' pictures; another thread may add to them.
Sizes = Collection[tuple[int, int]]


def open_detector(settings: LiveSettings, models: Models, budget: Budget) -> DetectStage:
    """The configured person detector."""
    person = settings.section("person")
    base = person.of("")
    opened = models.open(base.model, base.pixels)
    return DetectStage(opened, person, budget, settings.zones)


def open_taggers(settings: LiveSettings, models: Models) -> list[Tagger]:
    """The taggers that any camera may use, in the order in which they look, packs behind the
    others. A pack that cannot be opened is one warning.

    Raises:
        EngineError, PipelineError: another cannot be opened.
    """
    found = [
        entry.open(settings.section(name), models)
        for name, entry in known_taggers().items()
        if settings.uses(name)
    ]
    return found + open_pack_taggers(settings, models)


def open_pack_taggers(settings: LiveSettings, models: Models) -> list[Tagger]:
    """The packs that any camera may use, in their order; what tells what lies in front is no
    tagger, and used by those that change backgrounds."""
    parsed = settings.section("garments") if settings.uses("garments") else None
    matters: dict[str, Matting] = {}
    found: list[PackTagger] = []
    wanted = settings.packs()
    # What others need is opened first.
    for name in sorted(wanted, key=lambda name: not _is_matting(name, models)):
        try:
            pack = models.packs.find(name)
            if _is_matting(name, models):
                matters[name] = open_matting(pack, wanted[name], models)
            else:
                matter = next(iter(matters.values()), None)
                found.append(open_pack(pack, wanted[name], models, parsed, matter))
        except (EngineError, PipelineError, OSError, MemoryError) as error:
            log.warning("pack %s is not used: %s", name, error or type(error).__name__)
    for name in list(matters)[1:]:
        log.warning("pack %s is not used: %s does the same", name, next(iter(matters)))
    if matters and not any(tagger.changes_backgrounds for tagger in found):
        log.warning(
            "pack %s is not used: no pack beside it has a background of blur, dim or remove",
            next(iter(matters)),
        )
    return list(found)


def _is_matting(name: str, models: Models) -> bool:
    pack = models.packs.by_name.get(name)
    return pack is not None and pack.tagger is not None and pack.tagger.kind == "matting"


def pictured(settings: LiveSettings, live: bool) -> Pictured:
    """Which file the snapshots' sink writes for a visit."""
    outputs = settings.section("outputs")
    if settings.section("store").of("").counts_only:
        return lambda source, track_id, visit: ""

    def name(source: str, track_id: int, visit: str) -> str:
        wanted = outputs.of(source).snapshots.wanted(live)
        return snapshot_file(source, track_id, visit) if wanted else ""

    return name


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of a run in their order, and three of them by name."""

    every: tuple[Stage, ...]
    detect: DetectStage
    events: EventStage
    looks: LookStage

    def close(self) -> None:
        """Wait for what stages have others do; engines may be closed then."""
        self.looks.close()


def open_stages(
    settings: LiveSettings,
    models: Models,
    stats: Stats,
    sizes: Sizes,
    events: EventStage,
    mains: Mains = lambda source: None,
) -> Stages:
    """The stages of a run, the detector ready for pictures of the ``sizes`` that live cameras have
    announced by the time it is open."""
    section, pace = settings.section, stats.pace
    with ThreadPoolExecutor(1) as pool:  # models are opened side by side
        opening = pool.submit(open_taggers, settings, models)
        detector = open_detector(settings, models, pace.budget)
        for size in list(sizes):
            detector.prepare(*size)
        taggers = opening.result()
    trackers = Trackers(section("track"), section("person"))
    looks = LookStage(taggers, section("looks"), pace.budget, stats.timed, mains)
    schedule = ScheduleStage(
        section("person"),
        section("motion"),
        settings.zones,
        trackers,
        (pace.budget, pace.decoding),
        parts=bool(detector.canvases),
    )
    schedule.pending = looks.pending
    places = PlaceStage(settings.zones)
    stages: tuple[Stage, ...] = (schedule, detector, TrackStage(trackers), places, looks, events)
    return Stages(stages, detector, events, looks)
