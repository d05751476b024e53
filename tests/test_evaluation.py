"""The evaluation code of tools/evaluation, on cases made by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from evaluation.fusion import Tally
from evaluation.garments import Said, sureness
from evaluation.logo_photos import Shot, shots
from evaluation.logo_photos import Tally as Tallied
from evaluation.logo_tracks import Person, Watcher, judged
from evaluation.published import average_precision, box_precision, chosen, tagged
from evaluation.published_masks import iou_figures
from evaluation.tracks import Identities
from support import cut
from training.garment_data import Photo

from pipeline.types import Tag

pytestmark = pytest.mark.train

TRUTH = {"wears": [["jacket", "coat"], ["pants"]], "maybe": ["glasses"]}


def tags(*categories):
    return tuple(Tag("garment", name, name, 0.5, (0, 0, 1, 1)) for name in categories)


@pytest.mark.parametrize(
    ("said", "f1"),
    [
        (("coat", "pants"), 1.0),
        (("coat", "pants", "glasses"), 1.0),
        ((), 0.0),
        (("dress", "hat"), 0.0),
        (("jacket", "coat", "pants"), 0.8),
        (("jacket",), 2 / 3),
    ],
    ids=["perfect", "arguable", "empty", "swapped", "two names for one", "half"],
)
def test_one_person_in_one_frame(said, f1):
    tally = Tally()
    tally.count(0, TRUTH, tags(*said))
    assert tally.f1() == pytest.approx(f1)


def test_garments_are_judged_by_how_sure_they_were():
    """A coat and trousers are worn; of what is only a part nothing is asked."""
    names, mapping = ["null", "coat", "jeans"], {"null": None, "coat": "coat", "jeans": "pants"}
    mask = np.array([[0, 1, 2]], np.uint8)
    photo = Photo("1", np.zeros((1, 3, 3), np.uint8), mask, (1, 2))
    told = [("coat", 0.6), ("jacket", 0.4), ("pants", 0.9), ("dress", 0.3), ("hat", 0.9)]
    said = [{"category": name, "level": "category", "score": score} for name, score in told]
    said += [{"category": "upper garment", "level": "part", "score": 0.9}]
    assert sureness([photo], [Said({"tags": said}, mask)], names, mapping) == {
        "lower garments below": 1,
        "lower garments below: right": 0.0,
        "lower garments of 0.5 and more": 1,
        "lower garments of 0.5 and more: right": 1.0,
        "upper garments below": 2,
        "upper garments below: right": 0.0,
        "upper garments of 0.5 and more": 1,
        "upper garments of 0.5 and more: right": 1.0,
    }


def test_labels_that_come_and_go_are_changes():
    tally = Tally()
    for said in (("coat",), ("coat",), ("jacket",), ("jacket", "pants"), ()):
        tally.count(0, TRUTH, tags(*said))
    tally.count(1, TRUTH, tags("dress"))
    assert tally.changes == 0 + 2 + 1 + 2, "another person is no change"


def test_tracks_are_judged_by_whom_they_show(tmp_path):
    frames = range(40)
    clip = cut(tmp_path / "composed.mp4", 3)
    left, right = (0.0, 0.0, 50.0, 100.0), (200.0, 0.0, 250.0, 100.0)
    mark = [10, 20, 50, 40]
    truth = [
        {
            "brand": "a",
            "people": dict.fromkeys(frames, left),
            "marks": dict.fromkeys(frames, mark),
        },
        {"brand": "b", "people": dict.fromkeys(frames, right), "marks": {0: mark}},
    ]
    clip.with_suffix(".json").write_text(json.dumps(truth))
    sink = Watcher()
    sink.people[1] = Person(dict.fromkeys(frames, left), Counter(a=20, b=3))
    sink.people[2] = Person(dict.fromkeys(frames, right), Counter(c=5))
    sink.people[3] = Person({f: left if f < 22 else right for f in frames}, Counter(b=9))
    sink.loose["d"] = 1
    assert judged(clip, sink) == {
        "tracks": 2, "brand right": 1, "tracks of one wearer": 1, "of these, some brand said": 1,
        "of these, brand right": 1, "wrong brands": 3,
    }  # fmt: skip


def test_photos_count_as_right_wrong_or_strangers():
    tally = Tallied()
    known = frozenset({"acme", "other"})
    mark = (("acme", (0.0, 0.0, 50.0, 40.0)),)
    for said in ({"acme"}, {"acme", "other"}, {"other"}, set()):
        tally.count(Shot(Path("a.jpg"), frozenset({"acme"}), mark), known, said)
    for said in ({"other"}, set()):
        tally.count(Shot(Path("b.jpg"), frozenset({"stranger"}), mark), known, said)
    figures = tally.figures()
    assert figures["brand reported"] == figures["wrong brand reported"] == 0.5
    assert figures["any brand reported on those"] == 0.5


def test_marks_of_photos_are_those_of_32_pixels_or_more(tmp_path):
    row = {"image": "a.jpg", "boxes": [["Acme", 0, 0, 31, 20], ["Acme", 0, 0, 20, 32]]}
    (tmp_path / "logo_photos.jsonl").write_text(json.dumps(row) + "\n")
    [shot] = shots(tmp_path)
    assert shot.brands == {"acme"}
    assert shot.marks == (("acme", (0.0, 0.0, 20.0, 32.0)),)


def test_identities_are_counted_by_the_best_assignment_of_tracks_to_visits():
    here, there, hidden = [0, 0, 10, 30], [50, 0, 60, 30], [100, 0, 110, 30]
    seen = Identities()
    for frame in range(10):  # the second person becomes track 3 after four frames
        said = {1: here, 2 if frame < 4 else 3: there, 9: hidden}
        seen.add({1: here, 2: there}, [hidden], said)
    seen.add({1: here}, [], {1: here, 7: [200, 0, 210, 30]})
    figures = seen.figures("clip")
    assert figures["clip: visits"] == 2
    assert figures["clip: tracks"] == 4, "the ignored one is nobody's mistake"
    assert figures["clip: changes of identity"] == 1
    assert figures["clip: nobody there"] == 1
    # 11 of the first and 6 of the second, of 21 boxes of people and 22 of tracks
    assert figures["clip: IDF1"] == pytest.approx(2 * 17 / (21 + 22))


def test_one_track_is_given_to_one_visit_only():
    seen = Identities()
    seen.add({1: [0, 0, 10, 30]}, [], {1: [0, 0, 10, 30]})
    seen.add({2: [0, 0, 10, 30]}, [], {1: [0, 0, 10, 30]})
    assert seen.right() == 1
    assert Identities().figures("none")["none: IDF1"] == 0


def test_average_precision_by_hand():
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert average_precision(scores, np.array([True, False, True, False])) == pytest.approx(5 / 6)
    assert average_precision(scores, np.array([True, True, False, False])) == 1.0
    truth = np.array([[True, False], [False, False], [True, False], [False, False]])
    figures = tagged(np.stack([scores, scores], axis=1), truth, ["coat", "hat"])
    assert figures == {"pictures": 4, "labels": 1, "mAP": pytest.approx(5 / 6)}


def test_choices_are_judged_by_label():
    truth = np.array([[True, False], [True, False], [False, True], [False, False]])
    figures = chosen(np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.5, 0.5]]), truth)
    assert figures["pictures"] == 3, "one has no label of the pack"
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["weighted F1"] == pytest.approx(2 / 3)


def test_boxes_are_judged_as_coco_does():
    box, other = np.array([0.0, 0, 10, 10]), np.array([20.0, 0, 30, 10])
    truth = {(1, 0): [box, other], (2, 0): [box], (1, 5): [box]}
    every = [(0.9, 1, box), (0.8, 1, other), (0.7, 2, box)]
    assert box_precision(every, truth, 0) == pytest.approx(np.ones(10))
    doubled = [(0.95, 1, box), *every]
    assert box_precision(doubled, truth, 0)[0] < 1, "the second of two on one thing is wrong"
    shifted = [(0.9, 1, box + np.array([0, 0, 0, 3]))]  # overlap 10 / 13
    own = box_precision(shifted, truth, 0)
    assert own[5] == pytest.approx(34 / 101), "a third is found: 0 to 0.33"
    assert own[6:].max() == 0
    assert box_precision([], truth, 0).max() == 0


def test_overlap_is_counted_over_all_pictures():
    """Pixels by true label and by what was said; the third label is nowhere."""
    figures = iou_figures(np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]]))
    assert figures["mean IoU"] == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert figures["pixel accuracy"] == 9 / 12
    assert figures["labels"] == 2
    assert iou_figures(np.array([[5, 1], [0, 0]]))["mean IoU"] == pytest.approx(5 / 6)
    with pytest.raises(SystemExit, match="no picture"):
        iou_figures(np.zeros((2, 2), np.int64))
