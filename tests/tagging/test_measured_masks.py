"""Objects measured by the masks of a pack: real ONNX segmenters on a made belt."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
import yaml
from evaluation.belt_scenes import BeltScene, encoded, thing
from mask_support import COLOURS, make_lengths_pack, make_segmenter
from measure_support import SIZE, camera
from support import command, lines

from engines.backends import open_engine
from engines.packs import PackError, read_pack, shipped
from pipeline.models.opening import EngineSettings, Models
from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.tagging.measures import ENTRY
from pipeline.tagging.measures.masks import masked
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.packs.lengths import TaughtLengths
from pipeline.tagging.packs.opening import open_pack
from pipeline.tagging.packs.segmenter import Segment, Segmented
from pipeline.tagging.packs.settings import PackSettings
from pipeline.tagging.tagger import Subject
from pipeline.types import Frame

PURE = ((195, 25, 25), (25, 195, 25), (25, 25, 195))
#: Where things lie, cm along and across the belt, how they are turned, and their lengths.
APART = ((30, 20, 0.3, 28.0), (66, 40, -0.4, 36.0), (92, 18, 1.2, 21.0))
CROSSED = ((50, 33, 0.1, 34.0), (52, 34, 1.5, 24.0), (95, 30, 0.2, 20.0))
#: Pictures, and cm that the belt moves between two.
PICTURES = 5
#: Nobody is looked for.
EVERYWHERE = [[[0, 0], [1, 0], [1, 1], [0, 1]]]
STEP = 3.0


class ColouredBelt(BeltScene):
    """Three things, a red, a green and a blue one, on a belt."""

    def __init__(self, places):
        self._places = places
        super().__init__(7, camera(), length=130.0)

    def _lay(self, overlap, empty):
        rng = np.random.default_rng(12)
        return [
            replace(thing(rng, (x, y), length, i, turn), colour=PURE[i])
            for i, (x, y, turn, length) in enumerate(self._places)
        ]


@lru_cache(maxsize=4)
def scene(places):
    return ColouredBelt(places)


def subject(rgb, index):
    planes = from_bgr(np.ascontiguousarray(rgb[..., ::-1]))
    frame = Frame("belt", index, index / 10, 0.0, 0.0, planes)
    return Subject("frame", frame, (0.0, 0.0, float(frame.width), float(frame.height)))


def settings(**changes):
    plane = camera().plane(30, 20, 60, 25)
    return MeasureSettings(**{"enabled": True, "plane": plane, "masks": "colours", **changes})


@pytest.fixture
def opened(tmp_path):
    """Opens the tagger with a made segmenter; and what it was opened by."""
    stack = []

    def open_(boxes="xyxy", more="", labels=4, backend="onnxruntime", **changes):
        pack = read_pack(
            make_segmenter(tmp_path / f"packs{len(stack)}", boxes, (640, 384), more, labels)
        )
        models = Models(EngineSettings(backend=backend, threads=1), shipped().joined([pack]))
        stack.append(models)
        return ENTRY.open(Fixed(settings(**changes)), models), models

    yield open_
    for models in stack:
        models.__exit__()


@pytest.fixture
def taught(tmp_path):
    """Opens the tagger with a made segmenter and a made pack of lengths."""
    stack = []

    def open_(**changes):
        packs = tmp_path / "packs"
        made = [make_segmenter(packs, "xyxy", (640, 384)), make_lengths_pack(packs)]
        models = Models(
            EngineSettings(backend="onnxruntime", threads=1),
            shipped().joined([read_pack(folder) for folder in made]),
        )
        stack.append(models)
        return ENTRY.open(Fixed(settings(**{"taught": "fish-lengths", **changes})), models)

    yield open_
    for models in stack:
        models.__exit__()


def watched(tagger, places, offsets=None):
    """The tags of each picture of a belt that moves on."""
    offsets = offsets or [STEP * i for i in range(PICTURES)]
    return [
        tagger.look([subject(scene(places).picture(offset), i)])[0].tags
        for i, offset in enumerate(offsets)
    ]


#: Layout of the outputs, and the relative error of a length: tips are lost in coarse prototypes,
#: whose pixels are 6 of the picture's.
LAYOUTS = [("xyxy", 0.01), ("yolo", 0.02)]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("boxes", "error"), LAYOUTS)
def test_lengths_by_a_packs_masks(opened, boxes, error, backend):
    tagger, _ = opened(boxes, backend=backend)
    seen = watched(tagger, APART)
    assert seen[0] == (), "seen once"
    truth = dict(zip(COLOURS, (place[3] for place in APART), strict=True))
    for tags in seen[1:]:
        assert {tag.label.split()[0] for tag in tags} == set(COLOURS)
        assert {tag.label for tag in tags} == {tag.label for tag in seen[1]}, "numbers last"
        for tag in tags:
            known = dict(tag.attributes)
            assert (tag.kind, tag.model, tag.track_id) == ("object", "colours", None)
            assert known["state"] == "whole"
            assert tag.score >= 0.9
            assert float(known["length_cm"]) == pytest.approx(
                truth[tag.label.split()[0]], rel=error
            )


def test_what_touches_is_marked_and_what_lies_apart_is_measured(opened):
    tagger, _ = opened()
    states = {tag.label.split()[0]: dict(tag.attributes) for tag in watched(tagger, CROSSED)[-1]}
    assert states["red"]["state"] == states["green"]["state"] == "overlapping"
    assert states["blue"]["state"] == "whole"
    assert "length_cm" not in states["red"]
    assert float(states["blue"]["length_cm"]) == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize(("boxes", "error"), LAYOUTS)
def test_what_leaves_the_picture_is_cut_and_what_has_left_is_not_told(opened, boxes, error):
    tagger, _ = opened(boxes)
    offsets = [STEP * i for i in range(12)]
    last = {
        tag.label.split()[0]: dict(tag.attributes) for tag in watched(tagger, APART, offsets)[-1]
    }
    assert last["red"]["state"] == "cut"
    assert float(last["red"]["length_cm"]) == pytest.approx(28, rel=error), "of the whole looks"
    assert last["blue"]["state"] == "whole"
    later = tagger.look([subject(scene(APART).picture(70.0), 13)])[0].tags
    assert "red" not in {tag.label.split()[0] for tag in later}


def test_a_look_without_masks_tells_nothing(opened):
    tagger, _ = opened()
    grey = np.full((SIZE[1], SIZE[0], 3), 190, np.uint8)
    assert [tagger.look([subject(grey, i)])[0].tags for i in range(4)] == [()] * 4


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"masks": "colour"}, "did you mean 'colours'?"),
        ({"masks": "person-store"}, "is no tagger"),
        ({"more": 'terms = "for research only"'}, "accept that with accept_licence: true"),
        ({"labels": 3}, "found labels 1 to 3, and its list has 0 to 2"),
    ],
)
def test_a_pack_that_cannot_run_is_one_warning(opened, caplog, broken, said):
    with caplog.at_level(logging.WARNING, "threadline.measures"):
        tagger, _ = opened(**broken)
        assert not any(watched(tagger, APART))
    [record] = caplog.records
    assert said in record.getMessage()
    assert "no objects are measured" in record.getMessage()


def test_a_pack_that_fails_later_is_one_warning_and_used_no_more(opened, caplog):
    tagger, models = opened()
    assert any(watched(tagger, APART, [0.0, STEP]))
    models.__exit__()  # its engine is gone
    with caplog.at_level(logging.WARNING, "threadline.measures"):
        for i in (2, 3, 4):
            assert tagger.look([subject(scene(APART).picture(STEP * i), i)])[0].tags == ()
    assert len(caplog.records) == 1


def test_a_segmenter_is_no_tagger_by_itself(opened):
    _, models = opened()
    pack = models.packs.find("colours")
    with pytest.raises(PackError, match=r"measures\.masks"):
        open_pack(pack, Fixed(PackSettings(pack="colours")), models)


def test_accepted_terms_open_a_pack(opened):
    tagger, _ = opened(more='terms = "for research only"', accept_licence=True)
    assert len(watched(tagger, APART)[-1]) == 3


def test_from_a_clip_to_named_sizes_in_events(tmp_path):
    clip = tmp_path / "belt.mp4"
    encoded(clip, (scene(APART).picture(STEP * i) for i in range(PICTURES)), 10)
    packs = make_segmenter(tmp_path / "packs", "xyxy").parent
    make_lengths_pack(packs)
    measures = settings(every_s=0.05, taught="fish-lengths").model_dump(exclude_unset=True)
    measures["plane"] = settings().plane.model_dump(mode="json")
    own = {name: measures.pop(name) for name in ("enabled", "plane")}
    config = {
        "measures": measures,
        "garments": {"enabled": False},
        "logos": {"enabled": False},
        "cameras": [{"url": str(clip), "exclude": EVERYWHERE, "measures": own}],
    }
    (tmp_path / "belt.yaml").write_text(yaml.safe_dump(config))
    out = tmp_path / "out"
    done = command(
        "run", "--config", tmp_path / "belt.yaml", "--packs", packs, "--out", out, "--quiet",
        "--no-video", "--engine", "onnxruntime",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    events = lines(out / "events.jsonl")
    ended = {e["tag"]["label"].split()[0]: e for e in events if e["event"] == "vanished"}
    for colour, (*_, length) in zip(COLOURS, APART, strict=True):
        event = ended[colour]
        assert event["track_id"] is None
        assert event["tag"]["model"] == "colours"
        said = float(event["tag"]["attributes"]["length_cm"])
        assert said == pytest.approx(length, rel=0.015), "encoded, with half of the colour"
        x0, _, x1, _ = event["tag"]["box"]
        told = float(event["tag"]["attributes"]["taught_cm"]) - 100 * (x1 - x0) / SIZE[0]
        # Pure red is 80 % red; half of it, with the belt around it, would not be.
        assert told == pytest.approx(80 if colour == "red" else 10, abs=6)


# -- Lengths that were taught ---------------------------------------------------------------------


@pytest.mark.parametrize(("pre", "red"), [("masked-square", 100.0), ("square", 60.0)])
def test_a_taught_pack_sees_an_object_and_where_it_is(tmp_path, pre, red):
    """Of a box of 40 x 20 in a picture of 200 wide, the left half is red and the object; the rest
    of the box is grey."""
    pack = read_pack(make_lengths_pack(tmp_path, pre=pre))
    picture = np.full((100, 200, 3), 80, np.uint8)
    picture[30:50, 60:80] = (240, 0, 0)
    mask = np.zeros((20, 40), np.uint8)
    mask[:, :20] = 1
    with open_engine(pack.path) as engine:
        taught = TaughtLengths(engine, pack)
        told = taught.tell(picture, [((60, 30), mask)] * 10)
        assert taught.tell(picture, []) == []
    # Half red (240), half grey (80 of each colour): (240 + 80) of (240 + 3 * 80).
    share = red if pre == "masked-square" else 100 * 320 / 480
    assert told == pytest.approx([share + 20] * 10, abs=1.0)


def test_what_is_hidden_in_part_has_a_length_that_was_taught_and_none_of_its_mask(taught):
    last = {tag.label.split()[0]: dict(tag.attributes) for tag in watched(taught(), CROSSED)[-1]}
    assert last["red"]["state"] == "overlapping"
    assert "length_cm" not in last["red"]
    assert float(last["red"]["taught_cm"]) > 80
    assert "length_cm" in last["blue"]
    assert "taught_cm" in last["blue"]


def test_by_the_belt_what_overlaps_has_no_mask_of_its_own_and_no_taught_length(taught):
    tagger = taught(masks="", learn_s=1.0)
    empty = [scene(()).picture(0.0)] * 14
    things = [scene(CROSSED).picture(STEP * i) for i in range(3)]
    for i, rgb in enumerate([*empty, *things]):
        tags = tagger.look([subject(rgb, i)])[0].tags
    by_state = {known["state"]: known for known in (dict(tag.attributes) for tag in tags)}
    assert "taught_cm" in by_state["whole"]
    assert "taught_cm" not in by_state["overlapping"]


def test_one_that_cannot_tell_lengths_is_one_warning_and_objects_are_measured(taught, caplog):
    with caplog.at_level(logging.WARNING, "threadline.measures"):
        tagger = taught(taught="person-store")
        assert len(watched(tagger, APART)[-1]) == 3
    [record] = caplog.records
    assert "lengths are told by masks alone" in record.getMessage()


def test_a_taught_pack_that_fails_later_is_one_warning_and_objects_are_measured(taught, caplog):
    tagger = taught()
    tagger._taught._engine.__exit__()  # as if it were gone
    with caplog.at_level(logging.WARNING, "threadline.measures"):
        tags = watched(tagger, APART)[-1]
    assert all("length_cm" in dict(tag.attributes) for tag in tags)
    assert not any("taught_cm" in dict(tag.attributes) for tag in tags)
    assert len(caplog.records) == 1


def test_a_pack_of_lengths_is_no_tagger_by_itself(tmp_path):
    pack = read_pack(make_lengths_pack(tmp_path))
    models = Models(EngineSettings(threads=1), shipped().joined([pack]))
    with models, pytest.raises(PackError, match=r"measures\.taught"):
        open_pack(pack, Fixed(PackSettings(pack=pack.name)), models)


# -- From masks to objects -----------------------------------------------------------------------


def drawn(x, y, w, h, label="fish", score=0.9):
    return Segment(label, score, (x, y), np.ones((h, w), np.uint8))


def states(*segments, cell=1.0):
    found = masked(Segmented(segments, (0, 0, 200, 100), cell), (200, 100), 30)
    return [(one.label, one.state) for one in found]


def test_masks_that_nearly_touch_overlap_and_a_gap_is_enough():
    assert states(drawn(20, 20, 40, 10), drawn(20, 31, 40, 10)) == [("fish", "overlapping")] * 2
    assert states(drawn(20, 20, 40, 10), drawn(20, 32, 40, 10)) == [("fish", "whole")] * 2


def test_two_masks_of_one_thing_are_one_of_the_surer_label():
    assert states(drawn(20, 20, 40, 10, "cod"), drawn(22, 20, 40, 10, "hake")) == [("cod", "whole")]
    inside = states(drawn(20, 20, 60, 40, "tray"), drawn(30, 30, 20, 8, "cod"))
    assert inside == [("tray", "overlapping"), ("cod", "overlapping")]


def test_near_the_edge_of_the_view_is_cut_by_the_masks_own_pixels():
    assert states(drawn(3, 20, 40, 10)) == [("fish", "whole")]
    assert states(drawn(3, 20, 40, 10), cell=4.0) == [("fish", "cut")]
    assert states(drawn(160, 20, 40, 10)) == [("fish", "cut")]
    assert states(drawn(160, 20, 40, 10), drawn(150, 25, 30, 20)) == [
        ("fish", "cut"),
        ("fish", "overlapping"),
    ]


def test_a_mask_in_two_pieces_has_something_in_front_and_specks_are_dirt():
    mask = np.zeros((10, 60), np.uint8)
    mask[:, :25] = mask[:, 35:] = 1
    assert states(Segment("fish", 0.9, (20, 20), mask)) == [("fish", "overlapping")]
    mask = np.ones((10, 60), np.uint8)
    mask[:, 50:] = 0
    mask[0, 58] = 1
    assert states(Segment("fish", 0.9, (20, 20), mask)) == [("fish", "whole")]
    assert states(Segment("fish", 0.9, (20, 20), np.zeros((0, 0), np.uint8))) == []


def test_a_hole_is_something_that_lies_on_it():
    mask = np.ones((40, 60), np.uint8)
    cv2.circle(mask, (30, 20), 8, 0, -1)
    [one] = masked(
        Segmented((Segment("tray", 0.9, (20, 20), mask),), (0, 0, 200, 100), 1.0), (200, 100), 30
    )
    assert one.mask.all()
    assert one.holes == pytest.approx(1 - mask.mean(), abs=1e-9)
