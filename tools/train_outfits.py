"""Train and compare models of what goes together.

    python tools/train_outfits.py polyvore --data ../shared/data
    python tools/train_outfits.py street --data ../shared/data

Figures are written after every training, and what is written is not trained again. Needs the
``train`` extra. docs/outfits.md has the results.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from training import outfit_polyvore

STUDIES = {"polyvore": outfit_polyvore}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("out/train/outfits"))
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def table(rows: dict[str, dict[str, float]]) -> str:
    """Means over seeds as Markdown, with twice their standard errors."""
    models = sorted({key.rpartition("/")[0] for key in rows})
    columns = list(next(iter(rows.values())))
    lines = ["| model | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for model in models:
        own = np.array([list(v.values()) for k, v in rows.items() if k.rpartition("/")[0] == model])
        error = 2 * own.std(0, ddof=1) / len(own) ** 0.5 if len(own) > 1 else 0 * own[0]
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(own.mean(0), error, strict=True)]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    args = arguments()
    torch.set_num_threads(args.threads)
    study = STUDIES[args.study]
    folder = args.data / ("street_fashion" if args.study == "street" else args.study)
    if not folder.is_dir():
        print(f"{folder}: no such folder; --data names the one above it", file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"{args.study}.json"
    rows = json.loads(file.read_text()) if file.exists() else {}
    for seed in range(args.seeds):
        for name in study.names():
            key = f"{name}/{seed}"
            if key not in rows:
                began = time.perf_counter()
                rows[key] = study.measured(name, folder, seed)
                file.write_text(json.dumps(rows, indent=1) + "\n")
                print(f"{key}: {time.perf_counter() - began:.0f} s", flush=True)
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
