"""From options to settings: the file, and what the command line changes in it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engines.packs import Pack, Packs, open_packs, read_pack
from engines.packs.table import FILE
from engines.packs.taught import TAUGHT
from pipeline.cli.errors import warn
from pipeline.errors import ConfigError, SourceRefusedError, source_name
from pipeline.picture.still import is_folder
from pipeline.settings.file import load, parse
from pipeline.settings.schema import Config
from pipeline.sources import expand, is_live
from pipeline.sources.begins import FROM_NAME, began, without_time
from pipeline.sources.location import holds_picture, is_picture

#: Of a name that is made: room is left for a number behind it.
_NAME = 56
#: Task of packs that parse garments.
PARSING = "garment-parsing"


def read_settings(path: Path | None, packs: Packs, changes: Mapping[str, Any]) -> Config:
    """The settings of a file, or the defaults, with the command line's changes on top.

    Raises:
        ConfigError: a mistake in the file or on the command line.
    """
    if path is not None:
        return load(path, changes, packs)
    return parse("", "command line", changes=changes, packs=packs)


def packs(folder: Path | None, named: Sequence[str]) -> tuple[Packs, list[str]]:
    """The models of a run, those of ``--packs`` and ``--pack`` included, and the names of the
    latter: each is a name, or a folder, which has a separator or is there.

    Raises:
        PackError: a folder cannot be used.
    """
    folders = {name: Path(name) for name in named if "/" in name or os.sep in name}
    folders |= {name: Path(name) for name in named if (Path(name) / FILE).is_file()}
    found = open_packs(folder).joined([read_pack(path.resolve()) for path in folders.values()])
    return found, [folders[name].resolve().name if name in folders else name for name in named]


def tagging(registry: Packs, names: Sequence[str], accepted: bool) -> dict[str, Any]:
    """Settings of the packs named: those that are taggers, and a garment parser, taught or
    published, which takes the place of the usual one.

    Raises:
        ConfigError: two parsers are named.
    """
    known = dict.fromkeys(names)
    parsers = [name for name in known if name in registry and _parses(registry.find(name))]
    if len(parsers) > 1:
        raise ConfigError(f"--pack {parsers[1]}: {parsers[0]} parses garments already; name one")
    taggers = [{"pack": n, "accept_licence": accepted} for n in known if n not in parsers]
    found: dict[str, Any] = {"packs": taggers} if taggers else {}
    if not parsers:
        return found
    parser = registry.find(parsers[0])
    if parser.terms and not accepted:
        warn(
            f"pack {parser.name} is not used: {parser.licence}: {parser.terms}; accept that with "
            "--accept-licence"
        )
        return found
    licence = {"accept_licence": True} if parser.terms else {}
    return found | {"garments": {"model": parser.name, **licence}}


def _parses(pack: Pack) -> bool:
    """Whether a pack parses garments, as it was taught or as it was published."""
    return TAUGHT in pack.files or (pack.task == PARSING and pack.tagger is None)


def changes(engine: str | None = None, gallery: Path | None = None) -> dict[str, Any]:
    """Sections that ``--engine`` and ``--gallery`` change.

    Raises:
        ConfigError: there is no such folder.
    """
    found: dict[str, Any] = {}
    if engine is not None:
        found["engine"] = {"backend": engine}
    if gallery is not None:
        if not is_folder(gallery):
            raise ConfigError(f"{gallery}: no gallery; make it with: threadline gallery add")
        found["logos"] = {"gallery": str(gallery)}
    return found


def cameras(
    sources: list[str], left_out: Counter[str], begins: str | None = None
) -> list[dict[str, Any]]:
    """Settings of the cameras named on the command line, each with a name of its own.

    Args:
        left_out: counts what is not read of folders, by kind.
        begins: when recordings began. If their names tell, files that differ in nothing but the
            time are one camera's, in that order.

    Raises:
        SourceRefusedError: a name is no text, or a folder holds nothing readable.
        ConfigError: a folder holds only pictures.
    """
    found = [pair for source in sources for pair in _recordings(source, left_out)]
    for url, _ in found:
        if not url or url.encode(errors="ignore").decode() != url:
            raise SourceRefusedError(f"{url!a}: empty, or not UTF-8; rename it")
    names: set[str] = set()
    if begins == FROM_NAME:
        return _by_camera(found, names)
    more = {} if begins is None else {"begins": begins}
    return [
        {"url": url, "id": unique(source_name(name)[:_NAME], names), **more} for url, name in found
    ]


def _by_camera(found: list[tuple[str, str]], names: set[str]) -> list[dict[str, Any]]:
    """One camera for all files in one folder that are called the same but for the time in their
    names, from the first to the last."""
    files: dict[tuple[str, str], list[tuple[float, str]]] = {}
    others: list[dict[str, Any]] = []
    for url, name in found:
        if is_live(url):
            others.append({"url": url, "id": unique(source_name(name)[:_NAME], names)})
            continue
        try:
            at = began(FROM_NAME, url) or 0.0
        except ValueError as error:
            raise ConfigError(f"{url}: {error}") from None
        files.setdefault((str(Path(url).parent), without_time(url)), []).append((at, url))
    for (folder, common), own in files.items():
        urls = [url for _, url in sorted(own)]
        name = source_name(common or Path(folder).resolve().name or "recording")[:_NAME]
        camera = {"url": urls[0], "then": urls[1:], "begins": FROM_NAME}
        others.append({**camera, "id": unique(name, names)})
    return others


def _recordings(source: str, left_out: Counter[str]) -> list[tuple[str, str]]:
    """A folder's recordings, each with what it is named after: its place in the folder; anything
    else as it is."""
    found: list[str] = expand(source, left_out) if source else [source]
    if found == [source]:
        return [(source, source)]
    recordings = [url for url in found if not is_picture(url)]
    if not recordings:
        raise ConfigError(
            f"{source}: holds only pictures; use: threadline tag {shlex.quote(source)}"
        )
    if len(recordings) < len(found):
        left_out["pictures (use: threadline tag)"] += len(found) - len(recordings)
    inside = [Path(url).relative_to(source) for url in recordings]
    names = ["-".join((*path.parent.parts, path.name)) for path in inside]
    # Of long names the end stays: there they differ.
    return [(url, name[-_NAME:]) for url, name in zip(recordings, names, strict=True)]


def refuse_pictures(config: Config) -> None:
    """Make sure that no camera is a still picture: without time, nothing could be reported.

    Raises:
        ConfigError: one is.
    """
    for camera in config.cameras:
        if holds_picture(camera.url):
            raise ConfigError(
                f"{camera.url}: a picture, and no recording; use: threadline tag "
                f"{shlex.quote(camera.url)}"
            )


def unique(name: str, taken: set[str]) -> str:
    """The name, or with the first number behind it that makes it new; remembers it."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free
