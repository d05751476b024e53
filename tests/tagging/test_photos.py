"""Still pictures: the same taggers, one look at everything."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from look_support import BOX, Companion, Scenic, Scripted, sure

from pipeline.people.detect import Found
from pipeline.photos import PhotoTagger
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import make_config
from pipeline.settings.section import Fixed
from pipeline.tagging.tagger import Kind, TaggerSettings
from pipeline.types import Detection, Tag

SIZE = (640, 480)
WHOLE = (0.0, 0.0, 640.0, 480.0)
OTHER = (300.0, 100.0, 360.0, 280.0)


class Signs(Scripted):
    """Finds one sign on every tile that holds its middle, and on people."""

    wants = frozenset[Kind]({"person", "tile"})
    tile_shape = (1, 1)
    place = (500.0, 50.0, 540.0, 90.0)

    def __init__(self):
        super().__init__("signs", self._sign)

    def every_s(self, kind, source):
        return 0.5 if kind == "tile" else 0.0

    def _sign(self, subject):
        x0, y0, x1, y1 = subject.box
        there = x0 <= self.place[0] and x1 >= self.place[2] and y0 <= 50 and y1 >= 90
        return [Tag("logo", "disc", None, 0.8, self.place, outlined=True)] * there


class Same:
    """A detector that finds the same people everywhere."""

    def __init__(self, *people):
        self.people = people

    def search(self, frames):
        return [Found(self.people, ()) for _ in frames]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    return path


def photo(path, people, *taggers):
    return PhotoTagger(Same(*people), taggers, LiveSettings(make_config())).tag(path)


def labels(found):
    return [(tag.label, tag.track_id) for tag in found.tags]


def test_people_are_numbered_and_shown_to_every_tagger_once(path):
    one, other = Scripted("one", [sure("dots")]), Companion("other", [sure("stripes")])
    found = photo(path, [Detection(BOX, 0.9), Detection(OTHER, 0.8)], one, other)
    assert labels(found) == [("dots", 1), ("stripes", 1), ("dots", 2), ("stripes", 2)]
    assert [subject.others for subject in one.shown] == [(OTHER,), (BOX,)]
    assert len(other.shown) == 2, "a picture has no second frame to wait for"


def test_a_picture_without_people_is_shown_whole(path):
    tagger = Scripted(tags=[sure()])
    found = photo(path, [], tagger)
    assert labels(found) == [("stripes", None)]
    assert [subject.box for subject in tagger.shown] == [WHOLE]
    assert found.record()["persons"] == []


def test_unlikely_tags_are_not_reported(path):
    tagger = Scripted(tags=[sure(), Tag("pattern", "dots", None, 0.3, BOX)])
    assert labels(photo(path, [Detection(BOX, 0.9)], tagger)) == [("stripes", 1)]


def test_passers_by_and_doubtful_people_are_left_out(path):
    small = (10.0, 10.0, 40.0, 90.0)
    people = [Detection(BOX, 0.9), Detection(small, 0.9), Detection(OTHER, 0.3)]
    assert [p.box for p in photo(path, people, Scripted()).persons] == [BOX]


def test_a_tagger_that_is_off_is_not_asked(path):
    tagger = Scripted(tags=[sure()])
    tagger.settings = Fixed(TaggerSettings(enabled=False))
    assert photo(path, [Detection(BOX, 0.9)], tagger).tags == ()
    assert tagger.shown == []


def test_whole_pictures_are_looked_at_once_where_a_tagger_wants_them(path):
    scene = Scenic("scene", [sure("rain", WHOLE)])
    found = photo(path, [Detection(BOX, 0.9)], Scripted(), scene)
    assert labels(found) == [("rain", None)]
    assert [(subject.kind, subject.box) for subject in scene.shown] == [("frame", WHOLE)]
    never = Scenic("scene", [sure("rain")])
    never.seconds = 0.0
    assert photo(path, [], never).tags == ()


def test_what_lies_around_is_reported_once_and_drawn_where_it_is(path):
    signs = Signs()
    found = photo(path, [Detection(BOX, 0.9)], signs)
    assert labels(found) == [("disc", None)]
    assert sum(subject.kind == "tile" for subject in signs.shown) > 1
    x0, y0, x1, y1 = (round(v) for v in signs.place)
    changed = (found.drawing() != found.image).any(axis=2)
    assert changed[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2].any()


def test_a_mark_on_somebody_is_not_reported_again_as_one_that_lies_around(path):
    wearer = (450.0, 0.0, 600.0, 400.0)
    assert labels(photo(path, [Detection(wearer, 0.9)], Signs())) == [("disc", 1)]


def test_a_mark_on_somebody_that_only_a_tile_shows_is_theirs(path):
    class Tiled(Signs):
        def _sign(self, subject):
            return [] if subject.kind == "person" else super()._sign(subject)

    wearer, beside = (450.0, 0.0, 600.0, 400.0), (340.0, 0.0, 530.0, 400.0)
    people = [Detection(beside, 0.9), Detection(wearer, 0.8)]
    assert labels(photo(path, people, Tiled())) == [("disc", 2)]


def test_boxes_stay_in_the_picture(path):
    beyond = sure("stripes", (-20.0, -5.0, 900.0, 700.0))
    [tag] = photo(path, [Detection(BOX, 0.9)], Scripted(tags=[beyond])).tags
    assert tag.box == WHOLE


def test_without_garments_there_is_no_mask(path):
    tagger = PhotoTagger(Same(), [Scripted()], LiveSettings(make_config()))
    assert tagger.labels == ()
    assert not tagger.tag(path).mask().any()
