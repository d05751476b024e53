"""Whether the published networks, as they are written here, learn: a small one of each kind, its
weights at random, trained on drawn garments and tried on others.

    python tools/published_study.py
    python tools/published_study.py --kind ram clip --steps 400

A picture shows one of four garments in any colour on a noisy background. Beside each figure stand
that of the network before training and that of the best constant answer, over three seeds. Needs
the ``train`` extra; some minutes on one core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from training.published_lessons import LESSONS, learn

SEEDS = (0, 1, 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", nargs="*", choices=LESSONS, default=list(LESSONS))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    print("| network | figure | trained, three seeds | untrained | constant |")
    print("|---|---|---|---|---|", flush=True)
    for kind in args.kind:
        rows = found[kind] = [learn(kind, seed, args.steps) for seed in SEEDS]
        three, before = (
            " ".join(f"{row[key]:.2f}" for row in rows) for key in ("trained", "untrained")
        )
        constant = max(row["constant"] for row in rows)
        print(
            f"| {kind} | {LESSONS[kind].figure} | {three} | {before} | {constant:.2f} |", flush=True
        )
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
