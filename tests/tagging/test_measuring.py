"""Sizes on the way from frames to tags and events: on made belts, encoded as video."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
import yaml
from evaluation.measures_made import Tally, judge
from look_support import look_stage
from measure_support import FRAMES, RATE, SIZE, STEP, belt_clip, camera, small_scene
from support import command, lines

from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.tagging.measures import ENTRY
from pipeline.tagging.measures.belt import EmptyPlane
from pipeline.tagging.measures.plane import plane_of_rectangle
from pipeline.tagging.measures.settings import MeasureSettings
from pipeline.tagging.measures.tagger import MeasureTagger
from pipeline.tagging.tagger import Subject
from pipeline.types import Frame, TaggedFrame


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return belt_clip(tmp_path_factory.mktemp("belt"))


def made(**changes):
    plane = camera().plane(30, 20, 60, 25)
    return MeasureSettings(
        **{"enabled": True, "plane": plane, "learn_s": 1.2, "every_s": 0.05, **changes}
    )


def tagger_of(**changes) -> MeasureTagger:
    return ENTRY.open(Fixed(made(**changes)), None)  # type: ignore[arg-type,return-value]


def frame_of(rgb, index=0, pts=None):
    planes = from_bgr(np.ascontiguousarray(rgb[..., ::-1]))
    at = index / RATE if pts is None else pts
    return Frame("belt", index, at, 0.0, 0.0, planes)


@lru_cache(maxsize=64)
def seen(i, overlap=0.0):
    """The made belt's picture after ``i`` steps."""
    return small_scene(overlap).picture(STEP * i)


def whole(frame):
    return Subject("frame", frame, (0.0, 0.0, float(frame.width), float(frame.height)))


def watched(tagger, pictures):
    """The tags of each picture of a series."""
    return [
        tagger.look([whole(frame_of(picture, i))])[0].tags for i, picture in enumerate(pictures)
    ]


def test_lengths_on_a_made_belt():
    tally = Tally()
    scene = small_scene()
    offsets = [STEP * i for i in range(FRAMES)]
    tags = watched(tagger_of(), (seen(i) for i in range(FRAMES)))
    assert not any(tags[:12]), "the empty belt is being learnt"
    for found, offset in zip(tags, offsets, strict=True):
        judge(tally, found, scene, offset, "belt")
    assert len(tally.errors) >= 15
    assert np.mean(np.abs(list(tally.errors.values()))) <= 0.01
    assert tally.alone_marked <= 0.05 * tally.alone
    for tag in tags[-1]:
        known = dict(tag.attributes)
        assert known["state"] in ("whole", "cut", "overlapping")
        if "length_cm" in known:
            assert float(known["width_cm"]) < float(known["length_cm"])
            assert float(known["error_cm"]) > 0


def test_overlapping_things_are_marked_and_those_reported_are_right():
    tally = Tally()
    scene = small_scene(1.0)
    offsets = [STEP * i for i in range(FRAMES)]
    for found, offset in zip(
        watched(tagger_of(), (seen(i, 1.0) for i in range(FRAMES))), offsets, strict=True
    ):
        judge(tally, found, scene, offset, "belt")
    assert tally.marked + tally.missed >= 8, "things do overlap"
    assert tally.marked >= 0.8 * (tally.marked + tally.missed)
    reported = [*tally.errors.values(), *tally.wrong.values()]
    assert np.mean(np.abs(reported)) <= 0.04


def test_a_camera_that_moved_reports_that_instead_of_sizes(caplog):
    tagger = tagger_of(moved=0.01)
    pictures = [seen(i) for i in range(14)]
    shift = np.float32([[1, 0, 40], [0, 1, 25]])
    moved = [
        cv2.warpAffine(picture, shift, SIZE, borderMode=cv2.BORDER_REFLECT)
        for picture in pictures[5:14]
    ]
    with caplog.at_level(logging.WARNING, "threadline.measures"):
        stand = watched(tagger, [*pictures, *([pictures[13]] * 3), *(moved * 2)])
        told = [tag.label for tag in stand[-1]]
    assert any(tag.label.startswith("object") for tag in stand[16])
    assert told == ["camera moved"]
    assert "calibrate again" in caplog.text
    again = [pictures[13]] * 13
    later = [
        tagger.look([whole(frame_of(one, pts=10 + i / RATE))])[0].tags
        for i, one in enumerate(again)
    ]
    assert all(tag.label != "camera moved" for tag in later[-1]), "it was put back"


def test_a_covered_view_is_told():
    tagger = tagger_of()
    watched(tagger, (seen(i) for i in range(13)))
    dark = np.full((SIZE[1], SIZE[0], 3), 20, np.uint8)
    dark[::2] = 90
    [evidence] = tagger.look([whole(frame_of(dark, 14))])
    assert [tag.label for tag in evidence.tags] == ["view covered"]


def test_a_plane_of_other_pictures_is_told_once_and_nothing_measured(caplog):
    tagger = tagger_of()
    picture = np.zeros((300, 300, 3), np.uint8)
    with caplog.at_level(logging.WARNING, "threadline.measures"):
        assert watched(tagger, [picture] * 3) == [()] * 3
    assert caplog.text.count("calibrate again") == 1


@pytest.mark.parametrize("name", ["empty", "reference"])
def test_a_picture_that_is_not_there_is_told_and_nothing_measured(name, caplog, tmp_path):
    tagger = tagger_of(**{name: str(tmp_path / "none.png")})
    with caplog.at_level(logging.WARNING, "threadline.measures"):
        assert watched(tagger, [seen(0)] * 2) == [()] * 2
    assert caplog.text.count("not measured") == 1


def test_the_empty_plane_may_be_given(tmp_path):
    learnt = EmptyPlane(1.2)
    for i in range(13):
        learnt.learn(seen(i), i / RATE)
    assert learnt.picture is not None
    cv2.imwrite(str(tmp_path / "empty.png"), learnt.picture[..., ::-1])
    tags = watched(tagger_of(empty=str(tmp_path / "empty.png")), [seen(i) for i in range(3)])
    assert not tags[0], "one picture is not enough to report something"
    assert len(tags[1]) >= 5


def test_sizes_of_a_stage_are_as_the_tagger_settled_them():
    stage = look_stage(tagger_of())
    for i in range(16):
        [out] = stage([TaggedFrame(frame_of(seen(i), i))])
    assert len(out.tags) >= 5
    assert all(tag.kind == "object" for tag in out.tags)
    assert dict(out.looks)["measures"] == 1
    stage.forget("belt")
    [out] = stage([TaggedFrame(frame_of(seen(0), 40))])
    assert out.tags == (), "it begins anew"


def test_a_stream_that_begins_anew_is_learnt_anew():
    tagger = tagger_of()
    tags = watched(tagger, (seen(i) for i in range(15)))
    assert tags[-1]
    [evidence] = tagger.look([whole(frame_of(seen(0), 0))])
    assert evidence.tags == ()


def test_heights_are_medians_over_the_looks_that_show_all_of_somebody():
    size = (1920, 1080)
    corners = ((700.0, 500.0), (1220.0, 500.0), (1500.0, 1000.0), (420.0, 1000.0))
    plane = plane_of_rectangle(corners, (250, 300), size, 0.003)
    tagger = MeasureTagger(
        Fixed(MeasureSettings(enabled=True, plane=plane, heights=True, objects=False))
    )
    frame = replace(frame_of(np.zeros((1080, 1920, 3), np.uint8)), source="shop")

    def height(box, others=()):
        [evidence] = tagger.look([Subject("person", frame, box, 4, others=others)])
        return [dict(tag.attributes).get("height_cm") for tag in evidence.tags]

    box = (900.0, 350.0, 1000.0, 800.0)
    assert height((900.0, 0.0, 1000.0, 800.0)) == [], "the head is out of the picture"
    assert height(box, others=((880.0, 600.0, 1100.0, 900.0),)) == [], "somebody is in front"
    [first] = height(box)
    assert first is not None
    assert height((900.0, 330.0, 1000.0, 1079.0)) == [first], "the feet are cut off: no new look"
    tagger.forget("shop")
    assert height((900.0, 0.0, 1000.0, 800.0)) == []


def test_only_as_many_people_are_remembered_as_there_is_room_for(monkeypatch):
    monkeypatch.setattr("pipeline.tagging.measures.people._PEOPLE", 5)
    tagger = tagger_of(heights=True)
    frame = frame_of(seen(0))
    for i in range(20):
        tagger.look([Subject("person", frame, (300.0, 100.0, 340.0, 300.0), i)])
    assert len(tagger._people._known) <= 5


# -- The command line --------------------------------------------------------------------------


def corners():
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in camera().plane(30, 20, 60, 25).corners)


def test_from_a_clip_to_a_calibration_to_sizes_in_events(clip, tmp_path):
    settings = tmp_path / "belt.yaml"
    made = command(
        "measure", "calibrate", clip, "--rectangle", corners(), "--size", "60x25",
        "--out", settings,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "lengths near the calibrated place" in made.stdout
    grid = cv2.imread(str(tmp_path / "belt.grid.png"))
    assert grid.shape == (SIZE[1], SIZE[0], 3)
    written = yaml.safe_load(settings.read_text())
    written["cameras"][0]["measures"]["learn_s"] = 1.2
    settings.write_text(yaml.safe_dump(written))
    out = tmp_path / "out"
    done = command("run", "--config", settings, "--out", out, "--quiet")
    assert done.returncode == 0, done.stderr
    events = lines(out / "events.jsonl")
    ended = [event["tag"] for event in events if event["event"] == "vanished"]
    sizes = [tag["attributes"] for tag in ended if "length_cm" in tag["attributes"]]
    assert len(sizes) >= 5
    assert all(3 <= float(one["length_cm"]) <= 70 for one in sizes)
    assert all(event["track_id"] is None for event in events)
    assert (out / "belt.mp4").stat().st_size > 10_000


def test_a_floor_is_calibrated_for_people(clip, tmp_path):
    settings = tmp_path / "floor.yaml"
    made = command(
        "measure", "calibrate", clip, "--rectangle", corners(), "--size", "60x25",
        "--error", "0.5", "--people", "--out", settings,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    [one] = yaml.safe_load(settings.read_text())["cameras"]
    assert one["measures"]["heights"] is True
    assert one["measures"]["objects"] is False
    assert "exclude" not in one


def test_a_board_in_a_picture_is_calibrated(tmp_path):
    cells = (np.indices((7, 10)).sum(0) % 2 * 255).astype(np.uint8).repeat(40, 0).repeat(40, 1)
    picture = cv2.copyMakeBorder(cells, 60, 60, 80, 80, cv2.BORDER_CONSTANT, value=255)
    cv2.imwrite(str(tmp_path / "board.png"), cv2.GaussianBlur(picture, (0, 0), 1))
    made = command(
        "measure", "calibrate", tmp_path / "board.png", "--board", "9x6", "--square", "25mm",
        "--out", tmp_path / "table.yaml",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    plane = yaml.safe_load((tmp_path / "table.yaml").read_text())["cameras"][0]["measures"]["plane"]
    assert plane["size_cm"] == [20.0, 12.5]
    assert plane["error_px"] < 0.5


WRONG = [
    ((), "name one of --rectangle"),
    (("--rectangle", "1,1 9,1 9,9 1,9"), "needs --size"),
    (("--rectangle", "1,1 9,1 9,9", "--size", "4x3"), "has 3 corners"),
    (("--rectangle", "1,1 9 9,9 1,9", "--size", "4x3"), "write four corners"),
    (("--rectangle", "1,1 90,90 200,200 300,300", "--size", "4x3"), "on a line"),
    (("--rectangle", "1,1 200,200 200,1 1,200", "--size", "4x3"), "crosses itself"),
    (("--rectangle", "1,1 9000,1 9000,900 1,900", "--size", "4x3"), "outside of the picture"),
    (("--rectangle", "1,1 200,1 200,200 1,200", "--size", "4"), "two numbers"),
    (("--rectangle", "1,1 200,1 200,200 1,200", "--size", "0x3"), "longer than 0"),
    (("--rectangle", "1,1 200,1 200,200 1,200", "--size", "4x3", "--lens"), "needs a --board"),
    (("--board", "9x6"), "needs --square"),
    (("--board", "9x6", "--square", "wide"), "write a length"),
    (("--board", "9.5x6", "--square", "25mm"), "whole numbers"),
    (("--board", "9x6", "--square", "25mm"), "no board with 9 x 6"),
    (("--board", "1x6", "--square", "25mm"), "from 3 to 60"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_a_mistake_is_one_line_and_nothing_is_written(options, said, tmp_path):
    picture = tmp_path / "table.png"
    cv2.imwrite(str(picture), np.full((480, 640, 3), 200, np.uint8))
    out = tmp_path / "new" / "belt.yaml"
    done = command("measure", "calibrate", picture, *options, "--out", out)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not out.parent.exists()


def test_what_is_read_is_not_written_over(tmp_path):
    picture = tmp_path / "belt.png"
    cv2.imwrite(str(picture), np.full((480, 640, 3), 200, np.uint8))
    before = picture.read_bytes()
    done = command(
        "measure", "calibrate", picture, "--rectangle", "1,1 200,1 200,200 1,200",
        "--size", "4x3", "--out", tmp_path / "belt.yaml",
    )  # fmt: skip
    assert done.returncode == 2
    assert picture.read_bytes() == before


def test_a_missing_source_is_one_line(tmp_path):
    done = command(
        "measure", "calibrate", tmp_path / "none.mp4", "--rectangle", "1,1 200,1 200,200 1,200",
        "--size", "4x3", "--out", tmp_path / "belt.yaml",
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
