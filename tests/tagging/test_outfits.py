"""What goes with what: garments of a crop, the scorer, the tagger, products, suggestions."""

from __future__ import annotations

import csv
from collections import Counter

import cv2
import numpy as np
import pytest
from look_support import look_stage
from support import make_frame

from pipeline.errors import ConfigError, SourceRefusedError
from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.tagging.outfits.complete import has_room, suggestions, worn_by
from pipeline.tagging.outfits.items import COLOURS, LEAST_CELLS, Item, items_of, masks_of, told
from pipeline.tagging.outfits.products import Listed, listed, silhouette, words_of
from pipeline.tagging.outfits.scorer import RANKS, Scorer
from pipeline.tagging.outfits.tagger import OutfitSettings, OutfitTagger
from pipeline.tagging.parsing import Parsing
from pipeline.tagging.tagger import Subject
from pipeline.types import Frame, TaggedFrame, Track

CATEGORIES = (None, "pants", "shoe", "coat")


def weights(seed=0, categories=("coat", "pants", "shoe"), width=4):
    rng = np.random.default_rng(seed)
    n = len(categories)

    def some(*shape):
        return rng.normal(0, 0.6, shape).astype(np.float32)

    return {
        "categories": np.array(categories),
        "mean": some(COLOURS), "scale": np.abs(some(COLOURS)) + 0.5,
        "edges": rng.uniform(0, 1, (n, n)).astype(np.float32),
        "enter": some(n, width, COLOURS), "send": some(n, width, width),
        "receive": some(n, width, width), "gru_in": some(3 * width, width),
        "gru_state": some(3 * width, width), "gru_in_bias": some(3 * width),
        "gru_state_bias": some(3 * width), "attention": some(width), "score": some(width),
        "ranks": np.sort(some(RANKS)), "steps": np.array(2),
    }  # fmt: skip


def item(category, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, 3) * np.ones((60, 1))
    return Item(category, told(pixels.astype(np.uint8)), 60)


OUTFIT = [item("coat", 1), item("pants", 2), item("shoe", 3)]

# -- Garments of a crop ------------------------------------------------------------------------


def dressed(frame):
    """A parsing of somebody: a coat above pants above shoes."""
    labels = np.zeros((160, 80), np.uint8)
    labels[30:80, 20:60], labels[80:140, 25:55], labels[140:150, 25:55] = 3, 1, 2
    window = (0, 0, frame.width, frame.height)
    return Parsing(window, labels, np.ones(labels.shape, np.float32), CATEGORIES)


def street(coat=(200, 30, 30)):
    rgb = np.full((320, 160, 3), 140, np.uint8)
    rgb[60:160, 40:120], rgb[160:280, 50:110], rgb[280:300, 50:110] = coat, (30, 40, 120), 15
    rgb = np.clip(rgb + np.random.default_rng(0).normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)
    return Frame("door", 0, 0.0, 0.0, 0.0, from_bgr(np.ascontiguousarray(rgb[..., ::-1])))


def test_garments_of_a_crop_have_their_own_colours():
    frame = street()
    found = {one.category: one for one in items_of(frame, dressed(frame))}
    assert found.keys() == {"pants", "shoe", "coat"}
    assert found["coat"].cells == 50 * 40
    coat, pants = (found[name].colours[:9].reshape(3, 3) for name in ("coat", "pants"))
    assert coat[1, 1] > 1, "red: a* of the middle pixel"
    assert pants[1, 2] < -0.5, "blue: b*"
    assert found["shoe"].colours[9:].sum() == pytest.approx(1)
    assert found["shoe"].colours[9] > 0.9, "black"


def test_what_shows_too_little_is_no_garment():
    labels = np.zeros((160, 80), np.uint8)
    labels[0, : LEAST_CELLS - 1] = 1
    assert list(masks_of(labels, CATEGORIES)) == []
    labels[0, LEAST_CELLS - 1] = 1
    assert [name for name, _ in masks_of(labels, CATEGORIES)] == ["pants"]


# -- The scorer --------------------------------------------------------------------------------


def test_fewer_than_two_garments_are_no_outfit():
    scorer = Scorer(weights())
    assert scorer.judge([]) is None
    assert scorer.judge(OUTFIT[:1]) is None
    assert scorer.judge([item("cape"), item("tie")]) is None
    assert scorer.judge([*OUTFIT[:1], item("tie")]) is None


def test_garments_of_unknown_categories_are_left_out():
    scorer = Scorer(weights())
    known, more = scorer.judge(OUTFIT), scorer.judge([item("tie"), *OUTFIT])
    assert known is not None
    assert more is not None
    assert (more.fits, more.least) == (known.fits, known.least + 1)


def test_the_order_of_garments_does_not_matter():
    scorer = Scorer(weights(4))
    one, other = scorer.judge(OUTFIT), scorer.judge(OUTFIT[::-1])
    assert one is not None
    assert other is not None
    assert one.fits == other.fits
    assert OUTFIT[one.least] is OUTFIT[::-1][other.least]


def test_the_garment_that_fits_least_is_the_one_whose_replacement_gains_most():
    own = weights(5)
    scorer, mean = Scorer(own), own["mean"]
    verdict = scorer.judge(OUTFIT)
    assert verdict is not None
    gains = []
    for i, one in enumerate(OUTFIT):
        usual = Item(one.category, mean, 60)
        rest = [x for j, x in enumerate(OUTFIT) if j != i]
        gains.append(scorer.with_each(rest, [usual])[0] - scorer.with_each(rest, [one])[0])
    assert verdict.least == int(np.argmax(gains))


def test_products_of_a_category_the_scorer_does_not_know_are_refused():
    with pytest.raises(ConfigError, match=r"category 'tie': known are coat, pants, shoe"):
        Scorer(weights()).with_each(OUTFIT[:1], [item("tie")])


def test_the_shipped_scorer_judges_street_garments():
    scorer = Scorer.load()
    assert {"pants", "shoe", "coat", "dress"} <= set(scorer.categories)
    verdict = scorer.judge(OUTFIT)
    assert verdict is not None
    assert 0 <= verdict.fits <= 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"edges": np.zeros((2, 2))}, "'edges' must be numbers"),
        ({"score": np.full(4, np.nan)}, "'score' must be numbers"),
        ({"gru_in": np.zeros((3, 4))}, "'gru_in' must be numbers"),
        ({"mean": None}, "mean"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, said, tmp_path):
    broken = {k: v for k, v in {**weights(), **change}.items() if v is not None}
    np.savez(tmp_path / "own.npz", **broken)
    with pytest.raises(ConfigError, match=said) as error:
        Scorer.load(tmp_path / "own.npz")
    assert "own.npz" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\x93NUMPY", b"text"])
def test_files_that_hold_no_weights_are_refused(content, tmp_path):
    (tmp_path / "own.npz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"own\.npz"):
        Scorer.load(tmp_path / "own.npz")


def test_weights_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "own.npz", **{**weights(), "categories": np.array([{"a": 1}], object)})
    with pytest.raises(ConfigError):
        Scorer.load(tmp_path / "own.npz")


# -- The tagger --------------------------------------------------------------------------------


class Parser:
    """Says of everybody what ``dressed`` does, and counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def parse(self, people):
        self.asked += len(people)
        return [(dressed(frame), ()) for frame, _ in people]


def tagger_of(looks=3):
    parser = Parser()
    settings = Fixed(OutfitSettings(enabled=True, looks=looks))
    return OutfitTagger(Scorer(weights()), parser, settings), parser  # type: ignore[arg-type]


def look(tagger, frame, id=1, quality=100.0, given=True):
    shown = {"parsing": dressed(frame)} if given else {}
    box = (0.0, 0.0, 160.0, 320.0)
    [evidence] = tagger.look([Subject("person", frame, box, id, quality, given=shown)])
    return [dict(tag.attributes) for tag in evidence.tags]


def test_somebody_is_judged_once_they_were_looked_at_often_enough():
    tagger, parser = tagger_of(looks=3)
    assert look(tagger, street()) == look(tagger, street()) == []
    [first] = look(tagger, street())
    assert first.keys() == {"fits", "least"}
    assert first["least"] in CATEGORIES
    assert look(tagger, street(coat=(20, 160, 20)), quality=900.0) == [first], "once"
    assert parser.asked == 0, "what garments gave is used"
    tagger.forget("door")
    assert look(tagger, street()) == []


def test_the_best_view_of_each_garment_counts():
    def seen(*views):
        tagger, _ = tagger_of(looks=len(views))
        for coat, quality in views:
            found = look(tagger, street(coat), quality=quality)
        return found

    red, green = (200, 30, 30), (20, 160, 20)
    assert seen((red, 100.0), (green, 10.0)) == seen((red, 100.0))
    assert seen((red, 10.0), (green, 100.0)) == seen((green, 100.0))


def test_without_a_parsing_people_are_parsed():
    tagger, parser = tagger_of(looks=1)
    assert look(tagger, street(), given=False) == look(tagger, street(), id=2)
    assert parser.asked == 1


def test_outfits_are_reported_and_drawn():
    tagger, _ = tagger_of(looks=1)
    stage = look_stage(tagger)
    for i in range(3):
        track = Track(5, (0.0, 0.0, 160.0, 320.0), 0.9)
        [out] = stage([TaggedFrame(make_frame(size=(160, 320), pts=i * 1.0), tracks=(track,))])
    assert [tag.kind for tag in out.tracks[0].tags] == ["outfit"]


# -- Products ----------------------------------------------------------------------------------


def picture(path, colour, ground=255):
    """A product: a coloured block in the middle."""
    image = np.full((90, 60, 3), ground, np.uint8)
    image[20:70, 15:45] = colour[::-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def test_a_silhouette_is_what_differs_from_the_rim():
    rgb = np.full((90, 60, 3), 250, np.uint8)
    rgb[20:70, 15:45] = (180, 20, 20)
    rgb[40:50, 25:35] = 250  # a white print on it
    mask = silhouette(rgb)
    assert mask[20:70, 15:45].all()
    assert mask.sum() == 50 * 30
    white = silhouette(np.full((90, 60, 3), 250, np.uint8))
    assert white[45, 30]
    assert not white[0].any()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 200)])
def test_tiny_and_odd_pictures_have_a_silhouette(size):
    assert silhouette(np.zeros((*size, 3), np.uint8)).any()


def test_a_folder_is_read_by_category_and_a_csv_by_its_columns(tmp_path):
    picture(tmp_path / "Shoes" / "a.png", (0, 0, 0))
    picture(tmp_path / "b.png", (0, 0, 0))
    (tmp_path / "note.txt").write_text("x")
    left_out = Counter()
    assert listed(tmp_path, left_out) == [
        Listed("a", tmp_path / "Shoes" / "a.png", "Shoes"), Listed("b", tmp_path / "b.png"),
    ]  # fmt: skip
    assert left_out == {".txt": 1}
    file = tmp_path / "products.csv"
    with file.open("w", newline="") as target:
        rows = csv.writer(target)
        rows.writerows([("picture", "name", "category"), ("b.png", "Bag, red", "bag"), ("c.png",)])
    assert listed(file, Counter()) == [
        Listed("Bag, red", tmp_path / "b.png", "bag"), Listed("c", tmp_path / "c.png"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"file,category\na.png,coat\n", "no column 'picture'"),
        (b"picture\n", "no product in it"),
        (b"", "no column 'picture'"),
        (b"picture\n\xff\xfe\n", "no CSV file"),
    ],
)
def test_lists_without_products_say_why(content, said, tmp_path):
    (tmp_path / "products.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        listed(tmp_path / "products.csv", Counter())


def test_places_without_products_say_why(tmp_path):
    with pytest.raises(ConfigError, match="no folder and no CSV"):
        listed(tmp_path / "none", Counter())
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceRefusedError, match="no picture in this folder"):
        listed(tmp_path / "empty", Counter())


def test_words_for_categories_are_understood():
    from engines.packs import Label

    words = words_of([Label("jeans", "pants"), Label("boots", "shoe"), Label("skin", None)])
    assert (words["jean"], words["boot"], words["shoe"]) == ("pants", "shoe", "shoe")
    assert "skin" not in words


# -- What completes an outfit ------------------------------------------------------------------


def test_room_is_where_nothing_is_worn_yet():
    worn = ["shirt, blouse", "jacket", "shoe"]
    assert has_room("pants", worn)
    assert has_room("bag, wallet", worn)
    assert not has_room("shoe", worn)
    assert not has_room("coat", worn), "a jacket is worn over it"
    assert not has_room("sweater", worn)
    assert not has_room("dress", worn)
    assert not has_room("skirt", ["dress"])
    assert has_room("coat", ["dress"])
    assert has_room("dress", ["shoe"])


def test_suggestions_are_the_best_of_each_category_there_is_room_for():
    scorer = Scorer(weights(2))
    products = [(Listed(f"{c}{i}", None), item(c, 10 + i)) for c in ("shoe", "pants", "tie")
                for i in range(5)]  # type: ignore[arg-type]  # fmt: skip
    found = suggestions(scorer, OUTFIT[:2], products, top=2)
    assert [one.category for one in found] == ["shoe", "shoe"], "pants are worn, ties unknown"
    scores = scorer.with_each(OUTFIT[:2], [one for _, one in products[:5]])
    assert [one.product.name for one in found] == [f"shoe{i}" for i in (-scores).argsort()[:2]]
    assert found[0].better_than == pytest.approx(0.8)


def test_nobody_on_a_picture_wears_nothing():
    class Nobody:
        def parse(self, people):
            empty = np.zeros((160, 80), np.uint8)
            scores = np.ones(empty.shape, np.float32)
            return [(Parsing((0, 0, 80, 160), empty, scores, CATEGORIES), ()) for _ in people]

    assert worn_by(Nobody(), street()) == []  # type: ignore[arg-type]
