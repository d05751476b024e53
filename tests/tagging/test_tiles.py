"""Marks that belong to nobody: where cameras look for them, when they are reported and dropped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from look_support import FixedBudget, look_stage, person, step
from support import make_frame

from pipeline.events import EventStage
from pipeline.settings.section import Fixed
from pipeline.tagging.logos.finder import Finder
from pipeline.tagging.logos.gallery import Match
from pipeline.tagging.logos.reader import Mark
from pipeline.tagging.logos.tagger import LogoSettings, LogoTagger
from pipeline.tagging.tiles import Rota, settled, tiles
from pipeline.types import Tag

SHAPE = (192, 384)
SIGN = (600.0, 100.0, 680.0, 140.0)


@settings(deadline=None)
@given(st.integers(16, 4000), st.integers(16, 4000))
def test_tiles_cover_every_pixel_twice_in_the_detectors_proportion(width, height):
    found = tiles(width, height, SHAPE)
    assert len(found) <= 80 or max(width / height, height / width) > 3
    sizes = sorted({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in found}, reverse=True)
    assert len(sizes) <= 4
    for size in sizes:
        seen = np.zeros((height, width), bool)
        for x0, y0, x1, y1 in found:
            if (x1 - x0, y1 - y0) == size:
                seen[max(y0, 0) : y1, max(x0, 0) : x1] = True
                assert (x1 - x0) / (y1 - y0) == pytest.approx(0.5, abs=2 / min(size))
        assert seen.mean() > 0.999 - 2 / min(width, height)


def test_a_mark_that_fills_the_picture_is_small_enough_in_some_window():
    for width, height in ((1920, 1080), (500, 375), (720, 1280), (384, 384)):
        widest = max(x1 - x0 for x0, _, x1, _ in tiles(width, height, SHAPE))
        assert 0.8 * min(width, height) <= 0.5 * widest


def test_every_tile_has_its_turn_and_no_sooner_than_asked():
    rota = Rota(0.5, 2)
    every = tiles(1280, 720, SHAPE)

    def due(pts, size=(1280, 720), slowdown=1.0):
        return rota.due(make_frame(pts, size), SHAPE, slowdown)

    looked = [due(i * 0.1) for i in range(5 * len(every))]
    assert [tile for tile in looked if tile] == every
    assert due(0.0) == every[0], "the stream began anew"
    assert due(0.6, slowdown=3.0) is None, "a slow machine looks less"
    assert due(0.7, (640, 360)) in tiles(640, 360, SHAPE)


def sign(label="disc", box=SIGN):
    return Tag("logo", label, None, 0.9, box)


def test_a_sign_is_reported_when_seen_again_and_dropped_when_gone_but_not_while_hidden():
    rota = Rota(0.0, 2)
    here, elsewhere = tiles(1280, 720, SHAPE)[:2]
    rota.saw(here, [sign()], [])
    assert rota.tags == ()
    rota.saw(here, [sign(box=(602.0, 101.0, 682.0, 141.0))], [])
    assert [tag.label for tag in rota.tags] == ["disc"]
    for _ in range(5):
        rota.saw(here, [], [(550.0, 50.0, 700.0, 400.0)])
        rota.saw(elsewhere, [], [])
    assert len(rota.tags) == 1, "somebody stood in front of it"
    rota.saw(here, [], [])
    rota.saw(here, [sign()], [])
    rota.saw(here, [], [])
    rota.saw(here, [], [])
    assert len(rota.tags) == 1
    rota.saw(here, [], [])
    assert rota.tags == ()


def test_marks_on_people_are_theirs_and_two_signs_are_two():
    rota = Rota(0.0, 1)
    tile = tiles(1280, 720, SHAPE)[0]
    rota.saw(tile, [sign()], [(550.0, 50.0, 700.0, 400.0)])
    assert rota.tags == ()
    rota.saw(tile, [sign(), sign(box=(100.0, 100.0, 150.0, 150.0)), sign("ring")], [])
    assert len(rota.tags) == 3


class Sees:
    """A reader that sees one sign, wherever it looks at its place, until ``gone``."""

    model, tiles, empty, gone = "script", Finder(None, SHAPE), False, False

    def refresh(self, now):
        pass

    def on(self, frame, person, ask, all_scales):
        return []

    def read(self, frame, windows, ask):
        [window] = windows
        there = window[0] <= SIGN[0] and window[2] >= SIGN[2] and not self.gone
        return [Mark(SIGN, 0.8, Match("disc", 0.9, 0.3, "disc", 0.8))] * there


def stage(reader, budget=None, **settings):
    wanted = LogoSettings(gallery="x", tile_s=0.25, **settings)
    return look_stage(LogoTagger(reader, Fixed(wanted)), budget=budget)


def test_a_camera_reports_a_sign_once_without_a_person():
    reader = Sees()
    looks, events = stage(reader), EventStage("run")
    reported = []
    for i in range(400):
        reader.gone = i >= 200
        [out] = events([step(looks, i * 0.25)])
        reported += out.events
    assert [(e.name, e.track_id, e.tag.label) for e in reported] == [
        ("appeared", None, "disc"),
        ("vanished", None, "disc"),
    ]


def test_frames_between_two_tiles_keep_what_is_reported():
    looks = stage(Sees(), vote={"looks": 1})
    counts = []
    for i in range(200):
        out = step(looks, i * 0.05, person(3))
        counts.append(len(out.tags))
        assert out.tracks[0].tags == ()
    assert counts[-50:] == [1] * 50


def test_a_live_camera_looks_at_fewer_tiles_under_pressure_and_a_recording_does_not():
    def tiles_in_eight_seconds(live):
        looks = stage(Sees(), FixedBudget(slowdown=4.0))
        outs = [step(looks, i * 0.125, live=live) for i in range(65)]
        return sum(dict(out.looks).get("logos", 0) for out in outs)

    assert tiles_in_eight_seconds(live=False) == 33
    assert tiles_in_eight_seconds(live=True) == 9


def test_a_camera_whose_settings_ask_for_no_tiles_has_none():
    settings = LogoSettings(gallery="x", tile_s=0.25)
    none = settings.model_copy(update={"tile_s": 0.0})
    looks = look_stage(LogoTagger(Sees(), Fixed(settings, {"quiet": none})))
    for source, looked in (("cam", True), ("quiet", False)):
        outs = [step(looks, i * 0.25, source=source) for i in range(5)]
        assert all(bool(out.looks) is looked for out in outs)


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        (SIGN, ["disc"]),
        ((605.0, 105.0, 625.0, 135.0), ["disc"]),
        ((560.0, 60.0, 720.0, 180.0), ["disc"]),
        ((700.0, 100.0, 780.0, 140.0), ["disc", "ring"]),
    ],
    ids=["the same place", "a part of it", "all around it", "beside it"],
)
def test_of_two_brands_for_one_mark_the_surer_one_is_reported(box, kept):
    sure, other = (Tag("logo", "disc", None, 0.9, SIGN, outlined=True),
                   Tag("logo", "ring", None, 0.8, box, outlined=True))  # fmt: skip
    assert [tag.label for tag in settled([other, sure])][::-1] == kept
    rota = Rota(0.5, 1)
    rota.saw((0, 0, 1280, 720), [other, sure], ())
    assert {tag.label for tag in rota.tags} == set(kept)
    assert settled([sure, sure]) == (sure, sure), "one brand twice is no contradiction"


def test_parts_of_a_mark_that_tiles_cut_are_one_thing():
    left, right = (SIGN[0], SIGN[1], 635.0, SIGN[3]), (645.0, SIGN[1], SIGN[2], SIGN[3])
    rota = Rota(0.5, 2)
    rota.saw((0, 0, 300, 600), [sign(box=left), sign(box=right)], ())
    assert rota.tags == ()
    rota.saw((100, 0, 400, 600), [sign()], ())
    assert [tag.box for tag in rota.tags] == [SIGN]
    rota.saw((0, 0, 300, 600), [sign(box=right)], ())
    assert len(rota.tags) == 1
    beside = (700.0, 100.0, 780.0, 140.0)
    for _ in range(2):
        rota.saw((600, 0, 900, 600), [sign(box=beside)], ())
    assert len(rota.tags) == 2, "the same brand elsewhere is another thing"
