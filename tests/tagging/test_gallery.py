"""Galleries of brands: what is added is found, what is odd is reported, nothing is half-written."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from gallery_support import HEAD, MODEL, SHAPES, SIDE, pictures, pixels
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SinkError
from pipeline.tagging.logos.decision import Decision
from pipeline.tagging.logos.exemplars import VIEWS, views
from pipeline.tagging.logos.gallery import Gallery, open_gallery
from pipeline.tagging.logos.gallery_edit import (
    add,
    look_alikes,
    marks_in,
    read_picture,
    remove,
    strange_pictures,
)
from pipeline.tagging.logos.gallery_file import GalleryError, brand_name
from pipeline.tagging.logos.marks import read_mark

#: Decides by likeness alone.
ABOVE_09 = Decision({"bias": -90.0, "likeness": 100.0})


def seen(path):
    """A mark as a detector might cut it out: white on dark cloth."""
    return pixels(np.stack(views(read_mark(path), SIDE)))[3:4]


def test_every_brand_is_found_again(gallery, files):
    for path in marks_in(files):
        [match] = gallery.match(seen(path))
        assert (match.brand, match.nearest) == (path.stem, path.stem)
        assert match.likeness > 0.95


def test_a_gallery_is_the_same_when_read_again(gallery, files):
    again = open_gallery(gallery.folder, MODEL)
    assert again.index == gallery.index
    assert np.array_equal(again.vectors, gallery.vectors)
    assert again.names == sorted(SHAPES)
    assert len(again.vectors) == VIEWS * len(SHAPES)


def test_what_is_in_no_gallery_is_unknown(gallery, files):
    rest = remove(gallery, ["ring"])
    rest.decision = ABOVE_09
    [match] = rest.match(seen(files / "ring.svg"))
    assert match.brand is None
    assert match.nearest in SHAPES
    empty = remove(rest, rest.names)
    assert empty.match(seen(files / "disc.svg"))[0].brand is None


def between(one, other):
    """A unit vector as near to one as to another."""
    middle = one + other
    return middle / np.linalg.norm(middle)


def test_what_is_as_near_to_other_marks_as_to_the_brand_is_not_the_brand(gallery, files):
    disc, ring = seen(files / "disc.svg"), seen(files / "ring.svg")
    alone = remove(gallery, [name for name in SHAPES if name != "disc"])
    doubtful = between(disc, ring)
    [sure] = alone.match(doubtful)
    alone.background = ring
    [match] = alone.match(doubtful)
    assert sure.brand == "disc"
    assert match.probability < sure.probability
    assert match.margin == pytest.approx(0.0, abs=1e-3)
    assert alone.match(disc)[0].brand == "disc"


def test_a_brand_s_own_mark_in_the_background_is_no_rival(gallery, files):
    """Backgrounds hold marks of well-known brands, which may be added to a gallery."""
    alone = remove(gallery, [name for name in SHAPES if name != "disc"])
    disc = seen(files / "disc.svg")
    before = alone.match(disc)[0]
    alone.background = disc
    after = alone.match(disc)[0]
    assert after.brand == before.brand == "disc"
    assert after.probability == pytest.approx(before.probability)


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from gallery_support import MODEL, pictures
from pathlib import Path
from pipeline.tagging.logos.gallery import open_gallery
from pipeline.tagging.logos.gallery_edit import add
for path in sorted(Path({marks!r}).glob({pattern!r})):
    add(open_gallery(Path({folder!r}), MODEL), pictures([path]))
"""


def test_two_processes_that_add_brands_lose_nothing(tmp_path):
    marks, folder = tmp_path / "marks", tmp_path / "g"
    marks.mkdir()
    for i in range(30):
        bars = "".join(f"M{2 + 3 * b} 2h2v20h-2z" for b in range(7) if (i + 1) >> b & 1)
        writer = "ab"[i % 2]
        (marks / f"{writer}{i:02d}.svg").write_text(
            f'{HEAD}<path d="M1 23.5h22l-22-1z{bars}"/></svg>'
        )
    writers = [
        subprocess.Popen([
            sys.executable, "-c",
            WRITER.format(
                tests=str(Path(__file__).parents[1]), marks=str(marks), folder=str(folder),
                pattern=f"{letter}*.svg",
            ),
        ])
        for letter in "ab"
    ]  # fmt: skip
    while any(writer.poll() is None for writer in writers):
        open_gallery(folder, MODEL)  # whoever reads meanwhile finds it whole
        time.sleep(0.005)
    assert [writer.wait() for writer in writers] == [0, 0]
    gallery = open_gallery(folder, MODEL)
    assert gallery.names == sorted(path.stem for path in marks.iterdir())
    assert len(list((folder / "marks").iterdir())) == 30
    for brand, path in zip(gallery.index.brands, sorted(marks.iterdir()), strict=True):
        assert (folder / brand.files[0].file).read_bytes() == path.read_bytes()


def test_two_brands_with_one_mark_are_told_of_and_not_told_apart(gallery, files):
    (files / "copy.svg").write_text((files / "disc.svg").read_text().replace("9", "9.0"))
    both, warnings = add(gallery, pictures([files / "copy.svg"]))
    assert "the mark of disc" in warnings[0]
    assert both.match(seen(files / "disc.svg"))[0].brand is None, "no margin between the two"
    [(one, other, likeness)] = look_alikes(both)[:1]
    assert {one, other} == {"copy", "disc"}
    assert likeness > 0.97


def test_the_same_picture_twice_is_kept_once(gallery, files):
    same, warnings = add(gallery, pictures([files / "disc.svg"]))
    assert "already" in warnings[0]
    assert same.index == gallery.index


def test_a_picture_unlike_its_brand_s_others_is_shown(tmp_path, gallery, files):
    wide = files / "bar2.svg"
    wide.write_text(f'{HEAD}<path d="M1 6h22v4H1zm0 8h22v4H1z"/></svg>')
    more = [read_picture("bar", path, pixels, SIDE) for path in (wide, files / "ring.svg")]
    odd = strange_pictures(add(remove(gallery, ["ring"]), more)[0])
    assert [(brand, file) for brand, file, _ in odd] == [("bar", "ring.svg")]


def test_removed_brands_leave_no_files(gallery):
    before = set((gallery.folder / "marks").iterdir())
    rest = remove(gallery, ["disc", " bar "])
    assert rest.names == ["cross", "ring", "wedge"]
    assert len(before - set((gallery.folder / "marks").iterdir())) == 2
    assert len(list(gallery.folder.glob("vectors-*"))) == 1
    with pytest.raises(GalleryError, match="no brand 'disc'"):
        remove(rest, ["disc"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: {**c, "version": 3}, "newer"),
        (lambda c: {**c, "sha256": "0" * 64}, "rebuild"),
        (lambda c: {**c, "vectors": "../../etc/passwd"}, "damaged"),
        (lambda c: {**c, "vectors": "vectors-0000000000000000.npy"}, "damaged"),
        (lambda c: {**c, "brands": c["brands"][1:]}, "does not fit"),
        (lambda c: {**c, "brands": "all"}, "damaged"),
        (lambda c: [], "damaged"),
    ],
)
def test_a_wrong_index_is_refused_with_its_name(gallery, change, word):
    path = gallery.folder / "gallery.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(GalleryError, match=word) as caught:
        open_gallery(gallery.folder, MODEL)
    assert "gallery.json" in str(caught.value)


def test_a_damaged_array_is_refused_and_never_unpickled(gallery):
    [path] = gallery.folder.glob("vectors-*")
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(GalleryError, match="damaged"):
        open_gallery(gallery.folder, MODEL)
    path.write_bytes(b"rubbish")
    with pytest.raises(GalleryError, match="damaged"):
        open_gallery(gallery.folder, MODEL)


def test_a_full_disk_leaves_the_gallery_as_it_was(gallery, files, monkeypatch):
    from pipeline.tagging.logos import gallery_edit

    written = []

    def full(path, content):
        if path.name == "gallery.json":
            raise SinkError(f"{path}: disk full")
        written.append(path)
        path.write_bytes(content)

    monkeypatch.setattr(gallery_edit, "replace_file", full)
    (files / "new.svg").write_text(f'{HEAD}<path d="M4 2h3v20H4zm8 0h3v20h-3z"/></svg>')
    with pytest.raises(SinkError, match="disk full"):
        add(gallery, pictures([files / "new.svg"]))
    assert written
    assert open_gallery(gallery.folder, MODEL).index == gallery.index


@pytest.mark.parametrize(
    ("name", "kept"),
    [("  New   Balance ", "New Balance"), ("ユニクロ", "ユニクロ"), ("e\u0301clat", "\xe9clat"),
     ("H&M", "H&M"), ("../x", "../x")],
)  # fmt: skip
def test_names_of_brands_are_kept_as_written(name, kept):
    assert brand_name(name) == kept


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 101, "a\u202eb"])
def test_names_nobody_could_read_are_refused(name):
    with pytest.raises(GalleryError, match="brand name"):
        brand_name(name)


@given(seed=st.integers(0, 1000), brands=st.integers(1, 300))
def test_the_shortlist_finds_what_a_full_search_finds(seed, brands):
    """Vectors of a brand lie together, as an embedder's do."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(brands, 1, 32))
    vectors = (middles + 0.15 * rng.normal(size=(brands, VIEWS, 32))).reshape(-1, 32)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    index = an_index(brands)
    gallery = Gallery(None, index, vectors)
    wanted = vectors[:: VIEWS * max(brands // 5, 1)] + 0.02
    nearest, scores = gallery.likeness(wanted)
    full = (wanted @ vectors.T).reshape(len(wanted), brands, VIEWS).max(axis=2)
    assert nearest[:, 0].tolist() == full.argmax(axis=1).tolist()
    assert scores[:, 0] == pytest.approx(full.max(axis=1), abs=1e-5)


def an_index(brands):
    from pipeline.tagging.logos.gallery_file import BrandEntry, Index, PictureEntry

    entry = PictureEntry(file="marks/0123456789abcdef.svg", source="a.svg")
    return Index(
        model="m", sha256="s", vectors="",
        brands=[BrandEntry(name=f"b{i}", files=[entry]) for i in range(brands)],
    )  # fmt: skip


@pytest.mark.parametrize("colour", ["#111", "#fff", "#00f", "#888", "#ff0"])
def test_a_mark_of_any_colour_can_be_seen_in_every_view(tmp_path, colour):
    path = tmp_path / "mark.svg"
    path.write_text(f'{HEAD}<g fill="{colour}">{SHAPES["cross"]}</g></svg>')
    shown = views(read_mark(path), SIDE)
    assert len(shown) == VIEWS
    for view in shown:
        assert np.ptp(view.astype(int), axis=(0, 1)).max() > 50
