"""Which published models can be pulled: where they are, what they may be used for, and what makes
packs of them. To add one: a line in ``RECIPES`` and a module with ``build``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from engines.base import ModelFileError
from engines.packs import PackError


@dataclass(frozen=True, slots=True)
class Recipe:
    """One published model.

    Attributes:
        repositories: where it is on the hub, the first that answers; it may have been renamed.
            None: it is not there.
        files: what is needed: of each group the first file that is there.
        licence: of the weights, as far as their authors say.
        terms: what that asks of whoever uses them, in a line; empty where it asks nothing.
        build: module that makes a network of the files: ``build(folder, options)`` returns a
            ``engines.published.making.Built``.
        targets: what was published of its accuracy, in a line.
        revision: of the repository; its newest where none is known to be better.
        elsewhere: file that is in no repository of the hub -> its address.
        optional: files of the repository that are used if they are there.
        page: where its authors say how to get what no program can fetch.
        hashes: file -> how its content is known, ``md5:`` and 32 hexadecimal digits.
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
    optional: tuple[str, ...] = ()
    page: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def where(self) -> str:
        """Where it is from, for people."""
        return self.repositories[0] if self.repositories else self.page


@dataclass(frozen=True, slots=True)
class Options:
    """What users choose of a model.

    Attributes:
        size: width and height of its pictures; (0, 0): the recipe's own.
        fit: width and height of pictures that its own are to be for: they get the size that the
            model's own rule makes of those; (0, 0): none.
        tags: file with the labels that are wanted, one a line; ``None``: all, or the recipe's own.
    """

    size: tuple[int, int] = (0, 0)
    tags: Path | None = None
    fit: tuple[int, int] = (0, 0)

    def fixed(self, *sides: int) -> int:
        """The side of the pictures of a model that takes squares of these alone, the first unless
        another is asked for.

        Raises:
            ModelFileError: something else is asked for.
        """
        if self.fit != (0, 0) or self.size not in ((0, 0), *((side, side) for side in sides)):
            known = " or ".join(f"{side}x{side}" for side in sides)
            raise ModelFileError(f"its pictures are {known}: leave --size and --fit out")
        return self.size[0] or sides[0]


_YOLOS = Recipe(
    name="yolos-fashionpedia",
    repositories=("valentinafeve/yolos-fashionpedia", "valentinafevu/yolos-fashionpedia"),
    files=(("config.json",), ("model.safetensors", "pytorch_model.bin")),
    licence="not stated by its authors; annotations of Fashionpedia: CC BY 4.0",
    terms="its authors state no licence: ask them before you use it for more than trying it",
    build="engines.published.yolos_pack",
    optional=("preprocessor_config.json",),
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
_FASHIONSIGLIP = replace(
    _OPENVOCAB,
    name="fashionsiglip",
    repositories=("Marqo/marqo-fashionSigLIP",),
    optional=("tokenizer_config.json",),
    targets="recall of the first 0.121, precision of categories 0.758, on six and five data sets",
)
_SAP = "https://raw.githubusercontent.com/hssip/FashionSAP/main/fashion_annotation"
_FASHIONSAP = Recipe(
    name="fashionsap",
    repositories=(),
    files=(("fashionsap.pth",),),
    licence="BSD-3-Clause (its code; the weights' own is not stated)",
    terms="",
    build="engines.published.fashionsap_pack",
    targets="FashionGen: of 101 texts the right one first for 0.731 of pictures",
    elsewhere=MappingProxyType(
        {name: f"{_SAP}/{name}" for name in ("bert_config.json", "vocab.txt")}
    ),
    page="https://github.com/hssip/FashionSAP (its checkpoint, saved as fashionsap.pth)",
)
_PARSING = Recipe(
    name="parsing",
    repositories=("mattmdjaga/segformer_b2_clothes",),
    files=(("config.json",), ("model.safetensors", "pytorch_model.bin")),
    licence="MIT, its page says; made from SegFormer, whose NVIDIA licence is for research",
    terms="SegFormer's licence allows research and evaluation only",
    build="engines.published.parsing_pack",
    targets="mean IoU about 0.69 on ATR, which no source confirms",
)
_REMBG = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"
_MATTING = Recipe(
    name="matting",
    repositories=(),
    files=(),
    licence="Apache-2.0",
    terms="",
    build="engines.published.matting_pack",
    targets="none for people on cameras",
    elsewhere=MappingProxyType({"u2netp.onnx": f"{_REMBG}/u2netp.onnx"}),
    page="https://github.com/danielgatis/rembg",
    hashes=MappingProxyType({"u2netp.onnx": "md5:8e83ca70e441ab06c318d82300c84806"}),
)
_MATTING_U2NET = replace(
    _MATTING,
    name="matting-u2net",
    elsewhere=MappingProxyType({"u2net.onnx": f"{_REMBG}/u2net.onnx"}),
    hashes=MappingProxyType({"u2net.onnx": "md5:60024c5c889badc19c04ad937298a77b"}),
)
_MATTING_ISNET = replace(
    _MATTING,
    name="matting-isnet",
    elsewhere=MappingProxyType({"isnet-general-use.onnx": f"{_REMBG}/isnet-general-use.onnx"}),
    hashes=MappingProxyType({"isnet-general-use.onnx": "md5:fc16ebd8b0c10d971d3513d564d01e29"}),
)
#: Name -> recipe.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            *(_YOLOS, _RAM, _RAM_PLUS, _OPENVOCAB, _FASHIONCLIP, _FASHIONSIGLIP, _FASHIONSAP),
            *(_PARSING, _MATTING, _MATTING_U2NET, _MATTING_ISNET),
        )
    }
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
