"""Marks that belong to nobody: where cameras look for them, when they are said and dropped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import make_frame

from pipeline.flow.pace import Pace
from pipeline.flow.stats import Stats
from pipeline.people.stage import EventStage
from pipeline.settings.schema import LogoConfig
from pipeline.tagging.logos.gallery import Match
from pipeline.tagging.logos.loose_marks import Standing, tiles
from pipeline.tagging.logos.reader import LogoStage, Mark
from pipeline.types import Tag, TaggedFrame, Track

SHAPE = (192, 384)
SIGN = (600.0, 100.0, 680.0, 140.0)


@given(st.integers(16, 4000), st.integers(16, 4000))
def test_tiles_cover_every_pixel_twice_in_the_detectors_proportion(width, height):
    found = tiles(width, height, SHAPE)
    assert len(found) <= 80 or max(width / height, height / width) > 3
    sizes = sorted({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in found}, reverse=True)
    assert len(sizes) <= 2
    for size in sizes:
        seen = np.zeros((height, width), bool)
        for x0, y0, x1, y1 in found:
            if (x1 - x0, y1 - y0) == size:
                seen[max(y0, 0) : y1, max(x0, 0) : x1] = True
                assert (x1 - x0) / (y1 - y0) == pytest.approx(0.5, abs=2 / min(size))
        assert seen.mean() > 0.999 - 2 / min(width, height)


def test_every_tile_has_its_turn_and_no_sooner_than_asked():
    standing = Standing(0.5, 2)
    every = tiles(1280, 720, SHAPE)
    looked = [standing.due(i * 0.1, (1280, 720), SHAPE) for i in range(5 * len(every))]
    assert [tile for tile in looked if tile] == every
    assert standing.due(0.0, (1280, 720), SHAPE) == every[0], "the stream began anew"
    assert standing.due(0.6, (1280, 720), SHAPE, stretch=3.0) is None, "a slow machine looks less"
    assert standing.due(0.7, (640, 360), SHAPE) in tiles(640, 360, SHAPE)


def sign(label="disc", box=SIGN):
    return Tag("logo", label, None, 0.9, box)


def test_a_sign_is_said_when_seen_again_and_dropped_when_gone_but_not_while_hidden():
    standing = Standing(0.0, 2)
    here, elsewhere = tiles(1280, 720, SHAPE)[:2]
    standing.saw(here, [sign()], [])
    assert standing.tags == ()
    standing.saw(here, [sign(box=(602.0, 101.0, 682.0, 141.0))], [])
    assert [tag.label for tag in standing.tags] == ["disc"]
    for _ in range(5):
        standing.saw(here, [], [(550.0, 50.0, 700.0, 400.0)])
        standing.saw(elsewhere, [], [])
    assert len(standing.tags) == 1, "somebody stood in front of it"
    standing.saw(here, [], [])
    standing.saw(here, [sign()], [])
    standing.saw(here, [], [])
    standing.saw(here, [], [])
    assert len(standing.tags) == 1
    standing.saw(here, [], [])
    assert standing.tags == ()


def test_marks_on_people_are_theirs_and_two_signs_are_two():
    standing = Standing(0.0, 1)
    tile = tiles(1280, 720, SHAPE)[0]
    standing.saw(tile, [sign()], [(550.0, 50.0, 700.0, 400.0)])
    assert standing.tags == ()
    standing.saw(tile, [sign(), sign(box=(100.0, 100.0, 150.0, 150.0)), sign("ring")], [])
    assert len(standing.tags) == 3


class Sees:
    """A reader that sees one sign, wherever it looks at its place, until ``gone``."""

    model, size, gone = "script", SHAPE, False

    def refresh(self, now):
        pass

    def on(self, frame, person):
        return []

    def read(self, frame, tile):
        there = tile[0] <= SIGN[0] and tile[2] >= SIGN[2] and not self.gone
        return [Mark(SIGN, 0.8, Match("disc", 0.9, 0.3, "disc"))] * there


def test_a_camera_says_a_sign_once_without_a_person():
    reader = Sees()
    logos = LogoStage(reader, (), LogoConfig(tile_s=0.2), Pace())
    events = EventStage(Stats())
    said = []
    for i in range(400):
        reader.gone = i >= 200
        tagged = TaggedFrame(make_frame(i * 0.2, size=(1280, 720)), tracks=())
        said += events(logos([tagged]))[0].events
    assert [(e.name, e.track_id, e.tag.label) for e in said] == [
        ("appeared", None, "disc"), ("vanished", None, "disc"),
    ]  # fmt: skip


def test_frames_between_two_tiles_keep_what_is_said():
    logos = LogoStage(Sees(), (), LogoConfig(tile_s=0.2, looks=1), Pace())
    person = Track(3, (10.0, 10.0, 60.0, 160.0), 0.9, 0.0)
    counts = []
    for i in range(200):
        tagged = TaggedFrame(make_frame(i * 0.05, size=(1280, 720)), tracks=(person,))
        [out] = logos([tagged])
        counts.append(len(out.tags))
        assert out.tracks[0].tags == ()
    assert counts[-50:] == [1] * 50
