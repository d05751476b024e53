"""What makes a tagger of a pack without code: the table ``[tagger]`` of ``pack.toml``.

docs/packs.md describes every key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PackKind = Literal["classifier", "tags", "detector", "embedder", "segmenter", "matting", "length"]
Background = Literal["keep", "blur", "dim", "remove"]
Resize = Literal["fit", "stretch", "cover"]
Filter = Literal["area", "bilinear", "bicubic", "lanczos"]
Activation = Literal["softmax", "sigmoid", "none"]
Boxes = Literal["cxcywh", "xyxy", "yolo"]

#: Subjects that are no garment on a person.
WHOLE = ("person", "tile", "frame")
PROMPT = "a photo of a person wearing {label}"
#: As FashionSAP asks for attributes (Han et al., CVPR 2023).
GROUP_PROMPT = "the image {group} is {label}"


@dataclass(frozen=True, slots=True)
class TaggerTable:
    """How a pack is used as a tagger.

    Attributes:
        kind: what its outputs are: scores of labels that exclude each other (``classifier``), of
            independent ones (``tags``), boxes with scores (``detector``), an embedding that is
            compared with those of the labels (``embedder``), a mask of each object
            (``segmenter``), how likely each pixel lies in front (``matting``), or how long an
            object is (``length``).
        subject: what it is shown: ``person``, a garment on one (``upper``, ``lower``, or a
            Fashionpedia category), ``tile`` or ``frame``.
        report: ``Tag.kind`` of what it reports.
        every_s: seconds between two looks at tiles or pictures.
        least: probability under which a label is not reported, unless it has its own.
        background: what is done to what lies behind a person.
        margin: how much more than a person's box is shown on each side, as a share of it.
        resize: how a window becomes a picture of the model's size: all of it, with more around it
            (``fit``); all of it, out of proportion (``stretch``); its middle (``cover``).
        filter: how it is resampled; all but ``area`` as Pillow does, with antialiasing.
        activation: what makes probabilities of the outputs.
        scale, bias: outputs are multiplied and raised by these before.
        boxes: how a detector gives boxes, and a segmenter boxes and masks.
        overlap: overlap from which two boxes of a label are one thing; 0: never.
        ignore: labels that compete but are never reported.
        most: most boxes of one look.
        memory_mb: memory it needs; 0: twice its files.
        prompt, group_prompt: sentences that stand for a label, alone or in a group, where a pack
            can make embeddings of texts. ``under_prompt``, ``top_prompt``: for one that is asked
            as far as another fits, and for such others and their group; empty: as for the rest.
        context: tokens of such a sentence.
        again_below: probability of the surest label under which a part is looked at again, cut from
            the frame (``engines.packs.again``); 0: there is one look.
    """

    kind: PackKind
    subject: str = "person"
    report: str = ""
    every_s: float = 0.0
    least: float = 0.3
    background: Background = "keep"
    margin: float = 0.1
    resize: Resize = "fit"
    filter: Filter = "area"
    activation: Activation = "softmax"
    scale: float = 1.0
    bias: float = 0.0
    boxes: Boxes = "cxcywh"
    overlap: float = 0.0
    ignore: tuple[str, ...] = ()
    most: int = 100
    memory_mb: int = 0
    prompt: str = PROMPT
    group_prompt: str = GROUP_PROMPT
    under_prompt: str = ""
    top_prompt: str = ""
    context: int = 77
    again_below: float = 0.0

    @property
    def shown(self) -> Literal["person", "tile", "frame"]:
        """The kind of subject that this is, or is worn by."""
        if self.subject == "tile":
            return "tile"
        return "frame" if self.subject == "frame" else "person"
