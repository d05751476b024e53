"""Cameras found on the network and asked for their streams, on a camera that speaks ONVIF."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.onvif import OnvifCamera
from support import command

from pipeline.errors import ConfigError, SourceDeniedError, SourceError
from pipeline.sources.onvif.device import Stream, chosen, offered
from pipeline.sources.onvif.discovery import answered, find

LOGIN = ("root", "pass & <word>")


@pytest.fixture
def camera():
    with OnvifCamera() as camera:
        yield camera


def test_a_camera_is_found_and_its_address_is_where_it_answered(camera):
    [found] = find(0.5, camera.probed_at)
    assert found.address == camera.address, "it calls itself by another host"
    assert (found.host, found.name, found.hardware) == ("127.0.0.1", "Shop Door", "Q35")


@pytest.mark.parametrize(
    "answer",
    [
        b"no XML",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<ProbeMatch><XAddrs>http://printer/</XAddrs></ProbeMatch>",
    ],
)
def test_others_that_answer_are_no_cameras(camera, answer):
    camera.other["Probe"] = answer
    assert find(0.3, camera.probed_at) == []


def test_a_network_that_cannot_be_asked_is_told():
    for host in ("no host", "127.0.0.1:99999", "host/path", "[::1"):
        with pytest.raises(SourceError, match="add them by their addresses"):
            find(0.2, host)


@pytest.mark.parametrize("way", ["token", "digest"])
@pytest.mark.parametrize("media2", [True, False])
def test_streams_are_told_with_their_codec_size_and_rate(camera, way, media2):
    camera.way, camera.media2 = way, media2
    camera.ahead_s = 7200.0  # its clock was never set
    told = offered(camera.address, *LOGIN)
    assert (told.maker, told.model) == ("Maker", "M 1")
    first = Stream("mainStream", "rtsp://127.0.0.1:554/main?a=1&b=2", "h264", (1920, 1080), 25.0)
    assert told.streams[0] == first, "at the camera itself, without a login"
    assert [one.size for one in told.streams] == [(1920, 1080), (640, 360)]
    assert chosen(told.streams) == (told.streams[0].url, told.streams[1].url)


def test_a_host_is_enough_and_a_login_is_asked_for(camera):
    with pytest.raises(SourceDeniedError, match="wants a login"):
        offered(f"127.0.0.1:{camera.port}")
    with pytest.raises(SourceDeniedError, match="user or password is wrong"):
        offered(f"127.0.0.1:{camera.port}", "root", "nonsense")
    camera.login = None
    assert offered(f"127.0.0.1:{camera.port}").maker == "Maker"


@pytest.mark.parametrize(
    "address", ["", "ftp://host/", "http://user:word@host/", "http://[::1", "host:99999", "a\nb"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match="address: use a host"):
        offered(address)


_LAUGHS = (
    b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c SYSTEM "file:///etc/passwd">]><a>&b;&c;</a>'
)


@pytest.mark.parametrize("name", ["GetSystemDateAndTime", "GetDeviceInformation", "GetProfiles"])
@pytest.mark.parametrize(
    "answer", [b"", b"\x00\xff", b"<a>", _LAUGHS, b"<a>" * 200_000, b" " * 300_000, b"<a/>"]
)
def test_what_is_no_onvif_ends_in_one_sentence(camera, name, answer):
    camera.other[name] = answer
    if answer == b"<a/>" and name != "GetProfiles":  # it says nothing of what is asked
        assert offered(camera.address, *LOGIN).streams
        return
    with pytest.raises(SourceError, match=r"127\.0\.0\.1: (answers with|offers no stream)"):
        offered(camera.address, *LOGIN)


def test_who_answers_too_slowly_is_left(camera, monkeypatch):
    monkeypatch.setattr("pipeline.sources.onvif.soap.MOST_S", 0.5)
    camera.drip_s = 0.05
    began = time.monotonic()
    with pytest.raises(SourceError, match="has not answered within"):
        offered(camera.address, *LOGIN)
    assert time.monotonic() - began < 5


def test_streams_that_lead_elsewhere_are_left_out(camera):
    for url in (
        b"file:///etc/passwd",
        b"http://[",
        b"rtsp://h/\xc2\x85a",
        b"rtsp://h/" + b"a" * 3000,
    ):
        camera.other["GetStreamUri"] = b"<a><Uri>" + url + b"</Uri></a>"
        with pytest.raises(SourceError, match="offers no stream"):
            offered(camera.address, *LOGIN)


def stream(url: str, wide: int, high: int, codec: str = "h264") -> Stream:
    return Stream(url, url, codec, (wide, high), 15.0)


def test_which_streams_suit():
    main, small = stream("a", 2560, 1440), stream("b", 640, 360)
    odd, tiny, pictures = (
        stream("c", 640, 480),
        stream("d", 320, 180),
        stream("e", 4000, 3000, "jpeg"),
    )
    assert chosen([small, odd, pictures, main, tiny]) == ("a", "b")
    assert chosen([main, odd, tiny]) == ("a", "")
    assert chosen([pictures]) == ("e", "")
    assert chosen([stream("x", 0, 0), stream("y", 0, 0)]) == ("x", "")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.text(max_size=200))
def test_answers_of_any_kind_are_read_or_refused(content, scopes):
    for one in (content, f"<ProbeMatch><Scopes>onvif {scopes}</Scopes></ProbeMatch>".encode()):
        try:
            found = answered(one, "10.0.0.7")
        except SourceError:
            continue
        assert found is None or found.address.startswith("http://10.0.0.7")


def test_the_command_finds_cameras_and_shows_their_streams(camera):
    told = command("camera", "find", "--host", camera.probed_at, "--seconds", "0.5")
    assert "wants a login" in told.stdout, told.stderr
    login = ("--user", LOGIN[0], "--password", LOGIN[1])
    told = command("camera", "find", "--host", camera.probed_at, "--seconds", "0.5", *login)
    assert camera.address in told.stdout
    assert "main stream  h264, 1920 x 1080, 25 pictures/s  rtsp://127.0.0.1:554/main" in told.stdout
    assert "sub-stream   h264, 640 x 360" in told.stdout
    assert LOGIN[1] not in told.stdout + told.stderr
    nobody = command("camera", "find", "--host", "127.0.0.1:9", "--seconds", "0.3")
    assert (nobody.returncode, "no camera answered" in nobody.stderr) == (0, True)
