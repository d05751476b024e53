"""The parity gate: nothing that is wrong passes, whatever the pack, and what is right does.

Wrong engines are the shipped models with one thing changed: in the graph, or in what comes back.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SHARED

from engines import EngineError, EngineOptions, open_engine
from engines.packs import find, labels, shipped
from engines.trt import PICTURES, graphs
from pipeline.models import parity, samples
from pipeline.models.alike import ENOUGH, LIMITS, Parity, Share
from pipeline.models.building import PlanRequest, compared
from pipeline.models.parity import NO_GARMENT, ParityError, compare

FLOATS = [pack for pack in shipped() if not pack.twin_of]
TWINS = [pack for pack in shipped() if pack.twin_of]
DETECTORS = [pack for pack in FLOATS if pack.compare.endswith("boxes")]
SMALL = find("logo-embedder-lite0")
PARSER = find("garments-lite0")
LABELS = [label.name for label in labels(PARSER)]
NULL = LABELS.index("null")
BARE = [i for i, name in enumerate(LABELS) if name in NO_GARMENT]


#: The machine has other tests to run: threads that wait for each other would keep it busy.
ALONE = EngineOptions(threads=1)


def by_name(pack):
    return pack.name


class Remembering:
    """A pack's model on ONNX Runtime, which is run on every picture but once."""

    def __init__(self, pack):
        self._engine = open_engine(pack, "onnxruntime", ALONE)
        self._known = {}

    def infer(self, inputs):
        key = tuple((name, array.tobytes()) for name, array in inputs.items())
        if key not in self._known:
            found = self._engine.infer(inputs).items()
            self._known[key] = {name: np.array(array) for name, array in found}
        return self._known[key]


@lru_cache(maxsize=2)  # tests go from pack to pack
def reference(pack):
    return Remembering(pack)


@lru_cache(maxsize=2)
def opened(model, backend):
    """The engine of a pack or file, for tests in a row that are about the same."""
    return open_engine(model, backend, ALONE)


@cache
def outputs(pack):
    """Of a pack's model on what is shipped, one picture each."""
    return [reference(pack).infer({"images": p[None]}) for p in samples.shipped(pack)]


def gate(pack, change):
    """Parity of a pack's model and of itself changed, on what is shipped."""
    found = Parity()
    for right in outputs(pack):
        other = change({k: v.copy() for k, v in right.items()})
        found = found.merged(compare(pack, right, other, pack.size))
    return found


def gate_of_graph(pack, path, pictures=None):
    """Parity of a pack's model and of a graph made from it."""
    pictures = samples.shipped(pack) if pictures is None else pictures
    return parity.run(pack, reference(pack), opened(path, "onnxruntime"), pictures)


def refused(found):
    """Precisions in which it is."""
    return tuple(p for p in LIMITS if found.failures(p))


# What is wrong with garments


def most_worn(out):
    """Garment with the most cells."""
    counts = np.bincount(out["labels"].ravel(), minlength=len(LABELS))
    counts[BARE] = 0
    return int(counts.argmax())


def forget_top(out):
    top = most_worn(out)
    out["labels"][out["labels"] == top] = NULL
    return out


def forget_top_and_more(out):
    """The top garment, and 35 % of the cells of all others."""
    out = forget_top(out)
    rng = np.random.default_rng(0)
    hit = ~np.isin(out["labels"], BARE) & (rng.random(out["labels"].shape) < 0.35)
    out["labels"][hit] = (out["labels"][hit] + 1) % len(LABELS)
    return out


def mislabel(out):
    rng = np.random.default_rng(0)
    hit = ~np.isin(out["labels"], BARE) & (rng.random(out["labels"].shape) < 0.35)
    out["labels"][hit] = LABELS.index("wedges")
    return out


def dropped(name):
    """A label that is never given, neither as cells nor as a tag."""
    i = LABELS.index(name)

    def change(out):
        out["labels"][out["labels"] == i] = NULL
        out["worn"][:, i] = 0
        return out

    return change


def cells_dropped(name):
    def change(out):
        out["labels"][out["labels"] == LABELS.index(name)] = NULL
        return out

    return change


def tag_dropped(name):
    def change(out):
        out["worn"][:, LABELS.index(name)] = 0
        return out

    return change


def exchanged(one, two, cells=True, tags=True):
    i, j = LABELS.index(one), LABELS.index(two)

    def change(out):
        if cells:
            turn = np.arange(len(LABELS))
            turn[[i, j]] = j, i
            out["labels"] = turn[out["labels"]]
        if tags:
            out["worn"][:, [i, j]] = out["worn"][:, [j, i]]
        return out

    return change


def outside(out):
    out["labels"][~np.isin(out["labels"], BARE)] = 10**6
    return out


#: Label -> what is there on the pictures of the package.
WORN = ("jeans", "sweater", "romper", "dress")
GARMENTS = {
    "top garment forgotten": forget_top,
    "top garment forgotten and 35 % mislabelled": forget_top_and_more,
    "35 % mislabelled": mislabel,
    "cells and tags of different labels": exchanged("jeans", "pants", tags=False),
    "tags of different labels": exchanged("jeans", "pants", cells=False),
    "two labels exchanged": exchanged("jeans", "pants"),
    "labels that do not exist": outside,
    **{f"{name} dropped": dropped(name) for name in WORN},
    **{f"cells of {name} dropped": cells_dropped(name) for name in WORN},
    "tag jeans dropped": tag_dropped("jeans"),
    "tag sweater dropped": tag_dropped("sweater"),
}


@pytest.mark.parametrize("wrong", GARMENTS)
def test_a_parser_that_is_wrong_about_garments_is_refused_in_every_precision(wrong):
    """However much of the picture is background."""
    found = gate(PARSER, GARMENTS[wrong])
    assert refused(found) == tuple(LIMITS), found.record("int8")


def test_a_label_forgotten_on_many_pictures_is_named():
    """Not hidden by all the others."""
    found = gate(PARSER, cells_dropped("jeans"))
    assert found.record("int8")["worst_label"] == "jeans"
    assert "(jeans)" in " ".join(found.failures("int8"))


# What is wrong with boxes


def shifted(pack, right=0.0, down=0.0, wider=0.0):
    """Boxes moved and grown by shares of their size."""

    def change(out):
        boxes = out["boxes"]
        sizes = boxes[..., 2:] - boxes[..., :2]
        for i, step in ((0, right - wider / 2), (2, right + wider / 2)):
            boxes[..., i] += step * sizes[..., 0]
        boxes[..., 1::2] += down * sizes[..., 1:]
        return out

    return change


def exchanged_sides(out):
    out["boxes"] = out["boxes"][..., [1, 0, 3, 2]]
    return out


def halved(out):
    out["scores"] = out["scores"] / 2
    return out


@pytest.mark.parametrize("pack", DETECTORS, ids=by_name)
@pytest.mark.parametrize(
    "moved",
    [{"right": 0.03}, {"right": -0.03}, {"down": 0.03}, {"right": 0.03, "down": 0.03},
     {"right": -0.03, "down": 0.03}, {"wider": 0.04}, {"wider": -0.04}, {"right": 0.3}],
    ids=str,
)  # fmt: skip
def test_boxes_moved_by_three_percent_of_their_size_are_refused(pack, moved):
    found = gate(pack, shifted(pack, **moved))
    assert refused(found) == tuple(LIMITS), found.record("int8")


@pytest.mark.parametrize("pack", DETECTORS, ids=by_name)
@pytest.mark.parametrize("change", [exchanged_sides, halved])
def test_a_detector_that_is_wrong_is_refused(pack, change):
    assert refused(gate(pack, change)) == tuple(LIMITS)


# What may be wrong with any model


def emptied(name):
    def change(out):
        out[name] = np.zeros_like(out[name])
        return out

    return change


def constant(name):
    def change(out):
        out[name] = np.full_like(out[name], out[name].mean())
        return out

    return change


def cut(name):
    def change(out):
        out[name] = out[name][:, :-1]
        return out

    return change


def without(name):
    def change(out):
        del out[name]
        return out

    return change


#: How sure the winner of a cell is; heads of which nothing is reported.
UNREAD = {("cells", "scores"), ("cells", "hat"), ("cells", "scarf")}
HEADS = [
    (pack, tensor.name)
    for pack in FLOATS
    for tensor in pack.outputs
    if (pack.compare, tensor.name) not in UNREAD
]


@pytest.mark.parametrize(("pack", "head"), HEADS, ids=lambda x: getattr(x, "name", x))
@pytest.mark.parametrize("wrong", [emptied, constant, cut, without])
def test_a_head_that_gives_nothing_is_refused(pack, head, wrong):
    found = gate(pack, wrong(head))
    assert refused(found) == tuple(LIMITS), found.record("int8")


@pytest.mark.parametrize("pack", FLOATS, ids=by_name)
def test_the_results_of_another_picture_are_refused(pack):
    pictures = outputs(pack)
    found = Parity()
    for right, other in zip(pictures, pictures[1:] + pictures[:1], strict=True):
        found = found.merged(compare(pack, right, other, pack.size))
    assert refused(found) == tuple(LIMITS), found.record("int8")


@pytest.mark.parametrize("pack", FLOATS, ids=by_name)
def test_red_and_blue_exchanged_is_refused(pack, tmp_path):
    """In the graph, between its input and what takes it."""
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    model = graphs.load(pack.path)
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == "images":
                node.input[i] = "turned"
    order = onnx.numpy_helper.from_array(np.array([2, 1, 0]), "colour_order")
    model.graph.initializer.append(order)
    turn = onnx.helper.make_node("Gather", ["images", "colour_order"], ["turned"], axis=3)
    model.graph.node.insert(0, turn)
    del model.graph.value_info[:]
    path = tmp_path / "turned.onnx"
    path.write_bytes(model.SerializeToString())
    found = gate_of_graph(pack, path)
    # A person is one in any colours: that changes no more than INT8 does.
    blind = {"int8"} if pack.task == "person-detection" else set()
    assert {*refused(found), *blind} == set(LIMITS), found.record("int8")


@pytest.mark.parametrize("pack", TWINS, ids=by_name)
@pytest.mark.parametrize("which", ["all", "one"])
def test_int8_with_doubled_scales_is_refused(pack, which, tmp_path):
    """Of the weights: what a layer puts out is twice what it was."""
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    model = graphs.load(pack.path)
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    scales = [
        node.input[1]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in known
        and len(known[node.input[0]].dims) == 4
    ]
    for name in set(scales) if which == "all" else {scales[len(scales) // 2]}:
        array = onnx.numpy_helper.to_array(known[name])
        known[name].CopyFrom(onnx.numpy_helper.from_array(array * 2, name))
    path = tmp_path / "doubled.onnx"
    path.write_bytes(model.SerializeToString())
    found = gate_of_graph(find(pack.in_float), path)
    assert refused(found) == tuple(LIMITS), found.record("int8")


# What is right


@lru_cache(maxsize=3)
def photos(pack, which):
    """Pictures of a set, RGB of a pack's size."""
    if which == "shipped":
        return samples.shipped(pack)
    folder = SHARED / which
    if not folder.is_dir():
        pytest.skip(f"needs {which} in the shared data")
    return samples.pictures(pack, folder, 10)


SETS = (
    "shipped",
    pytest.param("street_fashion/photos", marks=pytest.mark.shared),
    pytest.param("coco_train128/images", marks=pytest.mark.shared),
)


#: Twins with seven-bit weights, which overflow nowhere.
NARROW = ("logo-detector-lite0-int8", "logo-detector-world-int8", "person-store-int8")


def overflows():
    """Whether products of eight bits do on this processor: on x86 without VNNI."""
    flags = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not flags.is_file():
        return False
    return "vnni" not in flags.read_text() or "ONEDNN_MAX_CPU_ISA" in os.environ


@pytest.mark.skipif(platform.machine() != "x86_64", reason="overflows on x86 alone")
@pytest.mark.parametrize("pack", TWINS, ids=by_name)
def test_int8_that_overflows_is_refused(pack):
    """As on a processor without VNNI; a real engine that runs and is wrong."""
    pytest.importorskip("openvino")
    code = """
import sys
from engines import open_engine
from engines.packs import find
from pipeline.models import parity, samples
twin = find(sys.argv[1])
exact = find(twin.in_float)
with open_engine(exact, "onnxruntime") as one, open_engine(twin, "openvino") as two:
    print(len(parity.run(exact, one, two, samples.shipped(exact)).failures("int8")))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, pack.name],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (int(done.stdout) == 0) == (pack.name in NARROW)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize("pack", TWINS, ids=by_name)
def test_the_shipped_int8_models_pass(pack, backend, which):
    exact = find(pack.in_float)
    if overflows() and pack.name not in NARROW:
        pytest.skip("eight bits overflow on this processor, and the gate rightly says so")
    if backend == "openvino":
        pytest.importorskip("openvino")
    found = parity.run(exact, reference(exact), opened(pack, backend), photos(exact, which))
    assert found.failures("int8") == []
    assert found.failures("f32"), "else the limits are too wide"


@pytest.fixture(scope="module")
def graph_of(tmp_path_factory):
    """What TensorRT is given of a pack in a precision, made once."""
    folder = tmp_path_factory.mktemp("graphs")

    @cache
    def made(pack, precision):
        path = folder / f"{pack.name}-{precision}.onnx"
        path.write_bytes(graphs.ready(graphs.load(pack.path), precision).SerializeToString())
        return path

    return made


@pytest.mark.parametrize("precision", ["f32", "f16"])
@pytest.mark.parametrize("which", SETS)
@pytest.mark.parametrize("pack", FLOATS, ids=by_name)
def test_the_graphs_given_to_tensorrt_pass(pack, precision, which, graph_of):
    pytest.importorskip("onnx", reason="needs onnx")
    found = gate_of_graph(pack, graph_of(pack, precision), photos(pack, which))
    assert found.failures(precision) == []


# What is compared


@pytest.mark.parametrize("pack", FLOATS, ids=lambda pack: pack.name)
@pytest.mark.parametrize("declared", [True, False], ids=["as declared", "as numbers"])
@pytest.mark.parametrize("wrong", ["right", "nothing", "shuffled", "nan"])
def test_wrong_outputs_are_noticed_on_the_pictures_of_the_package(pack, wrong, declared):
    """As an engine would give them that runs and is wrong."""
    pack = pack if declared else replace(pack, compare="")
    rng = np.random.default_rng(0)

    def change(out):
        for name, array in out.items():
            if wrong == "shuffled":
                out[name] = rng.permutation(array.ravel()).reshape(array.shape)
            elif wrong == "nan" and array.dtype.kind == "f":
                out[name] = np.full_like(array, np.nan)
            elif wrong != "right":
                out[name] = np.zeros_like(array)
        return out

    assert refused(gate(pack, change)) == (() if wrong == "right" else tuple(LIMITS))


def test_an_unknown_comparison_names_the_known_ones():
    out = {"embeddings": np.ones((1, 4), np.float32)}
    with pytest.raises(ParityError, match=r"logo-embedder-lite0.*'?guess.*boxes.*cells") as caught:
        compare(replace(SMALL, compare="guess"), out, out, (96, 96))
    assert isinstance(caught.value, EngineError)


def test_boxes_that_nothing_reads_are_an_error():
    out = {"boxes": np.ones((1, 4, 4), np.float32), "scores": np.ones((1, 4), np.float32)}
    with pytest.raises(EngineError, match=r"logo-embedder-lite0.*embedding"):
        compare(replace(SMALL, compare="boxes"), out, out, (96, 96))


@pytest.mark.parametrize(
    ("other", "precisions"),
    [
        ({"a": [1.0, 2.0], "b": [3]}, ()),
        ({"a": [1.1, 2.1], "b": [3]}, ("f32", "f16")),
        ({"a": [2.0, 4.0], "b": [3]}, ("f32", "f16", "int8")),
        ({"a": [1.0, 2.0], "b": [4]}, ("f32", "f16", "int8")),
        ({"a": [1.0], "b": [3]}, ("f32", "f16", "int8")),
        ({"a": [1.0, np.inf], "b": [3]}, ("f32", "f16", "int8")),
    ],
)
def test_outputs_of_unknown_meaning_are_compared_as_numbers(other, precisions):
    def arrays(values):
        return {"a": np.array([values["a"]], np.float32), "b": np.array([values["b"]])}

    right = arrays({"a": [1.0, 2.0], "b": [3]})
    found = compare(replace(SMALL, compare=""), right, arrays(other), (96, 96))
    assert tuple(p for p in LIMITS if found.failures(p)) == precisions


def test_inputs_are_made_in_the_layout_colour_and_type_of_the_pack():
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[:, :, 0] = 255
    plain = SMALL.inputs[0]
    assert np.array_equal(samples.sample(plain, picture), picture[None])
    turned = replace(plain, layout="nchw", colour="bgr", dtype="float32")
    made = samples.sample(turned, picture)
    assert (made.shape, made.dtype) == ((1, 3, 2, 4), np.float32)
    assert (made[0, 2].min(), made[0, 1].max()) == (1.0, 0.0)
    tokens = replace(plain, layout="", dtype="int64", shape=("n", 16))
    assert samples.sample(tokens, picture).tolist() == [[1] * 16]


def test_nothing_compared_is_nothing_proven():
    with open_engine(SMALL, "onnxruntime") as engine, pytest.raises(ParityError, match="pictures"):
        parity.run(SMALL, engine, engine, [])


class Shuffled:
    """An engine that is right until it has seen a batch: ``when`` says at which calls it gives the
    results of other pictures, by how many it was given before and now."""

    def __init__(self, engine, when):
        self._engine, self._when, self._most = engine, when, 0

    def infer(self, inputs):
        count = len(inputs["images"])
        wrong, self._most = self._when(self._most, count), max(self._most, count)
        given = np.roll(inputs["images"], 1, axis=0 if count > 1 else 1)
        return self._engine.infer({"images": given} if wrong else inputs)


@pytest.mark.parametrize(
    ("when", "what"),
    [(lambda most, count: False, ()), (lambda most, count: count > 1, ("f32", "f16", "int8")),
     (lambda most, count: most > count, ("f32",))],
    ids=["right", "wrong in batches", "wrong after a batch"],
)  # fmt: skip
def test_what_is_right_alone_must_be_right_in_batches_and_after_them(when, what):
    shown = samples.shipped(SMALL)
    with open_engine(SMALL, "onnxruntime") as one, open_engine(SMALL, "onnxruntime") as two:
        assert refused(parity.run(SMALL, one, Shuffled(two, when), shown)) == ()
        found = parity.run(SMALL, one, Shuffled(two, when), shown, batch=4)
    assert set(what) <= set(refused(found))
    assert bool(what) is bool(refused(found))
    assert found.pictures == len(shown)


CELLS = st.integers(0, 9)
FOUND = st.builds(
    Parity,
    agree=st.builds(Share, CELLS, st.just(9)),
    garments=st.builds(Share, CELLS, st.just(9)),
    labels=st.dictionaries(
        st.sampled_from("abc"), st.builds(Share, st.integers(0, ENOUGH), st.just(ENOUGH))
    ).map(MappingProxyType),
    tags=st.builds(Share, CELLS, st.just(9)),
    overlap=st.builds(Share, CELLS, st.just(9)),
    moves=st.tuples(*[st.integers(-9, 9).map(float)] * 4),
    apart=st.floats(0, 1),
    drift=st.floats(0, 1),
    cosine=st.floats(-1, 1),
    pictures=st.just(1),
)


@given(FOUND, FOUND)
def test_together_nothing_looks_better_than_apart(a, b):
    both = a.merged(b)
    assert both == b.merged(a)
    assert both.pictures == 2
    assert both.labels.keys() == a.labels.keys() | b.labels.keys()
    for name, value in both.values.items():
        one, two = a.values[name], b.values[name]
        if name == "worst":
            assert value >= min(one, two) - 1e-9
        elif name in ("apart", "drift"):
            assert value == max(one, two)
        elif name == "cosine":
            assert value == min(one, two)
        else:
            assert value <= max(one, two) + 1e-9
    assert Parity().merged(a) == a


@given(FOUND)
def test_the_record_is_json_with_the_reasons(found):
    for precision in LIMITS:
        record = json.loads(json.dumps(found.record(precision)))
        assert record["failures"] == found.failures(precision)
        assert all("{" not in text for text in record["failures"])


@pytest.mark.parametrize("precision", LIMITS)
def test_what_is_no_number_never_passes(precision):
    nan = float("nan")
    for found in (Parity(apart=nan), Parity(drift=nan), Parity(cosine=nan), Parity(Share(nan, 1))):
        assert found.failures(precision)


@pytest.mark.parametrize(
    ("precision", "given", "shown"), [("f16", True, 8), ("int8", True, 3), ("int8", False, 5)]
)
def test_int8_is_compared_on_the_pictures_that_were_given(precision, given, shown):
    """Its ranges fit those."""
    request = PlanRequest(SMALL, precision, images=PICTURES if given else None)
    found = compared(request, SMALL.path, "onnxruntime")
    assert (found.pictures, refused(found)) == (shown, ())


def some(**shapes):
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("pack", "comparison", "out", "words"),
    [
        (SMALL, "cells", some(labels=(1, 2, 2), worn=(1, 2), categories=(1, 2)), r"labels\.json"),
        (
            PARSER,
            "cells",
            some(labels=(1, 2, 2), worn=(1, 2), categories=(1, 2)),
            "worn.*59 labels",
        ),
        (PARSER, "cells", some(labels=(1, 2, 2)), "needs an output 'worn'"),
        (SMALL, "boxes", some(boxes=(1, 2, 4)), "needs an output 'scores'"),
        (SMALL, "classes", some(embeddings=(1, 4)), "needs an output 'scores'"),
        (SMALL, "directions", some(scores=(1, 4)), "needs an output 'embeddings'"),
    ],
)
def test_a_comparison_that_does_not_fit_the_pack_is_an_error(pack, comparison, out, words):
    with pytest.raises(EngineError, match=f"{pack.name}.*{words}"):
        compare(replace(pack, compare=comparison), out, out, (96, 96))
