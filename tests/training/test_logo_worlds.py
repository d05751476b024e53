"""Views of the world for the logo detector: where marks are, what counts neither way, and a
training that begins with an exported file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")
from evaluation.logos import gallery_of  # noqa: E402
from training import logo_detection  # noqa: E402
from training.logo_fitting import Printing, collected, scene, strangers  # noqa: E402
from training.logo_marks import Brand  # noqa: E402
from training.logo_pieces import MATERIALS, face, shaped, word  # noqa: E402
from training.logo_prints import PLAIN, ROUGH  # noqa: E402
from training.logo_scenes import Scene  # noqa: E402
from training.logo_worlds import SURFACES, Mixed, World, view  # noqa: E402

from engines import open_engine  # noqa: E402
from engines.nets.logo_detector import SIZE, ExportedDetector, LogoDetector  # noqa: E402
from engines.packs import find  # noqa: E402
from pipeline.tagging.logos.finder import Finder  # noqa: E402
from pipeline.tagging.logos.reader import Embedder, LogoReader  # noqa: E402
from pipeline.tagging.logos.tagger import LogoSettings  # noqa: E402

pytestmark = pytest.mark.train

RNG = np.random.default_rng(0)
PHOTOS = [RNG.integers(40, 215, (300, 220, 3), np.uint8), np.full((200, 500, 3), 90, np.uint8)]
_DISC = (np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 30).astype(np.uint8) * 255
BRANDS = [Brand("disc", _DISC, (220, 20, 40)), Brand("bar", _DISC[20:44].copy(), (0, 0, 0))]


@pytest.fixture
def fonts():
    image_font = pytest.importorskip("PIL.ImageFont")
    try:
        return [Path(image_font.truetype("DejaVuSans-Bold.ttf", 20).path)]
    except OSError:
        pytest.skip("DejaVu's fonts are not installed")


def test_marks_lie_inside_of_what_is_seen_and_are_told_from_their_ground():
    world = World(PHOTOS, BRANDS, (), (PLAIN, ROUGH))
    scenes = [world.scene(np.random.default_rng(i)) for i in range(60)]
    again = world.scene(np.random.default_rng(3))
    assert (again.rgb == scenes[3].rgb).all()
    marks = np.concatenate([scene.marks for scene in scenes])
    assert len(marks) > 20
    assert (marks[:, :2] >= 0).all()
    assert (marks[:, 2:] <= SIZE).all()
    sides = (marks[:, 2:] - marks[:, :2]).max(axis=1)
    assert sides.min() < 30
    assert sides.max() > 110
    assert any(len(scene.marks) == 0 for scene in scenes)
    assert any(len(scene.others) for scene in scenes)
    assert all(len(scene.brands) == len(scene.marks) for scene in scenes)


@pytest.mark.parametrize("surface", SURFACES)
def test_everything_can_be_made_of_every_material_on_every_surface(surface):
    near, made = np.full(3, 120, np.float32), set()
    for i in range(60):
        rng = np.random.default_rng(i)
        piece, material = face(BRANDS[0], (), 60.0, near, surface, rng, ROUGH)
        made.add(material)
        piece = shaped(piece, surface, rng, ROUGH)
        assert np.isfinite(piece.planes()).all()
        assert piece.marks[0].max() > 0.5, "the mark is still there"
        assert piece.cover.max() <= 1.001
    assert made == set(MATERIALS)


def test_a_symbol_and_the_word_beside_it_are_two_marks(fonts):
    near, counts = np.full(3, 120, np.float32), []
    for i in range(40):
        piece, _ = face(BRANDS[0], fonts, 60.0, near, "panel", np.random.default_rng(i), PLAIN)
        counts.append(len(piece.marks))
        if len(piece.marks) == 2:
            one, other = (mark > 0.3 for mark in piece.marks)
            assert not (one & other).any()
    assert set(counts) == {1, 2}
    letters = word(fonts, 80.0, np.random.default_rng(1))
    assert max(letters.shape) == 80


def test_windows_show_all_of_a_picture_or_a_part():
    shares = []
    for i in range(40):
        image, inside = view(PHOTOS[0], np.random.default_rng(i))
        assert image.shape == (SIZE[1], SIZE[0], 3)
        shares.append(inside.mean())
        assert image[~inside].max(initial=0.0) < 120, "black but for the seam"
    assert max(shares) == 1.0
    assert min(shares) < 0.8


def test_both_kinds_of_scenes_are_mixed():
    class Plain:
        def scene(self, rng):
            return "plain"

    class Far:
        def scene(self, rng):
            return "far"

    rng = np.random.default_rng(0)
    drawn = [Mixed(Far(), Plain(), 0.25).scene(rng) for _ in range(400)]
    assert 60 < drawn.count("far") < 140


def test_what_counts_neither_way_does_so_beside_a_mark():
    none = np.zeros((0, 4))
    mark, lost = np.array([[10.0, 10, 50, 50]]), np.array([[100.0, 200, 140, 240]])
    scene = Scene(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), mark, (0,), lost, none)
    heat, _, _ = logo_detection.target(scene)
    assert (heat[51:59, 26:34] == -1).all()
    assert heat.max() == 1
    over = Scene(scene.rgb, mark, (0,), mark, none)
    assert logo_detection.target(over)[0].max() == 1, "a mark itself is never left out"


def test_a_training_begins_with_what_an_exported_file_puts_out():
    spec = find("logo-detector-lite0")
    net = LogoDetector()
    world = World(PHOTOS, BRANDS, (), (PLAIN, PLAIN))
    rgb = np.stack([world.scene(np.random.default_rng(i)).rgb for i in range(4)])
    logo_detection.begin(net, spec.path, rgb)
    with torch.no_grad():
        _, scores = ExportedDetector(net).eval()(torch.from_numpy(rgb))
    with open_engine(spec, "onnxruntime") as engine:
        expected = engine.infer({"images": rgb})["scores"]
    assert expected.max() > 0.3
    sure = expected > 0.1
    assert scores.numpy()[sure] == pytest.approx(expected[sure], abs=0.03)


def test_the_decision_is_fitted_on_what_the_shipped_models_find():
    settings = LogoSettings()
    finder, spec = find(settings.detector), find(settings.embedder)
    grey = [np.full((300, 300, 3), 120, np.uint8)]
    with open_engine(finder) as engine, open_engine(spec) as model:
        embed = Embedder(model, spec)
        gallery = gallery_of(BRANDS, embed, spec.size[0], spec)
        reader = LogoReader(Finder(engine, finder.size), embed, gallery)
        found = list(collected(Printing(grey, BRANDS), reader, 8, 0, settings.score))
    assert {one.brand for one in found} >= {0, 1}
    assert all(abs(float(np.linalg.norm(one.vector)) - 1) < 1e-3 for one in found)


def test_scenes_of_the_fit_have_words_that_are_nobodys(fonts):
    make = Printing(PHOTOS, BRANDS, fonts)
    some = [scene(make, np.random.default_rng(i)) for i in range(30)]
    assert {bool(words) for _, _, words in some} == {True, False}
    for image, marks, words in some:
        boxes = [*(box for _, box in marks), *words]
        assert all(
            x1 <= image.shape[1] and y1 <= image.shape[0] and min(x0, y0) >= 0
            for x0, y0, x1, y1 in boxes
        )
        assert len(set(boxes)) == len(boxes)
    assert not any(words for _, _, words in (scene(Printing(PHOTOS, BRANDS), RNG) for _ in "12345"))


def test_marks_of_one_family_are_one_stranger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'
    for name, drawing in (
        ("acme", '<path d="M0 0h9l-9 9z"/>'),
        ("acme-background", '<path d="M0 0h9v9h-9zM3 3v3h3v-3z"/>'),
        ("zeta", '<path d="M0 0h1v9h-1zM4 0h1v9h-1zM7 0h1v5h-1z"/>'),
        ("bar-cloud", '<path d="M0 0h9v1h-5v7h-4z"/>'),
    ):
        (tmp_path / f"{name}.svg").write_text(f"{head}{drawing}</svg>")
    found = strangers(tmp_path, BRANDS, [], 0)
    names = sorted(one.name.split("-")[0] for one in found)
    assert names == ["acme", "zeta"], "bar is known by name"


def test_a_convolution_is_computed_in_float_where_the_rest_is_not():
    conv = torch.nn.Conv2d(4, 4, 3, groups=4, bias=False)
    pictures = torch.randn(1, 4, 8, 8).to(torch.bfloat16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logo_detection.in_float(conv)
        found = conv(pictures)
    with torch.no_grad():
        true = torch.nn.functional.conv2d(pictures.float(), conv.weight, groups=4)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, true.to(torch.bfloat16))
