"""Who may what: every route, walked from the table of routes."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from support import command
from web_support import PASSWORD
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pipeline.web.accounts import Accounts
from pipeline.web.app import OPEN, guarded
from pipeline.web.kept import Kept
from pipeline.web.passwords import digest
from pipeline.web.who import RANKS


def routes():
    """Method, path with its blanks filled, and what is needed of every route."""
    for route in guarded():
        path = re.sub(r"\{\w+\}", "1", route.path)
        for method in route.methods or {"WS"}:
            yield method, path, route.needed


def test_the_walk_misses_no_route(window):
    schema = httpx.get(f"{window.url}/api/v1/openapi.json").json()
    told = {
        (method.upper(), path) for path, methods in schema["paths"].items() for method in methods
    }
    walked = {(method, route.path) for route in guarded() for method in route.methods}
    assert told == walked


def test_every_route_but_a_few_needs_somebody(window, people):
    walked = 0
    with httpx.Client(base_url=window.url, headers={"Origin": window.url}) as nobody:
        for method, path, needed in routes():
            if not needed:
                assert any(re.sub(r"\{\w+\}", "1", one) == path for one in OPEN)
                continue
            walked += 1
            if method == "WS":
                with pytest.raises(InvalidStatus) as refused:
                    connect(window.url.replace("http", "ws") + path)
                assert refused.value.response.status_code == 401
            else:
                answer = nobody.request(method, path)
                assert (answer.status_code, answer.json()["code"]) == (401, "login"), path
    assert walked > 40


@pytest.mark.parametrize("user", ["vera", "otto"])
def test_every_route_refuses_the_wrong_role(window, people, user):
    role = {"vera": "viewer", "otto": "operator"}[user]
    refused = 0
    with window.client(user) as client:
        for method, path, needed in routes():
            if all(RANKS[wanted] <= RANKS[role] for wanted, _ in needed):
                continue
            refused += 1
            answer = client.request(method, path.removeprefix("/api/v1"))
            assert (answer.status_code, answer.json()["code"]) == (403, "role"), (method, path)
    assert refused > 10


def test_every_route_refuses_a_token_without_its_scope(window, people):
    every = {"read", "pictures", "live", "write", "admin"}
    clients = {
        scope: httpx.Client(base_url=window.url, headers=window.token("admin", *every - {scope}))
        for scope in every
    }
    for method, path, needed in routes():
        for _, scope in needed:
            if method == "WS":
                with pytest.raises(InvalidStatus) as refused:
                    connect(
                        window.url.replace("http", "ws") + path,
                        additional_headers=window.token("admin", "read"),
                    )
                assert refused.value.response.status_code == 403
                continue
            answer = clients[scope].request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (403, "role"), (method, path)
    for client in clients.values():
        client.close()


def test_cameras_of_others_are_as_if_they_were_not_there(window, people):
    entrance, exit_, hat = people
    with window.client("door") as client:
        found = client.get("/search").json()["visits"]
        assert [one["visit"] for one in found] == [hat, entrance]
        assert client.get("/search", params={"camera": "exit"}).status_code == 422
        assert client.get("/search", params={"q": "at exit red jacket"}).status_code == 422
        assert client.get("/search/names").json()["camera"] == ["entrance"]
        counts = client.get("/search/counts").json()
        assert counts["n"] == 2
        assert counts["facets"]["camera"] == {"entrance": 2}
        for path in ("", "/picture.jpg", "/export"):
            assert client.get(f"/visits/{exit_}{path}").status_code == 404
        assert client.get(f"/visits/{entrance}").json()["after"] == hat
        assert client.get("/cameras").json()["cameras"] == []
        assert client.get("/cameras/clip").status_code == 404
        assert client.get("/cameras/clip/picture.jpg").status_code == 404
        assert client.get("/state").json()["cameras"] == []
        assert client.get("/statistics/people").json()["total"] == 2
        colours = dict(client.get("/statistics/top?what=colours").json()["top"])
        assert colours == {"red": 1, "blue": 1, "black": 1}
        assert client.get("/statistics/people?camera=exit").status_code == 404
        assert sum(client.get("/timeline?last=1h").json()["people"]) == 2
        assert client.get("/timeline?camera=exit").status_code == 404
        metrics = client.get(f"{window.url}/metrics").text
        assert "threadline_build_info" in metrics
        assert 'camera="clip"' not in metrics


def test_pages_of_other_sites_change_nothing(window):
    with window.client("vera") as client:
        wanted = {"name": "mine", "query": "q=hat"}
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "", "Sec-Fetch-Site": "same-site"},
        ):
            answer = client.post("/searches", json=wanted, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "origin")
        del client.headers["Origin"]
        assert client.post("/searches", json=wanted).status_code == 403, "nothing is said"
        same = {"Sec-Fetch-Site": "same-origin"}
        made = client.post("/searches", json=wanted, headers=same)
        assert made.status_code == 201
        number = made.json()["id"]
        assert client.delete(f"/searches/{number}", headers=same).status_code == 204
        secret = client.cookies["threadline"]
    url = window.url.replace("http", "ws") + "/api/v1/live"
    for origin in (None, "http://evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            connect(url, origin=origin, additional_headers={"Cookie": f"threadline={secret}"})
        assert refused.value.response.status_code == 403
    evil = httpx.post(
        f"{window.url}/api/v1/login",
        json={"user": "vera", "password": PASSWORD},
        headers={"Origin": "http://evil.example"},
    )
    assert evil.status_code == 403


def test_a_session_is_new_with_every_login_and_ends(window):
    with window.client() as client:
        client.cookies.set("threadline", "planted-by-somebody-else")
        client.post("/login", json={"user": "vera", "password": PASSWORD})
        first = client.cookies.get("threadline", domain="127.0.0.1")
        assert first not in (None, "planted-by-somebody-else")
        assert window.service.accounts.of_session("planted-by-somebody-else") is None
    with window.client("vera") as client:
        first = client.cookies["threadline"]
        again = client.post("/login", json={"user": "vera", "password": PASSWORD})
        cookie = again.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        second = client.cookies["threadline"]
        assert second != first
        assert window.service.accounts.of_session(first) is None, "the one before it ended"
        kept = window.service.kept.path.read_bytes()
        assert second.encode() not in kept
        assert digest(second) in kept
        assert PASSWORD.encode() not in kept
        assert client.post("/logout").status_code == 204
        client.cookies.set("threadline", second, domain="127.0.0.1")
        assert client.get("/me").status_code == 401


def test_another_password_ends_the_other_sessions(window):
    accounts = window.service.accounts
    accounts.add("paul", PASSWORD, "viewer")
    with window.client("paul") as here, window.client("paul") as there:
        wrong = here.post("/password", json={"old": "nonsense", "new": "a much better one"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "credentials")
        short = here.post("/password", json={"old": PASSWORD, "new": "short"})
        assert short.status_code == 422
        new = {"old": PASSWORD, "new": "a much better one"}
        assert here.post("/password", json=new).status_code == 204
        assert here.get("/me").status_code == 200
        assert there.get("/me").status_code == 401
    accounts.remove("paul")


def test_who_guesses_waits(window):
    window.service.accounts.add("gus", PASSWORD, "viewer")
    with window.client() as client:
        codes = [
            client.post("/login", json={"user": "gus", "password": f"guess {i}"}).status_code
            for i in range(6)
        ]
        assert codes == [401] * 5 + [429]
        right = client.post("/login", json={"user": "gus", "password": PASSWORD})
        assert right.status_code == 429, "also with the right one now"
        assert int(right.headers["retry-after"]) <= 60
    window.service.limiter.passed("user gus", "client 127.0.0.1")
    window.service.accounts.remove("gus")


def test_names_that_nobody_has_take_as_long(window):
    def seconds(user):
        began = time.process_time()
        window.service.accounts.right(user, "nonsense")
        return time.process_time() - began

    known, unknown = (min(seconds(user) for _ in range(3)) for user in ("vera", "nobody"))
    assert 0.5 < unknown / known < 2


def test_the_last_admin_stays(window):
    with window.client("anna") as client:
        assert client.delete("/users/anna").status_code == 409
        assert client.patch("/users/anna", json={"role": "viewer"}).status_code == 409
        wanted = {"user": "ada", "password": PASSWORD, "role": "admin"}
        assert client.post("/users", json=wanted).status_code == 201
        assert client.post("/users", json=wanted).status_code == 409
        assert client.patch("/users/ada", json={"role": "viewer"}).json()["role"] == "viewer"
        held = client.patch("/users/ada", json={"cameras": ["entrance"]}).json()
        assert held["cameras"] == ["entrance"]
        assert client.delete("/users/ada").status_code == 204
        assert client.delete("/users/ada").status_code == 404
        done = [one["action"] for one in client.get("/audit").json()["audit"]]
        assert done[:4] == ["user.removed", "user.changed", "user.changed", "user.added"]


def test_tokens_are_shown_once_and_end(window):
    with window.client("anna") as client:
        made = client.post("/tokens", json={"name": "till", "scopes": ["read"]}).json()
        headers = {"Authorization": f"Bearer {made['token']}"}
        assert httpx.get(f"{window.url}/api/v1/me", headers=headers).json()["user"] == "token:till"
        assert made["token"] not in client.get("/tokens").text
        assert client.delete(f"/tokens/{made['id']}").status_code == 204
        assert httpx.get(f"{window.url}/api/v1/me", headers=headers).status_code == 401
    number, secret = window.service.accounts.add_token("old", "viewer", ["read"], None, 1)
    window.service.kept.change("UPDATE token SET ends = 1 WHERE id = ?", number)
    assert window.service.accounts.of_token(secret) is None


def test_users_are_made_on_the_command_line(tmp_path, monkeypatch):
    def run(*args, password=PASSWORD):
        monkeypatch.setenv("THREADLINE_PASSWORD", password)
        return command("user", *args, "--out", tmp_path)

    assert run("add", "anna").stdout == "anna (admin) added\n"
    assert run("add", "anna").returncode == 2, "there is one"
    short = run("add", "otto", "--role", "operator", password="short")
    assert (short.returncode, "12 to 200" in short.stderr) == (2, True)
    assert run("password", "nobody").returncode == 2
    assert run("password", "anna", password="quite another one").returncode == 0
    with Kept(tmp_path) as kept:
        accounts = Accounts(kept)
        assert accounts.right("anna", "quite another one")
        assert not accounts.right("anna", PASSWORD)
