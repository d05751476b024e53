"""What the logo models learn from: marks composed on cloth, targets that say where they are."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training import logo_detection, logo_embedding  # noqa: E402
from training.detection_figures import Looked, curve  # noqa: E402
from training.logo_crops import crop, cut, exemplar  # noqa: E402
from training.logo_decision import ACCEPTS, Rows, fitted  # noqa: E402
from training.logo_marks import (  # noqa: E402
    Brand,
    load_brands,
    split_brands,
    split_others,
    without_twins,
)
from training.logo_prints import PLAIN, ROUGH, Print, lay  # noqa: E402
from training.logo_scenes import TOLD, Material, Scene, board, compose, single  # noqa: E402

from engines.nets.efficientnet_lite import EfficientNetLite0, normalise  # noqa: E402
from engines.nets.logo_detector import SIZE, STRIDE, ExportedDetector, LogoDetector  # noqa: E402
from pipeline.tagging.logos.decision import FEATURES  # noqa: E402

pytestmark = pytest.mark.train


def brand(name, draw):
    cover = np.zeros((128, 128), np.uint8)
    draw(cover)
    return Brand(name, cover, (200, 30, 40))


BRANDS = [
    brand("disc", lambda c: cv2.circle(c, (64, 64), 60, 255, -1)),
    brand("bars", lambda c: [cv2.rectangle(c, (4, y), (124, y + 24), 255, -1) for y in (10, 80)]),
    brand(
        "cross", lambda c: [cv2.line(c, (8, a), (120, b), 255, 22) for a, b in ((8, 120), (120, 8))]
    ),
]
CLOTH = [np.random.default_rng(i).integers(60, 90, (220, 180, 3), np.uint8) for i in range(3)]


def scenes(count):
    material = Material([], [], CLOTH, BRANDS)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        stage = single(CLOTH, rng) if seed % 2 else board(CLOTH, rng)
        yield compose(stage, material.brands, rng)


def test_brands_are_split_once_and_for_all():
    many = [Brand(str(i), BRANDS[0].cover, (0, 0, 0)) for i in range(100)]
    parts = split_brands(many, 0)
    assert [len(part) for part in parts] == [64, 16, 20]
    names = [{b.name for b in part} for part in parts]
    assert len(set.union(*names)) == 100
    assert [[b.name for b in part] for part in split_brands(many, 0)] == [
        [b.name for b in part] for part in parts
    ]
    assert names[0] != {b.name for b in split_brands(many, 1)[0]}


def test_the_same_mark_under_two_names_is_one_brand():
    twin = Brand("twin", cv2.GaussianBlur(BRANDS[0].cover, (3, 3), 0), (0, 0, 0))
    assert [b.name for b in without_twins([*BRANDS, twin])] == ["disc", "bars", "cross"]


def test_marks_are_read_from_a_package_and_kept(tmp_path):
    (tmp_path / "icons").mkdir()
    (tmp_path / "data").mkdir()
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
    (tmp_path / "icons" / "a.svg").write_text(f'{head}<circle cx="9" cy="9" r="8"/></svg>')
    (tmp_path / "icons" / "broken.svg").write_text("<svg")
    (tmp_path / "data" / "simple-icons.json").write_text('[{"slug": "a", "hex": "0A141E"}]')
    cache = tmp_path / "cache"
    [first] = load_brands(tmp_path, cache)
    assert (first.name, first.colour, first.cover.shape) == ("a", (10, 20, 30), (128, 128))
    [again] = load_brands(tmp_path, cache)
    assert np.array_equal(again.cover, first.cover)
    (tmp_path / "icons" / "a.svg").write_text(f'{head}<ellipse cx="9" cy="9" rx="8" ry="2"/></svg>')
    [other] = load_brands(tmp_path, cache)
    assert other.cover.shape == (32, 128), "what changed is drawn anew"


def test_marks_of_another_maker_are_split_by_brand(tmp_path):
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'
    for i in range(20):
        bars = "".join(
            f'<rect x="{x}" y="{x * i % 9}" width="1" height="{1 + (i * x) % 5}" fill="#{i:02}8"/>'
            for x in range(1, 8)
        )
        for variant, more in (("icon", ""), ("cloud", '<circle cx="7" cy="2" r="2" fill="red"/>')):
            (tmp_path / f"b{i}-{variant}.svg").write_text(f"{head}{bars}{more}</svg>")
    (tmp_path / "broken.svg").write_text("<svg")
    parts = split_others(tmp_path, {"b3", "b4"}, 0)
    families = [{mark.name.split("-")[0] for mark in part} for part in parts]
    assert all(families)
    assert sum(map(len, families)) == 18 == len(set.union(*families))
    assert "b3" not in set.union(*families)
    assert all((mark.rgb is not None) == mark.name.endswith("cloud") for mark in parts[0])
    icons = {
        path.stem: {"body": path.read_text()[len(head) : -6]} for path in tmp_path.glob("b*-*.svg")
    }
    package = tmp_path / "icons.json"
    package.write_text(json.dumps({"icons": icons, "width": 9, "height": 9}))
    for _ in range(2):  # drawn, and as kept
        again = split_others(package, {"b3", "b4"}, 0, tmp_path / "cache")
        assert [mark.name for mark in again[0]] == [mark.name for mark in parts[0]]
        assert np.array_equal(again[0][0].cover, parts[0][0].cover)
        assert all(
            np.array_equal(one.rgb, other.rgb)
            for one, other in zip(again[0], parts[0], strict=True)
            if one.rgb is not None
        )


def test_a_mark_of_several_colours_is_printed_in_them():
    cover = np.full((128, 128), 255, np.uint8)
    rgb = np.zeros((128, 128, 3), np.uint8)
    rgb[:, :64], rgb[:, 64:] = (220, 20, 20), (20, 20, 220)
    two = Brand("two", cover, (120, 20, 120), rgb)
    own = 0
    for seed in range(20):
        picture = crop(two, CLOTH, 80.0, 96, np.random.default_rng(seed), 0.05).astype(int)
        left, right = picture[40:56, 28:40].mean((0, 1)), picture[40:56, 56:68].mean((0, 1))
        own += left[0] > left[2] + 60 and right[2] > right[0] + 60
    assert own >= 12, "in greys now and then"
    assert np.array_equal(two.drawn()[..., :3], rgb)


@pytest.mark.parametrize("side", [18.0, 40.0, 110.0])
def test_crops_show_the_mark_and_follow_their_seed(side):
    for seed in range(20):
        one, same, other = (
            crop(b, CLOTH, side, 96, np.random.default_rng(seed))
            for b in (BRANDS[0], BRANDS[0], BRANDS[2])
        )
        assert one.shape == (96, 96, 3)
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)


@pytest.mark.parametrize("variant", range(3))
def test_a_gallery_s_picture_has_the_mark_in_the_middle(variant):
    picture = exemplar(BRANDS[0], 96, variant).astype(float)
    ground, middle = picture[2, 2], picture[48, 48]
    assert np.abs(ground - middle).max() > 100
    inside = np.abs(picture - ground).max(axis=2) > 60
    ys, xs = np.nonzero(inside)
    assert abs(xs.min() + xs.max() - 95) <= 3
    assert abs(ys.min() + ys.max() - 95) <= 3


def test_a_cut_has_the_box_in_its_middle():
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[50:90, 100:140] = 255
    out = cut(picture, np.array([100.0, 50, 140, 90]), 96)
    ys, xs = np.nonzero(out[..., 0] > 127)
    assert xs.min() == pytest.approx(96 * 0.12 / 1.24, abs=2)
    assert xs.max() == pytest.approx(96 - 96 * 0.12 / 1.24, abs=2)
    assert ys.min() == pytest.approx(xs.min(), abs=1)


def test_marks_of_scenes_lie_inside_and_their_prints_can_be_seen():
    seen = 0
    for scene in scenes(40):
        assert scene.rgb.shape == (SIZE[1], SIZE[0], 3)
        assert len(scene.brands) == len(scene.marks)
        for x0, y0, x1, y1 in scene.marks.tolist():
            assert 0 <= x0 < x1 <= SIZE[0]
            assert 0 <= y0 < y1 <= SIZE[1]
            assert scene.rgb[int(y0) : int(y1), int(x0) : int(x1)].astype(float).std() > 1
            seen += 1
    assert seen > 20


def test_a_mark_is_what_of_it_can_be_seen():
    cover = np.zeros((40, 60), np.float32)
    cover[10:30, 5:25] = cover[10:30, 35:55] = 1.0
    colours = np.zeros((40, 60, 3), np.float32)
    colours[:, 30:] = 120.0  # the right half has the ground's colour
    image = np.full((80, 100, 3), 120.0, np.float32)
    rng = np.random.default_rng(0)
    changed = lay(image, Print(cover, np.zeros(3, np.float32), colours=colours), 20, 15, rng)
    assert changed.shape == cover.shape
    assert changed[10:30, 5:25].min() > TOLD
    assert changed[:, 30:].max() < TOLD
    assert (lay(image, Print(cover, np.zeros(3, np.float32)), 200, 15, rng) == 0).all()


def test_boxes_are_what_the_cells_around_a_peak_agree_on():
    height, width = SIZE[1] // STRIDE, SIZE[0] // STRIDE

    class Net(torch.nn.Module):
        def forward(self, images):
            logits = torch.full((1, height, width), -12.0)
            sides = torch.full((1, 4, height, width), 8.0)
            logits[0, 50, 20], logits[0, 50, 21], logits[0, 50, 19] = 2.0, 1.9, -3.0
            sides[0, 0, 50, 20], sides[0, 0, 50, 19] = 12.0, 99.0
            return logits, sides

    boxes, scores = ExportedDetector(Net())(torch.zeros(1, SIZE[1], SIZE[0], 3, dtype=torch.uint8))
    peak = int(scores[0].argmax())
    assert peak == 50 * width + 20
    left = 20.5 * STRIDE - np.array([12.0, 8.0 - STRIDE])
    assert left[0] < float(boxes[0, peak, 0]) < left[1], "the unsure cell hardly counts"
    assert boxes[0, peak, 1:].tolist() == pytest.approx(
        [50.5 * STRIDE - 8, 20.5 * STRIDE + 8 + STRIDE / 2, 50.5 * STRIDE + 8], abs=0.3
    )
    assert torch.isfinite(boxes).all()


def test_a_target_met_exactly_gives_the_marks_back():
    for scene in scenes(12):
        heat, sides, weight = logo_detection.target(scene)
        assert weight.sum() == pytest.approx(len(scene.marks))
        peaks = np.argwhere(heat > 0.999)
        boxes = np.zeros((0, 4))
        for y, x in peaks:
            left, top, right, bottom = sides[:, y, x]
            cx, cy = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
            boxes = np.vstack([boxes, [cx - left, cy - top, cx + right, cy + bottom]])
        look = Looked(boxes, np.ones(len(boxes)), scene.marks, scene.ignore)
        assert curve([look]).average_precision() == pytest.approx(1.0 if len(scene.marks) else 0.0)


def test_the_loss_prefers_what_is_right():
    scene = next(s for s in scenes(20) if len(s.marks))
    truth = [torch.from_numpy(part[None]) for part in logo_detection.target(scene)]
    logits = 12 * (truth[0] > 0.999).float() - 6
    right = logo_detection.detection_loss((logits, truth[1]), truth)
    wrong_place = logo_detection.detection_loss((logits.flip(2), truth[1]), truth)
    wrong_size = logo_detection.detection_loss((logits, truth[1] * 2), truth)
    assert right < 0.1
    assert wrong_place > right + 1
    assert wrong_size > right + 0.5


def test_small_and_large_marks_are_counted_apart():
    marks = np.array([[0, 0, 20, 10], [50, 50, 110, 90.0]])
    look = Looked(marks[:1], np.array([0.9]), marks, np.zeros((0, 4)))
    small = logo_detection.of_size(look, 16, 32)
    assert len(small.people) == 1
    assert len(small.ignore) == 1
    assert logo_detection.recall([look], 0.5) == 0.5
    assert logo_detection.recall([small], 0.5) == 1
    assert logo_detection.recall([small], 0.95) == 0


def test_the_exported_detector_speaks_in_pixels_of_its_input():
    boxes, scores = ExportedDetector(LogoDetector()).eval()(torch.zeros(2, SIZE[1], SIZE[0], 3))
    cells = SIZE[0] * SIZE[1] // STRIDE**2
    assert boxes.shape == (2, cells, 4)
    assert scores.shape == (2, cells)
    assert (boxes[..., 2:] > boxes[..., :2]).all()
    middles = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2
    assert 0 < middles[:, 0].min() < middles[:, 0].max() < SIZE[0]


@pytest.mark.parametrize("kind", ["embed", "detect"])
def test_trainings_go_on_where_they_stopped(tmp_path, kind):
    weights = tmp_path / "imagenet.pt"
    torch.save(EfficientNetLite0().state_dict(), weights)
    some = list(scenes(4)) if kind == "detect" else []

    def trainer():
        if kind == "embed":
            recipe = logo_embedding.Recipe(steps=2, batch=4)
            return logo_embedding.Trainer(BRANDS, CLOTH, weights, recipe)
        recipe = logo_detection.Recipe(steps=2, batch=2)
        made = logo_detection.Trainer(Material([], [], CLOTH, BRANDS), weights, recipe)
        made._batches = lambda: (
            (
                normalise(torch.from_numpy(np.stack([s.rgb for s in some[i : i + 2]]))),
                *(
                    torch.from_numpy(np.stack(part))
                    for part in zip(*map(logo_detection.target, some[i : i + 2]), strict=True)
                ),
            )
            for i in range(made.done, 2)
        )
        return made

    whole = trainer()
    steps = whole.run()
    losses = [next(steps)]
    whole.save(tmp_path / "c.pt")
    losses += list(steps)
    assert len(losses) == 2
    second = trainer()
    second.resume(tmp_path / "c.pt")
    assert second.done == 1
    assert next(second.run()) == pytest.approx(losses[1], rel=1e-2)


def test_a_scene_without_marks_has_no_target():
    none = np.zeros((0, 4))
    empty = Scene(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), none, (), none, none)
    heat, _, weight = logo_detection.target(empty)
    assert heat.max() == weight.max() == 0


def a_table(count=4000):
    """Rows as a detector might bring them: known marks likelier and with more margin."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, count)
    values = np.zeros((count, len(FEATURES)))
    values[:, 0] = 1.0
    values[:, FEATURES.index("likeness")] = rng.normal(np.where(kind == 0, 0.7, 0.4), 0.1)
    values[:, FEATURES.index("margin")] = rng.uniform(0, np.where(kind == 0, 0.4, 0.2))
    values[:, FEATURES.index("score")] = rng.normal(np.where(kind == 0, 0.3, 0.5), 0.1)
    right = (kind == 0) & (rng.random(count) < 0.95)
    return Rows(values, right, kind, rng.choice([1, 100], count))


def test_every_level_lets_in_no_more_of_the_unknown_than_it_may():
    rows = a_table()
    values = fitted(rows)
    logits = rows.features @ np.array([values[name] for name in FEATURES])
    stranger = rows.kind > 0
    for level, accepts in ACCEPTS.items():
        taken = 1 / (1 + np.exp(-logits[stranger])) >= values[level]
        assert taken.mean() <= 1.2 * accepts + 1e-3
    assert values["strict"] > values["normal"] > values["lenient"]
    found = 1 / (1 + np.exp(-logits[rows.right])) >= values["normal"]
    assert found.mean() > 0.6


def test_what_tells_known_from_unknown_weighs_and_nothing_counts_against_a_mark():
    values = fitted(a_table())
    assert values["likeness"] > 5
    assert values["margin"] > 0
    assert values["score"] == 0.0, "it is lower for known marks here, which is no reason"


def test_plain_crops_are_nearer_to_the_gallery_s_picture_than_rough_ones():
    def far(rough):
        rng = np.random.default_rng(3)
        shown = exemplar(BRANDS[0], 96, 0)[..., 0] < 128
        out = []
        for _ in range(60):
            grey = crop(BRANDS[0], [], 80.0, 96, rng, rough).mean(axis=2)
            out.append(abs(np.corrcoef(grey.ravel(), shown.ravel())[0, 1]))
        return np.mean(out)

    assert far(PLAIN) > far(ROUGH) + 0.05
