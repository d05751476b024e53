"""Mannequins and posters: what never moves a pixel is no person for long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import make_frame

from pipeline.people.detect import PersonSettings
from pipeline.people.track import Trackers, TrackSettings
from pipeline.people.tracking import TrackStage
from pipeline.picture.yuv import Planes
from pipeline.settings.section import Fixed
from pipeline.types import Detection, TaggedFrame

BOX = (100.0, 100.0, 160.0, 280.0)
RNG = np.random.default_rng(3)
#: Cloth: a patch of blocks as large as folds and limbs.
CLOTH = np.kron(RNG.integers(40, 200, (23, 8)), np.ones((8, 8))).astype(np.float32)[:180, :60]
#: Of the sensor, one after the other.
NOISE = RNG.normal(0, 3, (31, 480, 640)).astype(np.float32)


def stage(**more) -> TrackStage:
    return TrackStage(Trackers(Fixed(TrackSettings(**more)), Fixed(PersonSettings())))


class Shop:
    """A figure before a grey wall, looked at twice a second."""

    def __init__(self, stage: TrackStage):
        self._stage = stage
        self.pts = 0.0
        self.light = 0.0

    def look(self, shift: int = 0, arm: int = 0, hidden: bool = False, box=BOX) -> TaggedFrame:
        """The figure ``shift`` pixels aside, its arm lifted, or behind somebody."""
        self.pts += 0.5
        frame = make_frame(self.pts, (640, 480))
        y = np.full((480, 640), 100, np.float32)
        y[100:280, 100 + shift : 160 + shift] = CLOTH
        if arm:
            y[120 : 120 + arm, 100:120] = 240
        if hidden:
            y[90:290, 110:150] = 20
        y += NOISE[round(2 * self.pts) % len(NOISE)] + self.light
        planes = Planes(np.clip(y, 0, 255).astype(np.uint8), frame.planes.u, frame.planes.v)
        seen = (Detection(box, 0.9),)
        tagged = TaggedFrame(replace(frame, planes=planes), "detect", detections=seen)
        [out] = self._stage([tagged])
        return out

    def people(self, seconds: float, **more) -> set[int]:
        """Who is seen in a time, and was not seen to leave."""
        ids: set[int] = set()
        for _ in range(round(2 * seconds)):
            out = self.look(**more)
            ids = (ids | {track.id for track in out.tracks}) - set(out.ended)
        return ids


def test_what_never_moves_leaves_and_does_not_come_back():
    shop = Shop(stage(motionless_s=60))
    assert shop.people(50) == {1}
    assert shop.people(30) == set()
    assert shop.people(150) == set()


def test_light_noise_and_passers_by_move_nobody():
    shop = Shop(stage(motionless_s=60))
    for i in range(10):
        shop.light = 3.0 * i
        shop.people(7)
        shop.people(1, hidden=True)
    assert shop.people(10) == set()


@pytest.mark.parametrize("move", [{"shift": 4}, {"arm": 40}])
def test_a_person_who_hardly_moves_stays_a_person(move):
    shop = Shop(stage(motionless_s=60))
    for _ in range(7):
        shop.people(12)
        assert shop.people(12, **move) == {1}


def test_whoever_stands_before_a_figure_is_a_person():
    shop = Shop(stage(motionless_s=20))
    assert shop.people(40) == set()
    assert len(shop.people(5, hidden=True)) == 1


def test_another_picture_size_is_another_scene():
    shop = Shop(stage(motionless_s=20))
    shop.people(40)
    other = TaggedFrame(make_frame(shop.pts + 1, (320, 240)), "detect")
    shop._stage([other])
    assert len(shop.people(5)) == 1


def test_a_person_too_small_to_tell_stays():
    shop = Shop(stage(motionless_s=20))
    assert shop.people(60, box=(100.0, 100.0, 108.0, 120.0)) == {1}
