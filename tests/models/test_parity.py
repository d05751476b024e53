"""The parity gate: nothing that is wrong passes, whatever the pack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import EngineError, open_engine
from engines.packs import find, shipped
from pipeline.models import parity, samples
from pipeline.models.parity import Parity, ParityError, compare

FLOATS = [pack for pack in shipped() if not pack.twin_of]
SMALL = find("logo-embedder-lite0")


@pytest.mark.parametrize("pack", FLOATS, ids=lambda pack: pack.name)
@pytest.mark.parametrize("declared", [True, False], ids=["as declared", "as numbers"])
@pytest.mark.parametrize("wrong", ["nothing", "shuffled", "nan"])
def test_wrong_outputs_are_noticed_on_the_pictures_of_the_package(pack, wrong, declared):
    """As an engine would give them that runs and is wrong."""
    pack = pack if declared else replace(pack, compare="")
    found = Parity()
    rng = np.random.default_rng(0)
    with open_engine(pack, "onnxruntime") as engine:
        for picture in samples.shipped(pack):
            right = {k: v.copy() for k, v in engine.infer({"images": picture[None]}).items()}
            assert not compare(pack, right, right, pack.size).failures("f32")
            other = {}
            for name, array in right.items():
                if wrong == "shuffled":
                    other[name] = rng.permutation(array.ravel()).reshape(array.shape)
                elif wrong == "nan" and array.dtype.kind == "f":
                    other[name] = np.full_like(array, np.nan)
                else:
                    other[name] = np.zeros_like(array)
            found = found.merged(compare(pack, right, other, pack.size))
    assert found.failures("int8")


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
    assert tuple(p for p in parity.LIMITS if found.failures(p)) == precisions


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


NUMBERS = st.floats(0, 1)
FOUND = st.builds(Parity, st.integers(0, 9), st.just(9), NUMBERS, NUMBERS, st.just(1), NUMBERS)


@given(FOUND, FOUND)
def test_together_nothing_looks_better_than_apart(a, b):
    both = a.merged(b)
    assert both == b.merged(a)
    assert both.pictures == 2
    assert both.apart == max(a.apart, b.apart)
    assert both.drift == max(a.drift, b.drift)
    assert both.cosine == min(a.cosine, b.cosine)
    assert both.agree <= max(a.agree, b.agree)
    assert Parity().merged(a) == a
