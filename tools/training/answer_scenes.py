"""People with partly known answers, shown as cameras show them.

Street photos know garments by mask or by tag, product photos type, sleeve and pattern of one
garment, COCO who carries a bag. Tops and bottoms of product photos are put together to whole
people; hats, scarves and bags are put on people who wear none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines.nets.garment_answers import QUESTIONS
from engines.packs import Label
from pipeline.tagging.garments.attributes import body_of, sleeve
from training import colours
from training.bagless import BAGS, _touches
from training.garment_data import (
    CROP_SIZE,
    IGNORE,
    PAD,
    Image,
    Rng,
    crop_window,
    jitter_box,
    person_box,
    read_index,
    read_rgb,
    thumbnail,
)
from training.people_data import coco_boxes, coco_scene, coco_split

Bools = npt.NDArray[np.bool_]
F64 = npt.NDArray[np.float64]
#: A crop (320, 160, 3) in, shares of the labels (59, 80, 40) out.
Parse = Callable[[Image], npt.NDArray[np.float32]]

#: Answers by the street photos' labels.
UPPER = {
    **{n: n for n in QUESTIONS["upper"][1:]},
    "hoodie": "sweatshirt", "jumper": "sweater", "cape": "coat", "suit": "blazer",
    "romper": "dress", "bodysuit": "dress",
}  # fmt: skip
OUTER = frozenset({"coat", "jacket", "blazer", "cardigan", "vest"})
LOWER = {n: n for n in QUESTIONS["lower"][1:]}
LONG = frozenset({"coat", "jacket", "blazer", "sweater", "sweatshirt", "cardigan"})
CARRIED = {"hat": ("hat",), "scarf": ("scarf",), "bag": ("bag", "purse", "wallet")}
#: Answers by the product photos' types.
TOPS = {
    "Tshirts": ("t-shirt",), "Shirts": ("shirt",), "Tops": ("top", "blouse", "t-shirt"),
    "Sweaters": ("sweater", "cardigan"), "Sweatshirts": ("sweatshirt",),
    "Jackets": ("jacket", "blazer"), "Kurtis": ("blouse", "dress", "top"),
    "Tunics": ("blouse", "dress", "top"), "Kurtas": ("blouse", "dress", "shirt"),
    "Rain Jacket": ("jacket",), "Shrug": ("cardigan",), "Dresses": ("dress",),
    "Hoodies & Sweatshirts": ("sweatshirt",), "Tees": ("t-shirt",), "Tanks": ("top",),
}  # fmt: skip
BOTTOMS = {
    "Trousers": "pants", "Jeans": "jeans", "Shorts": "shorts", "Track Pants": "pants",
    "Skirts": "skirt", "Leggings": "leggings", "Jeggings": "jeans", "Lounge Pants": "pants",
    "Lounge Shorts": "shorts", "Pants": "pants",
}  # fmt: skip
PATTERNS = {"striped": r"strip", "plaid": r"check|plaid", "printed": r"print|graphic",
            "plain": r"solid|plain"}  # fmt: skip
LUMA_PATTERNS = {"Solid": "plain", "Striped": "striped", "Checked": "plaid",
                 "Graphic Print": "printed"}  # fmt: skip
THINGS = {"Headwear": "hat", "Mufflers": "scarf", "Scarves": "scarf", "Stoles": "scarf",
          "Bags": "bag"}  # fmt: skip
#: Cells, as a share of the crop, above which something is seen and below which it is not.
SEEN, UNSEEN = 0.02, 0.004


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """RGB (h, w, 3) uint8 with label indices (h, w) uint8 (``IGNORE``: unknown) and the answers it
    may have to each question; a question that is missing is not known.

    ``box`` is the person's; ``kind`` tells the source.
    """

    kind: str
    rgb: Image
    mask: Image
    answers: Mapping[str, tuple[str, ...]]
    box: F64
    id: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """Label indices by name, and which of them lie where."""

    known: tuple[Label, ...]
    index: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index.update({label.name: i for i, label in enumerate(self.known)})

    def cells(self, mask: Image, names: Iterable[str]) -> Bools:
        table = np.zeros(256, bool)
        table[[self.index[name] for name in names]] = True
        return np.asarray(table[mask])


def worn_upper(cells: Mapping[str, int]) -> str | None:
    """The outermost upper garment by its labels' cells."""
    found: dict[str, int] = {}
    for name, count in cells.items():
        if name in UPPER and count:
            found[UPPER[name]] = found.get(UPPER[name], 0) + count
    if not found:
        return None
    outer = {k: n for k, n in found.items() if k in OUTER}
    if outer and max(outer.values()) >= 0.25 * sum(found.values()):
        found = outer
    return max(found, key=lambda k: found[k])


def masked_answers(mask: Image, tags: Sequence[str], names: Names) -> dict[str, tuple[str, ...]]:
    """What a photo's mask and tags tell."""
    counts = np.bincount(mask.ravel(), minlength=256)
    cells = {name: int(counts[i]) for name, i in names.index.items() if counts[i] >= 60}
    found: dict[str, tuple[str, ...]] = {}
    upper = worn_upper(cells)
    if upper:
        found["upper"] = (upper,)
        own = [name for name in UPPER if UPPER[name] == upper]
        small = np.ascontiguousarray(cv2.resize(
            mask, None, fx=(s := 150 / max(np.ptp(np.flatnonzero(mask.any(1))), 1)), fy=s,
            interpolation=cv2.INTER_NEAREST))  # fmt: skip
        body = body_of(small, names.known)
        value = sleeve(body, names.cells(small, own)) if body else None
        if value:
            found["sleeve"] = (value,)
    lower = {name: n for name, n in cells.items() if name in LOWER}
    if lower:
        best = max(lower, key=lambda k: lower[k])
        if best == "dress" and len(lower) > 1:
            lower.pop("dress")
            best = max(lower, key=lambda k: lower[k])
        found["lower"] = (LOWER[best],)
    for question, labels in CARRIED.items():
        told = any(name in tags for name in labels)
        seen = any(name in cells for name in labels)
        if told == seen:
            found[question] = (question if seen else "none",)
    return found


def tagged_answers(tags: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What a photo's tags alone tell."""
    found: dict[str, tuple[str, ...]] = {}
    upper = {UPPER[name] for name in tags if name in UPPER}
    upper = upper & OUTER or upper
    if upper:
        found["upper"] = tuple(sorted(upper))
        if upper <= LONG:
            found["sleeve"] = ("long",)
    lower = {LOWER[name] for name in tags if name in LOWER}
    lower = lower - {"dress"} or lower
    if len(lower) == 1:
        found["lower"] = tuple(lower)
    for question, labels in CARRIED.items():
        found[question] = (question if any(name in tags for name in labels) else "none",)
    return found


def drawn_mask(rgb: Image, parse: Parse, window: F64) -> Image:
    """The parser's labels of a window, at the picture's size."""
    width, height = CROP_SIZE
    scale = np.array([width, height]) / (window[2:] - window[:2])
    matrix = np.array([[scale[0], 0, -window[0] * scale[0]], [0, scale[1], -window[1] * scale[1]]])
    crop = cv2.warpAffine(rgb, matrix, CROP_SIZE, borderValue=(PAD,) * 3)
    labels = parse(np.asarray(crop, np.uint8)).argmax(axis=0).astype(np.uint8)
    labels = cv2.resize(labels, CROP_SIZE, interpolation=cv2.INTER_NEAREST)
    size = (rgb.shape[1], rgb.shape[0])
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(labels, matrix, size, flags=flags), np.uint8)


def street(
    root: Path, ids: Iterable[str], names: Names, parse: Parse, held: Sequence[Image] = ()
) -> Iterator[Piece]:
    """People of street photos, but for near duplicates of ``held`` ones."""
    rows = {row["id"]: row for row in read_index(root)}
    known = np.stack([thumbnail(rgb) for rgb in held]) if held else np.zeros((0, 1))
    for name in ids:
        rgb = read_rgb(root / "photos" / f"{name}.jpg")
        if rgb is None or (held and float((known @ thumbnail(rgb)).max()) >= 0.94):
            continue
        tags = rows[name]["tags"]
        if rows[name]["level"] == "pixel":
            mask = cv2.imread(str(root / "masks" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            answers = masked_answers(mask, tags, names)
        else:
            whole = crop_window(np.array([0.0, 0.0, rgb.shape[1], rgb.shape[0]]))
            mask = drawn_mask(rgb, parse, whole)
            if not mask.any():
                continue
            mask = drawn_mask(rgb, parse, crop_window(person_box(mask)))
            if (mask > 0).sum() < 2000:
                continue
            answers = tagged_answers(tags)
        yield Piece(rows[name]["level"], rgb, mask, answers, person_box(mask), name)


def coco(root: Path, stems: Iterable[str]) -> Iterator[Piece]:
    """People of COCO pictures, of whom it is known whether they carry a bag."""
    for stem in stems:
        scene = coco_scene(root, stem)
        bags = coco_boxes(root, stem, scene.rgb.shape, BAGS)
        for box in scene.people:
            if box[3] - box[1] < 90 or box[2] - box[0] < 25:
                continue
            middle = (bags[:, :2] + bags[:, 2:]) / 2
            within = ((middle >= box[:2]) & (middle <= box[2:])).all(axis=1).any()
            if within or not _touches(box, bags):
                mask = np.full(scene.rgb.shape[:2], IGNORE, np.uint8)
                answer = {"bag": ("bag" if within else "none",)}
                yield Piece("coco", scene.rgb, mask, answer, box, stem)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A garment on a person on white: RGB and labels (h, w), 0 around; its answers; the row, the
    middle and the width of the waist."""

    rgb: Image
    mask: Image
    answers: Mapping[str, tuple[str, ...]]
    waist: tuple[float, float, float]
    id: str


def listed(data: Path) -> list[tuple[str, str, str, dict[str, tuple[str, ...]]]]:
    """Picture, group that must not be split, ``top``, ``bottom``, ``hat``, ``scarf`` or ``bag``,
    and answers, of the product photos."""
    found = []
    for line in (data / "products.jsonl").read_text().splitlines():
        row = json.loads(line)
        kind, answers = row["articleType"], {}
        text = row["name"].lower()
        if kind in TOPS and row["subCategory"] in ("Topwear", "Dress"):
            told = [name for name, words in PATTERNS.items() if re.search(words, text)]
            answers["upper"] = TOPS[kind]
            if len(told) == 1:
                answers["pattern"] = (told[0],)
            if kind in ("Jackets", "Sweatshirts", "Rain Jacket"):
                answers["sleeve"] = ("long",)
            if "sleeveless" in text:
                answers["sleeve"] = ("short",)
            found.append((row["image"], row["image"], "top", answers))
        elif kind in BOTTOMS and row["subCategory"] != "Topwear":
            found.append((row["image"], row["image"], "bottom", {"lower": (BOTTOMS[kind],)}))
        elif row["subCategory"] in THINGS and kind not in ("Mobile Pouch", "Waist Pouch"):
            found.append((row["image"], row["image"], THINGS[row["subCategory"]], {}))
    for line in (data / "luma.jsonl").read_text().splitlines():
        row = json.loads(line)
        word = row["category"][0].split("/")[-1] if row["category"] else ""
        if row["view"] == "detail" or not word:
            continue
        pattern = LUMA_PATTERNS.get((row.get("pattern") or [""])[0])
        if word in TOPS or word == "Jackets":
            answers = {"upper": TOPS[word], **({"pattern": (pattern,)} if pattern else {})}
            found.append((row["image"], row["sku"], "top", answers))
        elif word in BOTTOMS:
            own = "leggings" if word == "Pants" and "Women" in row["category"][0] else BOTTOMS[word]
            found.append((row["image"], row["sku"], "bottom", {"lower": (own,)}))
    return found


def foreground(rgb: Image) -> Bools:
    """What is not the white around a product: a flood fill from the border."""
    white = np.pad((rgb.min(axis=2) >= 243).astype(np.uint8), 1, constant_values=1)
    _, pieces = cv2.connectedComponents(white, connectivity=4)
    return np.asarray(pieces[1:-1, 1:-1] != pieces[0, 0])


def part_of(rgb: Image, role: str, answers: Mapping[str, tuple[str, ...]], names: Names,
            parse: Parse, name: str) -> Part | None:  # fmt: skip
    """A product photo as a part to put together; ``None`` where nobody wears it."""
    top = colours.HIP if role == "bottom" else 0
    crop = colours.fitted(rgb, top)
    here = foreground(crop) & ~(crop == PAD).all(axis=2)
    shares = parse(crop)[1:].argmax(axis=0).astype(np.uint8) + 1
    labels = cv2.resize(shares, CROP_SIZE, interpolation=cv2.INTER_NEAREST)
    mask = np.where(here, labels, 0).astype(np.uint8)
    upper, lower = names.cells(mask, UPPER), names.cells(mask, set(LOWER) - {"dress"})
    skin = names.cells(mask, ["skin", "hair"])
    if skin.sum() < 0.03 * here.sum() or here.sum() < 4000:
        return None
    own = upper if role == "top" else lower
    if own.sum() < 0.2 * here.sum():
        return None
    middle = int(np.median(np.nonzero(own)[1]))
    band = np.s_[:, max(middle - 10, 0) : middle + 11]
    rows = [int(c.argmax()) for c in lower[band].T if c.any()]
    bottom = int(np.flatnonzero(here.any(axis=1))[-1])
    if len(rows) < 8 and (role == "bottom" or bottom < 200):
        return None
    waist = int(np.median(rows)) if len(rows) >= 8 else bottom
    near = (lower[waist + 2 : waist + 12] if len(rows) >= 8 else upper[waist - 12 : waist]).any(0)
    width = float(near.sum())
    if width < 18 or (role == "top" and waist < 90):
        return None
    told = dict(answers)
    if role == "top":
        small = np.ascontiguousarray(mask[::2, ::2])
        body = body_of(small, names.known)
        value = sleeve(body, names.cells(small, UPPER)) if body else None
        odd = {("t-shirt",): "long", ("sweater", "cardigan"): "short"}.get(told["upper"])
        if value and value != odd and told.setdefault("sleeve", (value,)) != (value,):
            told.pop("sleeve")
    return Part(crop, mask, told, (float(waist), float(middle), width), name)


def composed(top: Part, bottom: Part | None, names: Names, rng: Rng) -> Piece:
    """A top on a bottom: one person on nothing."""
    width, height = 200, 420
    canvas = np.full((height, width, 3), PAD, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    waist, middle, wide = top.waist
    whole = bottom is None or "dress" in top.answers["upper"]
    answers = dict(top.answers)
    if bottom is not None and not whole:
        row, centre, broad = bottom.waist
        scale = float(np.clip(wide / broad * rng.uniform(0.95, 1.12), 0.5, 1.8))
        shift = [width / 2 - centre * scale, waist - 1.5 - row * scale]
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        legs = cv2.warpAffine(bottom.rgb, matrix, (width, height), flags=cv2.INTER_LINEAR)
        labels = cv2.warpAffine(bottom.mask, matrix, (width, height), flags=cv2.INTER_NEAREST)
        labels[: int(waist)] = 0
        keep = (labels > 0) & ~names.cells(labels, UPPER)
        canvas[keep], mask[keep] = legs[keep], labels[keep]
        answers |= bottom.answers
    matrix = np.array([[1, 0, width / 2 - middle], [0, 1, 0.0]])
    rgb = cv2.warpAffine(top.rgb, matrix, (width, height))
    labels = cv2.warpAffine(top.mask, matrix, (width, height), flags=cv2.INTER_NEAREST)
    keep = cv2.erode((labels > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not whole:
        keep &= ~names.cells(labels, [*(set(LOWER) - {"dress"}), "belt"])
        below = np.arange(height)[:, None] > waist + 12
        keep &= ~(below & names.cells(labels, ["skin"]))
    canvas[keep], mask[keep] = rgb[keep], labels[keep]
    answers |= {question: ("none",) for question in ("hat", "scarf") if _has_head(mask, names)}
    if bottom is not None and not whole:
        answers["bag"] = ("none",)
    return Piece("composed", canvas, mask, answers, person_box(mask), top.id)


def _has_head(mask: Image, names: Names) -> bool:
    return bool(names.cells(mask, ["hair"]).sum() > 60)


def put(piece_rgb: Image, mask: Image, thing: Image, value: int, place: tuple[float, float, float],
        rng: Rng) -> None:  # fmt: skip
    """Lay a product (RGB on white) over a picture, in place: middle x, top y and width."""
    here = foreground(thing)
    ys, xs = np.nonzero(here)
    if len(xs) < 200:
        return
    x, y, width = place
    box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = width / (xs.max() + 1 - xs.min())
    size = (piece_rgb.shape[1], piece_rgb.shape[0])
    turn = np.deg2rad(rng.normal(0, 6))
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.hstack([linear, np.array([[x - width / 2], [y]])])
    if scale < 0.7:
        thing = np.asarray(cv2.blur(thing, (round(1 / scale),) * 2), np.uint8)
    over = cv2.warpAffine(thing[box], matrix, size, flags=cv2.INTER_LINEAR)
    cover = cv2.erode(here[box].astype(np.uint8), np.ones((3, 3), np.uint8)) * np.uint8(255)
    alpha = cv2.warpAffine(cover, matrix, size).astype(np.float32)[..., None] / 255
    shade = rng.uniform(0.7, 1.1)
    piece_rgb[:] = (alpha * np.clip(over * shade, 0, 255) + (1 - alpha) * piece_rgb).astype(
        np.uint8
    )
    mask[alpha[..., 0] > 0.5] = value


def dressed_up(piece: Piece, things: Mapping[str, list[Image]], names: Names, rng: Rng) -> Piece:
    """A person with a hat, a scarf or a bag put on, where the mask tells where these go."""
    if piece.kind == "coco":
        return piece
    answers = dict(piece.answers)
    rgb, mask = piece.rgb.copy(), piece.mask.copy()
    hair = names.cells(mask, ["hair"])
    trunk = names.cells(mask, UPPER)
    if not hair.any() or not trunk.any():
        return piece
    hy, hx = np.nonzero(hair)
    ty, tx = np.nonzero(trunk)
    x0, x1 = np.percentile(tx, (8, 92))
    wide, middle = x1 - x0, (x0 + x1) / 2
    top, tall = float(ty.min()), float(np.percentile(ty, 95) - ty.min())
    crown = float(np.percentile(hy, 2))
    head = np.percentile(hx[hy < crown + 0.12 * tall + 4], (5, 95))
    pick = lambda kind: things[kind][rng.integers(len(things[kind]))]  # noqa: E731

    if answers.get("hat") == ("none",) and rng.random() < 0.2 and head[1] - head[0] > 6:
        size = (head[1] - head[0]) * rng.uniform(1.05, 1.45)
        place = (float(head.mean()), crown - size * rng.uniform(0.15, 0.35), size)
        put(rgb, mask, pick("hat"), names.index["hat"], place, rng)
        answers["hat"] = ("hat",)
    if answers.get("scarf") == ("none",) and rng.random() < 0.12:
        place = (middle, top - 0.08 * tall, wide * rng.uniform(0.4, 0.8))
        put(rgb, mask, pick("scarf"), names.index["scarf"], place, rng)
        answers["scarf"] = ("scarf",)
    if answers.get("bag") == ("none",) and rng.random() < 0.45:
        answers["bag"] = ("bag",)
        bag, side = names.index["bag"], rng.choice((-1.0, 1.0))
        how = rng.random()
        if how < 0.3:  # on the back: the face becomes hair
            face = names.cells(mask, ["skin"])
            face[int(top + 0.1 * tall) :] = False
            rgb[face] = np.clip(rgb[hair].mean(axis=0) + rng.normal(0, 8, (face.sum(), 3)), 0, 255)
            mask[face] = names.index["hair"]
            place = (middle + rng.normal(0, 0.05) * wide, top + tall * rng.uniform(0.02, 0.2),
                     wide * rng.uniform(0.65, 1.05))  # fmt: skip
            put(rgb, mask, pick("bag"), bag, place, rng)
        else:
            colour = np.clip(rng.uniform(0, 180) + rng.normal(0, 25, 3), 0, 255)
            lines = np.zeros(mask.shape, np.uint8)
            thick = max(int(wide * rng.uniform(0.05, 0.11)), 1)
            edge = middle + side * wide * rng.uniform(0.4, 0.65)
            low = top + tall * rng.uniform(0.7, 1.2)
            if how < 0.55:  # straps of a backpack
                for s in (-1, 1):
                    x = middle + s * wide * rng.uniform(0.2, 0.3)
                    end = (int(x + s * wide * 0.1), int(top + tall * rng.uniform(0.4, 0.7)))
                    cv2.line(lines, (int(x), int(top)), end, 1, thick)
            elif how < 0.85:  # slung across, or over one shoulder
                start = middle - side * wide * rng.choice((0.3, -0.35))
                cv2.line(lines, (int(start), int(top + 2)), (int(edge), int(low)), 1, thick)
            on = (lines > 0) & names.cells(mask, UPPER)
            rgb[on], mask[on] = colour, bag
            if how >= 0.55:
                place = (edge, low, wide * rng.uniform(0.45, 0.95))
                put(rgb, mask, pick("bag"), bag, place, rng)
    return Piece(piece.kind, rgb, mask, answers, piece.box, piece.id)


def from_above(window: F64, size: tuple[int, int], rng: Rng) -> F64:
    """Homography from a crop of ``size`` to the picture: a window, turned a little, and for some as
    a camera above sees it: feet small, the lower body short."""
    width, height = size
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    steep = rng.uniform(0, 0.35) * (rng.random() < 0.4)
    corners[2:, 0] *= 1 + steep
    corners[2:, 1] *= 1 + 0.5 * steep * rng.random()
    corners[:2, 0] *= 1 - 0.3 * steep
    turn = rng.normal(0, 0.07)
    scale = window[2:] - window[:2]
    spun = corners * scale @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    there = spun + (window[:2] + window[2:]) / 2
    here = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    if rng.random() < 0.5:
        here[:, 0] = width - here[:, 0]
    return np.asarray(cv2.getPerspectiveTransform(here.astype(np.float32),
                                                  there.astype(np.float32)))  # fmt: skip


def shown(piece: Piece, grounds: Sequence[Image], height: int, rng: Rng) -> tuple[Image, Image]:
    """A person ``height`` pixels high as a crop of a camera's picture: RGB (h, w, 3) and labels."""
    size = (height // 2, height)
    window = crop_window(jitter_box(piece.box, rng))
    matrix = from_above(window, size, rng)
    scale = (window[3] - window[1]) / height
    rgb = piece.rgb
    if scale > 1.4:
        rgb = np.asarray(cv2.blur(rgb, (round(scale),) * 2), np.uint8)
    flags = cv2.WARP_INVERSE_MAP
    image = cv2.warpPerspective(rgb, matrix, size, flags=flags | cv2.INTER_LINEAR,
                                borderValue=(PAD,) * 3)  # fmt: skip
    mask = cv2.warpPerspective(piece.mask, matrix, size, flags=flags | cv2.INTER_NEAREST,
                               borderValue=(0,))  # fmt: skip
    pad = cv2.warpPerspective(np.ones(piece.mask.shape, np.uint8), matrix, size,
                              flags=flags | cv2.INTER_NEAREST) == 0  # fmt: skip
    if piece.kind == "composed" or (piece.kind != "coco" and rng.random() < 0.5):
        alpha = cv2.GaussianBlur(((mask > 0) * np.float32(1)), (0, 0), 0.6)[..., None]
        behind = ground(grounds, size, rng)
        image = (alpha * image + (1 - alpha) * behind).astype(np.uint8)
        pad[:] = False
    if rng.random() < 0.2:  # a counter, a shelf, a passer-by
        hidden = np.zeros(mask.shape, bool)
        if rng.random() < 0.5:
            hidden[int(height * rng.uniform(0.5, 0.95)) :] = True
        else:
            y, x = int(height * rng.uniform(0, 0.8)), int(size[0] * rng.uniform(-0.3, 0.8))
            hidden[y : y + int(height * rng.uniform(0.1, 0.35)), max(x, 0) : x + size[0] // 2] = (
                True
            )
        image = np.where(hidden[..., None], ground(grounds, size, rng), image)
        mask = np.where(hidden, 0, mask)
    if rng.random() < 0.1:  # the edge of the picture
        cut = [slice(None), slice(None)]
        share = rng.uniform(0.05, 0.3)
        axis = int(rng.integers(2))
        length = mask.shape[axis]
        cut[axis] = slice(0, int(length * share)) if rng.random() < 0.5 else slice(
            length - int(length * share), None)  # fmt: skip
        pad[tuple(cut)] = True
    mask = np.where(pad, 0, mask).astype(np.uint8)
    return np.where(pad[..., None], PAD, image).astype(np.uint8), mask


def ground(grounds: Sequence[Image], size: tuple[int, int], rng: Rng) -> Image:
    """A piece of some picture, at ``size`` (width, height)."""
    rgb = grounds[rng.integers(len(grounds))]
    high = int(rgb.shape[0] * rng.uniform(0.3, 1))
    wide = min(int(high * rng.uniform(0.4, 0.7)) + 1, rgb.shape[1])
    y, x = rng.integers(rgb.shape[0] - high + 1), rng.integers(rgb.shape[1] - wide + 1)
    part = rgb[y : y + high, x : x + wide]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def visible(piece: Piece, mask: Image, names: Names) -> dict[str, tuple[str, ...]]:
    """The answers to what is still to be seen in a crop."""
    answers = dict(piece.answers)
    if piece.kind == "coco":
        return answers
    upper = float(names.cells(mask, UPPER).mean())
    lower = float(names.cells(mask, LOWER).mean())
    for part, questions in ((upper, ("upper", "sleeve", "pattern")), (lower, ("lower",))):
        for question in questions:
            if part <= UNSEEN:
                answers[question] = ("none",)
            elif part < SEEN:
                answers.pop(question, None)
    # The parser misses hats and bags that tags know of: there, what they are worn on must be seen.
    head = float(names.cells(mask[: int(0.35 * len(mask))], ["hair", "skin", "hat"]).mean()) > 0.01
    around = {"hat": head, "scarf": head and upper >= SEEN, "bag": min(upper, lower) >= SEEN}
    for question, labels in CARRIED.items():
        cells = float(names.cells(mask, labels).mean())
        tagged = piece.kind == "image" and around[question]
        if answers.get(question) == (question,) and cells < 0.0015 and not tagged:
            answers.pop(question)
    return answers
