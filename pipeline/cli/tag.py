"""``threadline tag``: still pictures."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer
from rich.progress import track as progress_bar

from pipeline.cli import settings as options
from pipeline.cli.errors import complain, explained, start_logging, warn
from pipeline.cli.options import (
    AcceptOption,
    ConfigOption,
    EngineOption,
    GalleryOption,
    OutOption,
    PackOption,
    PacksOption,
    QuietOption,
)
from pipeline.cli.outputs import check_photos
from pipeline.errors import ConfigError, SinkError, SourceError
from pipeline.files import make_pictures, replace_file, reserved
from pipeline.flow.pace import Pace
from pipeline.flow.stages import open_detector, open_taggers
from pipeline.models.opening import Models
from pipeline.photos import PhotoTagger
from pipeline.picture.still import find_photos, told
from pipeline.settings.live import LiveSettings
from pipeline.sinks.jsonl import JsonLines

#: Of the name of a written picture: file systems allow 255.
_MOST_BYTES = 200
#: An address on the command line, as it is left when taken for a path.
_URL = re.compile(r"(?i)(?:https?|ftp|rtsps?):/")


def tag(
    photos: Annotated[list[Path], typer.Argument(help="Pictures or folders of pictures.")],
    out: OutOption = Path("out"),
    masks: Annotated[bool, typer.Option("--masks", help="Also write label masks.")] = False,
    draw: Annotated[bool, typer.Option("--draw", help="Also write annotated pictures.")] = False,
    config_file: ConfigOption = None,
    engine: EngineOption = None,
    gallery: GalleryOption = None,
    pack: PackOption = None,
    accept_licence: AcceptOption = False,
    packs: PacksOption = None,
    quiet: QuietOption = False,
) -> None:
    """Tag the clothes and logos on pictures."""
    start_logging()
    with explained(), ExitStack() as stack:
        registry, named = options.packs(packs, pack or [])
        changes = {**options.changes(engine, gallery), "cameras": []}
        if named:
            changes |= options.tagging(registry, named, accept_licence)
        config = options.read_settings(config_file, registry, changes)
        if any(_URL.match(str(path)) for path in photos):  # it may hold a password
            raise ConfigError("addresses are not read; download the picture first")
        left_out = Counter[str]()
        found = list(find_photos(photos, left_out))
        if left_out and not quiet:
            warn(told(left_out))
        folders = ["masks"] * masks + ["drawn"] * draw
        check_photos(config, out, found, [config_file, packs], folders)
        stack.enter_context(reserved(out))
        settings = LiveSettings(config)
        models = stack.enter_context(Models(config.engine, registry, any_size=True))
        detector = open_detector(settings, models, Pace().budget)
        tagger = PhotoTagger(detector, open_taggers(settings, models), settings)
        lines = JsonLines(out / "tags.jsonl", append=False)
        lines.open()
        stack.callback(lines.close)
        if masks:
            _write_labels(out, tagger.labels)
        failures, stems = 0, set[str]()
        for path in progress_bar(found, "tagging", disable=quiet, transient=True):
            try:
                photo = tagger.tag(path)
            except SourceError as error:
                failures += 1
                complain(str(error))
                continue
            stem = options.unique(_short(path.stem), stems)
            lines.write(photo.record() | ({"mask": f"masks/{stem}.png"} if masks else {}))
            if masks:
                _write_png(out / "masks" / f"{stem}.png", photo.mask())
            if draw:
                _write_png(out / "drawn" / f"{stem}.png", photo.drawing())
        if not quiet:
            done = len(found) - failures
            typer.echo(f"{done} of {len(found)} pictures tagged; results in {out}/")
    raise typer.Exit(1 if failures else 0)


def _write_labels(out: Path, labels: tuple[str, ...]) -> None:
    if not labels:
        raise ConfigError("--masks needs garments.enabled: true")
    make_pictures(out / "masks")
    replace_file(out / "labels.json", json.dumps(labels).encode(), private=True)


def _short(stem: str) -> str:
    """A name that leaves room for a number and another suffix behind it."""
    return stem.encode(errors="ignore")[:_MOST_BYTES].decode(errors="ignore")


def _write_png(path: Path, image: Any) -> None:
    make_pictures(path.parent)
    done, packed = cv2.imencode(".png", image)
    if not done:
        raise SinkError(f"{path}: the picture cannot be packed as PNG")
    replace_file(path, packed.tobytes(), private=True)
