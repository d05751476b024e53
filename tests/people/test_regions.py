"""What is looked at in a picture, and how parts share a canvas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import CLIP

from engines import open_engine
from engines.boxes import iou_matrix
from engines.packs import find
from pipeline.flow.pace import Pace
from pipeline.people.detect import DetectStage, PersonSettings
from pipeline.people.regions import GAP, Whereabouts, canvases_for, pack, renew, windows_to_look_at
from pipeline.people.track import Tracker, TrackSettings
from pipeline.people.zones import Zones
from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.types import Detection

SIZE = (1920, 1080)
sides = st.integers(1, 120)
sizes = st.lists(st.tuples(sides, sides), max_size=25)


def changed(*boxes):
    """A grid (90, 160) over the picture that changed under boxes in frame pixels."""
    grid = np.zeros((90, 160), bool)
    for x0, y0, x1, y1 in boxes:
        grid[y0 // 12 : y1 // 12, x0 // 12 : x1 // 12] = True
    return grid


def holds(window, box):
    return (
        window[0] <= box[0] and window[1] <= box[1] and window[2] >= box[2] and window[3] >= box[3]
    )


@given(sizes)
def test_what_is_packed_lies_on_the_canvas_and_never_overlaps(sizes):
    canvas = (300, 200)
    placed = pack(sizes, canvas)
    boxes = [(x, y, x + sizes[i][0], y + sizes[i][1]) for i, (x, y) in placed.items()]
    assert all(b[0] >= 0 and b[1] >= 0 and b[2] <= 300 and b[3] <= 200 for b in boxes)
    for n, a in enumerate(boxes):
        for b in boxes[:n]:
            apart = max(a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3])
            assert apart >= GAP


@given(sizes)
def test_everything_that_fits_a_canvas_is_laid_on_one_exactly_once(sizes):
    canvases = [(100, 60), (160, 120), (200, 130)]
    laid = [i for _, corners in canvases_for(sizes, canvases) for i in corners]
    assert sorted(laid) == list(range(len(sizes)))


def test_parts_take_the_smallest_canvas_they_fit_together():
    canvases = [(100, 60), (200, 120)]
    assert [c for c, _ in canvases_for([(40, 50), (40, 50)], canvases)] == [(100, 60)]
    assert [c for c, _ in canvases_for([(40, 50)] * 3, canvases)] == [(200, 120)]
    assert canvases_for([(300, 10)], canvases) == []


def test_nothing_changed_is_nothing_to_look_at():
    assert windows_to_look_at(changed(), [], SIZE) == ()
    speck = changed((600, 600, 612, 612))
    assert windows_to_look_at(speck, [], SIZE) == (), "smaller than anybody worth finding"


def test_somebody_new_is_looked_at_with_room_around():
    [window] = windows_to_look_at(changed((600, 300, 660, 480)), [], SIZE)
    assert holds(window, (590, 290, 670, 490))
    assert window[2] - window[0] < 200


def test_somebody_known_is_looked_at_where_they_should_be_now():
    was, now = (600, 300, 660, 480), (640, 300, 700, 480)
    grid = changed(was, now)
    [window] = windows_to_look_at(grid, [Whereabouts(was, now)], SIZE)
    assert holds(window, now)
    assert window[0] > 590, "what they left behind explains itself"


def test_who_stands_still_is_looked_at_only_while_in_doubt():
    box, passer = (600, 300, 660, 480), (1200, 300, 1260, 480)
    grid = changed(passer)
    assert len(windows_to_look_at(grid, [Whereabouts(box, box)], SIZE)) == 1
    assert len(windows_to_look_at(grid, [Whereabouts(box, box, certain=False)], SIZE)) == 2


def test_when_most_changed_everything_is_looked_at():
    assert windows_to_look_at(changed((0, 0, 1920, 1080)), [], SIZE) is None


boxes = st.tuples(
    st.integers(0, 1800), st.integers(0, 900), st.integers(30, 300), st.integers(60, 400)
)


@given(st.lists(boxes, max_size=6), st.lists(boxes, max_size=6))
def test_windows_lie_in_the_picture_and_cover_everybody_who_moved(moved, people):
    def box(b):
        return (b[0], b[1], min(b[0] + b[2], 1920), min(b[1] + b[3], 1080))

    known = [Whereabouts(box(b), box(b)) for b in people]
    windows = windows_to_look_at(changed(*map(box, moved)), known, SIZE)
    if windows is not None:
        assert all(0 <= x0 < x1 <= 1920 and 0 <= y0 < y1 <= 1080 for x0, y0, x1, y1 in windows)
        for b in map(box, moved):
            if b[2] - b[0] >= 36 and b[3] - b[1] >= 48:  # several whole cells
                centre = ((b[0] + b[2]) / 2, (b[1] + b[3]) / 2)
                near = [box(p) for p in people]
                assert any(holds(w, (*centre, *centre)) for w in (*windows, *near))


def test_cells_not_looked_at_keep_what_they_showed():
    grid, now = np.zeros((90, 160), np.uint8), np.full((90, 160), 9, np.uint8)
    renew(grid, now, [(120, 120, 240, 360)], SIZE)
    assert (grid[10:30, 10:20] == 9).all()
    assert grid.sum() == 9 * 20 * 10


def walker(x):
    return Detection((x, 300.0, x + 60, 480.0), 0.9)


def test_who_is_in_no_window_stands_still_and_who_is_missed():
    tracker = Tracker(TrackSettings(confirm_hits=1), PersonSettings())
    for step in range(4):
        tracker.update([walker(100.0), walker(900.0 + 10 * step)], step * 0.2)
    tracker.update([], 0.8, windows=[(880, 250, 1080, 520)])
    resting, missed = tracker.confirmed()
    assert not resting.predicted
    assert resting.unseen_s == 0
    assert missed.predicted
    assert missed.unseen_s == pytest.approx(0.2)
    for step in range(5, 30):
        tracker.update([], step * 0.2, windows=[(880, 250, 1080, 520)])
    assert [t.id for t in tracker.confirmed()] == [resting.id]


def detector(engine, pack, zones=None):
    return DetectStage(
        (engine, pack), Fixed(PersonSettings()), Pace().budget, Fixed(zones or Zones())
    )


@pytest.fixture(scope="module")
def stage():
    pack = find("person-store-int8")
    with open_engine(pack) as engine:
        yield detector(engine, pack)


@pytest.fixture(scope="module")
def frames():
    with open_source(CameraSettings(url=str(CLIP))) as source:
        return [frame for frame, _ in zip(source, range(120), strict=False)][::20]


def agreement(found, expected):
    """Share of boxes that have one like it."""
    likeness = iou_matrix([d.box for d in expected], [d.box for d in found])
    return (likeness.max(axis=1, initial=0) > 0.6).mean()


def test_people_are_found_in_parts_of_several_cameras_on_one_canvas(stage, frames):
    whole = stage.detect(frames)
    windows = [
        tuple(
            (max(int(x0) - 20, 0), max(int(y0) - 15, 0), min(int(x1) + 20, 768), int(y1) + 15)
            for x0, y0, x1, y1 in (d.box for d in people if d.score > 0.42)
        )
        for people in whole
    ]
    found = stage.detect(frames, windows)
    sure = [[d for d in people if d.score > 0.55] for people in whole]
    shares = [agreement(a, b) for a, b in zip(found, sure, strict=True) if b]
    assert np.mean(shares) > 0.9


def test_somebody_cut_by_a_window_is_left_out_and_by_the_picture_is_not(stage, frames):
    [people] = stage.detect(frames[:1])
    x0, y0, x1, y1 = max(people, key=lambda d: d.score).box
    middle = int((x0 + x1) / 2)
    half = (middle, max(int(y0) - 20, 0), min(int(x1) + 150, 768), min(int(y1) + 20, 576))
    found = stage.detect(frames[:1], [(half,)])[0]
    assert all(d.box[0] > middle for d in found)


def test_a_picture_without_windows_finds_nobody(stage, frames):
    assert stage.detect(frames[:2], [(), ()]) == [(), ()]


def test_far_areas_find_people_too_far_away_for_the_rest(frames):
    """The clip made half as large in a picture of its own size: people of 30 to 50 pixels."""
    pack = find("person-store-int8")
    small = []
    for frame in frames:
        rgb = np.full((576, 768, 3), 127, np.uint8)
        rgb[144:432, 192:576] = frame.rgb((384, 288))
        small.append(replace(frame, planes=from_bgr(rgb[:, :, ::-1])))
    far = Zones(far=((0.25, 0.25, 0.75, 0.75),))
    with open_engine(pack) as engine:
        plain = detector(engine, pack).detect(small)
        found = detector(engine, pack, far).detect(small)
        windows = [((192, 144, 576, 432),)] * len(small)
        parts = detector(engine, pack, far).detect(small, windows)

    def sure(found):
        return sum(d.score > 0.42 for people in found for d in people)

    # By how much more differs with the processor's INT8 arithmetic: 33 of 26 at least so far.
    assert sure(found) > 1.15 * sure(plain)
    assert sure(parts) > sure(plain), "although the rest is not looked at"
