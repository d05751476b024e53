"""Cameras managed through the API, watched live, and found again after a restart."""

from __future__ import annotations

import io
import json
import socket as sockets
import struct
import threading
import time
from contextlib import closing

import av
import cv2
import httpx
import numpy as np
import pytest
from support import RtspServer, wait_until
from web_support import PASSWORD, served
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from pipeline.errors import ConfigError
from pipeline.web import viewers
from pipeline.web.exporting import exported
from pipeline.web.serving import Address, Serving
from pipeline.web.watch import memory_mb

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
        _set_up(window)
        with window.client("anna") as admin:
            _added(admin, server)
            _changed(admin, server)
            wait_until(lambda: window.service.live.newest("door"), 60, "a result")
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
        wait_until(lambda: window.service.live.newest("door"), 60, "a result")
        notice = httpx.get(f"{window.url}/api/v1/notice/door").json()
        assert notice["controller"].startswith("The Shop")
        assert admin.delete("/cameras/door").status_code == 204
        assert admin.get("/cameras").json()["cameras"] == []
        assert httpx.get(f"{window.url}/api/v1/notice/door").status_code == 404


def _set_up(window):
    """The first password is set on the machine itself, and once."""
    login = {"user": "anna", "password": PASSWORD}
    with httpx.Client(base_url=f"{window.url}/api/v1") as client:
        assert client.get("/me").json()["code"] == "setup"
        for headers in (
            {"Origin": "http://evil.example"},
            {"Host": "evil.example"},  # its name leads here for a moment
            {"X-Forwarded-For": "10.0.0.9"},
        ):
            assert client.post("/setup", json=login, headers=headers).status_code == 403
        elsewhere = Serving(window.service, Address("0.0.0.0", 0))
        with pytest.raises(ConfigError, match="threadline user add"):
            elsewhere.__enter__()
        assert client.post("/setup", json=login).status_code == 201
        assert client.get("/me").json()["role"] == "admin"
        assert client.post("/setup", json=login).status_code == 409


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
        "rtsp://[::1",
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
        extensions = live.response.headers.get("Sec-WebSocket-Extensions", "")
        assert not extensions, "packing video again costs, and gains nothing"
        live.send(json.dumps({"tiles": [{"camera": "door", "as": "video"}]}))
        found = received(live, lambda m: sum(isinstance(o, tuple) and o[0] == 3 for o in m) >= 25)
        _plays(found)
    noted = "SELECT user, client, object FROM audit WHERE action = 'live.raw'"
    rows = [tuple(row) for row in window.service.kept.all(noted)]
    assert rows == [("token:test", "127.0.0.1", "door")], "who saw heads as they are"


def _plays(found):
    """What came is a video, whose times are those of the boxes."""
    about = next(one["video"] for one in found if isinstance(one, dict) and "video" in one)
    assert about["codec"].startswith("avc1.")
    parts = [one for one in found if isinstance(one, tuple)]
    assert [one[0] for one in parts[:2]] == [2, 3]
    times = [one[2] for one in parts if one[0] == 3]
    assert times == sorted(set(times))
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


@pytest.fixture(scope="module")
def watched(annexb, tmp_path_factory):
    """A window with two live cameras, of which one is masked."""
    server = RtspServer(annexb, 2).start()
    mask = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    cameras = [
        {"id": "door", "url": server.url(0)},
        {"id": "dark", "url": server.url(1), "privacy": {"mask": [mask]}},
    ]
    with served(tmp_path_factory.mktemp("watched"), cameras=cameras) as window:
        for camera in ("door", "dark"):
            wait_until(lambda c=camera: window.service.live.newest(c), 30, "a result")
        yield window
    server.kill()


def test_a_camera_that_another_process_receives_is_watched_as_any(annexb, tmp_path, rtsp):
    server = rtsp()
    camera = {"id": "door", "url": server.url()}
    with served(tmp_path, cameras=[camera], pace={"processes": 1}) as window:
        wait_until(lambda: window.service.live.newest("door"), 30, "a result")
        _watched(window)


def test_a_masked_camera_shows_nobody_its_own_video(rtsp, watched):
    with socket(watched, watched.token("admin", "live", "read")) as live:
        live.send(json.dumps({"tiles": [{"camera": "dark", "as": "video"}]}))
        received(live, lambda m: {"camera": "dark", "error": "masked"} in m)


def test_what_is_no_question_ends_the_socket(rtsp, watched):
    headers = watched.token("viewer", "live")
    for bad in ("nonsense", "[]", '{"tiles": [{"camera": "door", "as": "film"}]}', "x" * 20_000):
        with socket(watched, headers) as live:
            live.send(bad)
            with pytest.raises(ConnectionClosedError) as closed:
                live.recv(timeout=10)
            assert closed.value.rcvd.code == 1008
    with socket(watched, headers) as live:
        live.send(json.dumps({"tiles": [{"camera": "door"}] * 33}))
        with pytest.raises(ConnectionClosedError):
            live.recv(timeout=10)


def test_a_viewer_who_may_not_look_any_more_is_sent_away(rtsp, watched, monkeypatch):
    monkeypatch.setattr(viewers, "_CHECK_S", 0.1)
    headers = watched.token("viewer", "live")
    with socket(watched, headers) as live:
        for one in watched.service.accounts.tokens():
            watched.service.accounts.remove_token(one["id"])
        with pytest.raises(ConnectionClosedError) as closed:
            live.recv(timeout=10)
        assert closed.value.rcvd.code == 4403


def never_reads(window, headers):
    """A viewer with hardly any buffer who asks for much and takes nothing."""
    tiles = [{"camera": name, "as": "jpeg", "width": 1920, "rate": 10} for name in ("door", "dark")]
    asked = json.dumps({"tiles": tiles}).encode()
    mask = b"\0\0\0\0"
    frame = b"\x81" + struct.pack(">BH", 0x80 | 126, len(asked)) + mask + asked
    slow = sockets.socket()
    slow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 2048)
    slow.connect(("127.0.0.1", int(window.url.rpartition(":")[2])))
    lines = [
        "GET /api/v1/live HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    slow.sendall("\r\n".join([*lines, "", ""]).encode() + frame)
    return slow


def test_a_viewer_who_takes_nothing_delays_nobody_and_costs_little(rtsp, watched):
    counted = watched.service.runner.stats.camera("door")
    live = watched.service.live
    with closing(never_reads(watched, watched.token("viewer", "live"))):
        wait_until(lambda: live.viewers == 1, 10, "the slow viewer is there")
        with socket(watched, watched.token("operator", "live")) as quick:
            quick.send(json.dumps({"tiles": [{"camera": "door", "as": "video"}]}))
            before, memory = counted.analysed, memory_mb()
            received(quick, lambda m: sum(isinstance(o, tuple) and o[0] == 3 for o in m) >= 60)
            wait_until(lambda: counted.analysed > before + 10, 15, "results go on")
            assert memory_mb() - memory < 60
            assert live.viewers == 2
    wait_until(lambda: live.viewers == 0, 10, "they left")
