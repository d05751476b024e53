"""Packs as taggers: what ``pack.toml`` says is done, and what does not fit is one line."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from look_support import Scenic, Scripted, look_stage, person, seen, sure
from onnx import TensorProto, helper
from pack_support import make_example, make_pack, new_folder, save_linear, save_model
from support import command, lines, make_frame

from engines.base import EngineError
from engines.packs import PackError, Packs, read_pack, shipped
from engines.packs.label_files import read_embeddings
from engines.packs.tagger import TaggerTable
from pipeline.errors import ConfigError
from pipeline.models.opening import EngineSettings, Models
from pipeline.picture.resample import resample
from pipeline.picture.yuv import from_bgr
from pipeline.settings.file import parse
from pipeline.settings.live import LiveSettings
from pipeline.settings.section import Fixed
from pipeline.tagging.label_vote import LabelVote
from pipeline.tagging.packs.cutting import window
from pipeline.tagging.packs.opening import free_memory_mb, open_pack
from pipeline.tagging.packs.settings import PackSettings
from pipeline.tagging.parsing import Parsing
from pipeline.tagging.shares import Shares
from pipeline.tagging.tagger import Memory, Subject, TaggerSettings, Urgency
from pipeline.tagging.vote import VoteSettings
from pipeline.types import Tag

BOX = (20.0, 10.0, 60.0, 90.0)


def frame_of(red, green, blue, size=(120, 100), source="cam"):
    """A frame in one colour, one brighter on the right."""
    bgr = np.full((size[1], size[0], 3), (blue, green, red), np.uint8)
    return replace(make_frame(size=size, source=source), planes=from_bgr(bgr))


@pytest.fixture
def opened(tmp_path):
    """Opens a pack of a folder of packs."""
    stack = []

    def open_(folder, parsed=None, **settings):
        pack = read_pack(folder)
        models = Models(EngineSettings(backend="onnxruntime"), shipped().joined([pack]))
        stack.append(models)
        return open_pack(pack, Fixed(PackSettings(pack=pack.name, **settings)), models, parsed)

    yield open_
    for models in stack:
        models.__exit__()


def linear(packs, table, labels=("red", "green", "blue"), name="colours", **more):
    """A pack that tells which colour there is most of."""
    folder = new_folder(packs, name)
    save_linear(folder / "model.onnx", (32, 64), np.eye(3, len(labels)) * 8, [0.0] * len(labels))
    return make_pack(packs, name, list(labels), table, **more)


def told(evidence):
    return {tag.label: round(tag.score, 2) for tag in evidence.tags}


# -- The worked example ------------------------------------------------------------------------


def test_the_example_of_the_documentation_runs(short_clip, tmp_path):
    folder = make_example(tmp_path / "packs")
    stats = tmp_path / "s.json"
    done = command(
        "run", short_clip, "--pack", folder, "--out", tmp_path, "--stats", stats, "--no-video",
        "--quiet", "--engine", "onnxruntime",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    [camera] = json.loads(stats.read_text())["cameras"]
    assert camera["looks"]["hi-vis"] > 0
    events = lines(tmp_path / "events.jsonl")
    own = [e["tag"] for e in events if e["event"] == "appeared" and e["tag"]["model"] == "hi-vis"]
    assert own
    assert {tag["kind"] for tag in own} == {"visibility"}
    assert {tag["label"] for tag in own} <= {"hi-vis", "light", "dark"}
    assert all(tag["score"] >= 0.5 for tag in own)
    assert any(e["event"] == "appeared" and e["tag"]["kind"] == "garment" for e in events)
    left = [e for e in events if e["event"] == "left"]
    for event in left:
        assert sum(tag["kind"] == "visibility" for tag in event["tags"]) <= 1, "they exclude others"


def without_garments(folder):
    """Settings by which a run takes no longer than it must."""
    path = folder / "settings.yaml"
    path.write_text("garments: {enabled: false}\nengine: {backend: onnxruntime}\n")
    return path


def test_what_it_asks_and_how_it_tags_is_shown(tmp_path):
    folder = linear(tmp_path / "packs", 'kind = "tags"\nmargin = 0.2', more='terms = "ask us"')
    done = command("models", "show", folder.name, "--packs", folder.parent)
    assert done.returncode == 0
    assert "ask us" in done.stdout
    assert "kind: tags" in done.stdout
    assert "margin: 0.2" in done.stdout


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('"pixel_values" ', '"images" ', "its inputs are pixel_values, and pack.toml says other"),
        ('"logits"', '"scores"', "no output scores as pack.toml says, but logits"),
        ('kind = "classifier"', 'kind = "detector"', "pack 'hi-vis'"),
    ],
    ids=["inputs", "outputs", "kind"],
)
def test_a_model_that_is_not_what_its_pack_says_is_one_line(
    tmp_path, short_clip, before, after, reason
):
    folder = make_example(tmp_path / "packs")
    assert command("models", "check", folder).returncode == 0
    text = (folder / "pack.toml").read_text(encoding="utf-8")
    assert before in text
    (folder / "pack.toml").write_text(text.replace(before, after), encoding="utf-8")
    done = command("models", "check", folder)
    [line] = done.stderr.splitlines()
    assert (done.returncode, reason in line) == (1, True)
    config = without_garments(tmp_path)
    done = command(
        "run", short_clip, "--pack", folder, "-c", config, "--out", tmp_path, "--no-video", "-q"
    )
    [line] = done.stderr.splitlines()
    assert done.returncode == 0
    assert "pack hi-vis is not used: " in line
    assert reason in line


def test_it_tags_photos(tmp_path):
    folder = make_example(tmp_path / "packs")
    photo = tmp_path / "vest.png"
    import cv2

    cv2.imwrite(str(photo), np.full((200, 100, 3), (30, 230, 230), np.uint8))
    config = without_garments(tmp_path)
    done = command("tag", photo, "-c", config, "--pack", folder, "--out", tmp_path / "out", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    [record] = lines(tmp_path / "out" / "tags.jsonl")
    [tag] = [tag for tag in record["tags"] if tag["kind"] == "visibility"]
    assert tag["label"] == "hi-vis"
    assert tag["score"] > 0.9


# -- Kinds -------------------------------------------------------------------------------------


def test_a_classifier_gives_the_softmax_of_its_outputs(opened, tmp_path):
    tagger = opened(linear(tmp_path, 'kind = "classifier"\nleast = 0.01'))
    [evidence] = tagger.look([Subject("person", frame_of(255, 0, 0), BOX)])
    share = np.exp([8.0, 0, 0]) / np.exp([8.0, 0, 0]).sum()
    assert told(evidence) == {"red": round(share[0], 2)}, "the others are hopeless"
    assert evidence.tags[0].box == BOX
    assert evidence.tags[0].kind == "colours"


def test_each_subject_gets_its_own_evidence_however_many_there_are(opened, tmp_path):
    tagger = opened(linear(tmp_path, 'kind = "classifier"'))
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)] * 7
    subjects = [Subject("person", frame_of(*colour), BOX) for colour in colours]
    surest = [evidence.tags[0].label for evidence in tagger.look(subjects)]
    assert surest == ["red", "green", "blue"] * 7
    assert tagger.look([]) == []


def test_independent_labels_have_thresholds_of_their_own(opened, tmp_path):
    folder = linear(tmp_path, 'kind = "tags"\nleast = 0.3', thresholds={"red": 0.9})
    tagger = opened(folder)
    vote = tagger.vote("cam")
    [evidence] = tagger.look([Subject("person", frame_of(60, 60, 0), BOX)])
    assert told(evidence) == {"red": 0.87, "green": 0.87, "blue": 0.5}
    vote.add(evidence.tags)
    vote.add(evidence.tags)
    assert [tag.label for tag in vote.result()] == ["green", "blue"], "red needs 0.9"


def test_ignored_labels_compete_and_are_never_reported(opened, tmp_path):
    tagger = opened(linear(tmp_path, 'kind = "classifier"\nignore = ["red"]\nleast = 0.1'))
    [evidence] = tagger.look([Subject("person", frame_of(255, 0, 0), BOX)])
    assert evidence.tags == ()


def test_who_somebody_is_is_never_reported(opened, tmp_path):
    names = ("woman", "green", "child's coat")
    every = opened(linear(tmp_path, 'kind = "tags"\nleast = 0.1', names, "who"))
    [evidence] = every.look([Subject("person", frame_of(200, 200, 200), BOX)])
    assert set(told(evidence)) == {"green"}
    boxes = detector(tmp_path, BOXES, LOGITS, "least = 0.1\nmargin = 0.0", ("man", "bag"), "whom")
    [evidence] = opened(boxes).look([Subject("person", frame_of(9, 9, 9), BOX)])
    assert set(told(evidence)) == {"bag"}


def test_an_embedder_is_compared_with_the_embeddings_of_its_labels(opened, tmp_path):
    folder = new_folder(tmp_path, "space")
    save_linear(folder / "model.onnx", (32, 64), np.eye(3), [0.0] * 3)
    np.save(folder / "embeddings.npy", np.float32([[5, 0, 0], [0, 2, 0]]))
    table = 'kind = "embedder"\nscale = 10.0\nleast = 0.001'
    make_pack(tmp_path, "space", ["red", "green"], table, outputs={"logits": ["n", 3]})
    [evidence] = opened(folder).look([Subject("person", frame_of(200, 100, 0), BOX)])
    # By hand: the cosines of (2, 1, 0) with both axes, times 10.
    cosines = 10 * np.array([2, 1]) / np.sqrt(5)
    share = np.exp(cosines) / np.exp(cosines).sum()
    for tag, expected in zip(evidence.tags, share, strict=True):
        assert tag.score == pytest.approx(expected, abs=0.01)


def test_embeddings_are_read_without_unpickling_and_must_fit(tmp_path):
    path = tmp_path / "e.npy"
    for bad in (np.ones((3, 2)), np.ones(2), np.zeros((2, 2)), np.full((2, 2), np.nan)):
        np.save(path, bad)
        with pytest.raises(PackError, match=r"e\.npy"):
            read_embeddings(path, 2)
    np.save(path, np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(PackError, match="holds no embeddings"):
        read_embeddings(path, 2)
    path.write_bytes(b"")
    with pytest.raises(PackError, match="holds no embeddings"):
        read_embeddings(path, 2)


def detector(packs, boxes, scores, table, labels=("hat", "bag"), name="finder"):
    """A detector that finds the same in every picture: the outputs are constants."""
    folder = new_folder(packs, name)
    values = {"pred_boxes": np.float32([boxes]), "logits": np.float32([scores])}
    if boxes is None:
        values = {"output0": np.float32([scores])}
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["one"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["one", "zero"], ["none"]),
        *(helper.make_node("Add", [f"c_{k}", "none"], [k]) for k in values),
    ]
    shapes = {k: list(v.shape) for k, v in values.items()}
    constants = {"zero": np.float32(0), **{f"c_{k}": v for k, v in values.items()}}
    save_model(
        folder / "model.onnx", nodes,
        {"pixel_values": (TensorProto.FLOAT, [1, 3, 64, 32])}, shapes, constants,
    )  # fmt: skip
    return make_pack(packs, name, list(labels), f'kind = "detector"\n{table}', outputs=shapes)


BOXES = [[0.5, 0.25, 0.5, 0.25], [0.5, 0.75, 1.0, 0.5], [0.5, 0.5, 0.1, 0.1]]
LOGITS = [[5.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 9.0]]


def test_a_detr_s_boxes_lie_where_it_says_and_nothing_is_no_label(opened, tmp_path):
    tagger = opened(detector(tmp_path, BOXES, LOGITS, "least = 0.5\nmargin = 0.0"))
    [evidence] = tagger.look([Subject("person", frame_of(9, 9, 9), BOX)])
    hat, bag = evidence.tags
    assert (hat.label, bag.label) == ("hat", "bag")
    # The box of the person, 40 x 80, has the model's proportions: what is seen is that box.
    assert hat.box == pytest.approx((30.0, 20.0, 50.0, 40.0))
    assert bag.box == pytest.approx((20.0, 50.0, 60.0, 90.0))
    assert hat.score == pytest.approx(np.exp(5) / (np.exp(5) + 2), abs=1e-4)


@pytest.mark.parametrize(
    ("logits", "found"),
    [
        ([[0.0, 0.0, 9.0]] * 3, []),  # nothing anywhere
        ([[0.0, 0.0, 0.0]] * 3, []),  # a third each: too little
        ([[2.0, 2.0, -9.0], [0.0, 0.0, 9.0], [0.0, 0.0, 9.0]], ["hat"]),  # the first of equals
        ([[2.0, 0.0, -9.0], [2.0, 0.0, -9.0], [0.0, 2.0, -9.0]], ["hat", "bag"]),
        ([[-9.0, -9.0, -99.0]] * 3, ["hat"]),
    ],
)
def test_ties_and_nothing_at_all(opened, tmp_path, logits, found):
    """Of one label the first of boxes that are as sure, and no label where nothing is surest."""
    tagger = opened(detector(tmp_path, BOXES, logits, "least = 0.5\nmargin = 0.0"))
    [evidence] = tagger.look([Subject("person", frame_of(9, 9, 9), BOX)])
    sure = [tag for tag in evidence.tags if tag.score >= 0.49]
    assert [tag.label for tag in sure] == found
    if found == ["hat", "bag"]:
        assert sure[0].box == pytest.approx((30.0, 20.0, 50.0, 40.0), abs=1)


def test_what_is_exactly_the_threshold_counts(opened, tmp_path):
    """Two labels share by halves: at 0.5 both are tags, above neither."""
    for least, count in (("0.5", 1), ("0.500001", 0)):
        folder = detector(tmp_path / least, BOXES, [[1, 1, -99.0]] * 3, f"least = {least}")
        tagger = opened(folder)
        [evidence] = tagger.look([Subject("person", frame_of(9, 9, 9), BOX)])
        vote = tagger.vote("cam")
        for _ in range(4):
            vote.add(evidence.tags)
        assert len(vote.result()) == count


@pytest.mark.parametrize("form", ["xyxy", "yolo"])
def test_other_forms_of_boxes_mean_the_same(opened, tmp_path, form):
    sides = np.array([32, 64, 32, 64])
    middle = np.array(BOXES[:2])
    corners = np.hstack([middle[:, :2] - middle[:, 2:] / 2, middle[:, :2] + middle[:, 2:] / 2])
    chances = np.array([[0.99, 0.01], [0.02, 0.96]])
    table = f'boxes = "{form}"\nactivation = "none"\nleast = 0.5\nmargin = 0.0'
    if form == "xyxy":
        folder = detector(tmp_path, corners * sides, chances, table)
    else:
        folder = detector(tmp_path, None, np.hstack([middle * sides, chances]).T, table)
    [evidence] = opened(folder).look([Subject("person", frame_of(9, 9, 9), BOX)])
    assert [(tag.label, tag.box) for tag in evidence.tags] == [
        ("hat", pytest.approx((30.0, 20.0, 50.0, 40.0))),
        ("bag", pytest.approx((20.0, 50.0, 60.0, 90.0))),
    ]


def test_parts_are_left_out_before_all_but_the_surest_are(opened, tmp_path):
    logits = [[9.0, 0.0, 0.0], [8.0, 0.0, 0.0], [0.0, 4.0, 0.0]]
    table = 'least = 0.5\nmost = 1\nignore = ["hat"]'
    [evidence] = opened(detector(tmp_path, BOXES, logits, table)).look(
        [Subject("person", frame_of(9, 9, 9), BOX)]
    )
    assert [tag.label for tag in evidence.tags] == ["bag"]


def test_doubles_are_one_where_that_is_asked(opened, tmp_path):
    boxes = [[0.5, 0.25, 0.5, 0.25], [0.51, 0.25, 0.5, 0.25], [0.2, 0.8, 0.1, 0.1]]
    logits = [[5.0, 0.0, 0.0], [6.0, 0.0, 0.0], [4.0, 0.0, 0.0]]
    frame = frame_of(9, 9, 9)
    whole = Subject("frame", frame, (0.0, 0.0, 120.0, 100.0))
    table = 'least = 0.5\nsubject = "frame"\nevery_s = 1.0'
    every, once = (
        opened(detector(tmp_path, boxes, logits, f"{table}\noverlap = {o}", name=f"f{i}"))
        for i, o in enumerate((0.0, 0.5))
    )
    assert len(every.look([whole])[0].tags) == 3
    assert len(once.look([whole])[0].tags) == 2


def test_what_is_on_somebody_else_is_theirs(opened, tmp_path):
    tagger = opened(detector(tmp_path, [[0.9, 0.5, 0.1, 0.2]], [[5.0, 0.0, 0.0]], "margin = 0.0"))
    frame = frame_of(9, 9, 9)
    [mine] = tagger.look([Subject("person", frame, BOX)])
    [theirs] = tagger.look([Subject("person", frame, BOX, others=((46.0, 10.0, 66.0, 90.0),))])
    assert len(mine.tags) == 1
    assert theirs.tags == ()


# -- What is seen ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resize", "margin", "expected"),
    [
        ("fit", 0.0, (-10, 10, 90, 110)),
        ("fit", 0.1, (-20, 0, 100, 120)),
        ("stretch", 0.0, (20, 10, 60, 110)),
        ("stretch", 0.5, (0, -40, 80, 160)),
        ("cover", 0.0, (20, 40, 60, 80)),
    ],
)
def test_windows(resize, margin, expected):
    table = TaggerTable("classifier", resize=resize, margin=margin)
    assert window((20.0, 10.0, 60.0, 110.0), table, (64, 64)) == expected


def test_pictures_become_numbers_as_the_pack_says(opened, tmp_path):
    """A model whose outputs are the mean of its input gives it away."""
    frame = frame_of(200, 100, 50)
    for i, (more, expected) in enumerate(
        [
            ("mean = [0.5, 0.4, 0.3]\nstd = [0.5, 0.25, 0.2]", (0.569, -0.031, -0.52)),
            ("scale = 1.0\nmean = [100.0, 90.0, 40.0]", (100.0, 10.0, 10.0)),
            ('colour = "bgr"', (50 / 255, 100 / 255, 200 / 255)),
        ]
    ):
        name = f"p{i}"
        folder = new_folder(tmp_path, name)
        save_linear(folder / "model.onnx", (32, 64), np.eye(3), [0.0] * 3)
        make_pack(tmp_path, name, ["a", "b", "c"], 'kind = "tags"\nactivation = "none"\nleast = 0')
        toml = folder / "pack.toml"
        own = more if "colour" in more else f'colour = "rgb"\n{more}'
        toml.write_text(toml.read_text().replace('colour = "rgb"', own))
        tagger = opened(folder)
        outputs = tagger._run([frame.crop((20, 10, 60, 90), (32, 64))])["logits"][0]
        assert outputs == pytest.approx(expected, abs=0.05)


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from(["bilinear", "bicubic", "lanczos"]),
    st.integers(0, 2**32 - 1),
)
def test_pictures_are_resampled_as_pillow_does(size, wanted, name, seed):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, which rapidocr brings")
    rgb = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    how = image.Resampling[name.upper()]
    # In two steps: newer versions may go down the columns first.
    wide = image.fromarray(rgb).resize((wanted[0], size[1]), how)
    assert np.array_equal(resample(rgb, wanted, name), np.asarray(wide.resize(wanted, how)))


def parsing_of(box, category="jacket"):
    """Somebody of whom the upper half is a jacket."""
    cells = np.zeros((20, 10), np.uint8)
    cells[4:10, 2:8] = 1
    edges = tuple(round(v) for v in box)
    return Parsing(edges, cells, np.ones((20, 10), np.float32), (None, category))


def test_a_garment_is_looked_at_where_a_parsing_shows_it(opened, tmp_path):
    tagger = opened(linear(tmp_path, 'kind = "classifier"\nsubject = "upper"\nleast = 0.01'))
    frame, given_ = frame_of(255, 0, 0), {"parsing": parsing_of(BOX)}
    [seen_] = tagger.look([Subject("person", frame, BOX, given=given_)])
    assert seen_.tags[0].box == pytest.approx((28.0, 26.0, 52.0, 50.0))
    [bare] = tagger.look(
        [Subject("person", frame, BOX, given={"parsing": parsing_of(BOX, "shoe")})]
    )
    assert bare.tags == (), "nothing is worn there"
    [alone] = tagger.look([Subject("person", frame, BOX)])
    assert alone.tags[0].box == BOX, "without a parsing, the person"


def test_it_joins_the_looks_of_what_parses(opened, tmp_path):
    folder = linear(tmp_path, 'kind = "classifier"\nsubject = "upper"')
    parsed = opened(folder, Fixed(TaggerSettings()))
    alone = opened(folder, Fixed(TaggerSettings(enabled=False)))
    stage = look_stage(Scripted("garments"), parsed)
    [out] = stage([seen(0.0, person(1))])
    assert dict(out.looks) == {"garments": 1, "colours": 1}
    [out] = look_stage(parsed)([seen(0.0, person(1))])
    assert out.looks == (), "nobody parses in this round"
    [out] = look_stage(alone)([seen(0.0, person(1))])
    assert dict(out.looks) == {"colours": 1}


def test_the_background_is_what_the_settings_say(opened, tmp_path):
    """A red person before blue: without the background it is red."""
    folder = linear(tmp_path, 'kind = "classifier"\nmargin = 0.0\nleast = 0.01')
    bgr = np.full((100, 120, 3), (255, 0, 0), np.uint8)
    bgr[26:50, 28:52] = (0, 0, 255)
    frame = replace(make_frame(size=(120, 100)), planes=from_bgr(bgr))
    subject = Subject("person", frame, BOX, given={"parsing": parsing_of(BOX)})
    kept = opened(folder).look([subject])[0].tags[0]
    removed = opened(folder, background="remove").look([subject])[0].tags[0]
    assert (kept.label, removed.label) == ("blue", "red")


def test_tiles_and_pictures_are_looked_at_every_so_often(opened, tmp_path):
    for kind in ("tile", "frame"):
        table = f'kind = "classifier"\nsubject = "{kind}"\nevery_s = 2.0\nleast = 0.5'
        tagger = opened(linear(tmp_path, table, name=f"on-{kind}"))
        assert tagger.every_s(kind, "cam") == 2.0
        stage = look_stage(tagger)
        red = frame_of(255, 0, 0).planes
        rounds = [seen(pts) for pts in (0.0, 1.0, 2.0, 3.0, 4.0)]
        outs = [stage([replace(one, frame=replace(one.frame, planes=red))])[0] for one in rounds]
        assert [len(out.looks) for out in outs] == [1, 0, 1, 0, 1]
        if kind == "frame":
            assert [tag.label for tag in outs[-1].tags] == ["red"]
    assert opened(linear(tmp_path, table, name="slower"), every_s=9.0).every_s("frame", "") == 9.0


# -- What does not fit -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("", "lacks tagger.kind"),
        ('kind = "oracle"', "tagger.kind .* must be one of"),
        ('kind = "tags"\nleast = 2', "from 0 to 1"),
        ('kind = "tags"\nsubject = "tile"', "every_s"),
        ('kind = "tags"\nwhatever = 1', "whatever"),
        ('kind = "embedder"', "embeddings.npy"),
        ('kind = "tags"\nreport = "a b"', "tagger.report"),
    ],
)
def test_a_table_that_cannot_be_is_one_line(tmp_path, table, reason):
    with pytest.raises(PackError, match=reason) as told_:
        read_pack(linear(tmp_path, table))
    assert "\n" not in str(told_.value)


def test_outputs_that_do_not_fit_the_labels_are_told_at_once(opened, tmp_path):
    folder = new_folder(tmp_path, "short")
    save_linear(folder / "model.onnx", (32, 64), np.eye(3), [0.0] * 3)
    make_pack(tmp_path, "short", ["a", "b"], 'kind = "tags"', outputs={"logits": ["n", 3]})
    with pytest.raises(PackError, match="no output of 2 labels"):
        opened(folder)


def test_terms_are_accepted_by_whoever_uses_it(opened, tmp_path):
    folder = linear(tmp_path, 'kind = "tags"', more='terms = "no commercial use"')
    with pytest.raises(PackError, match=r"no commercial use.*--accept-licence"):
        opened(folder)
    assert opened(folder, accept_licence=True).name == "colours"


def test_one_that_needs_more_memory_than_there_is_is_not_opened(opened, tmp_path):
    folder = linear(tmp_path, 'kind = "tags"\nmemory_mb = 900000')
    if free_memory_mb() is None:
        pytest.skip("this system does not tell how much memory is free")
    with pytest.raises(EngineError, match="needs about 900000 MB"):
        opened(folder)
    assert free_memory_mb(tmp_path / "none") is None


def test_a_run_goes_on_without_what_cannot_run(short_clip, tmp_path):
    good = linear(tmp_path / "packs", 'kind = "classifier"', name="good")
    huge = linear(tmp_path / "packs", 'kind = "tags"\nmemory_mb = 900000', name="huge")
    damaged = linear(tmp_path / "packs", 'kind = "tags"', name="damaged")
    (damaged / "model.onnx").write_bytes(b"other")
    terms = linear(tmp_path / "packs", 'kind = "tags"', name="terms", more='terms = "pay"')
    packs = [word for folder in (good, huge, damaged, terms) for word in ("--pack", folder)]
    packs += ["-c", without_garments(tmp_path)]
    stats = tmp_path / "s.json"
    done = command(
        "run", short_clip, *packs, "--out", tmp_path / "out", "--stats", stats, "--no-video", "-q"
    )
    assert done.returncode == 0
    told_ = [line for line in done.stderr.splitlines() if "is not used" in line]
    assert [name for line in told_ for name in ("huge", "damaged", "terms") if name in line]
    assert len(told_) == 3
    [camera] = json.loads(stats.read_text())["cameras"]
    assert camera["looks"]["good"] > 0
    assert not {"huge", "damaged", "terms"} & set(camera["looks"])


# -- Settings ----------------------------------------------------------------------------------


@pytest.fixture
def registry(tmp_path):
    for name in ("one", "two"):
        linear(tmp_path / "packs", 'kind = "tags"', name=name)
    return Packs.read(tmp_path / "packs").joined(shipped())


def test_a_camera_names_the_packs_that_look_at_it(registry):
    text = (
        "packs: [one, {pack: two, least: 0.6}]\n"
        "cameras: [{url: a.mp4, id: a, packs: [two]}, {url: b.mp4, id: b},"
        " {url: c.mp4, id: c, packs: []}]\n"
    )
    packs = LiveSettings(parse(text, "x", packs=registry)).packs()
    on = {s: [name for name, view in packs.items() if view.of(s).wanted] for s in "abc"}
    assert on == {"a": ["two"], "b": ["one", "two"], "c": []}
    assert packs["two"].of("a").least == 0.6


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("packs: [thre]", "packs.0.pack: model 'thre' is unknown"),
        ("packs: [ram]", "threadline models pull ram"),
        ("packs: [one, one]", "stands twice"),
        ("packs: [garments-lite0]", "set garments.model: garments-lite0 instead"),
        ("packs: [person-store]", r"has no \[tagger\]"),
        ("packs: [{pack: one, lesst: 1}]", "unknown key; did you mean 'least'"),
        ("packs: [one]\ncameras: [{url: a.mp4, packs: [two]}]", "not among the packs"),
    ],
)
def test_mistakes_are_named(registry, text, reason):
    with pytest.raises(ConfigError, match=reason):
        parse(text, "x", packs=registry)


def test_the_command_line_s_packs_replace_those_of_the_file(registry):
    text = "packs: [one]\ncameras: [{url: a.mp4, id: a, packs: [one]}]\n"
    changed = parse(text, "x", changes={"packs": [{"pack": "two"}]}, packs=registry)
    assert [entry.pack for entry in changed.packs] == ["two"]
    assert changed.cameras[0].packs is None


# -- Voting and budget -------------------------------------------------------------------------


def label(name, score, category=None):
    return Tag("x", name, category, score, BOX)


def test_labels_that_exclude_each_other_alternate_only_when_surely():
    vote = LabelVote(VoteSettings(looks=1, memory=0.5), lambda name: 0.3, exclusive=True)
    vote.add([label("a", 0.5), label("b", 0.45)])
    assert [tag.label for tag in vote.result()] == ["a"]
    vote.add([label("a", 0.45), label("b", 0.5)])
    assert [tag.label for tag in vote.result()] == ["a"], "what was reported has a head start"
    for _ in range(4):
        vote.add([label("a", 0.3), label("b", 0.6)])
    assert [tag.label for tag in vote.result()] == ["b"]


def test_of_one_category_the_surest_is_reported_and_others_beside_it():
    vote = LabelVote(VoteSettings(looks=1), lambda name: 0.3)
    vote.add([label("parka", 0.6, "jacket"), label("anorak", 0.5, "jacket"), label("hat", 0.4)])
    assert [tag.label for tag in vote.result()] == ["parka", "hat"]


def test_what_is_reported_vanishes_later_than_it_appears():
    vote = LabelVote(VoteSettings(looks=2, appear=0.4, vanish=0.2, memory=0.0), lambda name: 0.6)
    vote.add([label("a", 0.9)])
    assert vote.result() == (), "after one look nothing is"
    vote.add([label("a", 0.65)])
    assert vote.result()
    vote.add([label("a", 0.35)])
    assert vote.result()[0].score == 0.35
    vote.add([label("a", 0.25)])
    assert vote.result() == ()


class Heavy(Scripted):
    share = 0.1


def test_a_heavy_tagger_waits_for_the_time_it_took():
    now = [0.0]
    heavy, shares = Heavy("heavy"), Shares(lambda: now[0])
    light = Scripted("light")
    looks = []
    for _ in range(1000):  # 100 s, ten rounds a second, three people who always want a look
        shares.begin([heavy, light], 1.0)
        for _ in range(3):
            assert shares.admit(light)
            if "heavy" not in shares.poor() and shares.admit(heavy):
                looks.append(now[0])
                shares.spent(heavy, 2.0, 1)
        now[0] += 0.1
    assert len(looks) == 5 or len(looks) == 6, "a tenth of 100 s, two seconds each"
    assert min(np.diff(looks)) > 19


def test_a_light_one_looks_at_everybody():
    now = [0.0]
    light, shares = Heavy("light"), Shares(lambda: now[0])
    admitted = 0
    for _ in range(100):
        shares.begin([light], 1.0)
        own = sum(shares.admit(light) for _ in range(3))
        admitted += own
        shares.spent(light, 0.001 * own, own)
        now[0] += 0.1
    assert admitted >= 290


def test_its_cost_is_not_the_cameras_and_recordings_wait_for_it():
    heavy, light = Heavy("heavy"), Scripted("light")
    stage = look_stage(light, heavy)
    stage._shares.spent(heavy, 100.0, 1)  # far over its share
    [live] = stage([seen(0.0, person(1), live=True)])
    assert dict(live.looks) == {"light": 1}
    [recorded] = stage([seen(0.0, person(1), source="file")])
    assert dict(recorded.looks) == {"light": 1, "heavy": 1}
    assert stage._budget.counts == [1, 1]


class Slow(Heavy):
    """Looks until it is let go."""

    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        self.go_on = threading.Event()

    def look(self, subjects):
        assert self.go_on.wait(10)
        return super().look(subjects)


def rounds(stage, pts, until):
    """Rounds of a live camera with one person on it, until something is so."""
    for _ in range(200):
        [out] = stage([seen(pts, person(1), live=True)])
        pts += 0.01
        if until(out):
            return out
        time.sleep(0.01)
    raise AssertionError("it never was")


def test_nobody_waits_for_a_slow_look_and_it_counts_once_it_is_done():
    slow = Slow("slow", [sure("found")], TaggerSettings(vote=VoteSettings(looks=1)))
    light = Scripted("light", [sure("other")], TaggerSettings(vote=VoteSettings(looks=1)))
    stage = look_stage(light, slow)
    [out] = stage([seen(0.0, person(1), live=True)])
    assert dict(out.looks) == {"light": 1, "slow": 1}
    assert [tag.label for tag in out.tracks[0].tags] == ["other"], "the other one is not held up"
    [out] = stage([seen(0.4, person(1), live=True)])
    assert dict(out.looks) == {"light": 1}, "a look is under way"
    slow.go_on.set()
    out = rounds(stage, 0.5, lambda out: len(out.tracks[0].tags) == 2)
    assert {tag.label for tag in out.tracks[0].tags} == {"other", "found"}
    assert all(tag.track_id == 1 for tag in out.tracks[0].tags)
    stage.close()


def test_whoever_left_meanwhile_is_forgotten_all_the_same():
    slow = Slow("slow", [sure("found")])
    stage = look_stage(slow)
    stage([seen(0.0, person(1), live=True)])
    stage([seen(0.1, live=True, ended=(1,))])
    slow.go_on.set()
    stage.close()
    [out] = stage([seen(0.2, live=True)])
    assert out.tracks == ()
    assert stage._persons._known == {}


def test_engines_are_closed_only_after_the_last_look():
    slow = Slow("slow")
    stage = look_stage(slow)
    stage([seen(0.0, person(1), live=True)])
    threading.Timer(0.2, slow.go_on.set).start()
    stage.close()
    assert len(slow.shown) == 1


def test_a_recording_waits_for_it():
    slow = Slow("slow", [sure("found")], TaggerSettings(vote=VoteSettings(looks=1)))
    threading.Timer(0.1, slow.go_on.set).start()
    stage = look_stage(slow)
    [out] = stage([seen(0.0, person(1))])
    assert [tag.label for tag in out.tracks[0].tags] == ["found"]
    stage.close()


def test_what_it_took_is_what_it_waits_for():
    slow = Slow("slow")
    stage = look_stage(slow)
    stage([seen(0.0, person(1), live=True)])
    time.sleep(0.1)
    slow.go_on.set()
    rounds(stage, 0.1, lambda out: not stage._aside.busy)
    assert stage._shares.poor() == {"slow"}
    [out] = stage([seen(5.0, person(1), live=True)])
    assert out.looks == ()
    stage.close()


def test_pictures_are_looked_at_aside_too():
    class Scene(Scenic):
        share = 0.1

    scene = Scene("scene", [sure("rain")], TaggerSettings(vote=VoteSettings(looks=1)))
    stage = look_stage(scene)
    out = rounds(stage, 0.0, lambda out: bool(out.tags))
    assert [tag.label for tag in out.tags] == ["rain"]
    stage.forget("cam")
    stage.close()


def test_needs_are_those_of_the_common_schedule(opened, tmp_path):
    class Always:
        better = 1.3

        def due(self, subject, memory, least, sparing=False):
            from pipeline.tagging.tagger import Priority

            return Priority(Urgency.NEW, least)

    tagger = opened(linear(tmp_path, 'kind = "tags"'), vote={"looks": 3})
    subject = Subject("person", frame_of(1, 1, 1), BOX)
    assert tagger.need(subject, Memory(), Always()).degree == 3
