"""Never reported about anybody: age, sex, ethnicity, religion, health, emotion, identity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from support import make_frame

from engines.packs import answers, categories, labels, shipped
from pipeline.settings.schema import schema
from pipeline.sinks.records import event_record, frame_record
from pipeline.tagging.garments.answers import ALSO, ATTRIBUTES
from pipeline.tagging.garments.attributes import HEMS
from pipeline.tagging.garments.parts import COVERS, PARTS
from pipeline.tagging.garments.types import REFINED
from pipeline.tagging.packs.personal import is_personal
from pipeline.types import Event, EventName, Moment, Tag, TaggedFrame, Track

FORBIDDEN = frozenset(
    [
        "age",
        "aged",
        "old",
        "young",
        "adult",
        "child",
        "children",
        "kid",
        "kids",
        "baby",
        "infant",
        "toddler",
        "teenager",
        "elderly",
        "senior",
        "sex",
        "gender",
        "male",
        "female",
        "man",
        "men",
        "woman",
        "women",
        "boy",
        "boys",
        "girl",
        "girls",
        "lady",
        "gentleman",
        "transgender",
        "ethnicity",
        "ethnic",
        "race",
        "racial",
        "asian",
        "african",
        "european",
        "caucasian",
        "latino",
        "hispanic",
        "arab",
        "indian",
        "complexion",
        "nationality",
        "religion",
        "religious",
        "hijab",
        "niqab",
        "burqa",
        "burka",
        "chador",
        "abaya",
        "kippa",
        "kippah",
        "yarmulke",
        "turban",
        "dastar",
        "habit",
        "cassock",
        "veil",
        "tichel",
        "bindi",
        "crucifix",
        "rosary",
        "pregnant",
        "disabled",
        "disability",
        "wheelchair",
        "health",
        "emotion",
        "happy",
        "sad",
        "angry",
        "mood",
        "face",
        "faces",
        "facial",
        "identity",
        "reid",
        "embedding",
        "embeddings",
        "vector",
        "descriptor",
    ]
)

#: Models that see a brand's mark, and nothing of who wears it.
OF_MARKS = frozenset({"logo-detection", "logo-embedding"})


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def reported() -> Iterator[str]:
    """Every label, category, part, attribute and value that taggers can report."""
    packs = shipped()
    for pack in packs:
        if pack.task in OF_MARKS:
            continue
        yield from (pack.name, pack.task, *(output.name for output in pack.outputs))
        if "labels.json" in pack.files:
            for label in labels(pack):
                yield from (label.name, label.category or "")
            yield from categories(pack)
        if "answers.json" in pack.files:
            for question, known in answers(pack).items():
                yield from (question, *known)
    yield from PARTS
    yield from COVERS
    yield from ATTRIBUTES
    yield from (name for _, name in HEMS)
    for category, kinds in {**REFINED, **ALSO}.items():
        yield from (category, *kinds)
    yield from get_args(EventName)


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def test_no_label_attribute_or_pack_tells_who_somebody_is():
    told = set(reported())
    assert {"jeans", "sleeve", "upper garment", "left"} <= told, "the walk finds what there is"
    assert len(told) > 120
    bad = {name: words(name) & FORBIDDEN for name in told if words(name) & FORBIDDEN}
    assert not bad


def test_no_setting_asks_for_it():
    names = set(keys(schema().model_json_schema()))
    assert "privacy" in names
    assert not {name for name in names if words(name.replace("_", " ")) & FORBIDDEN}


@pytest.mark.parametrize("word", ["hijab", "Kippa", "woman's coat", "age group"])
def test_the_guard_would_find_it(word):
    assert words(word) & FORBIDDEN


#: Words that mean something else more often than not, on labels of things.
AMBIGUOUS = frozenset(
    [
        *("old", "race", "habit", "senior", "face", "faces", "facial", "health", "mood"),
        *("identity", "reid", "embedding", "embeddings", "vector", "descriptor"),
    ]
)


def test_no_pack_reports_it_whatever_its_labels_are():
    assert not {word for word in FORBIDDEN - AMBIGUOUS if not is_personal(f"a {word}'s coat")}
    assert not is_personal("manual, race car, cityscape")


def test_records_hold_no_numbers_by_which_somebody_could_be_recognised():
    box = (1.0, 2.0, 3.0, 4.0)
    tag = Tag("garment", "jeans", "pants", 0.8, box, ("blue",), track_id=1, model="m")
    track = Track(1, box, 0.9, tags=(tag,), visit="v", head=box)
    frame = make_frame()
    tagged = TaggedFrame(frame, tracks=(track,), others=(box,), bystanders=(box,))
    event = Event("left", Moment.of(frame), 1, tags=(tag,), visit="v")
    for record in (frame_record(tagged), event_record(event)):
        names = set(keys(record))
        assert not {name for name in names if words(name.replace("_", " ")) & FORBIDDEN}
        assert not {"appearance", "head"} & names
        longest = max((len(v) for v in json_lists(record)), default=0)
        assert longest <= 4, "a box is the longest list of numbers"


def json_lists(value: Any) -> Iterator[list[float]]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        if value and all(isinstance(v, float) for v in value):
            yield value
        for inner in value:
            yield from json_lists(inner)
