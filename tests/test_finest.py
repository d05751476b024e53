"""One name for one thing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.finest import called, categories, finest, finest_names, uncovered
from pipeline.types import Tag

BOX = (0.0, 0.0, 1.0, 1.0)


def tag(label, category, level="fine", kind="garment"):
    return Tag(kind, label, category, 0.9, BOX, level=level)


def test_a_category_is_not_shown_beside_a_label_of_it():
    found = [tag("shoe", "shoe", kind="garment-found"), tag("shoes", "shoe"), tag("hat", "hat")]
    assert [one.label for one in finest(found)] == ["shoes", "hat"]
    assert [one.label for one in finest([*found, tag("boots", "shoe", kind="pack")])] == [
        "hat",
        "boots",
    ]
    alone = [tag("shoe", "shoe", "category")]
    assert list(finest(alone)) == alone
    two = [tag("jeans", "pants"), tag("leggings", "pants", kind="pack")]
    assert list(finest(two)) == two, "taggers that differ are both told"


def test_names_alone_follow_the_same_rule():
    assert finest_names(["shoe", "shoes", "acme", "jacket"]) == ["shoes", "acme", "jacket"]
    assert finest_names(["shoe", "hat"]) == ["shoe", "hat"]
    assert called("shoe") == "shoes"
    assert called("top, t-shirt, sweatshirt") == "top"
    assert called("umbrella") == "umbrella"
    assert uncovered({"shoe": 4, "hat": 2}, ["sneakers", "acme"]) == {"hat": 2}


@given(st.lists(st.sampled_from(sorted({*categories(), *categories().values(), "acme"}))))
def test_something_of_each_category_stays(names):
    kept = finest_names(names)
    assert {categories().get(name, name) for name in kept} == {
        categories().get(name, name) for name in names
    }
    assert finest_names(kept) == kept
