"""What every tagger keeps to, whoever wrote it: the same tests for those that come with Threadline,
with the packs that are shipped, and for one from outside."""

from __future__ import annotations

import json
from dataclasses import replace

import extension_support
import numpy as np
import pytest
from evaluation.belt_scenes import camera_at
from look_support import look_stage
from support import CLIP, command, make_frame

from engines.packs import SHIPPED, Packs
from pipeline.models.opening import EngineSettings, Models
from pipeline.picture.yuv import Planes
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import make_config
from pipeline.settings.section import Fixed
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.tagging import TAGGERS, known_taggers
from pipeline.tagging.tagger import Evidence, Subject, TaggerEntry, TaggerSettings
from pipeline.types import Tag, TaggedFrame, Track

ENTRIES = {name: known_taggers()[name] for name in TAGGERS}
ENTRIES["stripes"] = extension_support.load("threadline_stripes").ENTRY


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Settings by which every tagger has something to do."""
    gallery = tmp_path_factory.mktemp("gallery") / "brands"
    made = command("gallery", "import-svg", CLIP.parent / "brands", "--gallery", gallery)
    assert made.returncode == 0, made.stderr
    plane = camera_at((0, -900, 520), (0, 300, 0), 1500, (1920, 1440)).plane(-200, 0, 400, 500)
    measures = {"enabled": True, "plane": plane, "heights": True}
    outfits = {"enabled": True, "looks": 1}
    logos = {"gallery": str(gallery)}
    return LiveSettings(make_config(logos=logos, measures=measures, outfits=outfits))


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs")
    extension_support.make_pack(folder)
    return Packs.read(SHIPPED, folder)


@pytest.fixture(scope="module")
def models(packs):
    with Models(EngineSettings(), packs) as models:
        yield models


@pytest.fixture(scope="module", params=ENTRIES)
def tagger(request, settings, models):
    entry = ENTRIES[request.param]
    own = settings.section(request.param) if request.param in TAGGERS else Fixed(entry.settings())
    return entry.open(own, models)


@pytest.fixture(scope="module")
def frames():
    """Two pictures of people who wear brands, as if of two cameras."""
    with open_source(CameraSettings(url=str(CLIP.parent / "brands.mp4"))) as source:
        found = {frame.index: frame for frame, _ in zip(source, range(21), strict=False)}
    return [replace(found[9], source="a"), replace(found[20], source="b")]


@pytest.fixture(scope="module")
def subjects(frames):
    """The people of both pictures, turn about."""
    worn = json.loads((CLIP.parent / "brands.json").read_text(encoding="utf-8"))
    found = [
        Subject("person", frame, tuple(one["people"][str(frame.index)]), i)
        for i, one in enumerate(worn)
        for frame in frames
        if str(frame.index) in one["people"]
    ]
    assert len(found) >= 6
    return found


def test_there_are_taggers_and_each_is_what_an_entry_says():
    assert list(known_taggers())[:2] == ["garments", "logos"], "in the order in which they look"
    for entry in ENTRIES.values():
        assert isinstance(entry, TaggerEntry)
        assert issubclass(entry.settings, TaggerSettings)
        assert entry.settings(), "every setting has a default"


def test_its_name_is_that_of_its_section_and_it_wants_something(tagger):
    assert isinstance(tagger.settings.of(""), ENTRIES[tagger.name].settings)
    assert tagger.wants
    assert tagger.wants <= {"person", "tile", "frame"}
    assert all(side > 0 for side in tagger.tile_shape)
    for kind in {"person", "tile", "frame"} - tagger.wants:
        assert tagger.every_s(kind, "") == 0


def plain(evidence: Evidence):
    return [(tag.label, tag.level, round(tag.score, 3), tag.box) for tag in evidence.tags]


def test_there_is_evidence_for_every_subject_in_order(tagger, subjects):
    together = tagger.look(subjects)
    assert len(together) == len(subjects)
    assert any(evidence.tags for evidence in together)
    backwards = tagger.look(subjects[::-1])[::-1]
    for one, other, subject in zip(together, backwards, subjects, strict=True):
        [alone] = tagger.look([subject])
        assert plain(alone) == plain(one) == plain(other), "whoever else is in the batch"


def test_nothing_to_look_at_is_no_evidence(tagger):
    assert tagger.look([]) == []


def test_tags_name_their_kind_and_model(tagger, subjects, packs):
    for evidence in tagger.look(subjects):
        for tag in evidence.tags:
            assert isinstance(tag, Tag)
            assert tag.kind
            assert tag.label
            assert tag.model in packs or not tag.model, "what measures needs no model"
            assert 0 <= tag.score <= 1
            assert tag.box[0] < tag.box[2]
            assert tag.box[1] < tag.box[3]
            assert tag.track_id is None, "whose they are is for the stage to add"
            assert tag.level == "fine" or tag.category is not None


ODD = [
    ((1, 1), (0.0, 0.0, 1.0, 1.0)),
    ((64, 48), (-500.0, -500.0, -400.0, -300.0)),
    ((64, 48), (60.0, 40.0, 900.0, 2000.0)),
    ((64, 48), (10.0, 10.0, 10.0, 10.0)),
    ((65, 49), (0.25, 0.5, 0.75, 1.0)),
    ((31, 999), (0.0, 0.0, 31.0, 999.0)),
]


@pytest.mark.parametrize(("size", "box"), ODD)
def test_odd_pictures_and_boxes_beyond_them_are_looked_at_as_well(tagger, size, box):
    for kind in sorted(tagger.wants):
        [evidence] = tagger.look([Subject(kind, make_frame(size=size), box)])
        assert isinstance(evidence, Evidence)


def test_pictures_without_colour_are_looked_at(tagger):
    noise = np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8)
    frame = replace(make_frame(), planes=Planes(noise))
    assert len(tagger.look([Subject("person", frame, (100.0, 50.0, 250.0, 450.0))])) == 1


def round_of(stage, frames, pts):
    """The pictures at a time, each with one person on it, looked at together."""
    box = (1000.0, 500.0, 1200.0, 900.0)
    batch = [TaggedFrame(replace(frame, pts=pts), tracks=(Track(5, box, 0.9),)) for frame in frames]
    return stage(batch)


def test_a_stage_shows_it_all_cameras_and_counts_the_looks(tagger, frames):
    stage = look_stage(tagger)
    first, soon = (round_of(stage, frames, pts) for pts in (0.0, 0.01))
    wanted = sum(kind == "person" or tagger.every_s(kind, "a") > 0 for kind in tagger.wants)
    assert [dict(out.looks).get(tagger.name) for out in first] == [wanted] * 2
    assert [out.looks for out in soon] == [(), ()], "a moment later nothing is due"


def keys_in(thing, depth=4):
    """Every key of the dictionaries inside of an object."""
    inner = list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    if isinstance(thing, dict):
        yield from thing
        inner += thing.values()
    if isinstance(thing, list | tuple | set):
        inner += thing
    for one in inner if depth else ():
        yield from keys_in(one, depth - 1)


def test_of_a_forgotten_camera_nothing_is_left(tagger, frames):
    stage = look_stage(tagger)

    def left(source):
        own = [key if isinstance(key, tuple) else (key,) for key in keys_in(stage)]
        return [key for key in own if source in key]

    for i in range(6):
        before = round_of(stage, frames, i * 0.6)
    assert all(left(source) for source in "ab")
    stage.forget("a")
    assert not left("a")
    assert left("b")
    after = round_of(stage, frames, 3.1)
    assert after[0].tags == after[0].tracks[0].tags == (), "nothing is reported after one look"
    assert after[0].tracks[0].best, "and no view was better before"
    assert after[1].tracks[0].tags == before[1].tracks[0].tags
    stage.forget("a")
    stage.forget("a")
    stage.forget("never seen")
