"""Objects of known length in any folder of pictures labelled as COCO JSON with ``length``.

The layout is that of AutoFish (arXiv 2501.03767): every annotation has ``length`` in cm,
``fish_id``, and its ``group`` (or its image has, or its folder is named after it).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.teach.lesson import TeachError
from pipeline.errors import SourceRefusedError
from pipeline.models.masks import Mask, mask_of, touch, widened
from pipeline.picture.resample import squared
from pipeline.types import Rgb

#: Pictures of a group from this one on show its fish overlapping.
_TOGETHER = 41
_PER_GROUP = 60


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One labelled object.

    Attributes:
        mask: (h, w) of 0 and 1, all of its pieces.
        at: x, y of the mask's first pixel.
        length: true length in cm.
        group: those of one group are never parted; 0: it has none.
        identity: which object it is, in all pictures that show it.
        occluded: others hide or touch it, as far as is known.
        picture: width and height.
        file: of the picture; it need not exist.
    """

    mask: Mask
    at: tuple[int, int]
    length: float
    group: int
    identity: str
    occluded: bool
    picture: tuple[int, int]
    file: Path

    @property
    def key(self) -> str:
        """The same for what is never parted."""
        return str(self.group) if self.group else f"object {self.identity}"

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width and height, as shares of the picture's width and height."""
        (x, y), (h, w), (width, height) = self.at, self.mask.shape, self.picture
        return x / width, y / height, w / width, h / height


def labelled(folder: Path) -> Iterator[Labelled]:
    """All objects with a mask and a length in a folder's COCO files, picture by picture.

    Raises:
        TeachError: there is none, or a file is broken.
    """
    found = 0
    for file in sorted(folder.rglob("*.json")):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, OSError, RecursionError) as error:
            raise TeachError(f"{file}: cannot be read: {error}") from None
        if not isinstance(content, dict) or "annotations" not in content:
            continue
        try:
            for one in _of_file(content, file, folder):
                found += 1
                yield one
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            reason = f"lacks {error}" if isinstance(error, KeyError) else error
            raise TeachError(f"{file}: no COCO JSON as expected: {reason}") from None
    if not found:
        raise TeachError(f"{folder}: no COCO JSON file with masks and `length` in it")


def _of_file(content: Mapping[str, Any], file: Path, folder: Path) -> Iterator[Labelled]:
    images = {image["id"]: image for image in content.get("images", ())}
    by_image: dict[Any, list[Mapping[str, Any]]] = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    for image_id, own in by_image.items():
        image = images.get(image_id)
        if image is None:
            raise TeachError(f"{file}: annotations of image {image_id}, which is not listed")
        size = (int(image["width"]), int(image["height"]))
        masks = [mask_of(one.get("segmentation"), size) for one in own]
        near = [None if mask is None else widened(*mask) for mask in masks]
        path = _picture(image, file, folder)
        for i, (annotation, mask) in enumerate(zip(own, masks, strict=True)):
            if mask is None or not annotation.get("length"):
                continue
            length = float(annotation["length"])
            if not (math.isfinite(length) and length > 0):
                raise TeachError(f"{file}: length {annotation['length']!a}: must be cm, above 0")
            group = _group(annotation, image, file)
            occluded = _listed(image, group)
            if occluded is None:
                mine = near[i]
                others = [two for j, two in enumerate(near) if j != i and two is not None]
                occluded = mine is not None and any(touch(mine, two) for two in others)
            identity = annotation.get("fish_id")
            if identity is None:
                identity = f"{file.relative_to(folder)} {annotation.get('id')}"
            yield Labelled(*mask, length, group, str(identity), occluded, size, path)


def _picture(image: Mapping[str, Any], file: Path, folder: Path) -> Path:
    """Where a picture is: beside its list, in the folder, or beside the list by its bare name.

    Raises:
        TeachError: it would be outside of the folder.
    """
    name = str(image.get("file_name", ""))
    places = [file.parent / name, folder / name, file.parent / Path(name).name]
    root = folder.resolve()
    if "\0" in name or not all(place.resolve().is_relative_to(root) for place in places):
        raise TeachError(f"{file}: picture {name!a} is not inside of {folder}")
    return next((place for place in places if place.is_file()), places[0])


def _group(annotation: Mapping[str, Any], image: Mapping[str, Any], file: Path) -> int:
    for place in (annotation, image):
        if "group" in place:
            return int(re.sub(r"\D", "", str(place["group"])) or 0)
    for name in (str(image.get("file_name", "")), str(file)):
        match = re.search(r"group[_-]?(\d+)", name)
        if match:
            return int(match.group(1))
    return 0


def _listed(image: Mapping[str, Any], group: int) -> bool | None:
    """Whether a group's fish overlap in a picture by its number; ``None`` in other collections."""
    match = re.fullmatch(r"0*(\d+)", Path(str(image.get("file_name", ""))).stem)
    if not group or match is None or not 1 <= int(match.group(1)) <= _PER_GROUP:
        return None
    return int(match.group(1)) >= _TOGETHER


def crop_of(rgb: Rgb, one: Labelled, side: int) -> Rgb:
    """What the regression sees of an object: (side, side, 3), all that is not the object black, the
    shorter side filled up (arXiv 2501.03767, and the code that came with it).

    Raises:
        SourceRefusedError: the picture is of another size than was said.
    """
    if rgb.shape[1::-1] != one.picture:
        raise SourceRefusedError(
            f"{one.file}: {rgb.shape[1]} x {rgb.shape[0]} pixels, labelled as "
            f"{one.picture[0]} x {one.picture[1]}"
        )
    (x, y), (h, w) = one.at, one.mask.shape
    return squared(rgb[y : y + h, x : x + w] * one.mask[..., None], side)
