"""Train and compare models of what goes together.

    python tools/train_outfits.py polyvore --data ../shared/data
    python tools/train_outfits.py street --data ../shared/data
    python tools/train_outfits.py ship --data ../shared/data

Figures are written after every training, and what is written is not trained again. ``ship`` writes
the scorer of the tagger ``outfits``. Needs the ``train`` extra. docs/outfits.md has the results.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from train_garments import imagenet_weights
from training import outfit_polyvore, outfit_scorer, outfit_street
from training.outfit_data import save_people, street_people

from engines import EngineOptions, open_engine
from engines.nets.efficientnet_lite import EfficientNetLite0, normalise
from engines.packs import shipped
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.garments.tagger import GarmentSettings
from pipeline.tagging.outfits.scorer import WEIGHTS


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=("polyvore", "street", "ship"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--looks", type=int, default=800, help="people whose garments are embedded")
    parser.add_argument("--out", type=Path, default=Path("out/train/outfits"))
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def extracted(args: argparse.Namespace) -> Path:
    """People of the street photos, parsed and embedded once."""
    file: Path = args.out / "people.npz"
    if file.exists():
        return file
    net = EfficientNetLite0()
    net.load_imagenet(imagenet_weights())
    net.eval()

    @torch.inference_mode()
    def embed(images: np.ndarray) -> np.ndarray:
        top = net(normalise(torch.from_numpy(images)))[-1]
        return np.asarray(net.embed(top).numpy(), np.float16)

    pack = shipped().find(GarmentSettings().model)
    with open_engine(pack, "auto", EngineOptions(threads=args.threads)) as engine:
        parser = GarmentParser(engine, pack)
        people = street_people(args.data / "street_fashion", parser, embed, args.looks)
        save_people(file, list(people))
    return file


def table(rows: dict[str, dict[str, float]]) -> str:
    """Means over seeds as Markdown, with twice their standard errors."""
    models = list(dict.fromkeys(key.rpartition("/")[0] for key in rows))
    columns = list(next(iter(rows.values())))
    lines = ["| model | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for model in models:
        own = np.array([list(v.values()) for k, v in rows.items() if k.rpartition("/")[0] == model])
        error = 2 * own.std(0, ddof=1) / len(own) ** 0.5 if len(own) > 1 else 0 * own[0]
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(own.mean(0), error, strict=True)]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def study(what: ModuleType, place: Path, file: Path, seeds: int) -> None:
    """Measure every model with every seed that is not in the file yet."""
    rows = json.loads(file.read_text()) if file.exists() else {}
    for seed in range(seeds):
        for name in what.names():
            key = f"{name}/{seed}"
            if key not in rows:
                began = time.perf_counter()
                rows[key] = what.measured(name, place, seed)
                file.write_text(json.dumps(rows, indent=1) + "\n")
                print(f"{key}: {time.perf_counter() - began:.0f} s", flush=True)
    print(table(rows))


def main() -> int:
    args = arguments()
    torch.set_num_threads(args.threads)
    folder = args.data / ("polyvore" if args.study == "polyvore" else "street_fashion")
    if not folder.is_dir():
        print(f"{folder}: no such folder; --data names the one above it", file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    if args.study == "polyvore":
        study(outfit_polyvore, folder, args.out / "polyvore.json", args.seeds)
    elif args.study == "street":
        study(outfit_street, extracted(args), args.out / "street.json", args.seeds)
    else:
        print(outfit_scorer.ship(extracted(args), WEIGHTS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
