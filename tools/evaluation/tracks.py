"""Whether somebody stays one person while in view: ``threadline run`` against hand-labelled visits.

IDF1 is the share of boxes with the right identity (Ristani et al., "Performance Measures and a
Data Set for Multi-Target, Multi-Camera Tracking", 2016): every visit is given the one track that
is best for all of them together.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lap
import numpy as np

from engines import Packs
from engines.boxes import iou_matrix, overlaps
from evaluation.people import HAND_LABELS

#: Overlap from which a box is somebody's; share of a box that lies within an ignored one.
SAME, WITHIN = 0.5, 0.5


@dataclass(slots=True)
class Identities:
    """Boxes of people and of tracks, frame by frame; who was taken for whom."""

    together: dict[tuple[int, int], int] = field(default_factory=dict)
    visits: dict[int, list[int]] = field(default_factory=dict)
    tracks: set[int] = field(default_factory=set)
    boxes: int = 0
    people: int = 0

    def add(
        self, known: Mapping[int, Sequence[float]], ignore: Sequence[Sequence[float]],
        said: Mapping[int, Sequence[float]],
    ) -> None:  # fmt: skip
        """One frame: boxes xyxy by visit, boxes of which nothing is asked, boxes by track."""
        self.people += len(known)
        iou = np.asarray(iou_matrix(list(known.values()), list(said.values())))
        iou = iou.reshape(len(known), len(said))
        tracks = list(said)
        for visit, row in zip(known, iou, strict=True):
            history = self.visits.setdefault(visit, [])
            for column in np.flatnonzero(row >= SAME):
                key = visit, tracks[column]
                self.together[key] = self.together.get(key, 0) + 1
            if row.max(initial=0) >= SAME and row.max() == iou[:, row.argmax()].max():
                history.append(tracks[row.argmax()])
        for (track, box), matches in zip(said.items(), iou.T, strict=True):
            unasked = len(ignore) > 0 and overlaps([box], ignore)[1].max() >= WITHIN
            if matches.max(initial=0) >= SAME or not unasked:
                self.boxes += 1
                self.tracks.add(track)

    def right(self) -> int:
        """Boxes with the right identity."""
        visits, tracks = sorted(self.visits), sorted(self.tracks)
        if not visits or not tracks:
            return 0
        counts = np.array([[self.together.get((v, t), 0) for t in tracks] for v in visits])
        _, columns, _ = lap.lapjv(-counts.astype(float), extend_cost=True)
        return int(sum(counts[row, column] for row, column in enumerate(columns) if column >= 0))

    def figures(self, name: str) -> dict[str, float]:
        right, turns = self.right(), [np.array(v) for v in self.visits.values()]
        return {
            f"{name}: visits": len(self.visits),
            f"{name}: tracks": len(self.tracks),
            f"{name}: IDF1": 2 * right / max(self.people + self.boxes, 1),
            f"{name}: share of the people with their identity": right / max(self.people, 1),
            f"{name}: changes of identity": int(sum((v[1:] != v[:-1]).sum() for v in turns)),
            f"{name}: nobody there": self.boxes - int(sum(len(v) for v in turns)),
        }


def by_frame(clip: Path, engine: str) -> dict[int, dict[int, list[float]]]:
    """What the program follows: boxes by track, of every analysed frame of a recording."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pipeline", "run", str(clip), "--out", folder, "--frames"]
        subprocess.run([*command, "--quiet", "--engine", engine], check=True)
        lines = (Path(folder) / "frames.jsonl").read_text().splitlines()
    records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return {r["frame"]: {p["track_id"]: p["box"] for p in r["persons"]} for r in records}


def measure(args: argparse.Namespace, packs: Packs) -> dict[str, float]:
    """IDF1 and changes of identity on clips whose labels tell people apart."""
    figures: dict[str, float] = {}
    for clip in args.clips:
        stem = "vtest" if clip.stem == "street" else clip.stem  # its first 40 s
        labels = json.loads((HAND_LABELS / f"{stem}.json").read_text())["frames"]
        said, identities = by_frame(clip, args.engine), Identities()
        for number, frame in labels.items():
            if int(number) in said:
                known = dict(zip(frame["visits"], frame["people"], strict=True))
                identities.add(known, frame["ignore"], said[int(number)])
        figures |= identities.figures(clip.name)
    return figures
