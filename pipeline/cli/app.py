"""The command line. The only module that reads arguments."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import av
import cv2
import typer
import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.progress import track as progress_bar

from pipeline import __version__
from pipeline.cli import doctor
from pipeline.cli import gallery as cli_gallery
from pipeline.cli import models as cli_models
from pipeline.cli import screen as view
from pipeline.cli.errors import complain, errors, explained
from pipeline.errors import (
    ConfigError,
    SinkError,
    SourceError,
    SourceRefusedError,
    redact,
)
from pipeline.flow.runner import Runner
from pipeline.models.opening import open_detector, open_logos, open_parser
from pipeline.photos import PhotoTagger, find_photos
from pipeline.settings import file as config_file
from pipeline.settings import schema as config
from pipeline.sinks.files import make_folder, replace_file
from pipeline.sinks.jsonl import JsonLines
from pipeline.sources import expand, is_live

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Tags clothes on live cameras and recordings.")  # fmt: skip
config_app = typer.Typer(no_args_is_help=True, help="Configuration files.")
app.add_typer(cli_models.app, name="models")
app.add_typer(config_app, name="config")
app.add_typer(cli_gallery.app, name="gallery")

OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="YAML settings.")]
EngineOption = Annotated[
    str | None, typer.Option("--engine", help="auto, openvino or onnxruntime.")
]
GalleryOption = Annotated[
    Path | None, typer.Option("--gallery", help="Folder of brands whose marks are tagged.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]

#: Signals this close together are one: `timeout` and shells signal process and group.
_ONE_SIGNAL_S = 0.2


class _Lines(logging.Handler):
    """One line a message on standard error, above the live table where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        errors.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


def _logging() -> None:
    """Warnings and errors as plain lines; FFmpeg's and OpenCV's own chatter is switched off."""
    av.logging.set_level(None)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    handler = _Lines()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _settings(path: Path | None, engine: str | None, changes: dict[str, Any]) -> config.Config:
    """The configuration file (or the defaults) with the command line's changes on top."""
    base = config_file.load(path) if path is not None else config.Config()
    data = base.model_dump()
    if engine is not None:
        data["engine"]["backend"] = engine
    for section, values in changes.items():
        data[section] = {**data[section], **values} if isinstance(values, dict) else values
    try:
        return config.Config.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(redact(str(first["msg"]).removeprefix("Value error, "))) from None


def _logos(gallery: Path | None) -> dict[str, str]:
    """Settings that ``--gallery`` changes.

    Raises:
        ConfigError: there is no such folder.
    """
    if gallery is None:
        return {}
    if not gallery.is_dir():
        raise ConfigError(f"{gallery}: no gallery; make it with: threadline gallery add")
    return {"gallery": str(gallery)}


def _cameras(sources: list[str]) -> list[dict[str, str]]:
    """Settings of the cameras named on the command line, each with a name of its own."""
    urls = [url for source in sources for url in (expand(source) if source else [source])]
    for url in urls:
        if not url or url.encode(errors="ignore").decode() != url:
            raise SourceRefusedError(f"{url!a}: empty, or not UTF-8; rename it")
    names: set[str] = set()
    return [
        {"url": url, "id": _unique(config.CameraConfig(url=url).name[:56], names)} for url in urls
    ]


def _unique(name: str, taken: set[str]) -> str:
    """The name, or with the first number behind it that makes it new; remembers it."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free


def _stop_on_signals(runner: Runner) -> None:
    """First Ctrl-C or SIGTERM: finish and close. Second: end at once."""
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


def _exit_code(runner: Runner) -> int:
    """0 if all went well; 1 if a camera or recording failed; 130 if a recording was cut short."""
    cameras = list(runner.stats.cameras.values())
    if any(camera.state == "failed" for camera in cameras):
        return 1
    recordings = [c for c in runner.config.cameras if not is_live(c.url)]
    unfinished = any(runner.stats.cameras[c.name].state != "done" for c in recordings)
    if runner.interrupted and unfinished:
        return 130
    return 1 if any(camera.decoded == 0 for camera in cameras) else 0


@app.command()
def run(
    sources: Annotated[list[str] | None, typer.Argument(help="Cameras, files or folders.")] = None,
    out: OutOption = Path("out"),
    config_file: ConfigOption = None,
    engine: EngineOption = None,
    stats: Annotated[Path | None, typer.Option(help="Write the final counters here.")] = None,
    frames: Annotated[bool, typer.Option("--frames", help="Also write frames.jsonl.")] = False,
    video: Annotated[
        bool | None, typer.Option("--video/--no-video", help="Annotated MP4 (default: files).")
    ] = None,
    gallery: GalleryOption = None,
    quiet: QuietOption = False,
) -> None:
    """Tag people's clothes on cameras and recordings until they end or Ctrl-C."""
    _logging()
    with explained():
        outputs: dict[str, Any] = {"frames": True} if frames else {}
        if video is not None:
            outputs["video"] = video
        changes: dict[str, Any] = {"outputs": outputs, "logos": _logos(gallery)}
        if sources:
            changes["cameras"] = _cameras(sources)
        settings = _settings(config_file, engine, changes)
        if not settings.cameras:
            raise ConfigError("no camera given; name one, or list cameras: in the --config file")
        code = _run(settings, out, stats, quiet)
    raise typer.Exit(code)


def _run(settings: config.Config, out: Path, stats: Path | None, quiet: bool) -> int:
    with ExitStack() as stack:
        runner = Runner(settings, out)
        _stop_on_signals(runner)  # before the models load: Ctrl-C counts from here on
        stack.enter_context(runner)
        try:
            with view.View(runner.stats, errors, quiet) as screen:
                runner.start()
                while not runner.finished.wait(0.25) and not runner.interrupted:
                    screen.update()
                runner.wait()
        finally:
            if stats is not None:
                make_folder(stats.parent)
                replace_file(stats, json.dumps(runner.stats.as_json(), indent=1).encode())
        if not quiet:
            view.summary(runner.stats, out, runner.running_on, Console())
        return _exit_code(runner)


@app.command()
def tag(
    photos: Annotated[list[Path], typer.Argument(help="Pictures or folders of pictures.")],
    out: OutOption = Path("out"),
    masks: Annotated[bool, typer.Option("--masks", help="Also write label masks.")] = False,
    draw: Annotated[bool, typer.Option("--draw", help="Also write annotated pictures.")] = False,
    config_file: ConfigOption = None,
    engine: EngineOption = None,
    gallery: GalleryOption = None,
    quiet: QuietOption = False,
) -> None:
    """Tag the clothes on pictures."""
    _logging()
    with explained(), ExitStack() as stack:
        settings = _settings(config_file, engine, {"logos": _logos(gallery)})
        detector, parser = open_detector(settings, stack), open_parser(settings, stack)
        logos = open_logos(settings, stack) if settings.logos.gallery else None
        tagger = PhotoTagger(detector, parser, settings, logos)
        found = list(find_photos(photos))
        lines = JsonLines(out / "tags.jsonl", append=False)
        lines.open()
        stack.callback(lines.close)
        if masks:
            make_folder(out / "masks")
            names = [label.name for label in parser.labels]
            replace_file(out / "labels.json", json.dumps(names).encode())
        failures, stems = 0, set[str]()
        for path in progress_bar(found, "tagging", disable=quiet, transient=True):
            try:
                photo = tagger.tag(path)
            except SourceError as error:
                failures += 1
                complain(str(error))
                continue
            stem = _unique(path.stem, stems)
            lines.write(photo.record() | ({"mask": f"masks/{stem}.png"} if masks else {}))
            if masks:
                _write_png(out / "masks" / f"{stem}.png", photo.mask())
            if draw:
                _write_png(out / "drawn" / f"{stem}.png", photo.drawing())
        if not quiet:
            print(f"{len(found) - failures} of {len(found)} pictures tagged; results in {out}/")  # noqa: T201
    raise typer.Exit(1 if failures else 0)


def _write_png(path: Path, image: Any) -> None:
    make_folder(path.parent)
    done, packed = cv2.imencode(".png", image)
    if not done:
        raise SinkError(f"{path}: the picture cannot be packed as PNG")
    replace_file(path, packed.tobytes())


@config_app.command("check")
def config_check(file: Path) -> None:
    """Check a configuration file."""
    with explained():
        settings = config_file.load(file)
        print(f"{file}: ok, {len(settings.cameras)} cameras")  # noqa: T201


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema for editors."""
    print(json.dumps(config.Config.model_json_schema(), indent=2))  # noqa: T201


@config_app.command("show")
def config_show(config_file: ConfigOption = None) -> None:
    """Print all settings in force, defaults included, without credentials."""
    with explained():
        data = _settings(config_file, None, {}).model_dump(mode="json")
        print(redact(yaml.safe_dump(data, sort_keys=False)), end="")  # noqa: T201


@app.command("doctor")
def doctor_command() -> None:
    """Say what this machine can run."""
    raise typer.Exit(0 if doctor.report(Console()) else 1)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"threadline {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Threadline: cameras in, clothes tags out."""


def main() -> None:
    """Entry point of ``threadline``."""
    sys.exit(app())
