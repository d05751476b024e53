"""What others send who mean no good."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from benchmark.window_flood import flood
from web_support import PASSWORD

from pipeline.web.app import guarded
from pipeline.web.guard import MOST_JSON
from pipeline.web.serving import MOST_CONNECTIONS, Address, Serving
from pipeline.web.statics import Pages
from pipeline.web.watch import memory_mb


def raw(window, text: str) -> bytes:
    """The answer to bytes as they are: clients would tidy them."""
    host, port = window.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(text.encode("latin-1"))
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/static/../../kept.py",
        "/..%2f..%2fkept.py",
        "/%2e%2e/kept.py",
        "/....//kept.py",
        "/%00kept.py",
        "//etc/passwd",
        "/vendor/../../app.py",
        "/\\..\\kept.py",
    ],
)
def test_no_file_but_the_pages_can_be_had(window, path):
    answer = raw(window, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    page = Pages().find("index.html")
    assert b"404" in head.splitlines()[0] or body == page.content
    assert b"root:" not in body
    assert b"import" not in body or body == page.content


@pytest.mark.parametrize(
    "name", ["..%2f..%2fwindow.db", "%2e%2e", "..%5cwindow.db", "%00", "a%0d%0aX-Evil:%201"]
)
def test_no_name_in_a_path_leads_elsewhere(window, people, name):
    """Every route that takes one, by somebody who may do everything."""
    headers = window.token("admin", "read", "pictures", "live", "write", "admin")
    out = window.service.out

    def there(folder: Path) -> set[str]:
        # What runs at its own times comes and goes beside it: SQLite's files, requests to forget,
        # files that are not whole yet.
        passing = re.compile(r"\.forget-.*|\.[0-9a-f]{12}\.part|.*\.db-(shm|wal)")
        return {path.name for path in folder.iterdir() if not passing.fullmatch(path.name)}

    before, around = there(out), there(out.parent)
    asked = 0
    with httpx.Client(base_url=window.url, headers=headers, timeout=20) as client:
        for route in guarded():
            path = re.sub(
                r"\{(\w+)\}", lambda blank: "9999" if blank[1] == "number" else name, route.path
            )
            for method in route.methods if path != route.path else ():
                asked += 1
                answer = client.request(
                    method, path, json={} if method in ("POST", "PATCH") else None
                )
                assert answer.status_code in (404, 405, 409, 422), (method, path, answer.text)
                assert "x-evil" not in answer.headers
                assert str(out) not in answer.text
    assert asked > 15
    assert there(out) == before
    assert there(out.parent) == around


def test_only_named_proxies_are_believed(window):
    told = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    login = {"user": "vera", "password": PASSWORD}

    def cookie_and_address(url: str) -> tuple[str, str]:
        answer = httpx.post(f"{url}/api/v1/login", json=login, headers=told)
        assert answer.status_code == 200
        [row, *_] = window.service.kept.all("SELECT * FROM audit ORDER BY id DESC LIMIT 1")
        return answer.headers["set-cookie"].partition("=")[0], row["client"]

    assert cookie_and_address(window.url) == ("threadline", "127.0.0.1")
    with Serving(window.service, Address(port=0, proxies=("127.0.0.1",))) as behind:
        behind.start()
        assert cookie_and_address(behind.url.rstrip("/")) == ("__Host-threadline", "203.0.113.9")
    with Serving(window.service, Address(port=0, proxies=("203.0.113.1",))) as other:
        other.start()
        assert cookie_and_address(other.url.rstrip("/")) == ("threadline", "127.0.0.1")


def test_pages_are_small_known_again_and_guarded(window):
    first = httpx.get(f"{window.url}/", headers={"Accept-Encoding": "identity"})
    assert first.text.lstrip().lower().startswith("<!doctype html")
    policy = first.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert first.headers["x-content-type-options"] == "nosniff"
    tag = first.headers["etag"]
    again = httpx.get(f"{window.url}/", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    fixed = httpx.get(f"{window.url}/", params={"v": tag.strip('"')})
    assert "immutable" in fixed.headers["cache-control"]
    assert httpx.get(f"{window.url}/some/page").status_code == 200, "the page reads its address"
    assert httpx.get(f"{window.url}/none.js").status_code == 404
    assert httpx.head(f"{window.url}/").status_code == 200
    answer = raw(
        window, "GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"content-encoding: gzip" in head.lower():
        assert gzip.decompress(body) == first.content


def test_nothing_sent_becomes_a_header(window, people):
    with window.client("vera") as client:
        bad = "red jacket\r\nSet-Cookie: evil=1"
        answer = client.get("/search", params={"q": bad})
        assert "x-evil" not in answer.headers
        answer = client.get("/search/export", params={"format": "csv\r\nX-Evil: 1"})
        assert answer.status_code == 422
        assert "x-evil" not in answer.headers
    with window.client("anna") as client:
        made = client.post("/users", json={"user": "x\r\nSet-Cookie: a=1", "password": "p" * 20})
        assert made.status_code == 422


def test_an_answer_does_not_wait_for_the_one_before(window):
    with httpx.Client(base_url=window.url) as client:
        took = []
        for _ in range(12):
            began = time.perf_counter()
            client.get("/healthz")
            took.append(time.perf_counter() - began)
    assert min(took) < 0.03  # 0.04 at the least, where pieces wait to be acknowledged


def test_requests_hold_no_more_than_is_taken(window):
    large = b"x" * (MOST_JSON + 1)
    url = f"{window.url}/api/v1/login"
    assert httpx.post(url, content=large).status_code == 413
    assert httpx.post(url, content=iter([large[:1000]] * 400)).status_code == 413
    assert httpx.post(url, json={"user": "a" * 100, "password": "x"}).status_code == 422
    kind = {"Content-Type": "application/json"}
    assert httpx.post(url, content="[" * 100_000, headers=kind).status_code in (400, 422)
    told = httpx.post(url, json={"user": ["x"], "password": "secret-of-mine"})
    assert "secret-of-mine" not in told.text


def test_pictures_that_are_none_or_huge_are_refused(window):
    bomb = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    bomb = bomb[:16] + (60_000).to_bytes(4, "big") * 2 + bomb[24:]
    entity = (
        b'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>'
        b'<svg xmlns="http://www.w3.org/2000/svg"><text>&b;</text></svg>'
    )
    files = [
        ("bomb.png", bomb),
        ("text.png", b"no picture"),
        ("entity.svg", entity),
        ("script.exe", b"MZ"),
        ("../../evil.png", b""),
    ]
    with window.client("otto") as client:
        for name, content in files:
            sent = client.post("/brands", data={"name": "Evil"}, files=[("files", (name, content))])
            assert sent.status_code == 422, (name, sent.text)
            assert "/tmp/" not in sent.text
            tested = client.post("/brands/test", files={"file": (name, content)})
            assert tested.status_code == 422, (name, tested.text)
        large = client.post(
            "/brands", data={"name": "Evil"}, files=[("files", ("a.png", bytes(8_500_000)))]
        )
        assert large.status_code == 413
        assert client.get("/brands").json()["brands"] == []


def test_many_at_once_are_answered_or_refused_and_the_run_goes_on(window, people):
    codes: list[int] = []

    def ask() -> None:
        headers = window.token("viewer", "read")
        with httpx.Client(base_url=window.url, headers=headers, timeout=30) as client:
            codes.extend(client.get("/api/v1/search/counts").status_code for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(codes) == 200
    assert set(codes) <= {200, 503}
    assert not window.service.runner.finished.is_set()


def test_more_connections_than_are_taken_are_refused_and_do_not_fill_the_log(window, caplog):
    before = memory_mb()
    with ThreadPoolExecutor(1) as aside:  # a browser's loop may be running in this thread
        many = flood(window.url, window.token("viewer", "read"), MOST_CONNECTIONS + 200)
        found = aside.submit(asyncio.run, many).result()
    assert set(found) <= {"200", "503"}
    assert found["503"] > 0
    assert httpx.get(f"{window.url}/healthz").status_code == 200
    assert memory_mb() < before + 150
    assert caplog.text.count("Exceeded concurrency limit") <= 2
