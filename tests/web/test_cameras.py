"""Cameras managed through the API, live ones watched, and everything found again after a restart."""

from __future__ import annotations

import json
import struct
import threading
import time

import av
import cv2
import httpx
import numpy as np
import pytest
from support import wait_until
from web_support import PASSWORD, served
from websockets.sync.client import connect

from pipeline.web.exporting import exported

pytestmark = pytest.mark.rtsp


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return tmp_path_factory.mktemp("live")


def socket(window, headers):
    url = window.url.replace("http", "ws") + "/api/v1/live"
    return connect(url, additional_headers=headers, max_size=1 << 24)


def opened(message):
    """A binary message's kind, camera, pts, stream and content."""
    kind, length = message[0], message[1]
    name = message[2 : 2 + length].decode()
    pts, stream = struct.unpack(">dI", message[2 + length : 14 + length])
    return kind, name, pts, stream, message[14 + length :]


def received(connection, enough, most_s=20.0):
    """Messages until there are enough of them: JSON, and parts of binary ones."""
    found, until = [], time.monotonic() + most_s
    while not enough(found):
        assert time.monotonic() < until, found[-3:]
        message = connection.recv(timeout=most_s)
        found.append(json.loads(message) if isinstance(message, str) else opened(message))
    return found


def test_a_camera_from_its_first_day_to_a_restart(rtsp, shop):
    server = rtsp(2)
    with served(shop) as window:
        window.service.accounts.add("anna", PASSWORD, "admin")
        with window.client("anna") as admin:
            _added(admin, server)
            _changed(admin, server)
            wait_until(lambda: window.service.live.newest("door"), 20, "a result")
            _watched(window)
            _told_by_events(window, admin)
        kept = window.service.kept.path
        assert kept.stat().st_mode & 0o777 == 0o600
    export = exported(shop, {}, secrets=False)["cameras"]
    assert [camera["id"] for camera in export] == ["door"]
    assert "hidden" not in json.dumps(export)
    assert export[0]["password"] == "${DOOR_PASSWORD}"
    assert exported(shop, {}, secrets=True)["cameras"][0]["password"] == "hidden"
    with served(shop) as window, window.client("anna") as admin:
        camera = admin.get("/cameras/door").json()
        assert (camera["purpose"], camera["zones"].keys()) == ("Queues", {"queue"})
        wait_until(lambda: window.service.live.newest("door"), 20, "a result")
        notice = httpx.get(f"{window.url}/api/v1/notice/door").json()
        assert notice["controller"].startswith("The Shop")
        assert admin.delete("/cameras/door").status_code == 204
        assert admin.get("/cameras").json()["cameras"] == []
        assert httpx.get(f"{window.url}/api/v1/notice/door").status_code == 404


def _added(admin, server):
    login = {"user": "root", "password": "hidden"}
    wanted = {"id": "door", "url": server.url(), **login, "purpose": "Queues"}
    made = admin.post("/cameras", json=wanted)
    assert made.status_code == 201, made.text
    assert "hidden" not in made.text
    assert (made.json()["user"], made.json()["password"]) == (True, True)
    assert admin.post("/cameras", json=wanted).status_code == 409
    for bad in (
        "/etc/passwd",
        "file:///etc/passwd",
        "concat:/etc/passwd|/etc/hosts",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "async:http://10.0.0.1/",
        "gopher://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "rtsp:///etc/passwd",
        "rtsp://",
    ):
        answer = admin.post("/cameras", json={"id": "bad", "url": bad})
        assert answer.status_code == 422, bad
        probed = admin.post("/cameras/probe", json={"url": bad, "seconds": 1})
        assert probed.status_code == 422, bad
    extra = {"id": "bad", "url": server.url(), "settings": {"then": ["/etc/passwd"]}}
    assert admin.post("/cameras", json=extra).status_code == 422
    offer = admin.post("/cameras/probe", json={"url": server.url(1), "seconds": 1}).json()
    assert offer["main"]["codec"] == "h264"


def _changed(admin, server):
    zone = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
    changed = admin.patch("/cameras/door", json={"zones": {"queue": zone}})
    assert changed.status_code == 200, changed.text
    assert changed.json()["zones"] == {"queue": zone}
    assert changed.json()["password"] is True, "it stays"
    bad = admin.patch("/cameras/door", json={"zones": {"queue": [[0, 0]]}})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid")
    elsewhere = admin.patch("/cameras/door", json={"url": "rtsp://evil.example/"})
    assert elsewhere.status_code == 422, "a login goes to nobody else"
    assert admin.patch("/cameras/none", json={"purpose": "x"}).status_code == 404


def _watched(window):
    tiles = [{"camera": "door", "as": "jpeg", "width": 320, "rate": 10}]
    with socket(window, window.token("viewer", "live")) as live:
        live.send(json.dumps({"tiles": tiles}))
        found = received(live, lambda m: sum(isinstance(one, tuple) for one in m) >= 2)
        kind, name, pts, stream, content = next(one for one in found if isinstance(one, tuple))
        image = cv2.imdecode(np.frombuffer(content, np.uint8), 1)
        assert (kind, name, stream, image.shape[1]) == (1, "door", 1, 320)
        told = [one["boxes"] for one in found if isinstance(one, dict)]
        assert pts in {one["pts"] for one in told}
        live.send(json.dumps({"tiles": [{"camera": "door", "as": "video"}, {"camera": "x"}]}))
        errors = received(
            live, lambda m: sum(isinstance(one, dict) and "error" in one for one in m) >= 2
        )
        refused = {one["camera"]: one["error"] for one in errors if "error" in one}
        assert refused == {"door": "role", "x": "missing"}
    with socket(window, window.token("operator", "live")) as live:
        live.send(json.dumps({"tiles": [{"camera": "door", "as": "video"}]}))
        found = received(live, lambda m: sum(isinstance(o, tuple) and o[0] == 3 for o in m) >= 25)
        _plays(found)


def _plays(found):
    """What came is a video, whose times are those of the boxes."""
    about = next(one["video"] for one in found if isinstance(one, dict) and "video" in one)
    assert about["codec"].startswith("avc1.")
    parts = [one for one in found if isinstance(one, tuple)]
    assert [one[0] for one in parts[:2]] == [2, 3]
    times = [one[2] for one in parts if one[0] == 3]
    assert times == sorted(set(times))
    import io

    with av.open(io.BytesIO(b"".join(one[4] for one in parts))) as video:
        shown = [float(frame.pts * frame.time_base) for frame in video.decode(video=0)]
        assert (video.streams.video[0].width, video.streams.video[0].height) == (
            about["width"],
            about["height"],
        )
    assert len(shown) >= len(times) - 1
    assert np.allclose(shown, times[: len(shown)], atol=1e-4)
    boxes = {one["boxes"]["pts"] for one in found if isinstance(one, dict) and "boxes" in one}
    near = [min(abs(pts - at) for at in times) for pts in boxes]
    assert boxes
    assert sum(off < 1e-4 for off in near) >= len(near) - 2, "but for the newest and the oldest"


def _told_by_events(window, admin):
    found = []

    def listen():
        with httpx.stream(
            "GET",
            f"{window.url}/api/v1/events?events=camera,cameras",
            headers=window.token("viewer", "read"),
            timeout=20,
        ) as answer:
            for line in answer.iter_lines():
                found.append(line)
                if line == "event: cameras":
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    wait_until(lambda: "retry: 3000" in found, 10, "the stream begins")
    assert admin.patch("/cameras/door", json={"purpose": "Queues"}).status_code == 200
    thread.join(10)
    assert "event: cameras" in found
    assert window.service.runner.stats.cameras.keys() == {"door"}


def test_a_masked_camera_shows_nobody_its_own_video(rtsp, tmp_path):
    mask = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    camera = {"id": "door", "url": rtsp().url(), "privacy": {"mask": [mask]}}
    with served(tmp_path, cameras=[camera]) as window:
        wait_until(lambda: window.service.live.newest("door"), 20, "a result")
        with socket(window, window.token("admin", "live", "read")) as live:
            live.send(json.dumps({"tiles": [{"camera": "door", "as": "video"}]}))
            received(live, lambda m: {"camera": "door", "error": "masked"} in m)


def test_a_viewer_who_does_not_read_delays_nobody(rtsp, tmp_path):
    camera = {"id": "door", "url": rtsp().url()}
    with served(tmp_path, cameras=[camera]) as window:
        headers = window.token("operator", "live")
        wait_until(lambda: window.service.live.newest("door"), 20, "a result")
        with socket(window, headers) as slow, socket(window, headers) as quick:
            for one in (slow, quick):
                one.send(json.dumps({"tiles": [{"camera": "door", "as": "video"}]}))
            slow.recv_bufsize = 1  # nobody reads from it
            counted = window.service.runner.stats.camera("door")
            before, began = counted.analysed, time.monotonic()
            received(quick, lambda m: sum(isinstance(o, tuple) and o[0] == 3 for o in m) >= 20)
            wait_until(lambda: counted.analysed > before + 3, 10, "results go on")
            assert time.monotonic() - began < 15
        assert window.service.live.viewers <= 2
