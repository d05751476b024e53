"""Marks on people: whose, on which garment, said after a vote, from a gallery that may change."""

from __future__ import annotations

import numpy as np
import pytest
from support import make_frame
from tagging.test_gallery import MODEL, SHAPES, SIDE, files, gallery, pictures, pixels  # noqa: F401

from engines.zoo import Label
from pipeline.flow.pace import Pace
from pipeline.settings.schema import Config, LogoConfig
from pipeline.tagging.logos.gallery import Match
from pipeline.tagging.logos.gallery_edit import add, remove
from pipeline.tagging.logos.reader import (
    LogoReader,
    LogoStage,
    Mark,
    around,
    garment_under,
    mark_tags,
    nearer,
)
from pipeline.types import Parsing, TaggedFrame, Track

NAMES = (Label("null", None), Label("t-shirt", "top"), Label("jeans", "pants"))
PERSON = (100.0, 100.0, 180.0, 260.0)


def parsing():
    """A t-shirt above jeans in a window of 160 x 320 pixels."""
    labels = np.zeros((160, 80), np.uint8)
    labels[30:80, 10:70], labels[80:150, 10:70] = 1, 2
    return Parsing((60, 20, 220, 340), labels, np.ones((160, 80), np.float32))


def mark(box, brand="disc", score=0.9):
    return Mark(box, score, Match(brand, 0.8, 0.2, brand or "disc"))


@pytest.mark.parametrize(
    ("box", "garment"),
    [((100, 100, 140, 130), "top"), ((100, 200, 140, 260), "pants"), ((60, 20, 80, 40), None),
     ((120, 170, 140, 210), "pants"), ((900, 900, 950, 950), None), ((-9, -9, -1, -1), None)],
)  # fmt: skip
def test_a_mark_is_on_the_garment_most_of_it_lies_on(box, garment):
    assert garment_under(tuple(map(float, box)), parsing(), NAMES) == garment


def test_a_brand_is_said_once_by_its_surest_mark_and_unknown_ones_not():
    marks = [mark((100, 100, 120, 120), score=0.5), mark((100, 200, 140, 240), score=0.8),
             mark((100, 120, 120, 140), None)]  # fmt: skip
    [tag] = mark_tags(marks, parsing(), NAMES)
    assert (tag.kind, tag.label, tag.category, tag.score) == ("logo", "disc", None, 0.8)
    assert tag.attributes == (("on", "pants"),)


@pytest.mark.parametrize("box", [(0.0, 0.0, 40.0, 10.0), (5.5, 7.5, 6.0, 8.0)])
def test_the_square_around_a_mark_has_it_in_the_middle(box):
    x0, y0, x1, y1 = around(box)
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


def test_of_two_people_side_by_side_only_one_wears_the_mark():
    found, _ = stage(lambda n: [mark((110.0, 150.0, 130.0, 170.0))])
    boxes = {7: (100.0, 100.0, 200.0, 300.0), 8: (90.0, 100.0, 150.0, 300.0)}
    tracks = tuple(Track(i, box, 0.9, 0.0, quality=100.0) for i, box in boxes.items())
    for i in range(4):
        frame = TaggedFrame(
            make_frame(i * 0.2), tracks=tracks, parsings={i: parsing() for i in boxes}
        )
        [out] = found([frame])
    assert [[tag.label for tag in track.tags] for track in out.tracks] == [[], ["disc"]]


class Scripted:
    """A reader that says what it is told to."""

    model = "script"

    def __init__(self, say):
        self.say, self.reads = say, 0

    def refresh(self, now):
        pass

    def on(self, frame, person):
        self.reads += 1
        return self.say(self.reads)


def run(stage, count, parsed=lambda i: True, ended=(), best=lambda i: False):
    out = []
    for i in range(count):
        track = Track(7, PERSON, 0.9, 0.0, quality=100.0, best=best(i))
        parsings = {7: parsing()} if parsed(i) else {}
        frame = TaggedFrame(make_frame(i * 0.2), tracks=(track,), parsings=parsings, ended=ended)
        out.append(stage([frame])[0].tracks[0].tags)
    return out


def stage(say, **settings):
    reader = Scripted(say)
    return LogoStage(reader, NAMES, LogoConfig(tile_s=0, **settings), Pace()), reader


def test_a_brand_seen_twice_is_said_and_one_seen_once_among_many_is_not():
    found, _ = stage(lambda n: [mark((100, 100, 140, 130))] + [mark(PERSON, "ring")] * (n == 3))
    said = run(found, 12)
    assert said[0] == ()
    assert [tag.label for tag in said[1]] == ["disc"]
    assert [tag.label for tag in said[-1]] == ["disc"]
    assert said[-1][0].track_id == 7


def test_only_crops_just_parsed_are_looked_at_and_later_only_better_ones():
    found, reader = stage(lambda n: [], most_looks=4)
    run(found, 10, parsed=lambda i: i % 2 == 0)
    assert reader.reads == 4
    run(found, 6, best=lambda i: i == 3)
    assert reader.reads == 5


def test_somebody_who_left_is_forgotten():
    found, reader = stage(lambda n: [mark((100, 100, 140, 130))], most_looks=2)
    run(found, 3)
    assert reader.reads == 2
    run(found, 1, ended=(7,))
    run(found, 2)
    assert reader.reads == 4, "a new person with the same number is looked at anew"


class Pixels:
    """The embedder of the gallery tests, as a model."""

    spec, size = MODEL, (SIDE, SIDE)

    def __call__(self, crops):
        return pixels(crops)


def test_a_gallery_that_changes_is_read_again_while_cameras_run(gallery, files, caplog):  # noqa: F811
    reader = LogoReader(None, (192, 384), Pixels(), gallery, 0.3)
    reader.refresh(100.0)
    assert reader.gallery is gallery
    remove(gallery, ["disc"])
    reader.refresh(101.0)
    assert "disc" in reader.gallery.names, "not asked every frame"
    reader.refresh(103.0)
    assert reader.gallery.names == sorted(SHAPES.keys() - {"disc"})
    (gallery.folder / "gallery.json").write_text("{}")
    reader.refresh(106.0)
    assert reader.gallery.names == sorted(SHAPES.keys() - {"disc"})
    assert "going on with the brands from before" in caplog.text
    add(reader.gallery, pictures([files / "disc.svg"]))
    reader.refresh(109.0)
    assert reader.gallery.names == sorted(SHAPES)


def test_logos_without_garments_are_a_wrong_setting():
    with pytest.raises(ValueError, match="need garments"):
        Config.model_validate({"logos": {"gallery": "x"}, "garments": {"enabled": False}})
    with pytest.raises(ValueError, match="vanish must not exceed"):
        LogoConfig(appear=0.1, vanish=0.2)
