"""Train the garment parser on the street photos and write its ONNX files and model card.

    python tools/train_garments.py --data ../shared/data/street_fashion

Round one learns from the photos with masks. Its net then draws masks for the photos that have tags
only, held to their tags, and round two learns from both. Round three goes on, slower, with people
of COCO who carry no bag among them. Continues from its checkpoints when it was interrupted. Needs
the ``train`` extra.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from training import calibration, garment_types, garments, report
from training.bagless import bagless_people
from training.garment_data import (
    Image,
    Photo,
    crop_window,
    paste_window,
    person_box,
    read_index,
    read_rgb,
    take_window,
)
from training.pack_file import refresh
from training.people_data import coco_split
from training.pseudo import pseudo_mask

from engines import open_engine
from engines.base import Engine
from engines.nets.garment_parser import TagScores
from engines.quantize import quantize
from engines.teach.weights import imagenet_weights

#: Labels every photo may show, tagged or not.
ALWAYS = ("null", "skin", "hair")
BAGS = ("bag", "purse", "wallet")
#: Layers that lose the most in INT8: without them it costs 0.001 of pixel accuracy, not 0.005.
EXACT = ("_conv_stem", "_blocks.0/")
#: Learning rates of round three.
SLOWER = {"lr": 6e-4, "backbone_lr": 2e-4}
#: How often a person without a bag is drawn against a street photo: there are few of them.
BAGLESS_SHARE = 6


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/street_fashion"))
    parser.add_argument("--coco", type=Path, default=Path("../shared/data/coco_train128"))
    parser.add_argument("--out", type=Path, default=Path("engines/packs/garments-lite0"))
    parser.add_argument("--checkpoints", type=Path, default=Path("out/train"))
    parser.add_argument("--epochs", type=int, nargs=3, default=(20, 20, 5), help="of the rounds")
    parser.add_argument("--seed", type=int, default=garments.Recipe().seed)
    return parser.parse_args()


def train(
    trainer: garments.Trainer | garment_types.Trainer, checkpoint: Path, console: Console
) -> None:
    """Run the epochs that are left, saving after each."""
    if checkpoint.exists():
        trainer.resume(checkpoint)
        console.print(f"{checkpoint}: continuing after epoch {trainer.epoch}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        total = trainer.recipe.epochs * trainer.steps
        task = bar.add_task(checkpoint.stem, total=total, completed=trainer.epoch * trainer.steps)
        while trainer.epoch < trainer.recipe.epochs:
            losses = []
            for loss in trainer.run_epoch():
                losses.append(loss)
                bar.update(task, advance=1)
            trainer.save(checkpoint)
            bar.console.print(f"epoch {trainer.epoch}: loss {np.mean(losses):.3f}")


def draw_masks(net: Any, root: Path, names: list[str], out: Path, console: Console) -> None:
    """Write masks of the photos that have tags only, drawn by a net that may use those alone."""
    out.mkdir(parents=True, exist_ok=True)
    tags = garments.tag_indices(root, names)
    always = [names.index(name) for name in ALWAYS]
    rows = [row["id"] for row in read_index(root) if row["level"] == "image"]
    left = [name for name in rows if not (out / f"{name}.png").exists()]
    console.print(f"drawing masks of {len(left)} photos")
    for name in left:
        rgb = read_rgb(root / "photos" / f"{name}.jpg")
        if rgb is not None:
            photo = Photo(name, rgb, np.zeros(rgb.shape[:2], np.uint8))
            mask = pseudo_mask(net, photo, [*always, *tags[name]])
            cv2.imwrite(str(out / f"{name}.png"), mask)


def tag_scores(
    net: Any, held: list[Photo], categories: list[str | None], frequent: list[int]
) -> TagScores:
    """Calibrated tag scores, fitted on the validation photos."""
    known = sorted({c for c in categories if c})
    scores = TagScores([known.index(c) if c else -1 for c in categories])
    calibration.fit_tags(scores, *calibration.look(net, held), frequent)
    return scores


def predict(engine: Engine, photo: Photo) -> Image:
    """Label mask (H, W) of a photo, parsed by an exported model inside of the true box."""
    window = crop_window(person_box(photo.mask))
    labels = engine.infer({"images": take_window(photo, window)[0][None]})["labels"][0]
    return paste_window(labels.astype(np.uint8), window, photo.mask.shape)


def finish(
    args: argparse.Namespace,
    trainer: garments.Trainer,
    photos: list[Photo],
    held: list[Photo],
    names: list[str],
) -> None:
    """Calibrate, export, quantise, measure inside of the true boxes, write card and labels."""
    net = trainer.average.eval()
    mapping = json.loads((args.data / "fashionpedia_map.json").read_text())
    categories = [mapping[name] for name in names]
    masks = [photo.mask for photo in photos]
    frequency = report.photos_per_label(masks, len(names))
    frequent = [i for i, n in enumerate(names) if frequency[i] >= 20 and n not in ALWAYS]
    args.out.mkdir(parents=True, exist_ok=True)
    small = args.out.with_name(args.out.name + "-int8")
    small.mkdir(exist_ok=True)
    garments.export(net, tag_scores(net, held, categories, frequent), args.out / "model.onnx")
    samples = (take_window(p, crop_window(person_box(p.mask)))[0][None] for p in photos[:150])
    quantize(args.out / "model.onnx", small / "model.onnx", samples, only="/net/", exact=EXACT)
    groups = report.photos_per_category(masks, categories)
    facts = {
        "parameters": sum(p.numel() for p in net.parameters()) / 1e6,
        "photos": sum(photo.box is None for photo in trainer.crops.photos),
        "train": len(photos),
        "held": len(held),
        "seed": args.seed,
    }
    rows = [{"label": n, "category": c} for n, c in zip(names, categories, strict=True)]
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    for folder in (args.out, small):
        with open_engine(folder / "model.onnx") as engine:
            counts = garments.confusion(held, len(names), lambda p: predict(engine, p))
        result = report.figures(counts, names, categories, frequency, groups)
        (folder / "labels.json").write_text(f"[\n{lines}\n]\n")
        (folder / "MODEL_CARD.md").write_text(report.card(folder.name, result, facts))
        print(refresh(folder))
        print(f"pixel accuracy {result.accuracy:.4f}, mean garment recall {result.recall:.4f}")


def main() -> int:
    args = arguments()
    console = Console()
    if not args.data.is_dir():
        console.print(f"{args.data}: no such folder; --data names the street photos")
        return 2
    photos, held, names = garments.load_split(args.data, args.seed)
    console.print(f"{len(photos)} photos for training, {len(held)} for validation")
    args.checkpoints.mkdir(parents=True, exist_ok=True)

    def trainer(material: list[Photo], turn: int, **rates: float) -> garments.Trainer:
        recipe = garments.Recipe(epochs=args.epochs[turn], seed=args.seed + turn // 2, **rates)
        return garments.Trainer(material, len(names), imagenet_weights(), recipe)

    first = trainer(photos, 0)
    train(first, args.checkpoints / "garments_round1.pt", console)
    pseudo = args.checkpoints / "pseudo"
    draw_masks(first.average.eval(), args.data, names, pseudo, console)
    every = photos + garments.load_pseudo(args.data, pseudo, held, names)
    second = trainer(every, 1)
    train(second, args.checkpoints / "garments_round2.pt", console)
    bags = [names.index(name) for name in BAGS]
    people = bagless_people(args.coco, coco_split(args.coco, args.seed)[0], bags, len(names))
    third = trainer(every + list(people) * BAGLESS_SHARE, 2, **SLOWER)
    third.start_from(second.average)
    train(third, args.checkpoints / "garments_round3.pt", console)
    finish(args, third, photos, held, names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
