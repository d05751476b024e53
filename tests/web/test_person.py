"""A person's page: their pictures, what was marked wrong, and forgetting all of it."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from store_support import BLUE_JEANS, RED_JACKET, Run
from support import HERE

from engines.packs import shipped
from pipeline.pictures import look_file
from pipeline.settings.schema import make_config
from pipeline.sinks.annotate import snapshot
from pipeline.web.accounts import NoSuchError
from pipeline.web.outfits import Outfits

PERSON = HERE.parent / "engines" / "trt" / "pictures" / "person.jpg"


@pytest.fixture
def person(window):
    """Somebody whose heads were hidden, with three pictures; a visit's id and its first picture."""
    records = Run(time.time() - 900).visit(RED_JACKET, BLUE_JEANS, at=time.time() - 900)
    for record in records:
        record["heads"] = "pixelate"
    window.write(records)
    picture = records[-1]["snapshot"]
    for name in (picture, look_file(picture, 2), look_file(picture, 4)):
        path = window.service.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((300, 200, 3), 255, np.uint8)
        image[:256, 60:140] = 90
        cv2.imwrite(str(path), image)
    return records[0]["visit"], picture


def test_a_wrong_tag_becomes_a_picture_to_teach_with(window, person):
    visit, _ = person
    wrong = {"kind": "garment", "label": "jacket", "right": "rain coat"}
    teach = window.service.out / "teach"
    with window.client("vera") as viewer:
        assert viewer.post(f"/visits/{visit}/wrong", json=wrong).status_code == 403
    with window.client("anna") as client:
        refused = client.post(f"/visits/{visit}/wrong", json=wrong)
        assert (refused.status_code, "privacy.teach" in refused.json()["error"]) == (422, True)
        assert not teach.exists()
        assert client.patch("/settings", json={"changes": {"privacy.teach": True}}).is_success
        try:
            made = client.post(f"/visits/{visit}/wrong", json=wrong)
            assert made.status_code == 201, made.text
            [one] = made.json()["wrong"]
            assert (one["class"], one["user"]) == ("rain coat", "anna")
            [path] = (teach / "rain coat").iterdir()
            image = cv2.imread(str(path))
            assert image.shape[:2] == (256, 80), "without the caption"
            again = {**wrong, "right": ""}
            assert client.post(f"/visits/{visit}/wrong", json=again).json()["wrong"][0][
                "class"
            ] == ("other")
            assert [p.parent.name for p in teach.rglob("*.jpg")] == ["other"], "one a tag"
            for bad in ("../x", "jacket", ".hidden", "a woman", "x/y", "x" * 65):
                answer = client.post(f"/visits/{visit}/wrong", json={**wrong, "right": bad})
                assert answer.status_code == 422, bad
            said = {**wrong, "label": "skirt"}
            assert client.post(f"/visits/{visit}/wrong", json=said).status_code == 422
            tag = {"kind": "garment", "label": "jacket"}
            undone = client.delete(f"/visits/{visit}/wrong", params=tag)
            assert undone.json() == {"wrong": []}
            assert not list(teach.rglob("*.jpg"))
            audit = [row["action"] for row in client.get("/audit").json()["audit"]]
            assert {"tag.wrong", "tag.wrong.undone"} <= set(audit)
        finally:
            client.patch("/settings", json={"undo": ["privacy.teach"]})


def test_all_looks_are_shown_exported_and_forgotten(window, person):
    visit, picture = person
    out = window.service.out
    (out / "teach" / "coat").mkdir(parents=True)
    (out / "teach" / "coat" / f"{visit}-garment-jacket.jpg").write_bytes(b"x")
    with window.client("otto") as client:
        looks = client.get(f"/visits/{visit}").json()["looks"]
        assert [one[-6:] for one in looks] == ["look=2", "look=4"]
        for one in looks:
            assert client.get(f"{window.url}{one}").headers["content-type"] == "image/jpeg"
        assert client.get(f"/visits/{visit}/picture.jpg?look=3").status_code == 404
        complete = client.get(f"/visits/{visit}/complete")
        assert (complete.status_code, "outfits:" in complete.json()["error"]) == (422, True)
        assert client.get("/products/0.jpg").status_code == 404
        assert client.delete(f"/visits/{visit}").status_code == 204
    assert not list((out / picture).parent.glob(f"{(out / picture).stem}*"))
    assert not list((out / "teach").rglob("*.jpg"))


def test_products_that_complete_an_outfit_are_shown(tmp_path):
    for i, category in enumerate(("bag", "bag", "scarf", "umbrella of doom")):
        image = np.full((900, 600, 3), 255, np.uint8)
        image[200:700, 150:450] = np.random.default_rng(i).integers(0, 200, 3)
        path = tmp_path / "products" / category / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    cv2.imwrite(str(tmp_path / "seen.jpg"), snapshot(cv2.imread(str(PERSON)), "entrance #1", []))
    config = make_config(outfits={"products": str(tmp_path / "products")})
    with Outfits(config, shipped()) as outfits:
        found = outfits.complete(tmp_path / "seen.jpg", 1)
        assert "pants" in found["worn"]
        assert [one["category"] for one in found["suggestions"]] == ["bag, wallet"]
        assert found["products"] + found["left_out"] == 4
        key = found["suggestions"][0]["picture"].rpartition("/")[2].removesuffix(".jpg")
        small = cv2.imdecode(np.frombuffer(outfits.picture(key), np.uint8), cv2.IMREAD_COLOR)
        assert max(small.shape) == 320
        with pytest.raises(NoSuchError):
            outfits.picture("0" * 24)
