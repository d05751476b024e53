"""Which published models can be pulled: where they are, what they may be used for, and what makes
packs of them. To add one: a line in ``RECIPES`` and a module with ``build``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from engines.packs import PackError


@dataclass(frozen=True, slots=True)
class Recipe:
    """One published model.

    Attributes:
        repositories: where it is on the hub, the first that answers; it may have been renamed.
        files: what is needed: of each group the first file that is there.
        licence: of the weights, as far as their authors say.
        terms: what that asks of whoever uses them, in a line; empty where it asks nothing.
        build: module that makes a network of the files: ``build(folder, options)`` returns a
            ``engines.published.making.Built``.
        targets: what was published of its accuracy, in a line.
        revision: of the repository; its newest where none is known to be better.
        elsewhere: file that is in no repository of the hub -> its address.
    """

    name: str
    repositories: tuple[str, ...]
    files: tuple[tuple[str, ...], ...]
    licence: str
    terms: str
    build: str
    targets: str
    revision: str = "main"
    elsewhere: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Options:
    """What users choose of a model.

    Attributes:
        size: width and height of its pictures; (0, 0): the recipe's own.
        tags: file with the labels that are wanted, one a line; ``None``: all, or the recipe's own.
    """

    size: tuple[int, int] = (0, 0)
    tags: Path | None = None


_YOLOS = Recipe(
    name="yolos-fashionpedia",
    repositories=("valentinafeve/yolos-fashionpedia", "valentinafevu/yolos-fashionpedia"),
    files=(("config.json",), ("model.safetensors", "pytorch_model.bin")),
    licence="not stated by its authors; annotations of Fashionpedia: CC BY 4.0",
    terms="its authors state no licence: ask them before you use it for more than trying it",
    build="engines.published.yolos_pack",
    targets="COCO mAP 0.111 on 1,000 pictures of Fashionpedia (an independent run)",
)
#: RAM's tags and their thresholds, one a line, in the order of its outputs: part of the model, and
#: not of its checkpoint.
RAM_TAGS = "ram_tag_list.txt"
RAM_THRESHOLDS = "ram_tag_list_threshold.txt"
_RAM_LISTS = "https://raw.githubusercontent.com/xinyu1205/recognize-anything/main/ram/data"
_RAM = Recipe(
    name="ram",
    repositories=("xinyu1205/recognize_anything_model",),
    files=(("ram_swin_large_14m.pth",),),
    licence="Apache-2.0 (its code; the weights' own is not stated)",
    terms="",
    build="engines.published.ram_pack",
    targets="86.5 mAP on OpenImages-common (214 tags)",
    elsewhere=MappingProxyType(
        {name: f"{_RAM_LISTS}/{name}" for name in (RAM_TAGS, RAM_THRESHOLDS)}
    ),
)
_RAM_PLUS = replace(
    _RAM,
    name="ram-plus",
    repositories=("xinyu1205/recognize-anything-plus-model",),
    files=(("ram_plus_swin_large_14m.pth",),),
    targets="86.6 mAP on OpenImages-common (214 tags)",
)
_OPENVOCAB = Recipe(
    name="openvocab",
    repositories=("Marqo/marqo-fashionCLIP",),
    files=(("open_clip_config.json",), ("open_clip_model.safetensors",), ("tokenizer.json",)),
    licence="Apache-2.0",
    terms="",
    build="engines.published.clip_pack",
    targets="recall of the first 0.094, precision of categories 0.734, on six and five data sets",
)
_FASHIONCLIP = replace(
    _OPENVOCAB,
    name="fashionclip",
    repositories=("patrickjohncyh/fashion-clip",),
    files=(("config.json",), ("model.safetensors", "pytorch_model.bin"), ("tokenizer.json",)),
    licence="MIT",
    targets="weighted F1 without training 0.83 on FMNIST, 0.73 on KAGL, 0.62 on DEEP",
)
#: Name -> recipe.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {recipe.name: recipe for recipe in (_YOLOS, _RAM, _RAM_PLUS, _OPENVOCAB, _FASHIONCLIP)}
)


def find_recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        PackError: there is none, with the nearest name.
    """
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(RECIPES)}"
    raise PackError(f"no published model is called '{name}'; {hint}")
