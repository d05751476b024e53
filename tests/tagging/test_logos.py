"""Marks on people: whose, on which garment, voted on, from a gallery that may change."""

from __future__ import annotations

import numpy as np
import pytest
from gallery_support import MODEL, SHAPES, SIDE, pictures, pixels
from look_support import Scripted, look_stage, person, seen, step
from support import make_frame

from pipeline.picture.crop import nearer
from pipeline.settings.schema import make_config
from pipeline.settings.section import Fixed
from pipeline.tagging.due import LookSettings
from pipeline.tagging.logos.decision import Decision
from pipeline.tagging.logos.finder import Finder
from pipeline.tagging.logos.gallery import Match
from pipeline.tagging.logos.gallery_edit import add, remove
from pipeline.tagging.logos.reader import Ask, LogoReader, Mark, person_windows, square_around
from pipeline.tagging.logos.tagger import LogoSettings, LogoTagger, mark_tags
from pipeline.tagging.parsing import Parsing
from pipeline.tagging.vote import VoteSettings
from pipeline.types import Track

CATEGORIES = (None, "top", "pants")
PERSON = (100.0, 100.0, 180.0, 260.0)


def parsing():
    """A t-shirt above jeans in a window of 160 x 320 pixels."""
    labels = np.zeros((160, 80), np.uint8)
    labels[30:80, 10:70], labels[80:150, 10:70] = 1, 2
    return Parsing((60, 20, 220, 340), labels, np.ones((160, 80), np.float32), CATEGORIES)


def mark(box, brand="disc", score=0.9):
    return Mark(box, 0.5, Match(brand, 0.8, 0.2, brand or "disc", score))


@pytest.mark.parametrize(
    ("box", "garment"),
    [((100, 100, 140, 130), "top"), ((100, 200, 140, 260), "pants"), ((60, 20, 80, 40), None),
     ((120, 170, 140, 210), "pants"), ((900, 900, 950, 950), None), ((-9, -9, -1, -1), None)],
)  # fmt: skip
def test_a_mark_is_on_the_garment_most_of_it_lies_on(box, garment):
    assert parsing().category_under(tuple(map(float, box))) == garment


def test_a_brand_is_reported_once_by_its_surest_mark_and_unknown_ones_not():
    marks = [mark((100, 100, 120, 120), score=0.5), mark((100, 200, 140, 240), score=0.8),
             mark((100, 120, 120, 140), None)]  # fmt: skip
    [tag] = mark_tags(marks, parsing())
    assert (tag.kind, tag.label, tag.category, tag.score) == ("logo", "disc", None, 0.8)
    assert tag.attributes == (("on", "pants"),)


@pytest.mark.parametrize("box", [(0.0, 0.0, 40.0, 10.0), (5.5, 7.5, 6.0, 8.0)])
def test_the_square_around_a_mark_has_it_in_the_middle(box):
    x0, y0, x1, y1 = square_around(box)
    assert abs((x1 - x0) - (y1 - y0)) <= 1
    assert x0 <= box[0]
    assert x1 >= box[2]
    assert (x0 + x1) / 2 == pytest.approx((box[0] + box[2]) / 2, abs=1)


def test_a_mark_in_two_boxes_is_the_one_s_in_whose_middle_it_is():
    wide, neighbour = (100.0, 100.0, 200.0, 300.0), (90.0, 100.0, 150.0, 300.0)
    on_neighbour = (110.0, 150.0, 130.0, 170.0)
    assert nearer(on_neighbour, neighbour, wide)
    assert not nearer(on_neighbour, wide, neighbour)
    assert not nearer((140.0, 150.0, 160.0, 170.0), neighbour, wide)
    assert not nearer((180.0, 150.0, 190.0, 170.0), neighbour, wide), "not in the other box at all"


class Marked:
    """A reader that finds on people what it is told to."""

    model, tiles, empty = "script", Finder(None, (192, 384)), False

    def __init__(self, find):
        self.find, self.reads = find, 0

    def refresh(self, now):
        pass

    def on(self, frame, person, ask, all_scales):
        self.reads += 1
        return self.find(self.reads)


def stage(find, *before, **settings):
    """Marks on people, searched after the taggers ``before``, every time a person is looked at:
    at every frame of ``tags``."""
    reader = Marked(find)
    logos = LogoTagger(reader, Fixed(LogoSettings(gallery="x", tile_s=0, **settings)))
    return look_stage(*before, logos, settings=LookSettings(settle_looks=1000)), reader


def tags(looks, count, heights=None, begin=0.0, **more):
    """The tags of one person, frame by frame; the taller, the better the view."""
    shown = [person(7, height=(heights or {}).get(i, 160.0)) for i in range(count)]
    return [
        step(looks, begin + i * 0.5, track, **more).tracks[0].tags for i, track in enumerate(shown)
    ]


def test_of_two_people_side_by_side_only_one_wears_the_mark():
    looks, _ = stage(lambda n: [mark((110.0, 150.0, 130.0, 170.0))])
    boxes = {7: (100.0, 100.0, 200.0, 300.0), 8: (90.0, 100.0, 150.0, 300.0)}
    tracks = [Track(i, box, 0.9) for i, box in boxes.items()]
    for i in range(4):
        out = step(looks, i * 0.5, *tracks)
    assert [[tag.label for tag in track.tags] for track in out.tracks] == [[], ["disc"]]


def test_a_brand_seen_twice_is_reported_and_one_seen_once_among_many_is_not():
    looks, _ = stage(lambda n: [mark((100, 100, 140, 130))] + [mark(PERSON, "ring")] * (n == 3))
    reported = tags(looks, 12)
    assert reported[0] == ()
    assert [tag.label for tag in reported[1]] == ["disc"]
    assert [tag.label for tag in reported[-1]] == ["disc"]
    assert reported[-1][0].track_id == 7


def test_after_the_first_looks_only_better_crops_are_searched():
    looks, reader = stage(lambda n: [], most_looks=4)
    tags(looks, 40)
    assert reader.reads == 4
    tags(looks, 6, heights={3: 220.0}, begin=30.0)
    assert reader.reads == 5


def test_a_little_better_crop_is_searched_only_where_it_is_taken_anyway():
    alone, reader = stage(lambda n: [], most_looks=2)
    tags(alone, 40, heights={i: 160.0 + i for i in range(40)})
    assert reader.reads == 2, "never more than 1.3 times as good as the best before"
    others = Scripted()
    along, reader = stage(lambda n: [], others, most_looks=2)
    tags(along, 40, heights={i: 160.0 + i for i in range(40)})
    assert reader.reads == len(others.shown) == 40
    tags(along, 40, begin=30.0)
    assert reader.reads < len(others.shown), "no better than those before"


def test_somebody_who_left_is_forgotten():
    looks, reader = stage(lambda n: [mark((100, 100, 140, 130))], most_looks=2)
    tags(looks, 3)
    assert reader.reads == 2
    looks([seen(2.0, ended=(7,))])
    tags(looks, 2, begin=2.5)
    assert reader.reads == 4, "a new person with the same number is looked at anew"


def test_a_mark_is_on_a_garment_only_where_garments_are_parsed():
    def attributes(*before):
        looks, _ = stage(lambda n: [mark((100, 100, 140, 130))], *before)
        [tag] = tags(looks, 3)[-1]
        return tag.attributes

    assert attributes(Scripted("garments", gives={"parsing": parsing()})) == (("on", "top"),)
    assert attributes(Scripted("garments")) == ()
    assert attributes() == ()


class Pixels:
    """The embedder of the gallery tests, as a model."""

    pack, size = MODEL, (SIDE, SIDE)

    def __call__(self, crops):
        return pixels(crops)


class Spot:
    """A detection model that finds one mark in the middle of whatever it is shown."""

    def __init__(self, score):
        self.score = score

    def infer(self, inputs):
        count = len(inputs["images"])
        boxes = np.tile(np.float32([[80, 180, 110, 210]]), (count, 1, 1))
        return {"boxes": boxes, "scores": np.full((count, 1), self.score, np.float32)}


def test_people_and_tiles_are_searched_by_their_own_models(gallery):
    people, tiles = (Finder(Spot(score), (192, 384)) for score in (0.75, 0.5))
    frame, ask = make_frame(0.0, (640, 480)), Ask()
    for own, there in ((tiles, 0.5), (None, 0.75)):
        reader = LogoReader(people, Pixels(), gallery, tiles=own)
        assert [m.score for m in reader.read(frame, [(0, 0, 240, 480)], ask)] == [there]
        worn = reader.on(frame, (200.0, 20.0, 400.0, 460.0), ask)
        assert {m.score for m in worn} == {0.75}


def test_one_word_a_look_is_read_where_looks_leave_a_doubt(gallery):
    asked = []

    def read(picture):
        asked.append(picture.shape[:2])
        return "Ring"

    reader = LogoReader(None, Pixels(), gallery, read)
    frame = make_frame(0.0, (640, 480))
    square, word, other = (10, 10, 60, 60), (100, 100, 200, 130), (300, 300, 400, 330)
    found = reader.recognised(frame, [square, word, other], [0.9, 0.8, 0.7], "normal")
    assert asked == [(30, 100)], "no square, and the surest word alone"
    assert [match.brand for match in found] == [None, "ring", None]


def test_a_word_that_is_not_its_name_refutes_a_brand_that_is_not_strictly_sure(gallery):
    vector = gallery.of(gallery.names.index("disc"))[0]

    class Disc(Pixels):
        def __call__(self, crops):
            return np.repeat(vector[None], len(crops), axis=0)

    def said(text, strict):
        gallery.decision = Decision({"bias": 0.5}, {"strict": strict, "normal": 0.5})
        reader = LogoReader(None, Disc(), gallery, lambda picture: text)
        places = [(100, 100, 200, 130)]
        [match] = reader.recognised(make_frame(0.0, (640, 480)), places, [0.9], "normal")
        return match.brand

    assert [said(text, 0.9) for text in ("", "disc", "abc")] == ["disc"] * 3
    assert said("Sausage", 0.9) is None, "a word, and looks leave a doubt"
    assert said("Ring", 0.9) == "ring", "the name of another"
    assert said("Sausage", 0.6) == "disc", "sure enough by looks"


def test_a_gallery_that_changes_is_read_again_while_cameras_run(gallery, files, caplog):
    reader = LogoReader(None, Pixels(), gallery)
    reader.refresh(100.0)
    assert reader.gallery is gallery
    remove(gallery, ["disc"])
    reader.refresh(101.0)
    assert "disc" in reader.gallery.names, "not asked every frame"
    reader.refresh(103.0)
    assert reader.gallery.names == sorted(SHAPES.keys() - {"disc"})
    whole = (gallery.folder / "gallery.json").read_bytes()
    (gallery.folder / "gallery.json").write_text("{}")
    reader.refresh(106.0)
    assert reader.gallery.names == sorted(SHAPES.keys() - {"disc"})
    assert "going on with the brands from before" in caplog.text
    (gallery.folder / "gallery.json").write_bytes(whole)
    add(reader.gallery, pictures([files / "disc.svg"]))
    reader.refresh(109.0)
    assert reader.gallery.names == sorted(SHAPES)


def test_somebody_near_is_searched_at_more_scales():
    """The breast closer where that shows more; at half the scale where they fill the window."""
    far, near = (100.0, 100.0, 140.0, 220.0), (100.0, 100.0, 340.0, 900.0)
    cut_off = (100.0, 100.0, 500.0, 700.0)
    assert len(person_windows(far, (192, 384))) == 1
    whole, breast = person_windows(near, (192, 384))
    assert breast[2] - breast[0] == pytest.approx(0.6 * (whole[2] - whole[0]), abs=1)
    assert whole[1] <= breast[1] < breast[3] < whole[3]
    whole, _, half = person_windows(cut_off, (192, 384))
    assert half[2] - half[0] == 2 * (whole[2] - whole[0])


def test_logos_are_searched_without_garments_and_their_vote_is_checked():
    config = make_config(logos={"gallery": "x"}, garments={"enabled": False})
    assert config.section("logos").wanted
    assert not config.section("garments").wanted
    assert not make_config().section("logos").wanted, "without a gallery there is nothing to find"
    with pytest.raises(ValueError, match="vanish must not exceed"):
        make_config(logos={"gallery": "x", "vote": {"appear": 0.1, "vanish": 0.2}})
    with pytest.raises(ValueError, match="vanish must not exceed"):
        VoteSettings(appear=0.1, vanish=0.2)
