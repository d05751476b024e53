"""Logins in URLs, as people write them."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.address import escaped_login, tidy
from pipeline.errors import redact

PLACES = ("10.0.0.7/s", "127.0.0.1:8554/cam?channel=2", "[::1]:554/x", "cam.local/x", "localhost/x")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "password",
    ["p@s/s#?%1", "p/ss", "a:b", "#1", "?", "p ss", "100%", "a@b@c", "%zz", "/", "x#y/z@", "ü€"],
)
def test_any_password_written_as_it_is_opens_the_camera_and_is_hidden(place, password):
    url = tidy(f"rtsp://admin:{password}@{place}")
    parts = urlsplit(url)
    assert (parts.username, unquote(parts.password)) == ("admin", password)
    assert url.endswith(f"@{place}")
    assert redact(f"cannot open {url}: refused") == f"cannot open rtsp://{place}: refused"
    if " " not in password:
        shown = redact(f"cannot open rtsp://admin:{password}@{place}: refused")
        assert "admin" not in shown
        assert shown.endswith(f"{place}: refused")


@given(
    # What looks like a host with a dot after an @ is taken for one.
    st.text(st.characters(codec="utf-8", exclude_characters=".["), min_size=1, max_size=30)
)
def test_whatever_the_password(password):
    url = tidy(f"rtsp://admin:{password}@10.0.0.7/s")
    assert urlsplit(url).hostname == "10.0.0.7"
    assert tidy(url) == url, "once is enough"


@pytest.mark.parametrize(
    "location",
    [
        "rtsp://10.0.0.7:554/a@b",
        "rtsp://cam/a@b",
        "rtsp://nvr:554/user@site",
        "rtsp://user:pw@nvr/live?account=me@shop.com",
        "rtsp://user:pw@10.0.0.7/a@b",
        "rtsp://admin:p%40s@h/x",
        "file:///videos/a:b@c.mp4",
        "csi://0?width=1280",
        "videos/a@b: c.mp4",
        "/dev/video0",
        "http://h/p?u=rtsp://a@c/x",
    ],
)
def test_what_is_right_stays(location):
    assert tidy(location) == location


@pytest.mark.parametrize(
    ("location", "tidied"),
    [
        ("RTSP://h/X", "rtsp://h/X"),
        (" HTTPS://h/x\n", "https://h/x"),
        ("Rtsps://Me@Shop.com:x@h/x", "rtsps://Me%40Shop.com:x@h/x"),
    ],
)
def test_schemes_are_small_and_users_escaped(location, tidied):
    assert tidy(location) == tidied


def test_a_login_in_one_piece_keeps_its_colon():
    assert escaped_login("admin:a:b/c") == "admin:a%3Ab%2Fc"
    assert escaped_login("me@shop.com") == "me%40shop.com"


@pytest.mark.parametrize(
    "url",
    ["rtsp://admin:12/34@cam.local/x", "rtsp://admin:p@s/s@cam/x", "rtsp://a:12@34/5@cam.shop/x"],
)
def test_in_doubt_more_is_hidden(url):
    for secret in ("admin", "12", "34/", "s/s"):
        assert secret not in redact(url)
