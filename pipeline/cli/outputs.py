"""What a command writes is never what it reads, and no two commands write into one folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.files import LOCK, is_there, real, refuse_overlap
from pipeline.picture.still import is_folder
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import Config
from pipeline.sinks import files_written
from pipeline.sources import is_live

#: Files of a gallery or a folder of models that are compared with what is written.
_MOST_FILES = 50_000


def check_run(config: Config, out: Path, stats: Path | None, read: Sequence[Path | None]) -> None:
    """Make sure that a run writes over nothing it reads, and over no video of somebody else's.

    Args:
        read: further files and folders that are read, where given: settings, models.

    Raises:
        ConfigError: it would.
    """
    outputs = LiveSettings(config).section("outputs")
    live = any(is_live(camera.url) for camera in config.cameras)
    written = files_written(out, outputs, live, [camera.name for camera in config.cameras])
    places = [place for camera in config.cameras for place in (camera.url, *camera.then)]
    urls = [re.sub("(?i)^file://", "", place) for place in places]
    inputs = [*(Path(url) for url in urls if "://" not in url), *_files(config, read)]
    _refuse_name(out)
    refuse_overlap([out, out / LOCK, *written], inputs, "--out")
    if stats is not None:
        refuse_overlap([stats], [*inputs, *written], "--stats")
    if not any(is_there(out / name) for name in (LOCK, "events.jsonl")):
        for path in written:
            if is_there(path):
                raise ConfigError(f"{path}: is there, and of no run; choose another --out")


def check_photos(
    config: Config,
    out: Path,
    photos: Sequence[Path],
    read: Sequence[Path | None],
    folders: Sequence[str],
) -> None:
    """Make sure that nothing is written over pictures that are read.

    Args:
        photos: the pictures.
        read: further files and folders that are read, where given: settings, models.
        folders: names of the folders in ``out`` into which pictures are written.

    Raises:
        ConfigError: something would be.
    """
    _refuse_name(out)
    written = [out, *(out / name for name in (LOCK, "tags.jsonl", "labels.json"))]
    refuse_overlap(written, [*photos, *_files(config, read)], "--out")
    for folder in (out / name for name in folders):
        inside = [photo for photo in photos if real(folder) in real(photo).parents]
        if inside:
            raise ConfigError(
                f"{folder}: holds {inside[0].name}, which is read; choose another --out"
            )


def _refuse_name(out: Path) -> None:
    """Make sure that a name can be printed."""
    if str(out).encode(errors="ignore").decode() != str(out):
        raise ConfigError(f"{str(out)!a}: not UTF-8; choose another --out")


def _files(config: Config, read: Sequence[Path | None]) -> Iterator[Path]:
    """All files among what is read besides cameras and pictures."""
    gallery = getattr(getattr(config, "logos", None), "gallery", None)
    for place in (*read, Path(gallery) if gallery else None):
        if place is not None and is_folder(place):
            yield from islice(place.rglob("*"), _MOST_FILES)
        elif place is not None:
            yield place
