"""What a pack's outputs mean: probabilities of labels, and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engines.base import Array, Arrays
from engines.boxes import nms
from engines.packs import Label, Pack, PackError
from engines.packs.label_files import F32
from engines.packs.tagger import TaggerTable
from pipeline.tagging.packs.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a detector found in one picture.

    Attributes:
        boxes: float32 (n, 4) xyxy in shares of the picture.
        labels: index of each label (n,).
        scores: probability of each (n,).
    """

    boxes: F32
    labels: npt.NDArray[np.intp]
    scores: F32


def probabilities(values: Array, table: TaggerTable) -> F32:
    """Outputs (..., labels) as probabilities float32."""
    numbers = values.astype(np.float32) * np.float32(table.scale) + np.float32(table.bias)
    if table.activation == "softmax":
        powers = np.exp(numbers - numbers.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
    if table.activation == "sigmoid":
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-numbers)), np.float32)
    return np.asarray(numbers, np.float32)


def label_scores(outputs: Arrays, pack: Pack, words: Vocabulary) -> F32:
    """Probability of every label of every picture, float32 (n, labels). Of an embedder, labels of
    one category compete with each other alone.

    Raises:
        PackError: the outputs do not fit the labels.
    """
    table, known = pack.tagger, words.known
    assert table is not None
    wanted = len(words.labels) if known is None else known.shape[1]
    for tensor in pack.outputs:
        values = outputs[tensor.name]
        if values.ndim > 2:
            values = values.reshape(len(values), -1)
        if values.ndim != 2 or values.shape[1] != wanted:
            continue
        if known is not None:
            lengths = np.linalg.norm(values, axis=1, keepdims=True)
            values = (values / np.maximum(lengths, 1e-12)).astype(np.float32) @ known.T
            return _by_group(values, table, words.labels)
        return probabilities(values, table)
    what = "labels" if known is None else "numbers, as the embeddings of its labels have"
    raise PackError(f"pack '{pack.name}' has no output of {wanted} {what}")


def _by_group(values: Array, table: TaggerTable, labels: Sequence[Label]) -> F32:
    """Outputs (n, labels) as probabilities, of the labels of each group by themselves, those that
    stand under another one as far as that fits."""
    found = np.empty(values.shape, np.float32)
    groups = [(label.under, label.category) for label in labels]
    for group in dict.fromkeys(groups):
        own = [i for i, other in enumerate(groups) if other == group]
        found[:, own] = probabilities(values[:, own], table)
    tops = {label.name: i for i, label in enumerate(labels) if not label.under}
    for i, label in enumerate(labels):
        if label.under:
            found[:, i] *= found[:, tops[label.under]]
    return found


def boxes_found(outputs: Arrays, pack: Pack, words: Vocabulary) -> list[Found]:
    """What a detector found in each picture: what is never reported left out before all but the
    surest are, the surest first.

    Raises:
        PackError: the outputs are no boxes and scores of the labels.
    """
    table = pack.tagger
    assert table is not None
    boxes, scores = _boxes_and_scores(outputs, pack, len(words.labels))
    allowed = np.array([name not in words.silent for name in words.names])
    found = []
    for own, chances in zip(boxes, scores, strict=True):
        label = chances.argmax(axis=1)
        score = np.take_along_axis(chances, label[:, None], 1)[:, 0]
        order = np.argsort(-score, kind="stable")
        order = order[allowed[label[order]]]
        if table.overlap:
            order = without_doubles(own, score, label, order, table.overlap)
        order = order[: table.most]
        found.append(Found(own[order], label[order], score[order]))
    return found


def without_doubles(
    boxes: F32,
    scores: F32,
    labels: npt.NDArray[np.intp],
    order: npt.NDArray[np.intp],
    overlap: float,
) -> npt.NDArray[np.intp]:
    """Of boxes of one label that overlap, the surest."""
    kept = [
        own[nms(boxes[own], scores[own], overlap)]
        for label in np.unique(labels[order])
        if (own := order[labels[order] == label]).size
    ]
    every = np.concatenate(kept) if kept else order[:0]
    return every[np.argsort(-scores[every], kind="stable")]


def _boxes_and_scores(outputs: Arrays, pack: Pack, count: int) -> tuple[F32, F32]:
    """Boxes (n, k, 4) xyxy in shares of the picture, and probabilities (n, k, count)."""
    table = pack.tagger
    assert table is not None
    sides = np.array([*pack.size, *pack.size], np.float32)
    every = {tensor.name: outputs[tensor.name] for tensor in pack.outputs}
    if table.boxes == "yolo":
        for values in every.values():
            if values.ndim == 3 and values.shape[1] == 4 + count:
                rows = values.swapaxes(1, 2).astype(np.float32)
                return corners(rows[..., :4]) / sides, probabilities(rows[..., 4:], table)
        raise PackError(f"pack '{pack.name}' has no output (n, {4 + count}, boxes)")
    places = [name for name, v in every.items() if v.ndim == 3 and v.shape[2] == 4]
    named = [name for name in places if "box" in name] or places
    for name, values in every.items():
        # DETR and its kin have one more, for nothing at all, which competes with the others.
        if (
            named
            and name != named[0]
            and values.ndim == 3
            and values.shape[2] in (count, count + 1)
        ):
            boxes = every[named[0]].astype(np.float32)
            boxes = corners(boxes) if table.boxes == "cxcywh" else boxes / sides
            return boxes, probabilities(values, table)[..., :count]
    raise PackError(
        f"pack '{pack.name}' has no outputs (n, boxes, 4) and (n, boxes, {count} or {count + 1})"
    )


def corners(boxes: F32) -> F32:
    """Boxes (..., 4) of middle, width and height as xyxy."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)
