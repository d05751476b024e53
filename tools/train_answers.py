"""Train the heads that tell what a garment is on the shipped parser, and add them to its packs.

    python tools/train_answers.py --data ../shared/data

The parser stays as it is: what it sees of made camera crops is kept in ``--checkpoints``, and
heads are trained on that. An hour on one processor core. Needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch
from training import answers
from training.answer_data import Names, coco, street
from training.answer_parts import listed, part_of
from training.garment_data import read_index, read_rgb
from training.garments import split_ids
from training.pack_file import refresh
from training.people_data import coco_split

from engines.nets.garment_answers import QUESTIONS
from engines.packs import labels, shipped
from engines.packs.pack import ANSWERS

#: The parsers that are asked, in float and in INT8: features come from the latter.
PACKS = ("garments-lite0", "garments-lite0-int8")
#: Questions that are asked unless others are named.
SHIPPED_QUESTIONS = tuple(question for question in QUESTIONS if question != "bag")
#: Product photos of one type and pattern at most.
MOST = 150
#: Hats, scarves or bags at most.
MOST_THINGS = 400
#: Crops of one file of features.
SHARD = 960


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--checkpoints", type=Path, default=Path("out/answers"))
    parser.add_argument("--crops", type=int, default=9600, help="for training")
    parser.add_argument("--held", type=int, default=2880, help="for validation")
    parser.add_argument("--out", type=Path, default=Path("engines/packs"))
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--questions", nargs="*", choices=QUESTIONS, default=SHIPPED_QUESTIONS)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def material(
    data: Path, held: bool, seed: int, names: Names, extractor: answers.Extractor
) -> answers.Material:
    """The pictures of the training part, or of the one that is held back."""
    root, pictures = data / "street_fashion", data / "coco_train128"
    train, validation = split_ids(root, seed)
    tagged = [row["id"] for row in read_index(root) if row["level"] == "image"]
    apart = [read_rgb(root / "photos" / f"{name}.jpg") for name in validation]
    alike = [] if held else [rgb for rgb in apart if rgb is not None]
    ids = validation if held else [*train, *tagged]
    people = list(street(root, ids, names, extractor.shares, alike))
    stems = coco_split(pictures, seed)[held]
    people += coco(pictures, stems)
    rows = listed(data)
    groups = sorted({row.group for row in rows})
    order = np.random.default_rng(seed).permutation(len(groups))
    apart_groups = {groups[i] for i in order[: len(groups) // 8]}
    own = [row for row in rows if (row.group in apart_groups) == held]
    own = [own[i] for i in np.random.default_rng(seed + 1).permutation(len(own))]
    count: Counter[tuple[str, ...]] = Counter()
    parts: dict[str, list[answers.Part]] = {"top": [], "bottom": []}
    things: dict[str, list[answers.Image]] = defaultdict(list)
    for row in own:
        told = row.answers
        kind = (row.role, *(a for q in ("upper", "lower", "pattern") for a in told.get(q, ())))
        count[kind] += 1
        most = MOST if row.role in parts else MOST_THINGS
        rgb = read_rgb(data / row.image) if count[kind] <= most else None
        if rgb is None:
            continue
        if row.role in parts:
            part = part_of(rgb, row, names, extractor.shares)
            parts[row.role] += [part] if part else []
        else:
            things[row.role].append(rgb)
    behind = (read_rgb(pictures / "images" / f"{stem}.jpg") for stem in stems)
    grounds = [rgb for rgb in behind if rgb is not None]
    return answers.Material(people, parts["top"], parts["bottom"], things, grounds)


def features(args: argparse.Namespace, names: Names, extractor: answers.Extractor) -> None:
    """Write the features of both parts, file by file; what is there stays."""
    args.checkpoints.mkdir(parents=True, exist_ok=True)
    for part, count in (("held", args.held), ("train", args.crops)):
        files = [args.checkpoints / f"{part}{i:03}.pt" for i in range(count // SHARD)]
        if all(file.exists() for file in files):
            continue
        pictures = material(args.data, part == "held", args.seed, names, extractor)
        print(f"{part}: {len(pictures.people)} people, {len(pictures.tops)} tops, "
              f"{len(pictures.bottoms)} bottoms", flush=True)  # fmt: skip
        for i, file in enumerate(files):
            if file.exists():
                continue
            rng = np.random.default_rng((args.seed, part == "held", i))
            crops = answers.batches(pictures, names, SHARD, rng)
            answers.look(extractor, crops, SHARD).save(file.with_suffix(".part"))
            file.with_suffix(".part").rename(file)
            print(file.name, flush=True)


def read(folder: Path, part: str) -> answers.Seen:
    """All features of a part."""
    seen = [answers.Seen.load(file) for file in sorted(folder.glob(f"{part}*.pt"))]
    return answers.Seen(
        torch.cat([one.places for one in seen]),
        torch.cat([one.whole for one in seen]),
        torch.cat([one.answers for one in seen]),
        np.concatenate([one.kinds for one in seen]),
    )


def write(
    args: argparse.Namespace, net: answers.GarmentAnswers, temperatures: dict[str, float]
) -> None:
    """Add the heads to the packs: to both, since both have the same features to hear."""
    for name in PACKS:
        pack = shipped().find(name)
        folder = args.out / name
        folder.mkdir(parents=True, exist_ok=True)
        heard = answers.Heard(tuple(label.name for label in labels(pack)))
        heads = args.checkpoints / "heads.onnx"
        answers.write_heads(answers.ExportedAnswers(heard, net, temperatures), heads)
        answers.add_heads(pack.path, heads, folder / "model.onnx")
        asked = {q: own for q, own in QUESTIONS.items() if q in temperatures}
        lines = ",\n".join(f"  {json.dumps(q)}: {json.dumps(own)}" for q, own in asked.items())
        (folder / ANSWERS).write_text(f"{{\n{lines}\n}}\n")
        print(refresh(folder))


def main() -> int:
    args = arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pack = shipped().find(PACKS[1])
    names = Names(labels(pack))
    features(args, names, answers.Extractor(pack.path, names))
    train = read(args.checkpoints, "train")
    net = answers.fit(train, args.epochs, args.seed)
    held = read(args.checkpoints, "held")
    logits = answers.answer(net, held)
    for question, share in answers.right(logits, held.answers).items():
        print(f"held back, {question}: {share:.3f} right, balanced over its answers")
    temperatures = {
        question: answers.temperature(logits[:, span], held.answers[:, span])
        for question, span in answers.spans().items()
        if question in args.questions
    }
    print(f"temperatures {temperatures}")
    write(args, net, temperatures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
