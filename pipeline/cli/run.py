"""``threadline run``: cameras and recordings, until they end or Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli import settings as options
from pipeline.cli.errors import errors, explained, standard_output, start_logging, warn
from pipeline.cli.options import (
    AcceptOption,
    ConfigOption,
    EngineOption,
    GalleryOption,
    LogJsonOption,
    OutOption,
    PackOption,
    PacksOption,
    QuietOption,
    VerboseOption,
)
from pipeline.cli.outputs import check_run
from pipeline.cli.screen import Screen, summary, table
from pipeline.errors import ConfigError
from pipeline.files import make_folder, replace_file, reserved
from pipeline.flow.runner import Runner
from pipeline.picture.still import told
from pipeline.sources import is_live

#: Seconds between two writings of the counters.
STATS_S = 5.0
#: Signals this close together are one: `timeout` and shells signal process and group.
_ONE_SIGNAL_S = 0.2


def run(
    sources: Annotated[list[str] | None, typer.Argument(help="Cameras, files or folders.")] = None,
    out: OutOption = Path("out"),
    config_file: ConfigOption = None,
    engine: EngineOption = None,
    stats: Annotated[
        Path | None, typer.Option(help="Write the counters here, every few seconds and at the end.")
    ] = None,
    frames: Annotated[bool, typer.Option("--frames", help="Also write frames.jsonl.")] = False,
    video: Annotated[
        bool | None, typer.Option("--video/--no-video", help="Annotated MP4 (default: files).")
    ] = None,
    begins: Annotated[
        str | None,
        typer.Option(
            help="When recordings began: from-name, from-metadata, or a time: 2026-11-20T09:00."
        ),
    ] = None,
    gallery: GalleryOption = None,
    pack: PackOption = None,
    accept_licence: AcceptOption = False,
    packs: PacksOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    log_json: LogJsonOption = False,
) -> None:
    """Tag people's clothes and logos on cameras and recordings until they end or Ctrl-C.

    SIGUSR1 prints the table of cameras.
    """
    start_logging(verbose, log_json)
    with explained():
        registry, named = options.packs(packs, pack or [])
        changes = options.changes(engine, gallery)
        if named:
            changes |= options.tagging(registry, named, accept_licence)
        outputs: dict[str, Any] = {"frames": True} if frames else {}
        if video is not None:
            outputs["video"] = video
        if outputs:
            changes["outputs"] = outputs
        if begins is not None and not sources:
            raise ConfigError("--begins is for recordings named here; in a file, set begins:")
        if sources:
            left_out = Counter[str]()
            changes["cameras"] = options.cameras(sources, left_out, begins)
            if left_out and not quiet:
                warn(told(left_out))
        settings = options.read_settings(config_file, registry, changes)
        if not settings.cameras:
            raise ConfigError("no camera given; name one, or list cameras: in the --config file")
        options.refuse_pictures(settings)
        check_run(settings, out, stats, [config_file, packs])
        runner = Runner(settings, out, packs=registry)
        with reserved(out):
            code = _run(runner, out, stats, quiet)
        if runner.left_behind:  # native code that is still busy would crash on the way out
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    raise typer.Exit(code)


def _run(runner: Runner, out: Path, stats: Path | None, quiet: bool) -> int:
    with ExitStack() as stack:
        _stop_on_signals(runner)  # before the models load: Ctrl-C counts from here on
        asked = _tell_on_signal()
        if stats is not None:  # a file that cannot be written is told before models are loaded
            _write_stats(stats, runner, durable=False)
        stack.enter_context(runner)
        written = time.monotonic()
        try:
            with Screen(runner.stats, errors, quiet) as screen:
                runner.start()
                while not runner.finished.wait(0.25) and not runner.interrupted:
                    screen.update()
                    if asked.is_set():
                        asked.clear()
                        errors.print(table(runner.stats))
                    if stats is not None and time.monotonic() - written > STATS_S:
                        written = time.monotonic()
                        _write_stats(stats, runner, durable=False)
                runner.wait()
        finally:
            for outlet in runner.stats.outlets:
                if outlet.lacking:
                    warn(outlet.lacking)
            if stats is not None:
                _write_stats(stats, runner)
        if not quiet:
            summary(runner.stats, out, runner.running_on, standard_output())
        return _exit_code(runner)


def _write_stats(path: Path, runner: Runner, durable: bool = True) -> None:
    """Write the counters, whole or not at all."""
    make_folder(path.parent)
    replace_file(path, json.dumps(runner.stats.as_json(), indent=1).encode(), durable)


def _tell_on_signal() -> threading.Event:
    """An event that SIGUSR1 sets, where there is such a signal."""
    asked = threading.Event()
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, lambda number, frame: asked.set())
    return asked


def _stop_on_signals(runner: Runner) -> None:
    """First Ctrl-C, SIGTERM or hang-up: finish and close. Second: end at once."""
    first = 0.0

    def stop(number: int, frame: object) -> None:
        nonlocal first
        now = time.monotonic()
        if not runner.interrupted:
            runner.interrupted, first = True, now
            runner.stop()
        elif now - first > _ONE_SIGNAL_S:
            os._exit(128 + number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "SIGHUP"):  # the terminal is gone
        signal.signal(signal.SIGHUP, stop)


def _exit_code(runner: Runner) -> int:
    """0 if all went well; 1 if a camera, recording or output failed; 130 if a recording was cut
    short."""
    cameras = list(runner.stats.cameras.values())
    if any(camera.state == "failed" for camera in cameras):
        return 1
    if any(outlet.lacking for outlet in runner.stats.outlets):
        return 1
    recordings = [c for c in runner.config.cameras if not is_live(c.url)]
    unfinished = any(runner.stats.cameras[c.name].state != "done" for c in recordings)
    if runner.interrupted and unfinished:
        return 130
    return 1 if any(camera.decoded == 0 for camera in cameras) else 0
