"""Packs: shipped ones are complete and true; broken ones are a line, never a traceback."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import shutil
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines import ModelFileError, PackError, boxes, open_engine
from engines.packs import (
    SHIPPED,
    Packs,
    categories,
    find,
    fitted_size,
    labels,
    open_packs,
    read_pack,
    shipped,
    user_folder,
    verify,
)
from engines.packs.reading import MOST_BYTES

NAMES = list(shipped().by_name)
DIGEST = hashlib.sha256(b"model").hexdigest()
PLAIN = f"""
name = "mine"
task = "fish-measuring"
licence = "MIT"
source = "made for this test"
size = [64, 32]

[files]
"model.onnx" = "{DIGEST}"

[[inputs]]
name = "images"
dtype = "uint8"
shape = ["n", 32, 64, 3]
layout = "nhwc"
colour = "rgb"

[[outputs]]
name = "scores"
dtype = "float32"
shape = ["n", 7]
"""
SECOND_INPUT = """
[[inputs]]
name = "tokens"
dtype = "int64"
shape = ["n", "length"]
"""


def make(place, text=PLAIN, name="mine", model=b"model"):
    """A pack's folder."""
    folder = place / name
    folder.mkdir(parents=True, exist_ok=True)
    if text is not None:
        (folder / "pack.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    if model is not None:
        (folder / "model.onnx").write_bytes(model)
    return folder


@pytest.fixture(params=NAMES)
def pack(request):
    return find(request.param)


def test_no_shipped_pack_is_broken():
    assert shipped().broken == {}
    assert {p.parent.name for p in SHIPPED.glob("*/model.onnx")} == set(NAMES)


def test_shipped_files_are_those_of_the_pack(pack):
    assert verify(pack) == pack.path
    text = pack.card.read_text(encoding="utf-8")
    assert pack.licence in text
    assert pack.name == text.splitlines()[0].removeprefix("# ")
    there = {p.name for p in pack.folder.iterdir()}
    assert there - {"pack.toml", "MODEL_CARD.md"} == set(pack.files)
    assert pack.figures
    assert pack.pre
    assert pack.source


def test_main_figures_stand_in_the_card(pack):
    text = pack.card.read_text(encoding="utf-8")
    for what, value in pack.figures.items():
        assert f"{value:.3f}" in text or f"{value:.4f}" in text, what


def test_inputs_and_outputs_are_those_of_the_graph(pack):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    graph = onnx.load(str(pack.path), load_external_data=False).graph
    for ours, theirs in ((pack.inputs, graph.input), (pack.outputs, graph.output)):
        assert [t.name for t in ours] == [t.name for t in theirs]
        for tensor, value in zip(ours, theirs, strict=True):
            kind = value.type.tensor_type
            assert onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type) == np.dtype(tensor.dtype)
            assert len(kind.shape.dim) == len(tensor.shape)
            for own, dim in zip(tensor.shape, kind.shape.dim, strict=True):
                if dim.dim_value:  # a free one in the graph may be known all the same
                    assert own == dim.dim_value


def test_inputs_and_outputs_are_those_of_a_run(pack):
    width, height = pack.size
    images = np.zeros((2, height, width, 3), np.uint8)
    with open_engine(pack, "onnxruntime") as engine:
        out = engine.infer({"images": images})
    for tensor in pack.outputs:
        tensor.spec.check(out[tensor.name])


def test_twins_are_like_what_they_were_made_from():
    twins = [pack for pack in shipped() if pack.twin_of]
    assert len(twins) == 4
    for pack in twins:
        whole = shipped().in_float(pack.name)
        assert whole.name == pack.in_float == pack.twin_of
        assert (whole.inputs, whole.outputs, whole.size) == (pack.inputs, pack.outputs, pack.size)
        assert whole.in_float == whole.name


def test_packs_are_frozen_and_can_be_keys():
    assert {find("person-store"): 1}[find("person-store")] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        find("person-store").name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        find("person-store").files["model.onnx"] = "x"  # type: ignore[index]


def test_labels_are_the_59_with_their_categories():
    names = labels(find("garments-lite0"))
    assert len(names) == 59
    assert names[0].name == "null"
    assert {n.name: n.category for n in names}["jeans"] == "pants"
    assert len(categories(find("garments-lite0"))) == 24
    assert categories(find("garment-types-lite0")) == ()
    with pytest.raises(PackError, match=r"person-store.*labels\.json"):
        labels(find("person-store"))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"label": 1, "category": 2}]', "[" * 9999])
def test_a_damaged_list_of_labels_is_a_line(tmp_path, text):
    added = f'"labels.json" = "{hashlib.sha256(text.encode()).hexdigest()}"\n\n[[inputs]]'
    folder = make(tmp_path, PLAIN.replace("\n[[inputs]]", added, 1))
    (folder / "labels.json").write_text(text)
    if text == "{}":
        assert labels(read_pack(folder)) == ()
        return
    with pytest.raises(PackError, match=r"labels\.json"):
        labels(read_pack(folder))


def test_a_changed_or_missing_file_is_refused_before_it_is_loaded(tmp_path):
    pack = read_pack(make(tmp_path))
    assert verify(pack) == pack.path
    pack.path.write_bytes(b"changed")
    for use in (verify, open_engine):
        with pytest.raises(ModelFileError, match=r"damaged or was changed.*install"):
            use(pack)
    pack.path.unlink()
    with pytest.raises(ModelFileError, match="cannot read"):
        verify(pack)


def test_a_pack_says_what_it_is(tmp_path):
    pack = read_pack(make(tmp_path, PLAIN + SECOND_INPUT + "[thresholds]\nlikeness = 1\n"))
    assert (pack.task, pack.size, pack.sha256) == ("fish-measuring", (64, 32), DIGEST)
    assert [tensor.name for tensor in pack.inputs] == ["images", "tokens"]
    assert pack.inputs[1].spec.shape == (None, None)
    assert str(pack.inputs[0]) == "images uint8 (n, 32, 64, 3) nhwc rgb"
    assert pack.thresholds == {"likeness": 1.0}
    assert (pack.compare, pack.post, pack.figures) == ("", "", {})


WRONG = {
    "no toml": "a = ",
    "bytes": b"\xff\xfe",
    "empty": "",
    "deep": "a = " + "[" * 20000,
    "large": PLAIN + "#" * MOST_BYTES,
    "no name": PLAIN.replace('name = "mine"\n', "", 1),
    "other name": PLAIN.replace('"mine"', '"other"'),
    "unsafe name": PLAIN.replace('"mine"', '"../mine"'),
    "no task": PLAIN.replace('task = "fish-measuring"\n', ""),
    "task of two lines": PLAIN.replace("fish-measuring", "fish\\nmeasuring"),
    "no files": PLAIN.replace("[files]", "[other]"),
    "no model": PLAIN.replace('"model.onnx"', '"labels.json"'),
    "file outside": PLAIN.replace('"model.onnx"', f'"../x" = "{DIGEST}"\n"model.onnx"'),
    "file elsewhere": PLAIN.replace('"model.onnx"', f'"/etc/passwd" = "{DIGEST}"\n"model.onnx"'),
    "missing file": PLAIN.replace('"model.onnx"', f'"labels.json" = "{DIGEST}"\n"model.onnx"'),
    "short hash": PLAIN.replace(DIGEST, DIGEST[1:]),
    "unknown type": PLAIN.replace('"uint8"', '"uint9"'),
    "unknown layout": PLAIN.replace('"nhwc"', '"hwcn"'),
    "unknown colour": PLAIN.replace('"rgb"', '"yuv"'),
    "no colour": PLAIN.replace('colour = "rgb"\n', ""),
    "four channels": PLAIN.replace("64, 3]", "64, 4]"),
    "negative size": PLAIN.replace("[64, 32]", "[64, -32]"),
    "one side": PLAIN.replace("[64, 32]", "[64]"),
    "another size": PLAIN.replace("[64, 32]", "[32, 64]"),
    "no size": PLAIN.replace("size = [64, 32]\n", ""),
    "size is true": PLAIN.replace("[64, 32]", "[true, 32]"),
    "no inputs": PLAIN.replace("[[inputs]]", "[[outputs]]"),
    "inputs are a table": PLAIN.replace("[[inputs]]", "[inputs]"),
    "two of one name": PLAIN + '[[outputs]]\nname = "scores"\ndtype = "bool"\nshape = [1]\n',
    "empty shape": PLAIN.replace('["n", 7]', "[]"),
    "shape of zero": PLAIN.replace('["n", 7]', "[0]"),
    "unknown key": PLAIN.replace("size =", 'colour = "red"\nsize ='),
    "unknown key of an input": PLAIN.replace("layout", "order"),
    "odd multiple": PLAIN.replace("size =", "multiple = 48\nsize ="),
    "twin of itself": PLAIN.replace("size =", 'twin_of = "mine"\nsize ='),
    "threshold nan": PLAIN + "[thresholds]\na = nan\n",
    "threshold huge": PLAIN + f"[thresholds]\na = 1{'0' * 400}\n",
    "threshold text": PLAIN + '[thresholds]\na = "1"\n',
    "date": PLAIN.replace('"MIT"', "2026-01-01"),
}


def one_line(text):
    return text.isprintable() and 10 < len(text) <= 500


@pytest.mark.parametrize("wrong", list(WRONG))
def test_broken_packs_are_a_line(tmp_path, wrong):
    folder = make(tmp_path, WRONG[wrong])
    make(tmp_path, PLAIN.replace('"mine"', '"good"'), "good")
    packs = Packs.read(tmp_path)
    assert list(packs.by_name) == ["good"]
    assert list(packs.broken) == [folder]
    assert one_line(packs.broken[folder]), packs.broken[folder]
    assert str(folder) in packs.broken[folder]
    with pytest.raises(PackError, match="'mine' is broken"):
        packs.find("mine")


def test_a_folder_that_is_odd_harms_no_other(tmp_path):
    make(tmp_path)
    make(tmp_path, None, "nothing")
    (tmp_path / "toml-is-a-folder" / "pack.toml").mkdir(parents=True)
    (tmp_path / "a file").write_text("")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "__pycache__").mkdir()
    make(tmp_path, PLAIN, "two\nlines")
    make(tmp_path, PLAIN, "model missing", model=None)
    packs = Packs.read(tmp_path, tmp_path / "no such place", tmp_path / "a file")
    assert list(packs.by_name) == ["mine"]
    assert all(one_line(reason) for reason in packs.broken.values())
    assert {path.name for path in packs.broken} == {
        "nothing", "toml-is-a-folder", "two\nlines", "model missing", "a file",
    }  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mangled_toml_is_a_pack_or_a_line(tmp_path, data):
    content = bytearray((PLAIN + SECOND_INPUT).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 40))
        content[start : start + length] = data.draw(st.binary(max_size=12))
    packs = Packs.read(make(tmp_path, bytes(content)).parent)
    assert len(packs) + len(packs.broken) == 1
    assert all(one_line(reason) for reason in packs.broken.values())


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("uint8")
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_values_of_any_kind_are_a_pack_or_a_line(tmp_path, monkeypatch, data):
    """The same behind the parser: any value in any place."""
    from engines.packs import reading

    values = reading.tomllib.loads(PLAIN)
    key = data.draw(st.sampled_from(["", *values]))
    inner = data.draw(st.sampled_from(["name", "dtype", "shape", "layout", "colour", "meaning"]))
    if key in ("inputs", "outputs") and data.draw(st.booleans()):
        values[key][0][inner] = data.draw(VALUES)
    else:
        values[key] = data.draw(VALUES)
    folder = make(tmp_path)
    monkeypatch.setattr(reading, "_toml", lambda path: values)
    packs = Packs.read(folder.parent)
    assert len(packs) + len(packs.broken) == 1
    assert all(one_line(reason) for reason in packs.broken.values())


def test_the_users_folder_and_another_are_read_after_what_is_shipped(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert user_folder() == tmp_path / "data" / "threadline" / "packs"
    assert list(open_packs().by_name) == NAMES, "it need not exist"
    make(user_folder())
    extra = tmp_path / "extra"
    make(extra, PLAIN.replace('"mine"', '"other"'), "other")
    make(extra, PLAIN.replace('"mine"', '"person-store"'), "person-store")
    packs = open_packs(extra)
    assert list(packs.by_name) == [*NAMES, "other", "mine"]
    assert packs.find("person-store") == find("person-store"), "nothing shipped is replaced"
    assert "comes with threadline" in packs.broken[extra / "person-store"]
    make(extra)
    assert open_packs(extra).find("mine").folder == extra / "mine", "what is named counts more"
    assert list(open_packs(extra).broken) == [extra / "person-store", user_folder() / "mine"]
    assert [pack.name for pack in packs.of("fish-measuring")] == ["other", "mine"]
    with pytest.raises(PackError, match="--packs"):
        open_packs(tmp_path / "nowhere")


def test_without_a_data_folder_named_it_is_the_usual_one(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_folder() == tmp_path / ".local" / "share" / "threadline" / "packs"


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(PackError, match="did you mean 'garments-lite0'"):
        find("garment-lite0")
    with pytest.raises(PackError, match=r"known: .*person-store"):
        find("?")


def test_only_packs_with_boxes_are_read_as_boxes():
    assert boxes.box_reader(find("person-store")) is boxes.peak_detections
    assert boxes.box_reader(find("logo-detector-lite0")) is boxes.peak_detections
    with pytest.raises(PackError, match=r"garments-lite0.*parsing.*peaks"):
        boxes.box_reader(find("garments-lite0"))


def test_boxes_at_peaks_are_shares_of_the_picture_without_doubles():
    cells = np.array([[0, 0, 10, 20], [1, 0, 11, 20], [50, 50, 90, 100], [0, 0, 9, 9]], np.float32)
    scores = np.array([0.5, 0.9, 0.7, 0.1], np.float32)
    found, sure = boxes.peak_detections(cells, scores, (100, 200), 0.3, 0.5)
    assert found.tolist() == pytest.approx(np.array([[0.01, 0, 0.11, 0.1], [0.5, 0.25, 0.9, 0.5]]))
    assert sure.tolist() == pytest.approx([0.9, 0.7])
    assert found.dtype == np.float32


@given(width=st.integers(60, 8000), height=st.integers(60, 8000))
def test_fitted_inputs_keep_aspect_and_area(width, height):
    w, h = fitted_size(width, height, 448 * 256, 32)
    assert w % 32 == h % 32 == 0
    assert w * h <= 1.05 * 448 * 256
    if 0.4 < width / height < 2.5:
        assert abs(math.log(w * height / (h * width))) < 0.17
        assert w * h > 0.75 * 448 * 256


def every_size(width, height, pixels, multiple):
    """The same by trying every size."""
    least, most = 4, max(pixels // (4 * multiple**2), 5)
    best, cost = (least, least), math.inf
    for columns, rows in itertools.product(range(least, most + 1), repeat=2):
        area = columns * rows * multiple**2
        if area <= 1.05 * pixels:
            bent = abs(math.log(columns * height / (rows * width)))
            worse = bent + math.log(max(pixels / area, 1.0)) / 2
            best, cost = ((columns, rows), worse) if worse < cost - 1e-12 else (best, cost)
    return best[0] * multiple, best[1] * multiple


@given(st.integers(1, 9999), st.integers(1, 9999), st.integers(1, 40_000), st.integers(8, 40))
def test_fitted_inputs_are_the_best_of_all(width, height, pixels, multiple):
    expected = every_size(width, height, pixels, multiple)
    assert fitted_size(width, height, pixels, multiple) == expected


def test_fitted_inputs_of_any_pack_are_found_at_once():
    """A pack may allow every size; trying all of them would take hours."""
    began = time.process_time()
    assert fitted_size(1920, 1080, 16384**2, 1) == (16384, 9216)
    assert time.process_time() - began < 1


def test_fitted_inputs_of_usual_pictures():
    assert fitted_size(1920, 1080, 448 * 256, 32) == (448, 256)
    assert fitted_size(768, 576, 448 * 256, 32) == (384, 288)
    assert fitted_size(1080, 1920, 448 * 256, 32) == (256, 448)
    assert find("logo-detector-lite0").input_size(1920, 1080, 500_000) == (192, 384)


def test_a_shipped_folder_copied_elsewhere_is_a_pack(tmp_path):
    shutil.copytree(SHIPPED / "logo-detector-lite0-int8", tmp_path / "logo-detector-lite0-int8")
    [pack] = Packs.read(tmp_path)
    assert verify(pack).parent.parent == tmp_path
