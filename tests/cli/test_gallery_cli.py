"""Galleries on the command line: the shipped embedder, real files."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from gallery_support import HEAD, SHAPES, write_shapes
from support import command, lines

from pipeline.tagging.logos.marks import read_mark

#: What a mark is printed on, RGB: dark cloth.
CLOTH = (38, 44, 70)


@pytest.fixture(scope="module")
def marks(tmp_path_factory):
    return write_shapes(tmp_path_factory.mktemp("shapes") / "marks")


@pytest.fixture(scope="module")
def brands(marks, tmp_path_factory):
    """A gallery of all shapes, made by the command; tests only read it."""
    folder = tmp_path_factory.mktemp("gallery") / "brands"
    done = command("gallery", "import-svg", marks, "--gallery", folder)
    assert done.returncode == 0, done.stderr
    assert f"{len(SHAPES)} brands" in done.stdout
    return folder


def poster(mark, side, size=(480, 640)):
    """A picture BGR (h, w, 3) of a mark in white on dark cloth, a little noisy."""
    picture = np.full((*size, 3), CLOTH[::-1], np.float32)
    cover = cv2.resize(read_mark(mark)[..., 3], (side, side), interpolation=cv2.INTER_AREA) / 255.0
    y, x = (size[0] - side) // 2, (size[1] - side) // 2
    spot = picture[y : y + side, x : x + side]
    spot += cover[..., None] * (235 - spot)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_brands_are_listed_and_shown_with_their_neighbours(brands, tmp_path):
    done = command("gallery", "list", "--gallery", brands)
    assert [line.split("\t") for line in done.stdout.splitlines()] == [
        [name, "1"] for name in sorted(SHAPES)
    ]
    sheet = tmp_path / "new" / "sheet.png"
    shown = command("gallery", "show", "ring", "--gallery", brands, "--draw", sheet)
    assert "from ring.svg" in shown.stdout
    assert len(shown.stdout.splitlines()) == len(SHAPES)
    assert cv2.imread(str(sheet)).std() > 30
    checked = command("gallery", "check", "--gallery", brands)
    assert checked.returncode == 0
    assert f"{len(SHAPES)} brands:" in checked.stdout
    rates = [line.split("\t") for line in checked.stdout.splitlines()]
    taken = {row[0]: int(row[1].split()[0]) for row in rates if "taken for a brand" in row[-1]}
    assert list(taken) == ["strict", "normal", "lenient"]
    assert taken["strict"] <= taken["normal"] <= taken["lenient"] < 100


def test_a_brand_is_added_removed_and_embedded_anew(marks, tmp_path):
    folder, png = tmp_path / "g", tmp_path / "label.png"
    cv2.imwrite(str(png), poster(marks / "cross.svg", 200, (240, 240)))
    done = command("gallery", "add", "  Crème  ✚ ", marks / "cross.svg", png, "--gallery", folder)
    assert done.returncode == 0, done.stderr
    assert command("gallery", "list", "--gallery", folder).stdout == "Crème ✚\t2\n"
    again = command("gallery", "add", "Crème ✚", png, "--gallery", folder)
    assert "has this picture already" in " ".join(again.stderr.split())
    index = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
    index["model"], index["sha256"] = "another", "0" * 64
    (folder / "gallery.json").write_text(json.dumps(index), encoding="utf-8")
    stale = command("tag", png, "--gallery", folder, "--out", tmp_path / "out")
    assert stale.returncode != 0
    assert "threadline gallery rebuild" in " ".join(stale.stderr.split())
    assert command("gallery", "rebuild", "--gallery", folder).returncode == 0
    assert command("gallery", "check", "--gallery", folder).returncode == 0
    gone = command("gallery", "remove", "Crème ✚", "--gallery", folder)
    assert "0 brands" in gone.stdout
    assert list((folder / "marks").iterdir()) == []


def test_a_mark_is_added_from_a_photo_where_it_is_said_or_found(marks, tmp_path):
    photo, folder = tmp_path / "photo.png", tmp_path / "g"
    cv2.imwrite(str(photo), poster(marks / "cross.svg", 120))
    said = command("gallery", "add", "A", photo, "--box", "250,170,140,140", "--gallery", folder)
    assert said.returncode == 0, said.stderr
    assert "the mark at 250,170,140,140" in said.stdout
    found = command("gallery", "add", "B", photo, "--find", "--gallery", folder)
    assert found.returncode == 0, found.stderr
    place = found.stdout.splitlines()[0].rpartition(" ")[2]
    x, y, width, height = (int(part) for part in place.split(","))
    assert abs(x + width / 2 - 320) < 25
    assert abs(y + height / 2 - 240) < 25
    kept = [cv2.imread(str(path)) for path in (folder / "marks").iterdir()]
    assert all(max(picture.shape) < 200 for picture in kept)
    beside = command("gallery", "add", "C", photo, "--box", "900,900,5,5", "--gallery", folder)
    assert beside.returncode == 1
    assert "640 x 480" in " ".join(beside.stderr.split())


def test_one_bad_file_is_named_and_the_others_are_added(marks, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "good.svg").write_bytes((marks / "disc.svg").read_bytes())
    (files / "script.svg").write_text(f"{HEAD}<script>alert(1)</script>{SHAPES['disc']}</svg>")
    (files / "empty.png").write_bytes(b"")
    done = command("gallery", "import-svg", files, "--gallery", tmp_path / "g")
    assert done.returncode == 1
    assert "script.svg" in done.stderr
    assert "empty.png" in done.stderr
    assert "Traceback" not in done.stderr
    assert command("gallery", "list", "--gallery", tmp_path / "g").stdout == "good\t1\n"


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["import-svg", "nowhere"], "nowhere"),
        (["add", "Acme", "nowhere.svg"], "nowhere.svg"),
        (["remove", "Acme"], "no brand 'Acme'"),
        (["show", "Acme"], "no brand 'Acme'"),
    ],
)
def test_mistakes_are_explained_in_a_line(args, word, tmp_path):
    done = command("gallery", *args, "--gallery", tmp_path / "g")
    assert done.returncode == 1
    assert word in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_brand_is_found_on_a_picture_and_a_stranger_is_not(brands, marks, tmp_path):
    for name, shape in (
        ("known", SHAPES["ring"]),
        ("other", '<path d="M12 2l3 7h7l-6 5 3 8-7-5-7 5 3-8-6-5h7z"/>'),
    ):
        mark = tmp_path / f"{name}.svg"
        mark.write_text(f"{HEAD}{shape}</svg>")
        cv2.imwrite(str(tmp_path / f"{name}.png"), poster(mark, 120))
    out = tmp_path / "out"
    done = command(
        "tag", tmp_path / "known.png", tmp_path / "other.png", "--gallery", brands, "--out", out
    )
    assert done.returncode == 0, done.stderr
    known, other = (
        {tag["label"] for tag in row["tags"] if tag["kind"] == "logo"}
        for row in lines(out / "tags.jsonl")
    )
    assert known == {"ring"}
    assert other == set()


def test_brands_are_found_where_garments_are_not_parsed(brands, marks, tmp_path):
    cv2.imwrite(str(tmp_path / "known.png"), poster(marks / "ring.svg", 120))
    (tmp_path / "c.yaml").write_text("garments: {enabled: false}\n")
    asked = ["tag", tmp_path / "known.png", "--gallery", brands, "--config", tmp_path / "c.yaml"]
    done = command(*asked, "--out", tmp_path, "--draw")
    assert done.returncode == 0, done.stderr
    [row] = lines(tmp_path / "tags.jsonl")
    assert {(tag["kind"], tag["label"]) for tag in row["tags"]} == {("logo", "ring")}
    assert all("on" not in tag["attributes"] for tag in row["tags"])
    drawn = cv2.imread(str(tmp_path / "drawn" / "known.png"))
    assert (drawn != cv2.imread(str(tmp_path / "known.png"))).any()
