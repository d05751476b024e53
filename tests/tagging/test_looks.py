"""Which crops are looked at, and when: the stage that all taggers share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_support import (
    BOX,
    Companion,
    FixedBudget,
    Scenic,
    Scripted,
    look_stage,
    person,
    seen,
    step,
    sure,
)

from pipeline.events import EventStage
from pipeline.flow.pace import Pace
from pipeline.settings.section import Fixed
from pipeline.tagging.due import LookSettings
from pipeline.tagging.looks import LookStage
from pipeline.tagging.tagger import TaggerSettings
from pipeline.types import Tag, Track


def ids(tagger):
    """Who was shown since this was last asked."""
    shown = [subject.id for subject in tagger.shown]
    tagger.shown.clear()
    return shown


@pytest.mark.parametrize(("pixels", "least", "most"), [(0.0, 11, 13), (40.0, 26, 29)])
def test_people_who_stand_still_are_looked_at_less_often(pixels, least, most):
    """Eight first looks, then one every 3 s of those who walk and every 12 s of the others."""
    tagger = Scripted()
    looks = look_stage(tagger, budget=Pace().budget)
    for i in range(300):
        step(looks, i * 0.2, person(1, 100 + pixels * (i % 20)))
    assert least <= len(tagger.shown) <= most


@pytest.mark.parametrize(
    ("live", "slowdown", "hurry", "first"),
    [(True, 2.0, True, 1), (True, 1.0, True, 2), (False, 2.0, True, 2), (True, 2.0, False, 2)],
)
def test_under_pressure_one_look_is_enough_to_report_something(live, slowdown, hurry, first):
    pants = Tag("garment", "pants", "pants", 0.9, BOX, level="category")
    tagger = Scripted(tags=[pants], settings=TaggerSettings(vote={"hurry": hurry}))
    pace, reported = Pace(slowdown=slowdown), []
    looks = look_stage(tagger, budget=pace.budget)
    for i in range(12):
        pace.begin(i * 0.2)
        if step(looks, i * 0.2, person(1), live=live).tracks[0].tags:
            reported.append(len(tagger.shown))
    assert reported[0] == first
    assert len(reported) > 6, "what was reported is not taken back"


def test_the_new_come_before_the_half_known_and_these_before_the_well_known():
    tagger, budget = Scripted(), FixedBudget()
    looks = look_stage(tagger, budget=budget)
    for i in range(40):  # one is known well, another a little, as a recording would
        step(looks, i * 0.5, person(1), *([person(2, 300)] if i >= 36 else []))
    ids(tagger)
    budget.crops = 1
    order = []
    for pts in (40.0, 40.1, 40.2, 40.35, 40.45, 40.7):
        step(looks, pts, person(1, 700), person(2, 300), person(3, 500), live=True)
        order += ids(tagger)
    assert order == [3, 2, 1, 3, 2, 3]


def test_of_the_new_those_nearest_to_a_report_come_first_and_of_equals_the_best_seen():
    tagger, budget = Scripted(), FixedBudget(1)
    looks = look_stage(tagger, budget=budget)
    step(looks, 0.0, person(1, height=100), person(2, 300, height=200), live=True)
    assert ids(tagger) == [2]
    step(looks, 0.4, person(1, height=100), person(2, 300, height=200), live=True)
    assert ids(tagger) == [2], "one more look and something is reported"
    step(looks, 0.5, person(1, height=100), person(2, 300, height=200), live=True)
    assert ids(tagger) == [1]


def test_recordings_are_looked_at_whatever_the_budget():
    tagger = Scripted()
    looks = look_stage(tagger, budget=FixedBudget(0, slowdown=8.0))
    looks([seen(0.0, person(1), source="file"), seen(0.0, person(2), source="cam", live=True)])
    assert ids(tagger) == [1]


def test_two_taggers_share_one_budget_and_one_look():
    one, other, budget = Scripted("one"), Scripted("other"), FixedBudget(2)
    looks = look_stage(one, other, budget=budget)
    people = [person(i, 100.0 * i) for i in range(1, 6)]
    for i in range(20):
        out = step(looks, i * 0.2, *people, live=True)
        assert sum(dict(out.looks).values()) <= 4
        assert ids(one) == ids(other)
    assert budget.counts == [2] * 20, "crops are paid for once, whoever is shown them"


def test_a_companion_never_asks_for_a_look_and_takes_part_in_those_of_others():
    companion = Companion("companion")
    alone = look_stage(companion)
    for i in range(40):
        step(alone, i * 0.5, person(1))
    assert companion.shown == []
    other = Scripted("other")
    together = look_stage(companion, other)
    for i in range(40):
        step(together, i * 0.5, person(1))
        assert ids(companion) == ids(other)


def test_what_a_tagger_gives_those_after_it_may_use_and_no_one_before():
    first, giver, last = Scripted("first"), Scripted("giver", gives={"mask": 7}), Scripted("last")
    step(look_stage(first, giver, last), 0.0, person(1))
    assert [dict(tagger.shown[0].given) for tagger in (first, giver, last)] == [{}, {}, {"mask": 7}]


def test_tags_come_in_the_order_of_the_taggers_whichever_looked_first():
    one = Scripted("one", [sure("dots")], TaggerSettings(vote={"looks": 3}))
    other = Scripted("other", [sure("stripes")], TaggerSettings(vote={"looks": 1}))
    looks = look_stage(one, other)
    tags = [[tag.label for tag in step(looks, i * 0.5, person(4)).tracks[0].tags] for i in range(3)]
    assert tags == [["stripes"], ["stripes"], ["dots", "stripes"]]
    assert [tag.track_id for tag in step(looks, 2.0, person(4)).tracks[0].tags] == [4, 4]


def test_who_is_small_or_only_predicted_or_not_searched_for_is_not_looked_at():
    tagger = Scripted()
    looks = look_stage(tagger, settings=LookSettings(min_height_px=50))
    predicted = Track(2, BOX, 0.9, predicted=True)
    step(looks, 0.0, person(1, height=49.0), predicted, person(3, height=51.0))
    assert ids(tagger) == [3]
    step(looks, 1.0, person(4), decision="predict")
    step(looks, 2.0, person(4), decision="still")
    assert ids(tagger) == []


def test_others_in_the_picture_are_named():
    tagger = Scripted()
    step(look_stage(tagger), 0.0, person(1), person(2, 300))
    assert [subject.others for subject in tagger.shown] == [(person(2, 300).box,), (BOX,)]


def test_only_views_better_than_all_before_are_the_best():
    tagger = Scripted()
    looks = look_stage(tagger, settings=LookSettings(settle_s=0))
    heights = (180.0, 170.0, 200.0, 200.0)
    best = [step(looks, i * 0.2, person(1, height=h)).tracks[0].best for i, h in enumerate(heights)]
    assert best == [True, False, True, False]


def test_a_tagger_may_be_off_for_one_camera():
    tagger = Scripted()
    tagger.settings = Fixed(TaggerSettings(), {"off": TaggerSettings(enabled=False)})
    looks = look_stage(tagger)
    looks([seen(0.0, person(1), source="on"), seen(0.0, person(2), source="off")])
    assert ids(tagger) == [1]


def test_looks_settings_may_differ_between_cameras():
    tagger = Scripted()
    patient = LookSettings(settle_looks=1, refresh_s=3600)
    looks = LookStage([tagger], Fixed(LookSettings(), {"b": patient}), FixedBudget())
    for i in range(8):
        looks([seen(i * 0.5, person(1), source="a"), seen(i * 0.5, person(2), source="b")])
    shown = ids(tagger)
    assert (shown.count(1), shown.count(2)) == (8, 1)


def test_a_forgotten_source_is_looked_at_anew_and_the_others_are_not():
    tagger = Scripted(tags=[sure()])
    looks = look_stage(tagger)

    def both(pts):
        return [
            [tag.label for tag in out.tracks[0].tags]
            for out in looks([seen(pts, person(1), source=name) for name in ("a", "b")])
        ]

    for i in range(8):
        reported = both(i * 0.5)
    assert reported == [["stripes"], ["stripes"]]
    looks.forget("a")
    assert both(4.0) == [[], ["stripes"]], "nothing is reported of a new one after a single look"


def whole_pictures(live=False, slowdown=1.0, **vote):
    """Looks at whole pictures for five seconds: the tagger, and the tags of every frame."""
    tagger = Scenic("scene", [sure("rain")], TaggerSettings(vote=vote))
    looks = look_stage(tagger, budget=FixedBudget(slowdown=slowdown))
    outs = [step(looks, i * 0.25, live=live) for i in range(21)]
    return tagger, outs


def test_whole_pictures_are_looked_at_every_so_often_and_voted_on():
    tagger, outs = whole_pictures()
    assert [subject.frame.pts for subject in tagger.shown] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert {(s.kind, s.box, s.id) for s in tagger.shown} == {
        ("frame", (0.0, 0.0, 1280.0, 720.0), None)
    }
    reported = [[tag.label for tag in out.tags] for out in outs]
    assert reported == [[]] * 4 + [["rain"]] * 17, "with the second look, and between looks"
    assert [dict(out.looks) for out in outs[:5]] == [{"scene": 1}, {}, {}, {}, {"scene": 1}]
    events = [e for out in EventStage("run")(outs) for e in out.events]
    assert [(e.name, e.track_id) for e in events] == [("appeared", None)]


def test_under_pressure_whole_pictures_of_live_cameras_wait_longer():
    assert len(whole_pictures(live=True, slowdown=2.0)[0].shown) == 3
    assert len(whole_pictures(live=False, slowdown=2.0)[0].shown) == 6


def test_what_a_whole_picture_shows_no_longer_vanishes():
    shown = [sure("rain")]
    tagger = Scenic("scene", lambda subject: shown, TaggerSettings(vote={"memory": 0.5}))
    looks = look_stage(tagger)
    assert [tag.label for i in range(4) for tag in step(looks, i * 1.0).tags] == ["rain"] * 3
    shown.clear()
    assert [bool(step(looks, 4.0 + i).tags) for i in range(4)][-1] is False


def test_a_stream_that_begins_anew_has_its_whole_picture_looked_at():
    tagger = Scenic("scene")
    looks = look_stage(tagger)
    for pts in (0.0, 100.0, 100.5, 0.0, 0.5, 1.0):
        step(looks, pts)
    assert [subject.frame.pts for subject in tagger.shown] == [0.0, 100.0, 0.0, 1.0]


def test_taggers_come_and_go_between_rounds():
    first, gone = Scripted("first", tags=[sure("stripes")]), []
    later = Scripted("later", tags=[replace(sure("vest"), kind="vest")])
    looks = look_stage(first)
    for i in range(4):
        step(looks, i * 0.5, person(1))
    looks.add(later)
    assert not later.shown
    for i in range(4, 12):
        out = step(looks, i * 0.5, person(1))
    assert later.shown
    assert {tag.label for tag in out.tracks[0].tags} == {"stripes", "vest"}
    looks.remove(later, lambda: gone.append(later))
    assert not gone, "it may be looking"
    later.shown.clear()
    for i in range(12, 20):
        out = step(looks, i * 0.5, person(1))
    assert gone == [later]
    assert not later.shown
    assert {tag.label for tag in out.tracks[0].tags} == {"stripes", "vest"}, "what it found stays"
    looks.add(Scripted("later"))
    for i in range(22, 40):
        out = step(looks, i * 0.5, person(1))
    assert {tag.label for tag in out.tracks[0].tags} == {"stripes"}, "another knows nothing"


def test_a_stage_without_taggers_lets_everything_pass():
    tagged = seen(0.0, person(1))
    [out] = look_stage()([tagged])
    assert (out.tracks, out.tags) == (tagged.tracks, ())
