"""Train the logo models, detector and embedder, and write their ONNX files.

    npm pack simple-icons && tar xzf simple-icons-*.tgz
    python tools/train_logos.py embed --icons package --data ../shared/data
    python tools/train_logos.py detect --icons package --data ../shared/data
    python tools/train_logos.py background --icons package --data ../shared/data
    python tools/train_logos.py calibrate --icons package --marks token-branded.json

Continues from the checkpoint when it was interrupted. Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from evaluation.logos import embedded, gallery_of
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from training import logo_detection, logo_embedding
from training.detection_figures import curve
from training.garments import load_split
from training.logo_background import composed, letters, mistaken
from training.logo_decision import fit_rows, fitted, table
from training.logo_fitting import (
    Found,
    Printing,
    collected,
    fitting_photos,
    learning_photos,
    strangers,
)
from training.logo_marks import (
    DRAWN,
    Brand,
    load_brands,
    split_brands,
    split_others,
    without_twins,
)
from training.logo_prints import PLAIN, ROUGH
from training.logo_scenes import Material, cloth_labels, load_fabrics
from training.logo_worlds import Mixed, Scenes, World
from training.pack_file import refresh

from engines import open_engine
from engines.nets.logo_detector import SIZE, ExportedDetector
from engines.nets.logo_embedder import SIDE, ExportedEmbedder
from engines.packs import find
from engines.quantize import convolutions, quantize
from engines.teach.weights import imagenet_weights
from pipeline.tagging.logos.finder import Finder
from pipeline.tagging.logos.reader import Embedder, LogoReader
from pipeline.tagging.logos.tagger import LogoSettings

#: Steps between two checkpoints, and between two looks at other brands.
SAVED_EVERY, REPORTED_EVERY = 50, 250
#: Marks of training brands in the background, and scenes the decision is fitted on.
OTHERS, FITTED = 1500, 600
#: Share of people among the detector's scenes: what is hard for it.
PEOPLE = 0.8
#: Scenes INT8 takes its ranges from, and convolutions at the beginning that stay in float.
RANGES, EXACT = 96, 2
#: The same of a detector of the world: scores on what is no mark drift by half as much as with two.
EXACT_OF_TILES = 6
Trainer = logo_embedding.Trainer | logo_detection.Trainer


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("embed", "detect", "background", "calibrate"))
    parser.add_argument("--icons", type=Path, required=True, help="the unpacked npm package")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("engines/packs"))
    parser.add_argument("--checkpoints", type=Path, default=Path("out/train"))
    parser.add_argument("--steps", type=int, help="of a training, or scenes of calibrate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--marks",
        type=Path,
        help="more marks for the embedder: SVG files in a folder, or an Iconify JSON file",
    )
    parser.add_argument(
        "--start",
        type=Path,
        help="another checkpoint, for the weights both have; for the detector also its ONNX file",
    )
    parser.add_argument(
        "--fonts", type=Path, help="TrueType files of lettering, for detect and calibrate"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--rate", type=float, default=1.0, help="of learning, as a share of the recipe's"
    )
    parser.add_argument(
        "--world", type=float, default=0.5, help="share of views of the world, for the detector"
    )
    parser.add_argument(
        "--name", default="logo-detector-lite0", help="pack that the detector is written as"
    )
    parser.add_argument(
        "--half", action="store_true", help="train the detector in bfloat16, where that is faster"
    )
    return parser.parse_args()


def embedder(
    args: argparse.Namespace, brands: Sequence[Brand], held: Sequence[Brand]
) -> tuple[logo_embedding.Trainer, Callable[[], str]]:
    """The embedder's training, and what is reported now and then: top-1 among brands it never
    saw, for large and for small marks."""
    cloth, other = load_fabrics(args.data, args.seed)
    recipe = logo_embedding.Recipe(seed=args.seed)
    recipe = replace(recipe, steps=args.steps or recipe.steps)
    trainer = logo_embedding.Trainer(brands, cloth, imagenet_weights(), recipe)
    if args.start is not None:
        trainer.begin(args.start)

    def report() -> str:
        found = {}
        for low, high in ((48, 110), (24, 48)):
            sides = (float(low), float(high))
            found[f"{low} to {high} px"] = logo_embedding.top1(
                trainer.average, held, other, sides, 800, 1
            )
        trainer.net.train()
        return ", ".join(f"{name} {share:.3f}" for name, share in found.items())

    return trainer, report


def detector(
    args: argparse.Namespace, brands: Sequence[Brand], held: Sequence[Brand]
) -> tuple[logo_detection.Trainer, Callable[[], str]]:
    """The detector's training, and what is reported now and then: AP50 on scenes of other photos,
    cloths and brands, and the recall of small marks."""
    root = args.data / "street_fashion"
    photos, held_photos, names = load_split(root, args.seed)
    cloth, other = load_fabrics(args.data, args.seed)
    labels = cloth_labels(root, names)
    recipe = logo_detection.Recipe(seed=args.seed, threads=args.threads, half=args.half)
    recipe = recipe.slower(args.rate)
    recipe = replace(recipe, steps=args.steps or recipe.steps)
    clothes = Material(photos, labels, cloth, brands, people=PEOPLE)
    fonts = fonts_of(args)
    places = [*(photo.rgb for photo in photos), *learning_photos(args.data)]
    material = Mixed(World(places, brands, fonts, (PLAIN, ROUGH)), clothes, args.world)
    trainer = logo_detection.Trainer(material, imagenet_weights(), recipe)
    if args.start is not None:
        trainer.begin(args.start)
    scenes = {}
    for name, rough in (("rough", ROUGH), ("plain", PLAIN)):
        unseen = Material(held_photos, labels, other, held, (rough, rough))
        scenes[name] = [unseen.scene(np.random.default_rng((7, i))) for i in range(200)]
    unseen_places = World(fitting_photos(args.data), held, fonts, (PLAIN, ROUGH))
    scenes["world"] = [unseen_places.scene(np.random.default_rng((7, i))) for i in range(300)]

    def report() -> str:
        parts = []
        for name, some in scenes.items():
            looks = logo_detection.looks(trainer.average, some)
            whole = curve(looks)
            small = [logo_detection.of_size(look, 16, 32) for look in looks]
            recall = logo_detection.recall(small, whole.recall_at(0.9)[1])
            parts.append(
                f"{name}: AP50 {whole.average_precision():.3f}, "
                f"recall of 16 to 32 px at precision 0.9 {recall:.3f}"
            )
        trainer.net.train()
        return "; ".join(parts)

    return trainer, report


def train(trainer: Trainer, checkpoint: Path, report: Callable[[], str], console: Console) -> None:
    """Run the steps that are left, saving and validating now and then."""
    if checkpoint.exists():
        trainer.resume(checkpoint)
        console.print(f"{checkpoint}: continuing after step {trainer.done}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        total = trainer.recipe.steps
        task = bar.add_task(checkpoint.stem, total=total, completed=trainer.done)
        losses: list[float] = []
        for loss in trainer.run():
            losses.append(loss)
            bar.update(task, advance=1)
            if trainer.done % SAVED_EVERY == 0 or trainer.done == total:
                trainer.save(checkpoint)
                line = f"step {trainer.done}: loss {np.mean(losses):.3f}"
                if trainer.done % REPORTED_EVERY == 0 or trainer.done == total:
                    line += f"; {report()}"
                bar.console.print(line)
                losses.clear()


def export(model: torch.nn.Module, size: tuple[int, int], outputs: list[str], out: Path) -> None:
    """Write a model's ONNX file, free in its batch."""
    out.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        model.eval(),
        (torch.zeros(2, size[1], size[0], 3, dtype=torch.uint8),),
        str(out / "model.onnx"),
        input_names=["images"],
        output_names=outputs,
        dynamic_axes={name: {0: "batch"} for name in ("images", *outputs)},
        opset_version=17,
        dynamo=False,
    )
    print(refresh(out))


def quantised(material: Scenes, model: Path, in_float: int) -> None:
    """Write the detector's INT8 twin beside it, ranges from scenes of the training; so many of its
    first convolutions stay in float."""
    small = model.with_name(f"{model.name}-int8")
    small.mkdir(exist_ok=True)
    scenes = (material.scene(np.random.default_rng((3, i))).rgb[None] for i in range(RANGES))
    source = model / "model.onnx"
    exact = convolutions(source)[:in_float]
    quantize(source, small / "model.onnx", scenes, only="/net/backbone", exact=exact)
    print(refresh(small))


def fonts_of(args: argparse.Namespace) -> list[Path]:
    return sorted(args.fonts.glob("*.ttf")) if args.fonts else []


def background(args: argparse.Namespace, brands: Sequence[Brand]) -> None:
    """Write the background into the pack of the shipped embedder: what the shipped detector takes
    for marks on photos of the training, and marks of the training; and letters."""
    photos, _, _ = load_split(args.data / "street_fashion", args.seed)
    cloth, _ = load_fabrics(args.data, args.seed)
    settings = LogoSettings()
    spec = find(settings.embedder)
    with open_engine(find(settings.detector)) as engine, open_engine(spec) as model:
        wrong = list(mistaken(engine, [*(p.rgb for p in photos), *cloth]))
        marks, _ = composed(brands, cloth, OTHERS, args.seed, ROUGH)
        vectors = embedded(Embedder(model, spec), np.stack([*wrong, *marks]))
        written = embedded(Embedder(model, spec), np.stack(letters()))
    np.save(spec.folder / "background.npy", vectors.astype(np.float16))
    np.save(spec.folder / "letters.npy", written.astype(np.float16))
    print(refresh(spec.folder))


def calibrate(args: argparse.Namespace, brands: Sequence[Brand], held: Sequence[Brand]) -> None:
    """Write the decision into the pack of the shipped embedder: fitted on what the shipped
    detectors find in photos of products, clothes and COCO, on which words, validation brands and
    half of the marks of ``--marks`` are printed, which no training saw. Every other one of these
    may be in a gallery; the rest of ``--marks`` fills it."""
    settings = LogoSettings()
    spec = find(settings.embedder)
    finders = [
        (find(settings.detector), settings.score),
        (find(settings.tile_detector), settings.tile_score),
    ]
    others = strangers(args.marks, brands, held, args.seed) if args.marks else []
    asked = [*held, *others[: len(held)]]
    everybody = [*asked, *others[len(held) :]]
    found: list[Found] = []
    with open_engine(spec) as model:
        embed = Embedder(model, spec)
        whole = gallery_of(everybody, embed, SIDE, spec)
        make = Printing(fitting_photos(args.data), asked, fonts_of(args))
        for finder, least in finders:
            with open_engine(finder) as engine:
                reader = LogoReader(Finder(engine, finder.size), embed, whole)
                found += collected(make, reader, args.steps or FITTED, args.seed, least)
    rng = np.random.default_rng(args.seed)
    shown = sorted(rng.permutation(len(asked))[: len(asked) // 2].tolist())
    rows = fit_rows(found, shown, whole, rng)
    values = fitted(rows)
    print(refresh(spec.folder, values))
    print(f"{len(found)} things found, {sum(one.brand >= 0 for one in found)} of them marks")
    print("\n".join(("known / unknown / no marks reported:", *table(rows, values))))


def main() -> int:
    args = arguments()
    console = Console()
    for folder in (args.data, args.icons):
        if not folder.is_dir():
            console.print(f"{folder}: no such folder")
            return 2
    args.checkpoints.mkdir(parents=True, exist_ok=True)
    loaded = load_brands(args.icons, DRAWN)
    every = without_twins(loaded)
    brands, validation, _ = split_brands(every, args.seed)
    if args.marks is not None and args.kind == "embed":
        known = {brand.name for brand in loaded}
        brands = [*brands, *split_others(args.marks, known, args.seed, DRAWN)[0]]
    console.print(f"{len(brands)} brands to train on, {len(validation)} to validate with")
    if args.kind == "background":
        background(args, brands)
        return 0
    if args.kind == "calibrate":
        calibrate(args, brands, validation)
        return 0
    make = embedder if args.kind == "embed" else detector
    trainer, report = make(args, brands, validation)
    train(trainer, args.checkpoints / f"logo_{args.kind}.pt", report, console)
    net = trainer.average.eval().to(memory_format=torch.contiguous_format)
    if args.kind == "embed":
        export(
            ExportedEmbedder(net), (SIDE, SIDE), ["embeddings"], args.out / "logo-embedder-lite0"
        )
    else:
        out = args.out / args.name
        export(ExportedDetector(net), SIZE, ["boxes", "scores"], out)
        quantised(trainer.material, out, EXACT_OF_TILES if args.world > 0.5 else EXACT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
