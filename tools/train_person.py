"""Train the person detector and write its float and INT8 ONNX files.

    python tools/train_person.py gather --weights WEIGHTS --places PICTURES
    python tools/train_person.py train --weights WEIGHTS --seconds 1300
    python tools/train_person.py export

``gather`` asks four detectors of other makers who is in the street photos and writes everything
that is learnt from into one folder of 20 MB. ``train`` starts from RTMDet-nano and runs for a given
time: on a GPU, 20 minutes are enough; a processor takes a day for as much. ``export`` writes the
packs. WEIGHTS is a folder with the files named in docs/training.md. Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from onnx import numpy_helper
from rich.console import Console
from torch import Tensor
from training.pack_file import refresh
from training.people_choice import figures
from training.people_data import coco_scene, coco_split
from training.people_material import gather, read
from training.people_teacher import teachers
from training.people_trainer import Recipe, Trainer, write

from engines.base import Array
from engines.nets.person_rtm import ExportedPerson, PersonRTM
from engines.quantize import quantize_convolutions

#: Share of the trained weights in the shipped ones; the rest are those the training started from.
#: What lies between carries over better to other cameras (WiSE-FT, Wortsman et al., CVPR 2022).
MIX = 0.5
#: What ``choose`` compares.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
ORIGINAL = "rtmdet_nano.onnx"
#: Parts of the net that stay in float beside depthwise convolutions, whose inputs differ most from
#: channel to channel and which take little time.
EXACT = ("/stem", "/stages.0", "/attention", "/outs", "/heads")


def original(path: Path) -> PersonRTM:
    """The net with the weights of RTMDet-nano."""
    graph = onnx.load(str(path)).graph
    known = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    convs = [node.input for node in graph.node if node.op_type == "Conv"]
    net = PersonRTM()
    net.load_original((known[names[1]], known[names[2]]) for names in convs)
    return net


def train(args: argparse.Namespace, console: Console) -> None:
    device = torch.device(args.device)
    torch.backends.cudnn.benchmark = True
    net = original(args.weights / ORIGINAL)
    if args.start:
        net.load_state_dict(torch.load(args.start, map_location="cpu", weights_only=True)["net"])
    material = read(args.material, device)
    console.print(f"{len(material.real)} pictures, {len(material.empty)} without people, "
                  f"{len(material.cutouts)} people cut out")  # fmt: skip
    recipe = Recipe(batch=args.batch)
    trainer = Trainer(net, material, recipe)
    saved = time.monotonic()

    def tell(now: dict[str, Any]) -> None:
        nonlocal saved
        console.print(f"step {now['step']} {now['done']:.2f} loss {now['loss']:.3f}")
        if time.monotonic() - saved > 60:
            write(args.checkpoint, trainer.average, recipe)
            saved = time.monotonic()

    args.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    trainer.run(args.seconds, tell)
    write(args.checkpoint, trainer.average, recipe)


def choose(args: argparse.Namespace, console: Console) -> None:
    """Print how nets between the original and the trained one do on the pictures that choose."""
    state = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    before = original(args.weights / ORIGINAL).state_dict()
    chosen = read(args.material, torch.device("cpu"), choosing=True)
    console.print(f"{len(chosen.real)} pictures, {len(chosen.empty)} without people")
    net = PersonRTM()
    for share in SHARES:
        net.load_state_dict(mixed(state["net"], before, share))
        row = ", ".join(f"{name} {value:.3f}" for name, value in figures(net, chosen).items())
        console.print(f"{share}: {row}")


def calibration(data: Path) -> Iterator[Array]:
    root = data / "coco_train128"
    for stem in coco_split(root, 0)[0]:
        rgb = coco_scene(root, stem).rgb
        size = (448, 320) if rgb.shape[1] > rgb.shape[0] else (320, 448)
        yield np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)[None]


def export(args: argparse.Namespace, console: Console) -> None:
    """Write the packs' models: in float, and as INT8."""
    state = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    net = PersonRTM()
    net.load_state_dict(mixed(state["net"], original(args.weights / ORIGINAL).state_dict()))
    small = args.out.with_name(args.out.name + "-int8")
    free = {0: "n", 1: "height", 2: "width"}
    each = {0: "n", 1: "cells"}
    for folder in (args.out, small):
        folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        ExportedPerson(net).eval(),
        (torch.zeros(2, 288, 512, 3, dtype=torch.uint8),),
        str(args.out / "model.onnx"),
        input_names=["images"],
        output_names=["boxes", "scores"],
        dynamic_axes={"images": free, "boxes": each, "scores": each},
        opset_version=17,
        dynamo=False,
    )
    graph = onnx.load(str(args.out / "model.onnx")).graph
    depthwise = [node.name for node in graph.node if node.op_type == "Conv" and _groups(node) > 1]
    quantize_convolutions(
        args.out / "model.onnx", small / "model.onnx", calibration(args.data), (*EXACT, *depthwise)
    )
    for folder in (args.out, small):
        console.print(str(refresh(folder)))


def _groups(conv: onnx.NodeProto) -> int:
    return next(attribute.i for attribute in conv.attribute if attribute.name == "group")


def mixed(
    trained: dict[str, Tensor], before: dict[str, Tensor], share: float = MIX
) -> dict[str, Tensor]:
    return {name: before[name].lerp(value, share) for name, value in trained.items()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("gather", "train", "choose", "export"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", type=Path, default=Path("../shared/weights"))
    parser.add_argument("--places", type=Path, nargs="*", default=[], help="without people")
    parser.add_argument("--material", type=Path, default=Path("out/people"))
    parser.add_argument("--checkpoint", type=Path, default=Path("out/people/trained.pt"))
    parser.add_argument(
        "--start", type=Path, help="checkpoint of an earlier training to go on from"
    )
    parser.add_argument("--seconds", type=float, default=1300, help="time to train")
    parser.add_argument("--batch", type=int, default=Recipe().batch)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=Path("engines/packs/person-store"))
    return parser.parse_args()


def main() -> int:
    args, console = arguments(), Console()
    needed = {"gather": args.data, "train": args.material}.get(args.step, args.checkpoint)
    if not needed.exists():
        console.print(f"{needed}: not found; {args.step} needs it")
        return 2
    if args.step == "gather":
        folder = gather(args.data, teachers(args.weights), args.places, args.material)
        console.print(f"{len(folder.real)} pictures with people, {len(folder.empty)} without")
    elif args.step == "train":
        train(args, console)
    elif args.step == "choose":
        choose(args, console)
    else:
        export(args, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
