"""Everything the person detector learns from: gathered once into a small folder, read from there.

The folder has ``real.zip`` (pictures with people), ``empty.zip`` (without), ``cutouts.zip`` (people
cut out, with their coverage), all WebP, and ``labels.json``.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from engines.boxes import overlaps
from training.garment_data import Image, Rng, person_box, read_index, read_rgb, split_ids
from training.people_data import (
    F64,
    coco_boxes,
    coco_cutouts,
    coco_split,
    cut_out,
    garment_photos,
    worn_photos,
)
from training.people_pictures import pictures
from training.people_scenes import IGNORE, PERSON, Material
from training.people_teacher import Find, Said, together

#: Longest side of pictures and height of people cut out, in pixels.
SIDE, TALL = 416, 256
#: Boxes of one picture, at most.
MOST = 24
#: How often a COCO picture is drawn against a street photo: there are few, and all different.
COCO_SHARE = 6.0
#: Kinds of products that nobody wears in their photos.
NOT_WORN = ("Shoes", "Bags", "Headwear")
#: Photos of them, and pictures that are laid out of photos of each kind.
PRODUCTS = 200
SHELVES = 100


@dataclass(slots=True)
class Folder:
    """What goes into the folder: names and pictures, and labels of those with people."""

    real: list[tuple[str, Image]] = field(default_factory=list)
    empty: list[tuple[str, Image]] = field(default_factory=list)
    cutouts: list[tuple[str, Image]] = field(default_factory=list)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Every picture that anything was taken from, as ``folder/name``.
    learnt: set[str] = field(default_factory=set)

    def add(self, name: str, rgb: Image, people: F64, doubts: F64, often: float) -> None:
        scale = _scale(rgb, SIDE)
        self.learnt.add(name)
        self.real.append((name, rgb))
        self.labels[name] = {
            "boxes": (np.concatenate([people, doubts])[:MOST] * scale).round(1).tolist(),
            "marks": ([PERSON] * len(people) + [IGNORE] * len(doubts))[:MOST],
            "often": often,
        }

    def write(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        for name, rows, side in (
            ("real", self.real, SIDE),
            ("empty", self.empty, SIDE),
            ("cutouts", self.cutouts, TALL),
        ):
            with zipfile.ZipFile(out / f"{name}.zip", "w") as file:
                for key, picture in rows:
                    file.writestr(f"{key.replace('/', '__')}.webp", _packed(picture, side))
        (out / "labels.json").write_text(json.dumps(self.labels))
        (out / "people_pictures.txt").write_text("\n".join(sorted(self.learnt)) + "\n")


def chooses(name: str) -> bool:
    """Whether a picture is kept from learning to choose between trained nets: one in ten."""
    return zlib.crc32(re.sub(r"(-beside)?-\d+$", "", name).encode()) % 10 == 0


def _scale(picture: Image, side: int) -> float:
    return min(side / max(picture.shape[:2]), 1.0)


def _packed(picture: Image, side: int) -> bytes:
    scale = _scale(picture, side)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    back = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
    _, raw = cv2.imencode(".webp", cv2.cvtColor(small, back), [cv2.IMWRITE_WEBP_QUALITY, 72])
    return bytes(raw)


def street_labels(said: Sequence[Said], wearer: F64 | None) -> tuple[F64, F64]:
    """People and doubts of a street photo.

    Args:
        wearer: box of the person of the mask, where there is one.
    """
    people = [] if wearer is None else [wearer]
    doubts = []
    for one in said:
        if wearer is not None:
            iou, share = (float(table[0, 0]) for table in overlaps(one.box, wearer))
            if iou > SAME_WEARER:
                continue
            if one.sure and share > 0.7:
                doubts.append(one.box)
                continue
        if one.sure:
            people.append(one.box)
        elif one.doubtful:
            doubts.append(one.box)
    sure, rest = (np.array(boxes, np.float64).reshape(-1, 4) for boxes in (people, doubts))
    # Half a person that is seen whole is a wrong box, and no doubt.
    if len(sure) and len(rest):
        rest = rest[overlaps(rest, sure)[1].max(axis=1) <= 0.8]
    return sure, rest


SAME_WEARER = 0.5


def _free_sides(rgb: Image, boxes: F64) -> Iterator[Image]:
    """What is left and right of everybody."""
    width = rgb.shape[1]
    used = np.zeros(width, bool)
    for x0, _, x1, _ in boxes:
        used[max(int(x0 - 8), 0) : int(x1 + 8)] = True
    for a, b in ((0, int(np.argmax(used))), (width - int(np.argmax(used[::-1])), width)):
        if used.any() and b - a > 100:
            yield np.ascontiguousarray(rgb[:, a:b])


def _with_alpha(rgb: Image, alpha: Image) -> Image:
    return np.dstack([rgb, alpha])


def _coco(data: Path, teachers: Sequence[Find], folder: Folder) -> None:
    root = data / "coco_train128"
    stems, _ = coco_split(root, 0)
    for stem in stems:
        rgb = read_rgb(root / "images" / f"{stem}.jpg")
        if rgb is None:
            continue
        people = coco_boxes(root, stem, rgb.shape, (0,))
        said = together([find(rgb) for find in teachers], rgb.shape[0])
        sure = [one.box for one in said if len(one.scores) >= 3 and sum(one.scores[:3]) >= 1.2]
        doubts = np.array(sure, np.float64).reshape(-1, 4)
        if len(people) and len(doubts):
            doubts = doubts[overlaps(doubts, people)[0].max(axis=1) <= 0.45]
        folder.add(f"coco_train128/{stem}", rgb, people, doubts, COCO_SHARE)
        for i, cut in enumerate(coco_cutouts(root, [stem])):
            folder.cutouts.append((f"coco_train128/{stem}-{i}", _with_alpha(cut.rgb, cut.alpha)))


def _street(data: Path, teachers: Sequence[Find], folder: Folder) -> None:
    root = data / "street_fashion"
    held = frozenset(split_ids(root, 0)[1])
    for row in read_index(root):
        name = row["id"]
        rgb = read_rgb(root / "photos" / f"{name}.jpg")
        if rgb is None or name in held:
            continue
        wearer = None
        mask = cv2.imread(str(root / "masks" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        if mask is not None and mask.shape == rgb.shape[:2] and np.count_nonzero(mask) > 500:
            wearer = person_box(np.asarray(mask))
            cut = cut_out(rgb, np.asarray(mask))
            if cut is not None and cut.rgb.shape[0] > 180:
                folder.learnt.add(f"street_fashion/{name}")
                folder.cutouts.append((f"street_fashion/{name}", _with_alpha(cut.rgb, cut.alpha)))
        said = together([find(rgb) for find in teachers], rgb.shape[0])
        people, doubts = street_labels(said, wearer)
        if len(people):
            often = 1 + 0.8 * min(len(people) - 1, 4)
            folder.add(f"street_fashion/{name}", rgb, people, doubts, often)
            for side in _free_sides(rgb, np.concatenate([people, doubts])):
                folder.empty.append((f"street_fashion/{name}-beside-{side.shape[1]}", side))


def _worn(data: Path, teachers: Sequence[Find], folder: Folder) -> None:
    """People before a white ground, most without head or legs: beside clothes that nobody wears,
    they tell that it is not the ground that counts."""
    for name, rgb in worn_photos(data, 0):
        said = together([find(rgb) for find in teachers], rgb.shape[0])
        people, doubts = street_labels(said, None)
        if len(people):
            folder.add(f"luma/{name}", rgb, people, doubts, 1.0)


def _shelf(photos: Sequence[Image], rng: Rng) -> Image:
    """Photos side by side in rows, as goods on shelves and clothes on racks."""
    columns, rows = int(rng.integers(3, 9)), int(rng.integers(2, 6))
    width = SIDE // columns
    height = min(int(width * 1.33), 300 // rows)
    wall = rng.integers(40, 255, 3)
    mixed, tinted = rng.random() < 0.5, rng.random() < 0.5
    canvas = np.zeros((height * rows, width * columns, 3), np.uint8)
    for y in range(rows):
        rgb = photos[int(rng.integers(len(photos)))]
        for x in range(columns):
            if mixed:
                rgb = photos[int(rng.integers(len(photos)))]
            small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
            spot = np.s_[y * height : (y + 1) * height, x * width : (x + 1) * width]
            canvas[spot] = small * (wall / 255) if tinted else small
    return canvas


def _things(data: Path, places: Iterable[Path], folder: Folder) -> None:
    """Clothes nobody wears, shelves, racks and empty places."""
    rng = np.random.default_rng(0)
    rows = [json.loads(line) for line in (data / "products.jsonl").read_text().splitlines()]
    known = [row["image"] for row in rows if row["subCategory"] in NOT_WORN]
    some = [data / known[i] for i in rng.permutation(len(known))[:PRODUCTS]]
    products = [(path.stem, rgb) for path in some if (rgb := read_rgb(path)) is not None]
    clothes = garment_photos(data / "clothing", 0)
    folder.empty += [(f"clothing/{name}", rgb) for name, rgb in clothes]
    for kind, photos in (("products", products), ("clothing", clothes)):
        goods = [rgb for name, rgb in photos if not chooses(f"{kind}/{name}")]
        folder.empty += [(f"{kind}/shelf-{i}", _shelf(goods, rng)) for i in range(SHELVES)]
        folder.learnt |= {f"{kind}/{name}" for name, _ in photos}
    for path in places:
        rgb = read_rgb(path)
        if rgb is not None:
            folder.empty.append((f"places/{path.stem}", rgb))


def gather(data: Path, teachers: Sequence[Find], places: Iterable[Path], out: Path) -> Folder:
    """Write the folder that ``read`` takes.

    Args:
        data: folder with ``coco_train128``, ``street_fashion``, ``luma``, ``clothing`` and
            ``products``.
        places: more pictures without people.
    """
    folder = Folder()
    _coco(data, teachers, folder)
    _street(data, teachers, folder)
    _worn(data, teachers, folder)
    _things(data, places, folder)
    folder.write(out)
    return folder


def _pixels(
    path: Path, side: int, channels: int, choosing: bool
) -> tuple[list[str], torch.Tensor, torch.Tensor]:
    """Names, pixels (n, channels, side, side) and sizes (n, 2) of pictures in a file: those that
    choose, or the others."""
    names, pixels, sizes = [], [], []
    back = cv2.COLOR_BGRA2RGBA if channels == 4 else cv2.COLOR_BGR2RGB
    with zipfile.ZipFile(path) as file:
        for packed in file.namelist():
            name = packed.removesuffix(".webp").replace("__", "/")
            if chooses(name) != choosing:
                continue
            raw = np.frombuffer(file.read(packed), np.uint8)
            picture = cv2.cvtColor(cv2.imdecode(raw, cv2.IMREAD_UNCHANGED), back)
            height, width = picture.shape[:2]
            # What is sampled at an edge must not see the filling.
            how = cv2.BORDER_REPLICATE if channels == 3 else cv2.BORDER_CONSTANT
            full = cv2.copyMakeBorder(picture, 0, side - height, 0, side - width, how)
            names.append(name)
            pixels.append(torch.from_numpy(full).permute(2, 0, 1))
            sizes.append((width, height))
    return names, torch.stack(pixels), torch.tensor(sizes)


def read(folder: Path, device: torch.device, choosing: bool = False) -> Material:
    """The material, decoded in the memory of a device: what is learnt from, or what chooses."""
    labels = json.loads((folder / "labels.json").read_text())
    names, pixels, sizes = _pixels(folder / "real.zip", SIDE, 3, choosing)
    boxes = torch.zeros(len(names), MOST, 4)
    marks = torch.zeros(len(names), MOST, dtype=torch.long)
    for i, name in enumerate(names):
        count = len(labels[name]["marks"])
        boxes[i, :count] = torch.tensor(labels[name]["boxes"]).reshape(-1, 4)
        marks[i, :count] = torch.tensor(labels[name]["marks"], dtype=torch.long)
    real = pictures(pixels.to(device), sizes.to(device), boxes.to(device), marks.to(device), 3)
    _, pixels, sizes = _pixels(folder / "empty.zip", SIDE, 3, choosing)
    none = torch.zeros(len(sizes), MOST, 4), torch.zeros(len(sizes), MOST, dtype=torch.long)
    boxes, marks = (t.to(device) for t in none)
    empty = pictures(pixels.to(device), sizes.to(device), boxes, marks, 3)
    _, pixels, sizes = _pixels(folder / "cutouts.zip", TALL, 4, choosing)
    whole = torch.cat([torch.zeros(len(sizes), 2), sizes.float()], 1)[:, None]
    one = torch.full((len(sizes), 1), PERSON)
    cutouts = pictures(pixels.to(device), sizes.to(device), whole.to(device), one.to(device), 5)
    often = torch.tensor([labels[name]["often"] for name in names])
    return Material(real, empty, cutouts, often.to(device))
