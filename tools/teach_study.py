"""Compare ways of teaching from few pictures, and plot what they bring.

    python tools/teach_study.py run --data ../shared/data/clothing
    python tools/teach_study.py show --plot docs/pictures/low-data.png
    python tools/teach_study.py probe --data ../shared/data --side 96 --seeds 10
    python tools/teach_study.py packs --packs out/study/packs --side 224
    python tools/teach_study.py cost --packs out/study/packs
    python tools/teach_study.py again --weights FILE --side 128 --counts 20

The largest classes of the photos of single garments; what is tested on is held back from every
draw. Each result is written when it is there: a run that was interrupted goes on. ``--task`` names
other studies: ``fashion-mnist`` (``--data`` has the files of Debian's dataset-fashion-mnist),
``transformers`` (``--weights`` of one), ``brands`` (``--data`` is an unpacked npm package
simple-icons) and ``brands-trained`` (the same, the network trained, fewer of them). ``probe`` gives
a linear classifier on published features alone, of several collections, ``--data`` being their
folder. ``packs`` makes a pack of every recipe on every network, and ``cost`` runs those of a folder
and the shipped parser in turn on a crop, through the pipeline's engine. ``again`` tells what a
second look brings where the first is unsure, and what it costs.
Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from evaluation.cost import crop_and_run, frame_1080p
from training import (
    brand_study,
    brand_trained,
    cost_packs,
    fashion_mnist,
    second_look,
    transformer_study,
)
from training.garment_data import Image
from training.low_data import ARMS, Result, drawn, run, summary
from training.probes import cameras, clothing, probe, products, shares
from training.type_data import Garment, load_types

from engines.packs import open_packs
from engines.teach.making import PARSER
from engines.teach.trainer import Recipe
from pipeline.models.opening import EngineSettings, Models
from pipeline.tagging.garments.parser import GarmentParser

#: A picture and its class.
Labelled = tuple[Image, int]
#: Rounds in which packs are run by turns, and those before that do not count.
ROUNDS = 70
WARM = 10


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "show", "probe", "packs", "cost", "again"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/clothing"))
    parser.add_argument("--out", type=Path, default=Path("out/study/low-data.jsonl"))
    parser.add_argument("--counts", type=int, nargs="+", default=(5, 10, 20), help="per class")
    parser.add_argument("--kinds", type=int, default=10, help="classes, the largest ones")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", help="some of the ways of learning; else all")
    parser.add_argument("--task", choices=TASKS, default="clothing")
    parser.add_argument("--weights", type=Path, help="of a transformer, for those tasks")
    parser.add_argument("--against", default="control", help="what gains are over")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--test", type=int, default=400, help="pictures to test on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--packs", type=Path, help="folder of packs that were taught")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="in which packs are run by turns"
    )
    return parser.parse_args()


def results(path: Path) -> list[Result]:
    """What was written so far."""
    if not path.exists():
        return []
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [Result(r["arm"], r["count"], r["seed"], tuple(map(bool, r["right"]))) for r in rows]


#: Which test pictures an arm names rightly after it learnt: arm, pictures a class, seed.
Learn = Callable[[str, int, int], npt.NDArray[np.bool_]]


def garments(args: argparse.Namespace) -> tuple[list[Garment], list[Garment]]:
    """Photos of the largest classes to draw from, and those to test on."""
    photos, held, _ = load_types(args.data, 0)
    photos = [photo for photo in photos if photo.kind < args.kinds]
    held = [photo for photo in held if photo.kind < args.kinds]
    order = np.random.default_rng(0).permutation(len(held))[: args.test]
    return photos, [held[i] for i in order]


def clothing_study(args: argparse.Namespace) -> Learn:
    photos, test = garments(args)

    def learn(arm: str, count: int, seed: int) -> npt.NDArray[np.bool_]:
        recipe = Recipe(steps=args.steps, batch=args.batch, side=args.side, seed=seed)
        return run(arm, drawn(photos, args.kinds, count, seed), test, recipe, args.kinds)

    return learn


def transformers_study(args: argparse.Namespace) -> Learn:
    photos, test = garments(args)
    study = transformer_study.Study(args.weights, args.side, args.steps)

    def learn(arm: str, count: int, seed: int) -> npt.NDArray[np.bool_]:
        own = drawn(photos, args.kinds, count, seed)
        return study.right(arm, own, test, args.kinds, seed)

    return learn


def fashion_study(args: argparse.Namespace) -> Learn:
    study = fashion_mnist.Study(args.data, args.steps, args.batch, args.test)
    rates = {count: study.rate(count) for count in args.counts}
    print(f"learning rates: {rates}", flush=True)
    return lambda arm, count, seed: study.learn(arm, count, seed, rates[count])


def brands_study(args: argparse.Namespace) -> Learn:
    args.out.parent.mkdir(parents=True, exist_ok=True)
    tokens = brand_study.seen(args.data, args.weights, args.side, args.out.parent)
    print(f"{len(tokens.classes)} pictures to learn from", flush=True)
    return lambda arm, count, seed: brand_study.right(tokens, arm, args.steps, seed)


def trained_brands_study(args: argparse.Namespace) -> Learn:
    args.out.parent.mkdir(parents=True, exist_ok=True)
    own = brand_trained.prints(args.data, args.side, args.out.parent)
    print(f"{len(own.classes)} pictures to learn from", flush=True)
    weights, side, steps = args.weights, args.side, args.steps
    return lambda arm, count, seed: brand_trained.right(own, arm, weights, side, steps, seed)


#: What is compared on -> how an arm learns, and the arms.
TASKS: Mapping[str, tuple[Callable[[argparse.Namespace], Learn], Sequence[str]]] = MappingProxyType(
    {
        "clothing": (clothing_study, tuple(ARMS)),
        "fashion-mnist": (fashion_study, tuple(fashion_mnist.ARMS)),
        "transformers": (transformers_study, tuple(transformer_study.ARMS)),
        "brands": (brands_study, tuple(brand_study.ARMS)),
        "brands-trained": (trained_brands_study, tuple(brand_trained.ARMS)),
    }
)


def measure(args: argparse.Namespace) -> None:
    """Run every arm on every draw that is left."""
    torch.set_num_threads(args.threads)
    begin, arms = TASKS[args.task]
    learn = begin(args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    there = {(r.arm, r.count, r.seed) for r in results(args.out)}
    for seed, count, arm in product(range(args.seeds), args.counts, args.arms or arms):
        if (arm, count, seed) in there:
            continue
        right = learn(arm, count, seed)
        row = {"arm": arm, "count": count, "seed": seed, "right": right.astype(int).tolist()}
        with args.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{count} a class, seed {seed}, {arm}: {right.mean():.3f}", flush=True)


def tail(found: Sequence[Result]) -> list[str]:
    """Shares of the commonest, the middle and the rarest third of the classes, over seeds."""
    lines = ["| head | " + " | ".join(("common", "middle", "rare")) + " |", "|---|---|---|---|"]
    for arm in dict.fromkeys(r.arm for r in found):
        thirds = np.array(
            [[part.mean() for part in np.array_split(r.right, 3)] for r in found if r.arm == arm]
        )
        cells = [
            f"{part.mean():.3f} ± {part.std(ddof=min(len(part) - 1, 1)):.3f}" for part in thirds.T
        ]
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return lines


def show(args: argparse.Namespace) -> None:
    """Print the table, and draw it."""
    found = results(args.out)
    rows = summary(found, args.against)
    print(
        f"| pictures a class | recipe | seeds | right | against {args.against} |\n"
        "|---|---|---|---|---|"
    )
    for row in rows:
        told = row["arm"] != args.against and not np.isnan(row["error"])
        gain = f"{row['gain']:+.3f} ± {row['error']:.3f}" if told else ""
        print(
            f"| {row['count']} | {row['arm']} | {row['seeds']} | {row['mean']:.3f} ± "
            f"{row['deviation']:.3f} | {gain} |"
        )
    for row in tail(found) if args.task.startswith("brands") else ():
        print(row)
    if args.plot is not None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4))
        axes = figure.subplots()
        for arm in dict.fromkeys(row["arm"] for row in rows):
            own = [row for row in rows if row["arm"] == arm]
            axes.errorbar(
                [row["count"] for row in own],
                [row["mean"] for row in own],
                [row["deviation"] for row in own],
                label=arm,
                capsize=3,
                marker="o",
            )
        axes.set(xlabel="pictures a class", ylabel="right, mean and deviation over seeds")
        axes.legend()
        figure.savefig(args.plot, dpi=110, bbox_inches="tight")


def probes(args: argparse.Namespace) -> None:
    """Print what a linear classifier makes of each collection, features computed once."""
    torch.set_num_threads(args.threads)
    tasks: dict[str, Callable[[], tuple[list[Labelled], list[Labelled]]]] = {
        "brands of T-shirts": partial(products, args.data, True),
        "single garments, 10 classes": partial(clothing, args.data, 10),
        "lower garments, from photos to cameras": partial(cameras, args.data),
        "types of products": partial(products, args.data, False),
        "single garments, 17 classes": partial(clothing, args.data, 17),
    }
    print("| what | classes | tested on | pictures a class | right | mean over classes |")
    print("|---|---|---|---|---|---|")
    for name, read in tasks.items():
        known = probe(*read(), args.side)
        for count in args.counts:
            cells = [
                f"{np.mean(part):.3f} ± {np.std(part, ddof=min(1, args.seeds - 1)):.3f}"
                for part in shares(known, count, args.seeds)
            ]
            row = (name, known.kinds, len(known.true), count, *cells)
            print("| " + " | ".join(map(str, row)) + " |", flush=True)


def turns(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of processor time of each job, one after the other in a new order each round:
    whatever else runs takes as much from all of them."""
    rng = np.random.default_rng(0)
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(WARM + rounds):
        for name in rng.permutation(list(jobs)).tolist():
            begin = time.process_time()
            jobs[name]()
            if turn >= WARM:
                spent[name].append((time.process_time() - begin) * 1e3)
    return spent


def cost(folder: Path, rounds: int) -> None:
    """Print what a crop costs with each pack of a folder, against the shipped parser."""
    registry = open_packs(folder)
    own = [pack.name for pack in registry if pack.folder.parent == folder]
    frame, box = frame_1080p(), (800.0, 200.0, 1060.0, 900.0)
    with Models(EngineSettings(threads=1, cache=False), registry) as models:
        jobs: dict[str, Callable[[], object]] = {}
        for name in (PARSER, *own):
            engine, pack = models.open(name)
            if pack.task == "garment-parsing":
                jobs[name] = partial(GarmentParser(engine, pack).parse, [(frame, box)])
            else:
                jobs[name] = partial(crop_and_run, frame, box, engine, pack)
        print("| pack | GMAC | ms of processor time |\n|---|---|---|")
        for name, times in turns(jobs, rounds).items():
            pack = registry.find(name)
            size = (1, pack.size[1], pack.size[0], 3)
            gmacs = cost_packs.gmacs(pack.path, size)
            low, middle, high = np.percentile(times, [25, 50, 75])
            print(f"| {name} | {gmacs:.2f} | {middle:.1f} ({low:.1f} to {high:.1f}) |")


def again(args: argparse.Namespace) -> None:
    """Print what a second look brings over draws of photos, and what it costs."""
    torch.set_num_threads(args.threads)
    photos, test = garments(args)
    draws = [drawn(photos, args.kinds, args.counts[0], seed) for seed in range(args.seeds)]
    learnt = second_look.study(draws, test, args.weights, args.side, args.kinds)
    folder = (args.packs or Path("out/study/again")).resolve() / "looks"
    second_look.written(*learnt, args.side, folder)
    second_look.measure(folder, test)


def main() -> int:
    args = arguments()
    if args.what == "packs":
        cost_packs.make(args.packs or Path("out/study/packs"), args.side)
        return 0
    if args.what == "cost":
        if args.packs is None:
            print("cost: --packs names a folder of packs")
            return 2
        cost(args.packs, args.rounds)
        return 0
    if args.what == "again":
        again(args)
        return 0
    if args.what == "probe":
        probes(args)
        return 0
    if args.what == "run":
        if not args.data.is_dir():
            print(f"{args.data}: no such folder; --data names the photos")
            return 2
        measure(args)
    show(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
