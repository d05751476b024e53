"""A recording, from end to end, each case in a process of its own."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline.tagging import known_taggers
from pipeline.tagging.looks import LookStage

CASES: dict[str, tuple[list[str], str]] = {
    "people only": (["--no-video"], "garments: {enabled: false}"),
    "people and garments": (["--no-video"], ""),
    "and an annotated video": (["--video"], ""),
    "every frame detected": (["--no-video"], "person: {interval_s: 0}"),
}


def run_case(video: Path, options: list[str], settings: str, engine: str) -> dict[str, Any]:
    """One run; the counters of ``--stats``."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "bench.yaml"
        config.write_text(settings)
        stats = Path(folder) / "stats.json"
        command = [sys.executable, "-m", "pipeline", "run", str(video), "--quiet", *options]
        command += ["--out", folder, "--stats", str(stats), "--config", str(config)]
        subprocess.run([*command, "--engine", engine], check=True)
        result: dict[str, Any] = json.loads(stats.read_text())
        return result


def median_run(runs: list[dict[str, Any]]) -> dict[str, Any]:
    middle = statistics.median_low([run["duration_s"] for run in runs])
    return next(run for run in runs if run["duration_s"] == middle)


def row(name: str, result: dict[str, Any]) -> str:
    """One line of the first table."""
    [camera] = result["cameras"]
    speed = camera["analysed"] / result["duration_s"]
    latency = camera["latency"]
    cells = (
        name,
        f"{speed:.0f}",
        str(camera["detector_runs"]),
        f"{1000 * latency['p50']:.0f} / {1000 * latency['p99']:.0f}",
        f"{result['peak_memory_mb']:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def stage_rows(result: dict[str, Any]) -> list[str]:
    """Milliseconds per call and share of the run of every stage. Taggers follow ``looks``, which
    is without them: every second counts once."""
    stages = {name: (stage["calls"], stage["seconds"]) for name, stage in result["stages"].items()}
    taggers = {name: stages.pop(name) for name in known_taggers() if name in stages}
    rows = []
    for name, (calls, seconds) in stages.items():
        inner = taggers if name == LookStage.name else {}
        own = seconds - sum(spent for _, spent in inner.values())
        for shown, (times, spent) in {name: (calls, own), **inner}.items():
            share = 100 * spent / result["duration_s"]
            rows.append(f"| {shown} | {times} | {1000 * spent / times:.2f} | {share:.0f} % |")
    return rows


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print both tables; the counters of the median run of every case."""
    print("| case | frames/s | detector runs | latency p50 / p99, ms | peak memory, MB |")
    print("|---|---|---|---|---|", flush=True)
    results = {}
    for name, (options, settings) in CASES.items():
        runs = [run_case(args.video, options, settings, args.engine) for _ in range(args.runs)]
        results[name] = median_run(runs)
        print(row(name, results[name]), flush=True)
    print("\n| stage | calls | ms per call | share of the run |\n|---|---|---|---|")
    print("\n".join(stage_rows(results["and an annotated video"])))
    return results
