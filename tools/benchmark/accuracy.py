"""What looking less costs: tags of every policy against those of looking at everything."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.numbers import painted
from benchmark.sinks import Listener
from benchmark.streams import STRIP, Server, material
from engines.boxes import iou_matrix
from pipeline.flow.runner import Runner
from pipeline.settings.schema import Config, make_config
from pipeline.types import Box, Frame, Tag, TaggedFrame

#: Every person on every frame: what all else is compared with.
DENSE: dict[str, Any] = {
    "motion": {"threshold": 0.0},
    "person": {"interval_s": 0.0, "refresh_s": 0.001, "parts": False},
    "looks": {"settle_s": 0.0, "settle_looks": 1000, "gain": 0.0, "refresh_s": 0.001},
}
CASES: dict[str, dict[str, Any]] = {
    "everybody on every second frame": {**DENSE, "person": DENSE["person"] | {"interval_s": 0.12}},
    "default": {},
    "whole pictures": {"person": {"parts": False}},
    "a look every 0.1 s": {"person": {"interval_s": 0.1}},
    "a look every 0.4 s": {"person": {"interval_s": 0.4}},
    "a look every 0.8 s": {"person": {"interval_s": 0.8}},
    "whole pictures every 2 s": {"person": {"refresh_s": 2.0}},
    "whole pictures every 10 s": {"person": {"refresh_s": 10.0}},
    "whole pictures, of 384 x 224": {"person": {"parts": False, "pixels": 384 * 224}},
    "4 first crops": {"looks": {"settle_looks": 4}},
    "2 first crops": {"looks": {"settle_looks": 2}},
    "16 first crops": {"looks": {"settle_looks": 16}},
    "all of the first crops": {"looks": {"gain": 0.0}},
    "crops again after 10 s": {"looks": {"refresh_s": 10.0}},
}  # fmt: skip
#: Numbers by which a frame's may be behind the one before, where they are told by a clock.
JITTER = 5
#: Overlap from which two boxes on one frame are the same person.
SAME = 0.5
#: Frames on which two tracks must be the same person.
LEAST_FRAMES = 2
#: Share of the time anything is said of somebody for which a word must be said to count.
MOSTLY = 0.5


Word = Callable[[Tag], Any]
WORDS: Mapping[str, Word] = {
    "categories": lambda tag: tag.category or tag.label,
    "labels": lambda tag: tag.label,
    "labels with colour": lambda tag: (tag.label, tag.colour),
}


@dataclass(slots=True)
class Person:
    """One track: its boxes by frame number, in shares of the picture, on how many frames it had
    tags, and which words (by kind of word) on how many."""

    boxes: dict[int, Box] = field(default_factory=dict)
    tagged: int = 0
    words: Counter[tuple[str, Any]] = field(default_factory=Counter)

    def note(self, tags: Iterable[Tag]) -> None:
        words = {(kind, word(tag)) for tag in tags for kind, word in WORDS.items()}
        self.tagged += bool(words)
        self.words.update(words)


def said(people: Sequence[Person]) -> set[tuple[str, Any]]:
    """Words said of people, taken as one, for most of the time anything was."""
    tagged = sum(person.tagged for person in people)
    words = sum((person.words for person in people), Counter[tuple[str, Any]]())
    return {word for word, frames in words.items() if frames >= MOSTLY * tagged}


@dataclass(slots=True)
class Recorder(Listener):
    """A sink that keeps everybody seen in numbered frames: by camera, then by pass through the
    numbers, which begin again when a camera's recording does."""

    passes: dict[str, list[dict[int, Person]]] = field(default_factory=lambda: defaultdict(list))
    spans: dict[str, list[list[int]]] = field(default_factory=lambda: defaultdict(list))

    def number(self, frame: Frame) -> int | None:
        """The number of a frame; ``None`` while that is not known."""
        return painted(frame.planes.y)

    def write(self, tagged: TaggedFrame) -> None:
        frame = tagged.frame
        number, (width, height) = self.number(frame), (frame.width, frame.height)
        if number is None:
            return
        spans, passes = self.spans[frame.source], self.passes[frame.source]
        if not spans or number < spans[-1][1] - JITTER:
            spans.append([number, number])
            passes.append(defaultdict(Person))
        spans[-1][1] = max(number, spans[-1][1])
        for track in tagged.tracks:
            person = passes[-1][track.id]
            if not track.predicted:
                x0, y0, x1, y1 = track.box
                person.boxes[number] = (x0 / width, y0 / height, x1 / width, y1 / height)
            person.note(track.tags)


def matches(dense: Person, others: list[Person]) -> list[Person]:
    """Those of the others that are this person for some time."""
    found = []
    for other in others:
        both = sorted(dense.boxes.keys() & other.boxes.keys())
        if both:
            a, b = ([p.boxes[n] for n in both] for p in (dense, other))
            same = np.diagonal(iou_matrix(a, b)) > SAME
            if same.sum() >= min(LEAST_FRAMES, len(both)) and same.mean() > 0.5:
                found.append(other)
    return found


def agreement(dense: list[Person], recorder: Recorder) -> dict[str, float]:
    """Shares of what ``dense`` says that was said of the same people too (recall), and of what was
    said that ``dense`` says (precision), over all cameras and passes."""
    counts: Counter[str] = Counter()
    for source, passes in recorder.passes.items():
        for people, (first, last) in zip(passes, recorder.spans[source], strict=True):
            for person in dense:
                if (
                    person.tagged
                    and person.boxes
                    and min(person.boxes) >= first
                    and max(person.boxes) <= last
                ):
                    _compare(person, matches(person, list(people.values())), counts)
    out = {
        "people": counts["people"],
        "people found": counts["found"] / max(counts["people"], 1),
    }
    for name in WORDS:
        both = counts[f"both {name}"]
        out[f"recall, {name}"] = both / max(counts[f"dense {name}"], 1)
        out[f"precision, {name}"] = both / max(counts[f"said {name}"], 1)
    return out


def _compare(person: Person, found: list[Person], counts: Counter[str]) -> None:
    counts["people"] += 1
    counts["found"] += bool(found)
    mine, theirs = said([person]), said(found)
    for name in WORDS:
        one, other = ({w for w in words if w[0] == name} for words in (mine, theirs))
        counts[f"dense {name}"] += len(one)
        counts[f"said {name}"] += len(other)
        counts[f"both {name}"] += len(one & other)


def configured(settings: dict[str, Any], urls: list[str], engine: str) -> Config:
    cameras = [{"url": url, "id": f"cam{i}", "exclude": (STRIP,)} for i, url in enumerate(urls)]
    outputs = {"events": False, "video": False, "snapshots": False}
    backend = {"backend": engine}
    return make_config(**settings, cameras=cameras, engine=backend, outputs=outputs)


def record(
    config: Config, seconds: float | None = None, recorder: Recorder | None = None
) -> tuple[Recorder, float, int, float]:
    """What one run says, to the end or for some time: its processor seconds, detector runs and
    the seconds it took."""
    recorder = recorder or Recorder()
    with tempfile.TemporaryDirectory() as folder, Runner(config, Path(folder), (recorder,)) as run:
        began, spent = time.monotonic(), time.process_time()
        run.start()
        if seconds is not None:
            time.sleep(seconds)
            run.stop()
        run.wait()
        took, cost = time.monotonic() - began, time.process_time() - spent
        runs = sum(camera.detector_runs for camera in run.stats.cameras.values())
    return recorder, cost, runs, took


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for every policy over the recording, then for live cameras; all figures."""
    shown = (
        "processor seconds a second of video", "detector runs", "people found",
        *(f"{what}, {name}" for name in WORDS for what in ("recall", "precision")),
    )  # fmt: skip
    print(f"| policy | {' | '.join(shown)} |\n|{'---|' * (len(shown) + 1)}", flush=True)
    results: dict[str, Any] = {}

    def show(name: str, figures: dict[str, float]) -> None:
        results[name] = figures
        print(f"| {name} | {' | '.join(f'{figures[key]:.3g}' for key in shown)} |", flush=True)

    video = material(args.video, ".mp4", args.rate)
    recorder, cost, runs, took = record(configured(DENSE, [str(video)], args.engine))
    dense = list(recorder.passes["cam0"][0].values())
    length = (recorder.spans["cam0"][0][1] + 1) / args.rate
    ends = {"processor seconds a second of video": cost / length, "detector runs": runs}
    show("everybody on every frame", {**ends, **agreement(dense, recorder), "seconds": took})
    for name, settings in CASES.items():
        recorder, cost, runs, took = record(configured(settings, [str(video)], args.engine))
        ends = {"processor seconds a second of video": cost / length, "detector runs": runs}
        show(name, {**ends, **agreement(dense, recorder), "seconds": took})
    stream = material(args.video, ".h264", args.rate)
    for count in args.count:
        with Server(stream, count, args.rate) as server:
            config = configured({}, server.urls, args.engine)
            recorder, cost, runs, took = record(config, max(args.seconds, 2.5 * length))
        ends = {"processor seconds a second of video": cost / took / count}
        ends["detector runs"] = runs / took / count * length
        show(f"{count} live cameras", {**ends, **agreement(dense, recorder)})
    return results
