"""Train the logo models and write their ONNX files.

    npm pack simple-icons && tar xzf simple-icons-*.tgz
    python tools/train_logos.py embed --icons package --data ../shared/data

Continues from the checkpoint when it was interrupted. Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from train_garments import imagenet_weights

from engines.nets.logo_embedder import SIDE, ExportedEmbedder
from engines.training import logo_embedding
from engines.training.garment_data import Image, read_rgb
from engines.training.logo_embedding import top1
from engines.training.logo_marks import Brand, load_brands, split_brands, without_twins

#: Steps between two checkpoints.
SAVED_EVERY = 250
#: Photos of single garments whose cloth is printed on: so many for training, others to validate.
FABRICS, HELD_FABRICS = 1500, 300


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("embed",))
    parser.add_argument("--icons", type=Path, required=True, help="the unpacked npm package")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("engines/weights"))
    parser.add_argument("--checkpoints", type=Path, default=Path("out/train"))
    parser.add_argument("--steps", type=int, default=logo_embedding.Recipe().steps)
    parser.add_argument("--seed", type=int, default=logo_embedding.Recipe().seed)
    return parser.parse_args()


def fabrics(data: Path, seed: int) -> tuple[list[Image], list[Image]]:
    """Photos of garments to print on, for training and for validation."""
    paths = sorted((data / "clothing" / "images").iterdir())
    order = np.random.default_rng(seed).permutation(len(paths))[: FABRICS + HELD_FABRICS]
    photos = [photo for i in order if (photo := read_rgb(paths[i])) is not None]
    return photos[HELD_FABRICS:], photos[:HELD_FABRICS]


def report(trainer: logo_embedding.Trainer, brands: list[Brand], held: list[Image]) -> str:
    """Top-1 among brands never seen, for large and for small marks."""
    found = {}
    for low, high in ((48, 110), (24, 48)):
        sides = (float(low), float(high))
        found[f"{low} to {high} px"] = top1(trainer.average, brands, held, sides, 800, 1)
    return ", ".join(f"{name} {share:.3f}" for name, share in found.items())


def train(
    trainer: logo_embedding.Trainer, checkpoint: Path, brands: list[Brand], held: list[Image],
    console: Console,
) -> None:  # fmt: skip
    """Run the steps that are left, saving and validating now and then."""
    if checkpoint.exists():
        trainer.resume(checkpoint)
        console.print(f"{checkpoint}: continuing after step {trainer.done}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(checkpoint.stem, total=trainer.recipe.steps, completed=trainer.done)
        losses: list[float] = []
        for loss in trainer.run():
            losses.append(loss)
            bar.update(task, advance=1)
            if trainer.done % SAVED_EVERY == 0:
                trainer.save(checkpoint)
                line = f"step {trainer.done}: loss {np.mean(losses):.3f}"
                if trainer.done % (4 * SAVED_EVERY) == 0:
                    line += f", top-1 among {len(brands)}: {report(trainer, brands, held)}"
                    trainer.net.train()
                bar.console.print(line)
                losses.clear()
    trainer.save(checkpoint)


def export(trainer: logo_embedding.Trainer, out: Path) -> None:
    """Write the embedder."""
    net = trainer.average.eval().to(memory_format=torch.contiguous_format)
    out.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        ExportedEmbedder(net).eval(),
        (torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8),),
        str(out / "model.onnx"),
        input_names=["images"],
        output_names=["embeddings"],
        dynamic_axes={"images": {0: "batch"}, "embeddings": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    digest = hashlib.sha256((out / "model.onnx").read_bytes()).hexdigest()
    print(f"wrote {out}; sha256 for engines/zoo.py: {digest}")


def main() -> int:
    args = arguments()
    console = Console()
    for folder in (args.data, args.icons):
        if not folder.is_dir():
            console.print(f"{folder}: no such folder")
            return 2
    args.checkpoints.mkdir(parents=True, exist_ok=True)
    every = without_twins(load_brands(args.icons, args.checkpoints / "marks.npz"))
    brands, validation, test = split_brands(every, args.seed)
    names = {"train": brands, "validation": validation, "test": test}
    (args.checkpoints / "brands.json").write_text(
        json.dumps({part: [b.name for b in some] for part, some in names.items()})
    )
    cloth, held = fabrics(args.data, args.seed)
    console.print(f"{len(brands)} brands to train on, {len(validation)} to validate with")
    recipe = logo_embedding.Recipe(steps=args.steps, seed=args.seed)
    trainer = logo_embedding.Trainer(brands, cloth, imagenet_weights(), recipe)
    train(trainer, args.checkpoints / "logo_embedder.pt", validation, held, console)
    export(trainer, args.out / "logo-embedder-lite0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
