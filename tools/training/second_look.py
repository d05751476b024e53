"""What a second look costs and brings: a pack that was taught to look again where it is unsure, on
photos that nobody had seen, through the pipeline's own tagger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from engines.base import Array, Arrays, Engine
from engines.packs import open_packs
from engines.packs.again import PART
from engines.teach.lesson import Picture, make_lesson
from engines.teach.making import make_pack
from engines.teach.teaching import Wish
from engines.teach.watch import Unwatched
from pipeline.models.opening import EngineSettings, Models
from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.tagging.packs.settings import PackSettings
from pipeline.tagging.packs.tagger import PackTagger
from pipeline.tagging.tagger import Subject
from pipeline.types import Frame
from training.type_data import Garment

#: Looked at again: never, where the pack says, always, and always at a part of what the model had
#: seen rather than of the frame.
NEVER = "never"
DOUBT = "where unsure"
ALWAYS = "always"
SMALL = "always, the part cut from the small picture"
#: Probability that no first look has.
_NONE = 1e-9


class FromSmall:
    """An engine that is shown, of a part, what the picture of the whole has of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: Array | None = None

    def infer(self, inputs: Arrays) -> Mapping[str, Array]:
        if not inputs["whole"].any():
            found = self._engine.infer(inputs)
            image, side = inputs["images"][0], inputs["images"].shape[1]
            x0, y0, x1, y1 = np.round(found[PART][0] * side).astype(int).tolist()
            part = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
            self._seen = cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR)[None]
            return found
        assert self._seen is not None
        return self._engine.infer({**inputs, "images": self._seen})


def teach(
    photos: Sequence[Garment], names: Sequence[str], wish: Wish, folder: Path, work: Path
) -> None:
    """Write the pack, unless it is there."""
    if folder.exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    lesson = make_lesson(Picture(one.rgb, names[one.kind], str(i)) for i, one in enumerate(photos))
    make_pack(lesson, wish, folder, work, Unwatched())
    print((folder / "MODEL_CARD.md").read_text(encoding="utf-8"))


def looks(folder: Path, models: Models) -> Iterator[tuple[str, Callable[[Frame], str]]]:
    """Ways to look, and how each names what a frame shows."""
    engine, pack = models.open(folder.name)
    assert pack.tagger is not None
    for way, below in ((NEVER, _NONE), (DOUBT, pack.tagger.again_below), (ALWAYS, 1.0), (SMALL, 1)):
        own = replace(pack, tagger=replace(pack.tagger, again_below=below))
        shown = FromSmall(engine) if way == SMALL else engine
        settings = PackSettings(pack=pack.name, least=0.0)
        tagger = PackTagger(shown, own, Fixed(settings))  # type: ignore[arg-type]

        def name(frame: Frame, tagger: PackTagger = tagger) -> str:
            box = (0.0, 0.0, float(frame.width), float(frame.height))
            [evidence] = tagger.look([Subject("frame", frame, box)])
            return max(evidence.tags, key=lambda tag: tag.score).label

        yield way, name


def measure(folder: Path, test: Sequence[Garment], names: Sequence[str]) -> None:
    """Print how often each way is right, how often it says what always looking again says, and
    what it takes; every photo is looked at in every way, one after the other, in random order."""
    rng = np.random.default_rng(0)
    with Models(EngineSettings(threads=1, cache=False), open_packs(folder.parent)) as models:
        ways = dict(looks(folder, models))
        told: dict[str, list[str]] = {way: [] for way in ways}
        spent: dict[str, list[float]] = {way: [] for way in ways}
        for one in test:
            bgr = np.ascontiguousarray(one.rgb[..., ::-1])
            frame = Frame("", 0, 0.0, 0.0, 0.0, from_bgr(bgr))
            for way in rng.permutation(list(ways)).tolist():
                begin = time.process_time()
                told[way].append(ways[way](frame))
                spent[way].append((time.process_time() - begin) * 1e3)
    true = np.array([names[one.kind] for one in test])
    both = np.array(told[ALWAYS])
    print("| looked at again | right | same label as always | ms, mean |\n|---|---|---|---|")
    for way in ways:
        own = np.array(told[way])
        print(
            f"| {way} | {(own == true).mean():.3f} | {(own == both).mean():.3f} | "
            f"{np.mean(spent[way]):.1f} |"
        )
