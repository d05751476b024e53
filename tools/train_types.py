"""Train the classifier of single garments and write its ONNX file and model card.

    python tools/train_types.py --data ../shared/data

Its backbone also starts the garment parser (tools/train_garments.py). Continues from the checkpoint
when it was interrupted. Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from train_garments import train
from training import garment_types, garments
from training.pack_file import refresh
from training.type_data import SIDE, Garment, load_types, street_garments

from engines.nets.garment_types import ExportedTypes
from engines.teach.calibration import fit_temperature
from engines.teach.weights import imagenet_weights


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("engines/packs/garment-types-lite0"))
    parser.add_argument("--checkpoint", type=Path, default=Path("out/train/types.pt"))
    parser.add_argument("--epochs", type=int, default=garment_types.Recipe().epochs)
    parser.add_argument("--seed", type=int, default=garment_types.Recipe().seed)
    return parser.parse_args()


def export(
    trainer: garment_types.Trainer, held: list[Garment], names: list[str], out: Path
) -> None:
    """Fit the temperature on the validation photos and write model and labels."""
    net = trainer.average.eval().to(memory_format=torch.contiguous_format)
    kinds = np.array([g.kind for g in held])
    temperature = fit_temperature(garment_types.logits(net, held), kinds)
    out.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        ExportedTypes(net, temperature).eval(),
        (torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8),),
        str(out / "model.onnx"),
        input_names=["images"],
        output_names=["scores"],
        dynamic_axes={"images": {0: "batch"}, "scores": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    rows = ",\n".join("  " + json.dumps({"label": name, "category": None}) for name in names)
    (out / "labels.json").write_text(f"[\n{rows}\n]\n")
    print(f"temperature {temperature:.2f}; {refresh(out)}")


def main() -> int:
    args = arguments()
    console = Console()
    if not args.data.is_dir():
        console.print(f"{args.data}: no such folder; --data names the photos")
        return 2
    photos, held, names = load_types(args.data / "clothing", args.seed)
    walkers, _, labels = garments.load_split(args.data / "street_fashion", args.seed)
    street = street_garments(walkers, labels, names)
    console.print(f"{len(photos)} photos and {len(street)} garments of street photos")
    recipe = garment_types.Recipe(epochs=args.epochs, seed=args.seed)
    trainer = garment_types.Trainer(photos, street, len(names), imagenet_weights(), recipe)
    args.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    train(trainer, args.checkpoint, console)
    export(trainer, held, names, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
