"""Train the person detector and write its float and INT8 ONNX files.

    python tools/train_person.py --clips one_by_one_person.mp4 --far-clips vtest.avi

Round one starts from the weights of person-ssdlite and learns from composed scenes and photos.
Round two adds frames of the clips, labelled by the first round's net on a larger picture; frames
that are labelled by hand (tests/data/people), and their neighbours, stay out. Continues from its
checkpoints when it was interrupted. Needs the ``train`` extra; masks of photos that have tags only
come from tools/train_garments.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import onnx
import torch
from evaluation.people import finder as people_finder
from onnx import numpy_helper
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from training import people
from training.garment_data import Image
from training.pack_file import refresh
from training.people_data import Scene
from training.people_material import gather
from training.people_scenes import SIZES, Material
from training.people_teacher import Find, seen_twice, taught, without_fixtures

from engines import open_engine
from engines.base import Array, Arrays, Engine, TensorSpec
from engines.nets.person_ssd import ExportedPerson, PersonSSD
from engines.packs import Pack
from engines.packs import find as find_pack
from engines.quantize import quantize
from pipeline.people.detect import PersonSettings

#: Round one stops here in its cycle: it only has to label clips.
ROUND_ONE_STEPS = 1000
#: Pixels at which the first round's net labels the clips of far cameras.
FAR_PIXELS = 600_000
HAND_LABELS = Path(__file__).parent.parent / "tests" / "data" / "people"


class NetEngine:
    """A net in training, as the pipeline's detection stage wants an engine."""

    backend, precision = "torch", "f32"
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    def __init__(self, net: PersonSSD) -> None:
        self._net = ExportedPerson(net).eval()

    def prepare(self, shape: tuple[int, ...]) -> None:
        pass

    def ready(self, shape: tuple[int, ...]) -> bool:
        return True

    def threads(self, count: int) -> None:
        pass

    @torch.no_grad()
    def infer(self, inputs: Arrays) -> dict[str, Array]:
        boxes, scores = self._net(torch.from_numpy(inputs["images"]))
        return {"boxes": boxes.numpy(), "scores": scores.numpy()}

    def __enter__(self) -> NetEngine:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def finder(engine: Engine, spec: Pack, pixels: int = 0) -> Find:
    """A detector of pictures through the pipeline's own stage, down to a score of 0.05."""
    settings = PersonSettings(score=0.05, keep_score=0.05, pixels=pixels)
    return people_finder((engine, spec), settings)


def original_tensors(path: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Weight and bias of every convolution of person-ssdlite, batch normalisation folded in."""
    graph = onnx.load(str(path)).graph
    known = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    norms = {n.input[0]: n for n in graph.node if n.op_type == "BatchNormalization"}
    out = {}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        weight = known[node.input[1]]
        bias = known[node.input[2]] if len(node.input) > 2 else torch.zeros(weight.shape[0])
        norm = norms.get(node.output[0])
        if norm is not None:
            gain, shift, mean, variance = (known[name] for name in norm.input[1:5])
            [epsilon] = [a.f for a in norm.attribute if a.name == "epsilon"]
            scale = gain / torch.sqrt(variance + epsilon)
            weight, bias = weight * scale[:, None, None, None], shift + (bias - mean) * scale
        out[node.name] = (weight, bias)
    return out


def clip_frames(path: Path, every: int = 4) -> Iterator[Image]:
    """Frames of a clip as RGB, none labelled by hand nor next to one that is."""
    labels = HAND_LABELS / f"{path.stem}.json"
    held = {int(i) for i in json.loads(labels.read_text())["frames"]} if labels.exists() else set()
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every == 0 and not held & set(range(index - 1, index + 2)):
                yield frame.to_ndarray(format="rgb24")


def label_clip(path: Path, net: PersonSSD, far: bool) -> list[Scene]:
    """A clip's frames with the net's own labels."""
    find = finder(NetEngine(net), find_pack("person-store"), FAR_PIXELS if far else 0)
    scenes = [taught(rgb, *seen_twice(find, rgb)) for rgb in clip_frames(path)]
    # People stand still before a close camera; before a far one, what never moves is no person.
    return without_fixtures(scenes) if far else scenes


def train(trainer: people.Trainer, checkpoint: Path, stop: int, console: Console) -> None:
    """Run the steps that are left up to ``stop``, saving every 200."""
    if checkpoint.exists():
        trainer.resume(checkpoint)
        console.print(f"{checkpoint}: continuing after step {trainer.step}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    losses: list[float] = []
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(checkpoint.stem, total=stop, completed=trainer.step)
        if trainer.step >= stop:
            return
        for loss in trainer.run():
            losses.append(loss)
            bar.update(task, completed=trainer.step)
            if trainer.step % 200 == 0 or trainer.step == stop:
                trainer.save(checkpoint)
                bar.console.print(f"step {trainer.step}: loss {np.mean(losses):.3f}")
                losses.clear()
            if trainer.step == stop:
                return


def export(net: PersonSSD, material: Material, out: Path) -> None:
    """Write the float model to ``out`` and the INT8 one beside it."""
    net.eval().to(memory_format=torch.contiguous_format)
    free, each = {0: "batch", 1: "height", 2: "width"}, {0: "batch", 1: "anchor"}
    for folder in (out, out.with_name(out.name + "-int8")):
        folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        ExportedPerson(net).eval(),
        (torch.zeros(2, 288, 512, 3, dtype=torch.uint8),),
        str(out / "model.onnx"),
        input_names=["images"],
        output_names=["boxes", "scores"],
        dynamic_axes={"images": free, "boxes": each, "scores": each},
        opset_version=17,
        dynamo=False,
    )
    rng = np.random.default_rng(0)
    samples = (material.sample(SIZES[0], rng).rgb[None] for _ in range(100))
    quantize(out / "model.onnx", out.with_name(out.name + "-int8") / "model.onnx", samples)
    for folder in (out, out.with_name(out.name + "-int8")):
        print(refresh(folder))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pseudo", type=Path, default=Path("out/train/pseudo"))
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="of fixed cameras")
    parser.add_argument(
        "--far-clips", type=Path, nargs="*", default=[], help="the same, with small people"
    )
    parser.add_argument("--places", type=Path, nargs="*", default=[], help="without people")
    parser.add_argument("--checkpoints", type=Path, default=Path("out/train"))
    parser.add_argument("--steps", type=int, default=people.Recipe().steps, help="of round two")
    parser.add_argument("--out", type=Path, default=Path("engines/packs/person-store"))
    return parser.parse_args()


def main() -> int:
    args = arguments()
    console = Console()
    clips = args.clips + args.far_clips
    missing = [path for path in (args.data, *clips, *args.places) if not path.exists()]
    if missing:
        console.print(f"{missing[0]}: not found; --data, the clips and --places name what to learn")
        return 2
    old = find_pack("person-ssdlite")
    with open_engine(old) as engine:
        material = gather(args.data, args.pseudo, args.places, finder(engine, old))
    console.print(
        f"{len(material.real)} scenes, {len(material.empty)} empty places, "
        f"{len(material.garments)} photos of clothes, {len(material.cutouts)} people cut out"
    )
    net = PersonSSD()
    net.load_original(original_tensors(old.path))
    args.checkpoints.mkdir(parents=True, exist_ok=True)
    trainer = people.Trainer(net, material, people.Recipe(steps=3000))
    train(trainer, args.checkpoints / "people_round1.pt", ROUND_ONE_STEPS, console)
    for clip in clips:
        scenes = label_clip(clip, trainer.average, clip in args.far_clips)
        console.print(f"{clip.name}: {len(scenes)} frames labelled")
        material.real += scenes * 2
    trainer = people.Trainer(trainer.average, material, people.Recipe(steps=args.steps))
    train(trainer, args.checkpoints / "people_round2.pt", args.steps, console)
    export(trainer.average, material, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
