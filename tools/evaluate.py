"""Measure the shipped models on labelled photos and frames, the way the pipeline runs them.

    python tools/evaluate.py garments --data ../shared/data
    python tools/evaluate.py clothing
    python tools/evaluate.py colour
    python tools/evaluate.py cctv | cctv-bound
    python tools/evaluate.py people --clips vtest.avi one_by_one_person.mp4
    python tools/evaluate.py tracks --clips vtest.avi tests/data/street.mp4
    python tools/evaluate.py fusion --clips one_by_one_person.mp4
    python tools/evaluate.py logos --icons package
    python tools/evaluate.py logo-photos --icons package
    python tools/evaluate.py logo-places --icons package --packages vscode.json devicon.json
    python tools/evaluate.py logo-tracks --icons package --clips composed.mp4 vtest.avi
    python tools/evaluate.py cost
    python tools/evaluate.py measures --data autofish/ --plane belt.yaml --pack fish
    python tools/evaluate.py measures-made | measures-taught
    python tools/evaluate.py outfits
    python tools/evaluate.py pack --pack ram --data openimages/
    python tools/evaluate.py clothing --weights garment-types-lite0=int8.onnx

``pack`` measures any tagger pack by the figures that published models are compared by; the layout
of its ``--data`` stands in ``tools/evaluation/published.py``.

Prints a table; ``--json FILE`` writes the same figures. ``--data`` is any folder in the layout of
the training data (docs/training.md). Only photos that a training with the same seed held back are
looked at; ``--all`` takes every photo, for a folder no training has seen. Needs the ``train``
extra.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from evaluation import (
    cctv,
    cctv_bound,
    clothing,
    colour,
    cost,
    fusion,
    garments,
    logo_photos,
    logo_places,
    logo_tracks,
    logos,
    measures,
    measures_made,
    measures_taught,
    outfits,
    people,
    published,
    tracks,
)
from evaluation.weights import weights

from engines import Packs

Figures = dict[str, float]
KINDS: dict[str, Callable[[argparse.Namespace, Packs], Figures]] = {
    "garments": garments.measure,
    "clothing": clothing.measure,
    "colour": colour.measure,
    "cctv": cctv.measure,
    "cctv-bound": cctv_bound.measure,
    "people": people.measure,
    "tracks": tracks.measure,
    "fusion": fusion.measure,
    "logos": logos.measure,
    "logo-photos": logo_photos.measure,
    "logo-places": logo_places.measure,
    "logo-tracks": logo_tracks.measure,
    "cost": cost.measure,
    "measures": measures.evaluate,
    "measures-made": measures_made.evaluate,
    "measures-taught": measures_taught.evaluate,
    "outfits": outfits.measure,
    "pack": published.measure,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seed", type=int, default=0, help="of the training whose split to use")
    parser.add_argument("--all", action="store_true", help="every photo, not only held back ones")
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="with hand labels")
    parser.add_argument("--model", help="another shipped model than the default one")
    parser.add_argument("--engine", default="auto")
    parser.add_argument(
        "--weights", nargs="*", default=[], metavar="NAME=FILE",
        help="other ONNX files in the place of shipped models",
    )  # fmt: skip
    parser.add_argument(
        "--marks",
        type=Path,
        help="other marks for logos: SVG files in a folder, or an Iconify JSON file",
    )
    parser.add_argument(
        "--icons", type=Path, help="the unpacked npm package simple-icons, for logos"
    )
    parser.add_argument(
        "--packages", type=Path, nargs="*", default=[],
        help="logo-places: Iconify JSON files of marks no training saw",
    )  # fmt: skip
    parser.add_argument("--lettering", action="store_true", help="logo-tracks: read letters, too")
    parser.add_argument("--no-photos", action="store_true", help="logo-tracks: clips only")
    parser.add_argument("--plane", type=Path, help="measures: a calibration's settings file")
    parser.add_argument(
        "--pack", help="pack: which; measures: one that was taught lengths, name or folder"
    )
    parser.add_argument("--labels", help="pack: file of the labels instead of the pack's own")
    parser.add_argument("--packs", type=Path, help="pack: folder of packs")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--pictures", type=Path, help="folder for confusion and label pictures")
    return parser.parse_args()


def table(figures: Figures) -> str:
    """The figures as a Markdown table."""
    rows = ["| what | value |", "|---|---|"]
    for name, value in figures.items():
        rows.append(f"| {name} | {value if isinstance(value, int) else format(value, '.4f')} |")
    return "\n".join(rows)


def main() -> int:
    args = arguments()
    if args.kind not in ("cost", "measures-made", "measures-taught") and not args.data.is_dir():
        print(f"{args.data}: no such folder; --data names the labelled photos", file=sys.stderr)
        return 2
    with weights(args.weights) as packs:
        figures = KINDS[args.kind](args, packs)
    print(table(figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
