"""The command that completes an outfit, on a store, a real snapshot and made products."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import cv2
import numpy as np
import pytest
from store_support import BLUE_JEANS, RED_JACKET, Run
from support import command

from pipeline.pictures import snapshot_file
from pipeline.sinks.annotate import snapshot
from pipeline.store.opening import writing

PERSON = Path(__file__).parents[2] / "engines" / "trt" / "pictures" / "person.jpg"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Results with two visits: one with a picture, one whose picture is gone. Returns the folder
    and both ids."""
    folder = tmp_path_factory.mktemp("shop")
    run = Run()
    with writing(str(folder / "threadline.db"), "test", "Europe/Berlin") as store:
        ids = []
        for track in (1, 2):
            records = run.visit(RED_JACKET, BLUE_JEANS, at=time.time() - 600 + track)
            ids.append(records[0]["visit"])
            for record in records:
                record["snapshot"] = snapshot_file("entrance", track, records[0]["visit"])
            store.write(records)
    path = folder / snapshot_file("entrance", 1, ids[0])
    path.parent.mkdir(parents=True)
    assert cv2.imwrite(str(path), snapshot(cv2.imread(str(PERSON)), "entrance #1", []))
    return folder, *ids


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """Bags, hats and scarves of one colour each, a picture that is broken, and what is no
    category."""
    folder = tmp_path_factory.mktemp("products")
    rows = ["picture,name,category"]
    for i, category in enumerate(("bag", "bag", "bag", "scarf", "scarf", "umbrella of doom")):
        image = np.full((90, 60, 3), 255, np.uint8)
        image[20:70, 15:45] = np.random.default_rng(i).integers(0, 200, 3)
        assert cv2.imwrite(str(folder / f"{i}.png"), image)
        rows.append(f"{i}.png,Thing {i},{category}")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
    rows += ["broken.jpg,Broken,bag", "gone.jpg,Gone,bag"]
    (folder / "products.csv").write_text("\n".join(rows) + "\n")
    return folder


def complete(shop, products, *more, visit=None):
    folder, known, _ = shop
    return command(
        "outfits", "complete", "--visit", visit or known, "--products", products, "--out", folder,
        *more,
    )  # fmt: skip


def test_products_complete_an_outfit_and_broken_pictures_are_named_and_counted(shop, products):
    done = complete(shop, products / "products.csv", "--json", "--top", "2")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [row["category"] for row in rows]
    assert kinds == sorted(kinds)
    assert set(kinds) <= {"bag, wallet", "scarf"}
    assert "scarf" in kinds or "bag, wallet" in kinds
    assert all(0 <= row["better_than"] < 1 for row in rows)
    assert "broken.jpg: not a picture" in done.stderr
    assert "gone.jpg" in done.stderr
    assert "2 of 8 products" in done.stderr or "3 of 8 products" in done.stderr
    again = complete(shop, products / "products.csv")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("worn: ")
    for row in rows:
        assert row["name"] in again.stdout


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("nonsense", "no id of a visit"),
        (str(uuid.UUID(int=5)), "no such visit"),
        ("gone", "has no picture any more"),
    ],
)
def test_visits_that_cannot_be_completed_say_why(shop, products, which, said):
    done = complete(shop, products, visit=shop[2] if which == "gone" else which)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_places_without_usable_products_say_why(shop, tmp_path):
    done = complete(shop, tmp_path / "none")
    assert done.returncode == 2
    assert "no folder and no CSV file" in done.stderr
    (tmp_path / "a.jpg").write_bytes(b"x")
    done = complete(shop, tmp_path)
    assert done.returncode == 2
    assert "a.jpg" in done.stderr
    assert "no product in it can be used" in done.stderr
