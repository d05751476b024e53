"""One time for two streams of a camera."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from pipeline.picture.registration import MOMENT, WHOLE, seen
from pipeline.sources.alignment import KEPT_S, Alignment, Sight

RATE = 15
STEP = 1 / RATE
#: When the sub-stream began, by the monotonic clock and by the camera's.
BEGAN, UTC = 5000.0, 1_700_000_000.0


def shown(at: float, moving: bool = True):
    """What the scene looks like at a moment, in stream seconds."""
    width, height = MOMENT
    luma = np.tile(np.linspace(60, 120, width, dtype=np.uint8), (height, 1))
    if moving:  # somebody who walks about and does not come by the same place in the same pose soon
        x = 28 + 26 * np.sin(0.45 * at) + 4 * np.sin(2.1 * at)
        y = 12 + 8 * np.sin(0.31 * at)
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        body = np.exp(-(((columns - x) / 2.5) ** 2) - ((rows - y) / 6.0) ** 2)
        luma = np.clip(luma + 130 * body, 0, 255).astype(np.uint8)
    return luma


class Streams:
    """Both streams of a camera as a pairing sees them."""

    def __init__(self, reports=True, moving=True):
        self.alignment = Alignment()
        self.now = 0.0
        self.reports, self.moving = reports, moving
        #: How much later the main stream arrives, and how wrong its reports are.
        self.late_s = self.wrong_s = 0.0
        self.waiting: list[float] = []
        self.errors: list[float] = []

    def run(self, seconds: float, every_s: float = 1.0) -> None:
        """Go on, with a picture of the main stream decoded every so often."""
        last = self.now + seconds
        following = self.now + every_s
        while self.now < last:
            self.now += STEP
            utc = UTC + self.now if self.reports else None
            self.alignment.saw(Sight(self.now, BEGAN + self.now, utc, shown(self.now, self.moving)))
            if self.now >= following:
                following += every_s
                if len(self.waiting) < 3:
                    self.waiting.append(self.now - self.late_s)
            self.waiting = [at for at in self.waiting if self._later(at)]

    def _later(self, at: float) -> bool:
        utc = UTC + at + self.wrong_s if self.reports else None
        placed = self.alignment.placed(BEGAN + at + self.late_s, utc)
        assert placed is not None
        main = seen(shown(at + 0.3 * STEP, self.moving), WHOLE)  # taken between two of the others
        moment = self.alignment.moment(placed, main)
        if isinstance(moment, float):
            self.errors.append(moment - at)
        return moment == "later"


def test_reports_place_every_picture_once_they_were_found_right():
    streams = Streams()
    streams.late_s = 0.6
    streams.run(5)
    before = len(streams.errors)
    assert before >= 1
    streams.run(4)
    assert len(streams.errors) >= before + 3
    assert np.abs(streams.errors).max() <= STEP / 2 + 1e-6


@given(st.floats(-2.3, 2.3), st.booleans())
@effort(max_examples=25)
def test_an_offset_is_found_and_no_picture_is_placed_wrongly_before(offset, reports):
    """Of what arrives late, or of reports that are wrong."""
    streams = Streams(reports)
    if reports:
        streams.wrong_s = offset
    else:
        streams.late_s = offset
    streams.run(18, every_s=0.7)
    assert streams.errors, "found"
    assert np.abs(streams.errors).max() <= 1.5 * STEP
    assert abs(streams.errors[-1]) <= STEP


def test_a_clock_that_leaps_while_it_runs_is_found_out():
    streams = Streams()
    streams.run(6)
    placed = len(streams.errors)
    streams.wrong_s = 2.0
    streams.run(12)
    assert len(streams.errors) > placed + 4
    assert np.abs(streams.errors).max() <= 1.5 * STEP
    assert streams.alignment.doubtful >= 2


def test_where_nothing_moves_clocks_are_believed():
    streams = Streams(moving=False)
    streams.run(9)
    assert streams.errors
    assert np.abs(streams.errors).max() <= 1e-6
    assert streams.alignment.doubtful == 0


def test_a_camera_that_shows_something_else_is_given_no_moment():
    streams = Streams()
    streams.run(4, every_s=10)
    other = seen(np.random.default_rng(1).integers(0, 255, MOMENT[::-1], dtype=np.uint8), WHOLE)
    placed = streams.alignment.placed(BEGAN + 0.2, UTC + 0.2)
    assert streams.alignment.moment(placed, other) is None


def test_a_sub_stream_that_begins_anew_is_compared_with_its_own_pictures():
    streams = Streams()
    streams.run(5)
    streams.now, streams.errors = 0.0, []
    streams.run(5)
    assert np.abs(streams.errors).max() <= STEP


def test_nothing_is_placed_before_the_sub_stream_began():
    assert Alignment().placed(BEGAN, UTC) is None


def test_memory_is_bounded():
    streams = Streams()
    streams.run(5 * KEPT_S)
    assert len(streams.alignment._sights) == pytest.approx(KEPT_S * RATE, abs=2)
