"""Print brand marks on the people of a recording, and write down whose: truth to measure against.

    python tools/compose_logos.py VIDEO OUT.mp4 --icons package --height 1080

Everybody tall enough gets a mark of another brand on the chest, at one place of the body for as
long as they are seen: a validation brand, or one of ``--marks FOLDER``, SVG files. OUT.json says of
every person whose mark it is and where it was.
Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from benchmark.accuracy import configured
from benchmark.sinks import Listener
from training.logo_marks import (
    DRAWN,
    Brand,
    brands_in,
    load_brands,
    split_brands,
    without_twins,
)
from training.logo_prints import F32, PLAIN, Print, lay, printed, warped
from training.logo_scenes import LEAST_SEEN, TOLD

from pipeline.flow.runner import Runner
from pipeline.types import Box, TaggedFrame

#: Looks at everybody on every frame, and nothing else.
PEOPLE: dict[str, Any] = {
    "motion": {"threshold": 0.0},
    "person": {"interval_s": 0.0, "refresh_s": 0.001, "parts": False},
    "garments": {"enabled": False},
}
#: Smallest height in pixels of somebody who gets a mark, and the mark's width as a share of it.
LEAST_HEIGHT, SHARE = 110.0, 0.17
#: Height of the mark's middle on the body, and frames over which boxes are smoothed.
CHEST, SMOOTH = 0.30, 7


@dataclass(slots=True)
class People(Listener):
    """A sink that keeps everybody's boxes by frame."""

    boxes: dict[int, dict[int, Box]] = field(default_factory=lambda: defaultdict(dict))

    def write(self, tagged: TaggedFrame) -> None:
        for track in tagged.tracks:
            self.boxes[track.id][tagged.frame.index] = track.box


def people(video: Path) -> dict[int, dict[int, Box]]:
    """Boxes of everybody, by person and frame, smoothed in time."""
    sink = People()
    with tempfile.TemporaryDirectory() as folder:
        config = configured(PEOPLE, [str(video)], "auto")
        with Runner(config, Path(folder), (sink,)) as runner:
            runner.start()
            runner.wait()
    kernel = np.ones(SMOOTH) / SMOOTH
    out = {}
    for person, boxes in sink.boxes.items():
        frames = sorted(boxes)
        if len(frames) < 2 * SMOOTH:
            continue
        sides = np.array([boxes[f] for f in frames])
        padded = np.pad(sides, ((SMOOTH // 2, SMOOTH // 2), (0, 0)), mode="edge")
        even = np.stack([np.convolve(padded[:, i], kernel, "valid") for i in range(4)], axis=1)
        out[person] = {f: tuple(box) for f, box in zip(frames, even.tolist(), strict=True)}
    return out


@dataclass(slots=True)
class Wearer:
    """Somebody with a mark: whose, how it is printed, where it was in which frame."""

    brand: Brand
    boxes: dict[int, Box]
    mark: Print | None = None
    marks: dict[int, Box] = field(default_factory=dict)

    def draw(self, image: F32, frame: int, rng: np.random.Generator) -> None:
        """Print the mark onto a frame (H, W, 3) float RGB, in place."""
        x0, y0, x1, y1 = self.boxes[frame]
        tall = y1 - y0
        if tall < LEAST_HEIGHT:
            return
        x, y = (x0 + x1) / 2, y0 + CHEST * tall
        if self.mark is None:
            self._print(image, (x, y), tall, rng)
        assert self.mark is not None
        scale = SHARE * tall / max(self.mark.cover.shape)
        small = self.mark.moved(
            lambda p: np.asarray(
                cv2.resize(p, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.float32
            )
        )
        height, width = small.cover.shape
        left, top = round(x - width / 2), round(y - height / 2)
        printed_on = small.solid > 0.3
        told = (lay(image, small, left, top, np.random.default_rng(0)) > TOLD) & printed_on
        ys, xs = np.nonzero(told)
        # On other cloth, or in the shade, a mark may be there that nobody can see.
        if len(xs) and len(xs) >= LEAST_SEEN * printed_on.sum():
            self.marks[frame] = (
                float(left + xs.min()), float(top + ys.min()),
                float(left + xs.max() + 1), float(top + ys.max() + 1),
            )  # fmt: skip

    def _print(
        self, image: F32, at: tuple[float, float], tall: float, rng: np.random.Generator
    ) -> None:
        reach = max(int(SHARE * tall / 2), 3)
        x, y = int(at[0]), int(at[1])
        near = image[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach]
        level = near.reshape(-1, 3).mean(axis=0) if near.size else np.full(3, 128.0)
        mark = printed(self.brand, 128.0, level.astype(np.float32), rng, PLAIN)
        self.mark, _ = warped(mark, rng, PLAIN)


def compose(wearers: list[Wearer], args: argparse.Namespace) -> None:
    """Write the video with everybody's mark on them, enlarged."""
    rng = np.random.default_rng(args.seed)
    with av.open(str(args.video)) as source, av.open(str(args.out), "w") as target:
        stream = source.streams.video[0]
        scale = args.height / stream.height
        size = (round(stream.width * scale / 2) * 2, args.height)
        coded = target.add_stream("libx264", rate=stream.average_rate)
        coded.width, coded.height = size
        coded.pix_fmt, coded.options = "yuv420p", {"crf": str(args.crf), "preset": "medium"}
        for index, frame in enumerate(islice(source.decode(video=0), args.frames)):
            rgb = frame.reformat(*size, "rgb24").to_ndarray().astype(np.float32)
            for wearer in wearers:
                if index in wearer.boxes:
                    wearer.draw(rgb, index, rng)
            picture = av.VideoFrame.from_ndarray(np.clip(rgb, 0, 255).astype(np.uint8), "rgb24")
            target.mux(coded.encode(picture))
        target.mux(coded.encode())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("out", type=Path)
    marks = parser.add_mutually_exclusive_group(required=True)
    marks.add_argument("--icons", type=Path, help="the unpacked npm package")
    marks.add_argument("--marks", type=Path, help="a folder of SVG files")
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--frames", type=int, default=10**9, help="only so many of them")
    parser.add_argument("--crf", type=int, default=23, help="the encoder's quality")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.marks is not None:
        brands = brands_in(args.marks, DRAWN)
    else:
        _, brands, _ = split_brands(without_twins(load_brands(args.icons, DRAWN)), 0)
    with av.open(str(args.video)) as source:
        scale = args.height / source.streams.video[0].height
    order = np.random.default_rng(args.seed).permutation(len(brands))
    wearers = [
        Wearer(
            brands[order[i % len(order)]],
            {f: tuple(v * scale for v in box) for f, box in boxes.items()},  # type: ignore[misc]
        )
        for i, boxes in enumerate(people(args.video).values())
    ]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    compose(wearers, args)
    truth = [
        {"brand": w.brand.name, "people": w.boxes, "marks": w.marks}
        for w in wearers
        if w.mark is not None
    ]
    args.out.with_suffix(".json").write_text(json.dumps(truth) + "\n")
    print(f"{len(truth)} people with prints; {args.out}, {args.out.with_suffix('.json')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
