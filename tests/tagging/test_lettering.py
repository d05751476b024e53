"""Letters of marks: what counts as a brand's name, and that it is really read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.tagging.logos.decision import Decision
from pipeline.tagging.logos.lettering import Lettering, agrees, folded


@pytest.mark.parametrize(
    ("text", "name"),
    [("VISA", "visa"), ("opentext", "OpenText"), ("Credly", "credly"),
     ("Häagen-Dazs", "haagen dazs"), ("PUMA", "Pumba Records"),
     ("ACME", "Acme Sportswear"), ("SPORTSWEAR", "Acme Sportswear"), ("chedly", "Credly Chedly")],
)  # fmt: skip
def test_readings_that_are_a_brands_name(text, name):
    assert agrees(text, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [("", "Acme"), ("ac", "ac"), ("here", "Acme"), ("the", "The North Face"), ("---", "---"),
     ("sale 50%", "Sony")],
)  # fmt: skip
def test_readings_that_are_not(text, name):
    assert not agrees(text, name)


def test_letters_decide_among_brands_that_look_a_little_alike(gallery):
    gallery.decision = Decision(lettered=-1.0)
    vector = gallery.of(gallery.names.index("ring"))[0]
    assert gallery.lettered(vector, "DISCS").brand == "disc"
    assert gallery.lettered(vector, "nothing of the kind") is None
    assert gallery.lettered(vector, "") is None
    gallery.decision = Decision(lettered=0.999)
    assert gallery.lettered(vector, "DISCS") is None, "it does not look like it at all"
    assert gallery.lettered(vector, "rings").brand == "ring"


def test_a_brands_whole_name_needs_no_likeness(gallery):
    gallery.decision = Decision(lettered=0.999)
    vector = gallery.of(gallery.names.index("ring"))[0]
    assert gallery.lettered(vector, "Disc!").brand == "disc"
    assert gallery.lettered(vector, "dis") is None, "part of a name"


def test_letters_are_read():
    pytest.importorskip("rapidocr", reason="the lettering extra is not installed")
    shown = np.full((40, 150, 3), (20, 30, 60), np.uint8)
    cv2.putText(shown, "ACME", (8, 31), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (240, 240, 240), 3)
    read = Lettering()
    assert folded(read(shown)) == "acme"
    assert read(np.full((40, 150, 3), 90, np.uint8)) == ""


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rapidocr", None)
    with pytest.raises(ValueError, match="pip install"):
        Lettering()
