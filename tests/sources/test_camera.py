"""A camera's settings: names, addresses, and what is never shown."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import redact, source_name
from pipeline.sources.camera import CameraSettings

URL = "rtsp://10.0.0.7:554/stream1?channel=2"


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_login_survives_the_address(user, password):
    camera = CameraSettings(url=URL, user=user, password=password)
    parts = urlsplit(camera.address)
    assert unquote(parts.username or "") == user
    assert unquote(parts.password or "") == password
    assert (parts.hostname, parts.port) == ("10.0.0.7", 554)
    assert (parts.path, parts.query) == ("/stream1", "channel=2")
    assert redact(camera.address) == URL


@given(st.text(min_size=12, max_size=40), st.text(min_size=12, max_size=40))
def test_credentials_are_never_shown(user, password):
    camera = CameraSettings(url=URL, user=user, password=password)
    for shown in (repr(camera), str(camera), camera.name, camera.model_dump_json()):
        for secret in (user, password):
            assert secret not in shown.replace("**********", "")


def test_a_login_in_the_url_is_not_shown_either():
    camera = CameraSettings(url="rtsp://admin:s3cret@10.0.0.7/s?token=s3cret")
    assert camera.address == "rtsp://admin:s3cret@10.0.0.7/s?token=s3cret"
    for shown in (repr(camera), f"{camera}", camera.name, camera.model_dump_json()):
        assert "s3cret" not in shown
        assert "admin" not in shown
        assert "10.0.0.7" in shown
    assert camera.model_dump()["url"] == camera.address, "for use, not for show"
    assert CameraSettings.model_validate(camera.model_dump()) == camera


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtsp://admin:old@10.0.0.7/s", "names a user already"), ("rtsp://admin@h/s", "already"),
        ("a.mp4", "need a URL"), ("/dev/video0", "need a URL"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("login", [{"user": "me"}, {"password": "s3cret"}])
def test_two_logins_or_no_url_are_mistakes(url, words, login):
    with pytest.raises(ValidationError, match=words) as caught:
        CameraSettings(url=url, **login)
    assert "s3cret" not in str(caught.value)
    assert "old" not in str(caught.value)


def test_an_at_sign_in_a_path_is_no_login():
    camera = CameraSettings(url="rtsp://10.0.0.7/a@b", user="me", password="x")
    assert camera.address == "rtsp://me:x@10.0.0.7/a@b"


@pytest.mark.parametrize("name", ["entrance", "2", "till-1.left", "T\u00fcr", "x" * 64, "_a", ""])
def test_ids(name):
    assert CameraSettings(url="a.mp4", id=name).name == (name or "a")


@pytest.mark.parametrize("name", [".", "..", ".door", "a/b", "../x", "a b", "x" * 65, "a\n", "a\0"])
def test_ids_that_leave_a_folder_or_hide_are_refused(name):
    with pytest.raises(ValidationError):
        CameraSettings(url="a.mp4", id=name)


@given(st.text(min_size=1, max_size=200))
def test_names_of_any_location_are_safe(url):
    name = CameraSettings(url=url).name
    assert 1 <= len(name) <= 64
    assert name[0] not in ".-"
    assert "/" not in name


def test_long_urls_have_names_that_fit_a_file():
    name = source_name("rtsp://10.0.0.7/" + "very/" * 60)
    assert len(name) <= 64
    assert name.startswith("10.0.0.7-very-")


@pytest.mark.parametrize("query", ["loginpas=s3cret", "p=s3cret", "access=s3cret", "u=s3cret"])
def test_passwords_in_queries_are_redacted(query):
    assert redact(f"http://h/v?{query}&fps=5") == f"http://h/v?{query[:-6]}***&fps=5"


def test_a_subclass_keeps_all_of_it():
    class Shop(CameraSettings):
        """With areas."""

        far: tuple[int, ...] = ()

    camera = Shop(url=URL, user="u", password="s3cret", far=(1,))
    assert camera.address.startswith("rtsp://u:s3cret@")
    assert "s3cret" not in repr(camera)
