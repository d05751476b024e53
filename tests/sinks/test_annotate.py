"""Tags in words and on pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import make_frame

from pipeline.sinks.annotate import annotated, tag_text
from pipeline.sinks.records import tag_record
from pipeline.types import Tag, TaggedFrame, Track

MARK = Tag("logo", "Acme", None, 0.9, (20.0, 20.0, 40.0, 40.0))


@pytest.mark.parametrize("kind", ["logo", "print"])
def test_what_is_on_something_tells_on_what(kind):
    on = Tag(kind, "Acme", None, 0.9, MARK.box, attributes=(("on", "top, t-shirt"),))
    assert tag_text(on) == "Acme on top"


def test_garments_tell_their_colour_and_categories_their_first_name():
    jeans = Tag("garment", "jeans", "pants", 0.8, MARK.box, ("navy", "white"))
    assert tag_text(jeans) == "navy jeans"
    plaid, plain = (
        Tag("garment", "shirt", "shirt, blouse", 0.8, MARK.box, ("red",), (("pattern", name),))
        for name in ("plaid", "plain")
    )
    assert tag_text(plaid) == "red plaid shirt"
    assert tag_text(plain) == "red shirt"
    shirt = Tag("garment", "top, t-shirt", "top", 0.8, MARK.box, level="category")
    assert tag_text(shirt) == "top"


def edges(tagged):
    """Whether the outline of the mark's box is drawn."""
    image = annotated(tagged).astype(int)
    return np.ptp(image[25:35, 20], axis=-1).min() > 0


def test_where_a_mark_on_a_person_was_is_not_drawn_once_they_moved_on():
    """A tag keeps the box it was last seen in, for seconds."""
    frame = make_frame(size=(200, 200))
    for mark in (MARK, replace(MARK, outlined=True)):
        person = Track(1, (100.0, 100.0, 150.0, 190.0), 0.9, tags=(mark,))
        assert not edges(TaggedFrame(frame, tracks=(person,)))


def test_loose_tags_are_always_outlined():
    assert edges(TaggedFrame(make_frame(size=(200, 200)), tags=(MARK,)))


def test_how_a_tag_is_drawn_is_not_recorded():
    assert tag_record(MARK) == tag_record(replace(MARK, outlined=True))
    assert "outlined" not in tag_record(MARK)
