"""RAM and RAM++ as packs: all tags, or those that a deployment wants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch

from engines.base import ModelFileError
from engines.published.checkpoint import checkpoint_in
from engines.published.making import IMAGENET_MEAN, IMAGENET_STD, Built
from engines.published.ram import ChosenRam, Ram, read_ram
from engines.published.recipes import RAM_TAGS, RAM_THRESHOLDS, Options
from engines.published.swin import SwinConfig

#: A threshold from which a tag is never reported.
NEVER = 1.0
#: Seconds between two looks at a picture.
EVERY_S = 1.0
#: Side of pictures -> the encoder for them, the one that was published first. At 224 a picture
#: takes a third of the encoder's operations; how accurate it is there nobody has published.
SWINS: Mapping[int, SwinConfig] = MappingProxyType(
    {384: SwinConfig(), 224: SwinConfig(side=224, window=7)}
)


def build(folder: Path, options: Options) -> Built:
    """The network in a folder with a checkpoint, the list of tags and that of thresholds.

    Raises:
        ModelFileError: a file is missing, unreadable, or does not fit the others.
    """
    checkpoint = checkpoint_in(folder)
    side = options.fixed(*SWINS)
    return built(read_ram(checkpoint, SWINS[side]), folder, options)


def built(net: Ram, folder: Path, options: Options) -> Built:
    """A network with the tags of the lists in a folder, or those of ``options.tags``."""
    side = options.fixed(net.config.swin.side)
    names = read_lines(folder / RAM_TAGS)
    limits = _numbers(folder / RAM_THRESHOLDS)
    if not len(names) == len(limits) == net.config.tags:
        raise ModelFileError(
            f"{net.config.tags} tags in the checkpoint, {len(names)} in {RAM_TAGS}, "
            f"{len(limits)} in {RAM_THRESHOLDS}: they belong to different versions"
        )
    chosen = range(len(names)) if options.tags is None else _chosen(names, options.tags)
    kept = [names[i] for i in chosen]
    never = [names[i] for i in chosen if limits[i] >= NEVER]
    thresholds = {names[i]: limits[i] for i in chosen}
    return Built(
        net=ChosenRam(net, chosen),
        example=torch.zeros(1, 3, side, side),
        outputs=("logits",),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        labels=[{"label": name, "category": None} for name in kept],
        tagger={
            "kind": "tags",
            "subject": "frame",
            "every_s": EVERY_S,
            "report": "tag",
            "resize": "stretch",
            "filter": "bilinear",
            "ignore": never,
        },
        files={"thresholds.json": json.dumps(thresholds).encode()},
    )


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        ModelFileError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from None
    return [line.strip() for line in lines if line.strip()]


def _numbers(path: Path) -> list[float]:
    try:
        return [float(line) for line in read_lines(path)]
    except ValueError as error:
        raise ModelFileError(f"{path} must hold one number a line: {error}") from None


def _chosen(names: Sequence[str], path: Path) -> list[int]:
    """Indices of the tags in a file of the user's, in the order of all."""
    wanted = read_lines(path)
    unknown = sorted(set(wanted) - set(names))
    if unknown or not wanted:
        raise ModelFileError(f"{path}: no such tags: {', '.join(unknown[:5]) or 'it is empty'}")
    return [i for i, name in enumerate(names) if name in set(wanted)]
