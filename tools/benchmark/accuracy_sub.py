"""What is said of people by cameras with sub-streams, and without, against everybody on every frame
of their main stream."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from benchmark import native
from benchmark.accuracy import DENSE, WORDS, Recorder, agreement, record
from benchmark.cameras import by_turns
from benchmark.streams import PORT, Server
from pipeline.settings.schema import make_config
from pipeline.types import Frame

OUTPUTS = {"events": False, "video": False, "snapshots": False}


@dataclass(slots=True)
class ByTheClock(Recorder):
    """Numbers the frames of a server's cameras, which see the same by the time since an epoch, each
    some pictures ahead; those of a recording in their order."""

    epoch: float = 0.0
    rate: int = 15
    length: int = 1
    ahead: Mapping[str, int] = field(default_factory=dict)

    def number(self, frame: Frame) -> int | None:
        if not frame.live:
            return frame.index
        if frame.camera_utc is None:
            return None
        passed = round((frame.camera_utc - self.epoch) * self.rate)
        return (passed + self.ahead[frame.source]) % self.length


def recording(stream: Path, rate: int) -> Path:
    """A bare stream as a file with times."""
    out = stream.with_suffix(".mp4")
    if not out.exists():
        part = out.with_name(f"part-{out.name}")
        with av.open(str(stream)) as source, av.open(str(part), "w") as target:
            copied = target.add_stream_from_template(source.streams.video[0])
            for number, packet in enumerate(source.demux(video=0)):
                if packet.size:
                    packet.stream = copied
                    packet.time_base = Fraction(1, rate)
                    packet.pts = packet.dts = number
                    packet.duration = 1
                    target.mux(packet)
        part.replace(out)
    return out


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for everybody on every frame and for every number of cameras, without and with
    their sub-streams by turns; all figures."""
    main, sub = native.pair(args.video, args.rate, few=args.few)
    engine = {"backend": args.engine}
    agreed = (f"{what}, {name}" for name in WORDS for what in ("recall", "precision"))
    shown = ("detector runs", "people", "people found", *agreed)
    print(f"| cameras | | {' | '.join(shown)} |\n|{'---|' * (len(shown) + 2)}", flush=True)
    results: dict[str, Any] = {}

    def show(count: int, name: str, figures: dict[str, float]) -> None:
        results[f"{count}, {name}"] = figures
        values = " | ".join(f"{figures[key]:.3g}" for key in shown)
        print(f"| {count} | {name} | {values} |", flush=True)

    film = {"url": str(recording(main, args.rate)), "id": "cam0"}
    config = make_config(**DENSE, cameras=[film], engine=engine, outputs=OUTPUTS)
    recorder, _, runs, _ = record(config, recorder=ByTheClock())
    dense = list(recorder.passes["cam0"][0].values())
    length = recorder.spans["cam0"][0][1] + 1
    show(1, "everybody on every frame", {"detector runs": runs, **agreement(dense, recorder)})
    for count in args.count:
        epoch = time.time() - 60
        ahead = {f"cam{i}": i * length // count for i in range(count)}
        with (
            Server(main, count, args.rate, epoch=epoch) as large,
            Server(sub, count, args.rate, PORT + 1, epoch) as small,
        ):
            for name, cameras in by_turns(large, small).items():
                config = make_config(cameras=cameras, engine=engine, outputs=OUTPUTS)
                clock = ByTheClock(epoch=epoch, rate=args.rate, length=length, ahead=ahead)
                seconds = max(args.seconds, 1.25 * length / args.rate)
                recorder, _, runs, took = record(config, seconds, clock)
                part = {"detector runs": runs / took / count * length / args.rate}
                show(count, name, {**part, **agreement(dense, recorder)})
    return results
