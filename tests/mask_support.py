"""Segmenters that are real ONNX files of a few operations: what is red, green or blue."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper
from pack_support import new_folder, save_model, write_toml

COLOURS = ("red", "green", "blue")
#: Reciprocal of how much more than the others a full colour has of its channel.
FULL = 1.5


def _colour_maps() -> list[NodeProto]:
    """``maps`` (1, 3, h, w): 0 where a picture is grey, 1 where it is all of one colour, so that
    an outline is where it is half of it."""
    node = helper.make_node
    return [
        node("Split", ["picture"], ["r", "g", "b"], axis=1),
        *(
            step
            for own, one, other in (("r", "g", "b"), ("g", "r", "b"), ("b", "r", "g"))
            for step in (
                node("Max", [one, other], [f"{own}_others"]),
                node("Sub", [own, f"{own}_others"], [f"{own}_more"]),
            )
        ),
        node("Concat", ["r_more", "g_more", "b_more"], ["more"], axis=1),
        node("Mul", ["more", "full"], ["share"]),
        node("Clip", ["share", "zero", "one"], ["maps"]),
    ]


_CONSTANTS = {"full": np.float32(FULL), "zero": np.float32(0), "one": np.float32(1)}


def save_whole_masks(path: Path, size: tuple[int, int]) -> None:
    """Outputs as Mask R-CNN has them, input (3, h, w): one object of each colour."""
    width, height = size
    node = helper.make_node
    save_model(
        path,
        [
            node("Unsqueeze", ["images", "first"], ["picture"]),
            *_colour_maps(),
            node("Transpose", ["maps"], ["masks"], perm=[1, 0, 2, 3]),
            node("ReduceMax", ["masks"], ["scores"], axes=[1, 2, 3], keepdims=0),
            node("Identity", ["every"], ["boxes"]),
            node("Identity", ["numbers"], ["labels"]),
        ],
        {"images": (TensorProto.FLOAT, [3, height, width])},
        {"boxes": [3, 4], "labels": [3], "scores": [3], "masks": [3, 1, height, width]},
        {
            **_CONSTANTS,
            "first": np.array([0]),
            "every": np.tile(np.float32([0, 0, width, height]), (3, 1)),
            "numbers": np.array([1, 2, 3]),
        },
        whole=("labels",),
    )


def save_prototypes(path: Path, size: tuple[int, int], part: int = 4) -> None:
    """Outputs as YOLO with masks has them, input (1, 3, h, w), prototypes of a quarter of it."""
    width, height = size
    node = helper.make_node
    middle = [width / 2, height / 2, width, height]
    save_model(
        path,
        [
            node("Identity", ["images"], ["picture"]),
            *_colour_maps(),
            node("AveragePool", ["maps"], ["coarse"], kernel_shape=[part] * 2, strides=[part] * 2),
            node("Sub", ["coarse", "half"], ["output1"]),
            node("ReduceMax", ["maps"], ["most"], axes=[2, 3], keepdims=0),
            node("Mul", ["most", "eye"], ["chances"]),
            node("Concat", ["boxes", "chances", "eye"], ["output0"], axis=1),
        ],
        {"images": (TensorProto.FLOAT, [1, 3, height, width])},
        {"output0": [1, 10, 3], "output1": [1, 3, height // part, width // part]},
        {
            **_CONSTANTS,
            "half": np.float32(0.5),
            "eye": np.eye(3, dtype=np.float32)[None],
            "boxes": np.tile(np.float32(middle)[None, :, None], (1, 1, 3)),
        },
    )


def make_segmenter(
    packs: Path, boxes: str, size: tuple[int, int] = (640, 384), more: str = "", labels: int = 4
) -> Path:
    """A pack ``colours`` in one of the two layouts; ``more`` stands at the top of its file."""
    folder = new_folder(packs, "colours")
    whole = boxes == "xyxy"
    (save_whole_masks if whole else save_prototypes)(folder / "model.onnx", size)
    names = ["background", *COLOURS] if whole else list(COLOURS)
    (folder / "labels.json").write_text(json.dumps(names[:labels]), encoding="utf-8")
    layout, batch = ("chw", []) if whole else ("nchw", [1])
    outputs = (
        {"boxes": ["n", 4], "labels": ["n"], "scores": ["n"], "masks": ["n", 1, *size[::-1]]}
        if whole
        else {"output0": [1, 10, 3], "output1": [1, 3, size[1] // 4, size[0] // 4]}
    )
    told = "".join(
        f'[[outputs]]\nname = "{name}"\nshape = {json.dumps(shape)}\n'
        f'dtype = "{"int64" if name == "labels" else "float32"}"\n'
        for name, shape in outputs.items()
    )
    ignored = 'ignore = ["background"]\n' if whole else ""
    return write_toml(
        folder,
        f'name = "colours"\ntask = "colours"\nlicence = "MIT"\nsource = "a test"\n{more}\n'
        f'size = [{size[0]}, {size[1]}]\n[[inputs]]\nname = "images"\ndtype = "float32"\n'
        f'shape = {json.dumps([*batch, 3, *size[::-1]])}\nlayout = "{layout}"\ncolour = "rgb"\n'
        f'{told}[tagger]\nkind = "segmenter"\nboxes = "{boxes}"\nleast = 0.5\n{ignored}',
    )


def make_lengths_pack(packs: Path, name: str = "fish-lengths", pre: str = "masked-square") -> Path:
    """A pack that tells lengths: how red what it sees is, from 0 to 100, and a hundred times how
    wide its box is."""
    folder, side = new_folder(packs, name), 32
    node = helper.make_node
    save_model(
        folder / "model.onnx",
        [
            node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
            node("ReduceSum", ["numbers", "place"], ["colours"], keepdims=0),
            node("ReduceSum", ["colours", "one"], ["light"], keepdims=0),
            node("Gather", ["colours", "zero"], ["red"], axis=1),
            node("Max", ["light", "least"], ["some"]),
            node("Div", ["red", "some"], ["share"]),
            node("Gather", ["boxes", "two"], ["wide"], axis=1),
            node("Add", ["share", "wide"], ["sum"]),
            node("Mul", ["sum", "hundred"], ["length"]),
        ],
        {
            "images": (TensorProto.UINT8, ["n", side, side, 3]),
            "boxes": (TensorProto.FLOAT, ["n", 4]),
        },
        {"length": ["n"]},
        {
            "place": np.array([1, 2]),
            "one": np.array([1]),
            "zero": np.array(0),
            "two": np.array(2),
            "least": np.float32(1),
            "hundred": np.float32(100),
        },
    )
    return write_toml(
        folder,
        f'name = "{name}"\ntask = "length"\nlicence = "MIT"\nsource = "a test"\n'
        f'size = [{side}, {side}]\npre = "{pre}"\n'
        f'[[inputs]]\nname = "images"\ndtype = "uint8"\nshape = ["n", {side}, {side}, 3]\n'
        'layout = "nhwc"\ncolour = "rgb"\n'
        '[[inputs]]\nname = "boxes"\ndtype = "float32"\nshape = ["n", 4]\n'
        '[[outputs]]\nname = "length"\ndtype = "float32"\nshape = ["n"]\n'
        '[tagger]\nkind = "length"\n',
    )
