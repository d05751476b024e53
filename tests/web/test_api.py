"""What the API answers, on a real run and store."""

from __future__ import annotations

import io
import json
import logging
import zipfile

import cv2
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from servers.onvif import OnvifCamera
from support import HERE, wait_until

from pipeline.flow.stats import CameraStats
from pipeline.web.logs import MOST_LINES


@pytest.fixture(scope="module")
def admin(window, people):
    with window.client("anna") as client:
        yield client


@pytest.fixture(scope="module")
def viewer(window, people):
    with window.client("vera") as client:
        yield client


def test_people_are_found_by_words_and_facets(viewer, people):
    entrance, exit_, hat = people

    def found(**asked):
        answer = viewer.get("/search", params=asked)
        assert answer.status_code == 200, answer.text
        return [one["visit"] for one in answer.json()["visits"] if one["camera"] != "clip"]

    assert found(q="red jacket") == [exit_, entrance]
    assert found(q="rote jacke", camera="exit") == [exit_]
    assert found(q="red jacket", **{"not": "jeans"}) == [exit_]
    assert found(brand="acme") == [hat]
    assert found(q="hat", **{"or": "red jacket"}, last="1h") == [hat, exit_, entrance]
    assert found(**{"from": "2020-01-01", "to": "2020-01-02"}) == []
    first = viewer.get("/search", params={"q": "red jacket", "limit": 1}).json()
    assert first["understood"]["either"] == [["red jacket"]]
    assert first["visits"][0]["wears"] == ["red jacket"]
    assert found(q="red jacket", limit=1, cursor=first["next"]) == [entrance]
    counts = viewer.get("/search/counts", params={"q": "red jacket"}).json()
    assert (counts["n"], counts["exact"]) == (2, True)
    assert counts["facets"]["colour"]["red"] == 2


def test_words_that_mean_nothing_are_told(viewer):
    answer = viewer.get("/search", params={"q": "red jackte"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "unknown"
    [word] = answer.json()["unknown"]
    assert (word["word"], "jacket" in word["near"]) == ("jackte", True)
    for bad in ({"cursor": "1; drop table visit"}, {"limit": 0}, {"last": "soon"}, {"zone": "x"}):
        assert viewer.get("/search", params=bad).status_code == 422


def test_what_is_found_can_be_taken_along(viewer, people):
    rows = viewer.get("/search/export", params={"q": "red jacket"})
    assert rows.headers["content-disposition"] == 'attachment; filename="people.csv"'
    assert rows.text.splitlines()[0].startswith("began,ended")
    assert len(rows.text.splitlines()) == 3
    lines = viewer.get("/search/export", params={"q": "red jacket", "format": "json"}).text
    tags = [tag["label"] for tag in json.loads(lines.splitlines()[1])["tags"]]
    assert tags == ["jacket", "jeans"]


def test_a_visit_is_told_with_its_picture_and_neighbours(viewer, people):
    entrance, exit_, hat = people
    one = viewer.get(f"/visits/{entrance}").json()
    assert [tag["label"] for tag in one["tags"]] == ["jacket", "jeans"]
    assert (one["before"], one["after"]) == (None, hat)
    picture = viewer.get(f"/visits/{entrance}/picture.jpg")
    assert picture.headers["content-type"] == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(picture.content, np.uint8), 1).shape == (40, 20, 3)
    assert viewer.get(f"/visits/{exit_}/picture.jpg").status_code == 404
    with zipfile.ZipFile(io.BytesIO(viewer.get(f"/visits/{entrance}/export").content)) as packed:
        assert packed.namelist() == ["visit.json", "picture.jpg"]
    for bad in ("1", "../../window.db", "%2e%2e%2fwindow.db"):
        assert viewer.get(f"/visits/{bad}/picture.jpg").status_code == 404


def test_a_picture_is_never_of_another_folder(window, viewer):
    from store_support import HAT, Run

    outside = window.service.out / "window.db"
    assert outside.is_file()
    records = [
        {**record, "snapshot": "snapshots/../window.db"} if record["snapshot"] else record
        for record in Run().visit(HAT, camera="old")
    ]
    window.write(records)
    assert viewer.get(f"/visits/{records[0]['visit']}/picture.jpg").status_code == 404


def test_who_is_forgotten_is_found_nowhere(window, viewer, people):
    from store_support import BLACK_JEANS, Run

    records = Run().visit(BLACK_JEANS, camera="gone")
    name = records[0]["visit"]
    window.write(records)
    lines = window.service.out / "events.jsonl"
    with lines.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    assert viewer.delete(f"/visits/{name}").status_code == 403
    with window.client("otto") as operator:
        assert operator.delete(f"/visits/{name}", params={"counts": 1}).status_code == 204
        assert operator.get(f"/visits/{name}").status_code == 404
        assert operator.get("/search", params={"camera": "gone"}).json()["visits"] == []
        assert operator.delete(f"/visits/{name}").status_code == 404
        assert name not in lines.read_text(encoding="utf-8")
        window.write(Run().visit(BLACK_JEANS, camera="gone"))
        whom = {"cameras": ["gone"], "q": "black jeans"}
        assert operator.post("/forget", json=whom).json() == {
            "n": 1,
            "exact": True,
            "in_view": 0,
            "done": False,
        }
        done = operator.post("/forget", json={**whom, "dry": False}).json()
        assert done == {"n": 1, "exact": True, "in_view": 0, "done": True}
        assert operator.post("/forget", json={}).status_code == 422


def test_counts_by_time(viewer, people):
    total = viewer.get("/statistics/people", params={"camera": "entrance"}).json()["total"]
    assert total == 2
    top = viewer.get("/statistics/top", params={"what": "garments and colours", "camera": "exit"})
    assert viewer.get("/statistics/top", params={"what": "brands"}).json()["top"] == [["acme", 1]]
    assert top.json()["top"] == [["red jacket", 1]]
    shown = viewer.get("/timeline", params={"camera": "entrance", "last": "1h", "bins": 60}).json()
    assert sum(shown["people"]) == 2
    worn = {"last": "1h", "bins": 7, "term": "red jacket", "camera": "entrance"}
    found = viewer.get("/timeline", params=worn).json()
    assert (sum(found["people"]), sum(found["term"])) == (2, 1)
    assert viewer.get("/statistics/lines").json() == {"lines": []}
    assert viewer.get("/statistics/dwell").json() == {"zones": []}
    assert viewer.get("/statistics/presence").status_code == 422
    presence = viewer.get("/statistics/presence", params={"camera": "entrance"}).json()
    assert (presence["wide"], presence["cells"]) == (48, [])


def test_a_picture_of_now_hides_heads(window, viewer):
    wait_until(lambda: window.service.live.newest("clip"), 20, "a result")
    answer = viewer.get("/cameras/clip/picture.jpg", params={"width": 200})
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), 1)
    assert image.shape[1] == 200
    assert viewer.get("/cameras/none/picture.jpg").status_code == 404
    assert viewer.get("/cameras/clip/picture.jpg", params={"width": 100_000}).status_code == 422


def test_saved_searches_are_ones_own(window, viewer):
    made = viewer.post("/searches", json={"name": "red", "query": "q=red+jacket"}).json()
    assert viewer.get("/searches").json() == {"searches": [made]}
    with window.client("otto") as other:
        assert other.get("/searches").json() == {"searches": []}
        assert other.delete(f"/searches/{made['id']}").status_code == 404
    assert viewer.delete(f"/searches/{made['id']}").status_code == 204


def test_the_state_is_told_and_no_secret_with_it(window, admin):
    stats = window.service.runner.stats.camera("clip")
    wait_until(lambda: stats.state in ("up", "done"), 20, "its pictures")
    told = admin.get("/state").json()
    [camera] = [one for one in told["cameras"] if one["id"] == "clip"]
    assert camera["state"] in ("up", "done")
    assert told["retention"]["next_what"] in ("pictures", "rows")
    assert {one["task"] for one in told["models"]} >= {"person-detection"}
    assert admin.get("/settings").json()["settings"]["store"]["zone"] == "Europe/Berlin"


def test_a_camera_is_down_since_it_went(window):
    watch, camera, told = window.service.watch, CameraStats("gone"), []
    watch.listen(lambda name, what: told.append(what) if what.get("id") == "gone" else None)
    for state, note in (
        *(("up", ""), ("down", "it is silent"), ("connecting", "it is silent")),
        *(("down", "it refuses"), ("connecting", "it refuses"), ("up", "")),
    ):
        camera.state, camera.note = state, note
        watch._compare(camera)
    began = [one["since"] for one in told]
    assert [one["state"] for one in told] == ["up", *["down", "connecting"] * 2, "up"]
    assert began[0] < began[1] == began[2] == began[3] == began[4] < began[5]


#: Labels -> the names that have them: all there are.
METRICS = {
    (): "db_bytes disk_free_bytes stretch_ratio viewers",
    ("camera",): "camera_up frames_analysed frames_corrupt frames_decoded frames_dropped "
    "frames_failed frames_lost people people_entered reconnects results_unwritten",
    ("camera", "kind"): "detector_runs tags",
    ("camera", "le"): "latency_seconds",
    ("camera", "policy"): "frames_skipped",
    ("camera", "tagger"): "looks",
    ("le",): "db_commit_seconds",
    ("outlet",): "outbox_waiting outlet_failures outlet_missed outlet_up outlet_written",
    ("stage",): "stage_calls stage_seconds",
    ("version", "backend", "precision"): "build_info",
}


def families(text: str):
    """Name -> what Prometheus reads of it."""
    found = text_string_to_metric_families(text)
    return {one.name: one for one in found if one.name.startswith("threadline_")}


def counts(family) -> dict[float, float]:
    """Upper bound -> how many, of a histogram."""
    return {
        float(one.labels["le"]): one.value
        for one in family.samples
        if one.name.endswith("_bucket") and one.labels.get("camera") in (None, "clip")
    }


def test_metrics_are_counters_and_states_without_a_person(window, admin, people):
    def told():
        return families(admin.get(f"{window.url}/metrics").text)

    def value(name, **labels):
        return {
            tuple(one.labels.values()): one.value
            for one in told()[name].samples
            if labels.items() <= one.labels.items()
        }

    stats = window.service.runner.stats.cameras["clip"]
    wait_until(lambda: stats.state == "done" and stats.analysed == stats.decoded, 60, "its end")
    found = told()
    wanted = {
        f"threadline_{name}": set(its) for its, all_ in METRICS.items() for name in all_.split()
    }
    assert set(found) == wanted.keys()
    guide = (HERE.parent / "docs" / "window.md").read_text(encoding="utf-8")
    for name, family in found.items():
        ending = "_total" if family.type == "counter" else ""
        assert f"`{name.removeprefix('threadline_')}{ending}`" in guide, name
    for name, family in found.items():
        labels = {label for sample in family.samples for label in sample.labels}
        assert labels == wanted[name] or not family.samples, name
        assert family.type in ("counter", "gauge", "histogram")
    ages = counts(found["threadline_latency_seconds"])
    commits = counts(found["threadline_db_commit_seconds"])
    for one in (ages, commits):
        assert list(one) == [0.05, 0.1, 0.2, 0.35, 0.5, 1, 2, 5, float("inf")]
        assert sorted(one.values()) == list(one.values())
        assert one[float("inf")] > 0
    [run] = found["threadline_build_info"].samples
    assert ", ".join((run.labels["backend"], run.labels["precision"])) == (
        window.service.runner.running_on
    )
    assert value("threadline_frames_analysed") == {("clip",): stats.analysed}
    assert ages[float("inf")] == stats.analysed
    runs = value("threadline_detector_runs")
    assert runs == {
        ("clip", "whole"): stats.detector_runs - stats.partial_runs,
        ("clip", "parts"): stats.partial_runs,
    }
    assert sum(runs.values()) > 0
    assert value("threadline_people_entered") == {("clip",): stats.people}
    assert value("threadline_camera_up") == {("clip",): 0}
    assert value("threadline_outlet_up", outlet="store") == {("store",): 1}


def test_the_newest_lines_of_the_log_are_told_without_credentials(window, admin):
    log = logging.getLogger("threadline.test")
    log.warning("%s: lost\nagain", "rtsp://anna:hunter2@10.0.0.7/stream?token=abc123")
    told = admin.get("/logs", params={"level": "warning"}).json()
    line = told["lines"][-1]
    assert (line["level"], line["name"], told["next"]) == ("warning", "threadline.test", line["id"])
    assert line["text"].startswith("rtsp://")
    assert line["text"].endswith("lost\nagain")
    assert not any(secret in admin.get("/logs").text for secret in ("hunter2", "abc123"))
    assert admin.get("/logs", params={"after": line["id"]}).json()["lines"] == []
    log.error("x" * 10_000)
    for i in range(MOST_LINES):
        log.warning("line %d", i)
    lines = admin.get("/logs", params={"limit": MOST_LINES, "level": "debug"}).json()["lines"]
    assert [one["text"] for one in lines] == [f"line {i}" for i in range(MOST_LINES)]
    assert admin.get("/logs", params={"level": "error"}).json()["lines"] == [], "they are bounded"
    assert admin.get("/logs", params={"after": -1}).status_code == 422


def test_brands_come_and_go(window, admin, brand_files):
    wanted = {"name": "Ring"}
    files = [("files", (path.name, path.read_bytes())) for path in brand_files]
    added = admin.post("/brands", data=wanted, files=files)
    assert added.status_code == 201, added.text
    assert added.json()["pictures"] == len(files)
    assert admin.get("/brands").json()["brands"] == [{"name": "Ring", "pictures": len(files)}]
    picture = admin.get("/brands/Ring/0.png")
    assert picture.status_code == 200
    assert "sandbox" in picture.headers["content-security-policy"]
    assert admin.get("/brands/Ring/99.png").status_code == 404
    assert admin.get("/brands/Other/0.png").status_code == 404
    assert admin.delete("/brands/Ring").status_code == 204
    assert admin.delete("/brands/Ring").status_code == 404


@pytest.fixture
def brand_files(tmp_path):
    image = np.full((120, 120, 3), 255, np.uint8)
    cv2.circle(image, (60, 60), 40, (0, 0, 200), 12)
    cv2.imwrite(str(tmp_path / "ring.png"), image)
    (tmp_path / "ring.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">'
        '<circle cx="5" cy="5" r="3" fill="none" stroke="#c00"/></svg>'
    )
    return [tmp_path / "ring.png", tmp_path / "ring.svg"]


def test_cameras_on_the_network_are_found_and_asked(admin):
    pytest.importorskip("defusedxml")
    with OnvifCamera() as camera:
        wanted = {"seconds": 0.4, "host": camera.probed_at}
        [found] = admin.post("/cameras/find", json=wanted).json()["found"]
        assert (found["address"], found["known"]) == (camera.address, None)
        asked = {"address": found["address"], "user": camera.login[0]}
        told = admin.post("/cameras/onvif", json={**asked, "password": camera.login[1]}).json()
        assert told["url"] == "rtsp://127.0.0.1:554/main?a=1&b=2"
        assert (told["sub"], told["streams"][1]["width"]) == (told["streams"][1]["url"], 640)
        wrong = admin.post("/cameras/onvif", json={**asked, "password": "nonsense"})
        assert (wrong.status_code, "is wrong" in wrong.json()["error"]) == (422, True)
    for address in ("169.254.169.254", "http://metadata.google.internal/", "file:///etc/passwd"):
        assert admin.post("/cameras/onvif", json={"address": address}).status_code == 422
