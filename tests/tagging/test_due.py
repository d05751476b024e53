"""When somebody is due for another look."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support import make_frame

from pipeline.tagging.due import Due, LookSettings, expected_gain
from pipeline.tagging.tagger import Memory, Subject, Urgency

BOX = (10.0, 10.0, 60.0, 160.0)
ASIDE = (40.0, 10.0, 90.0, 160.0)


def subject(pts: float, quality: float = 80.0, box=ASIDE) -> Subject:
    return Subject("person", make_frame(pts), box, 1, quality)


def looked(looks: int, unsure: float = 0.5, at: float = 10.0, quality: float = 80.0) -> Memory:
    return Memory(looks, at, BOX, quality, looks * quality, unsure)


def urgency(memory: Memory, one: Subject, sparing=True, **settings) -> Urgency | None:
    found = Due(LookSettings(**settings)).due(one, memory, 2, sparing)
    return found and found.urgency


def test_somebody_unsure_is_looked_at_again_sooner_than_somebody_sure():
    assert urgency(looked(4, unsure=0.7), subject(10.4)) == Urgency.SETTLING
    assert urgency(looked(4, unsure=0.1), subject(10.4)) == Urgency.ALONG
    assert urgency(looked(4, unsure=0.1), subject(10.4), gain=0) == Urgency.SETTLING


def test_somebody_who_stands_still_shows_little_that_is_new():
    assert urgency(looked(4, unsure=0.5), subject(10.4)) == Urgency.SETTLING
    assert urgency(looked(4, unsure=0.5), subject(10.4, box=BOX)) == Urgency.ALONG
    assert urgency(looked(4, unsure=0.5), subject(12.0, box=BOX)) == Urgency.SETTLING


def test_whoever_has_nothing_reported_is_looked_at_in_any_case():
    assert urgency(looked(1, unsure=0.0), subject(10.4, quality=1.0)) == Urgency.NEW


def test_after_the_first_looks_none_is_taken_along():
    assert urgency(looked(8), subject(10.4)) is None


def test_first_looks_that_bring_nothing_leave_stale_tags_and_better_views():
    assert urgency(looked(4, unsure=0.0), subject(13.5), gain=1) == Urgency.AGAIN
    assert urgency(looked(4, unsure=0.0), subject(10.4, quality=200.0), gain=1) == Urgency.AGAIN


def test_who_does_not_spare_takes_all_of_the_first_looks():
    assert urgency(looked(4, unsure=0.0), subject(10.4), sparing=False) == Urgency.SETTLING


@given(
    looks=st.integers(1, 30),
    unsure=st.floats(0, 1),
    age=st.floats(0, 100),
    quality=st.floats(0.1, 500),
    stands=st.booleans(),
)
def test_gain_is_a_share_that_falls_with_looks_and_grows_with_time(
    looks, unsure, age, quality, stands
):
    one, memory = subject(0.0, quality, BOX if stands else ASIDE), looked(looks, unsure)
    gain = expected_gain(one, memory, age)
    assert 0 <= gain <= 1.15
    assert expected_gain(one, looked(looks + 1, unsure), age) <= gain
    assert expected_gain(one, memory, age + 1) >= gain
    still, moving = (subject(0.0, quality, box) for box in (BOX, ASIDE))
    assert expected_gain(still, memory, age) <= expected_gain(moving, memory, age)
