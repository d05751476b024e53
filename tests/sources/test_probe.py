"""What an address offers, and what of it is warned of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from servers.camera import Camera
from support import CLIP, command, cut, free_port

from pipeline.errors import SourceRefusedError
from pipeline.sources.camera import CameraSettings
from pipeline.sources.probe import Offer, probe, warnings

GOOD = Offer("h264", (1920, 1080), 15.0, 2e6, 2.0, 6.0, False, True)
SMALL = replace(GOOD, size=(640, 360), bits=3e5)


@pytest.fixture
def camera(tmp_path):
    with Camera(cut(tmp_path / "street.h264", -1, "h264"), rate=10) as server:
        yield server


def test_a_camera_is_watched_without_being_decoded(camera):
    offer = probe(CameraSettings(url=camera.url), 3.0)
    assert (offer.codec, offer.size) == ("h264", (768, 576))
    assert offer.rate == pytest.approx(10, abs=1)
    assert offer.key_s == pytest.approx(2, abs=0.1)
    assert not offer.b_frames
    assert 2e5 < offer.bits < 2e6


def test_the_command_shows_both_streams_and_warns(camera):
    done = command("camera", "probe", camera.url, "--sub", camera.url + "/2", "--seconds", "1")
    assert done.returncode == 0
    assert "main stream  h264, 768 x 576" in done.stdout
    assert "sub-stream   h264, 768 x 576" in done.stdout
    assert "warning: the sub-stream is not smaller" in done.stdout


@pytest.mark.parametrize(
    "url", [f"rtsp://u:hunter2@127.0.0.1:{free_port()}/x", str(CLIP)], ids=["nobody", "a file"]
)
def test_what_cannot_be_probed_is_one_line_without_credentials(url):
    done = command("camera", "probe", url, "--seconds", "1")
    assert done.returncode != 0
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_recordings_have_no_sub_stream():
    with pytest.raises(SourceRefusedError, match="no live camera"):
        probe(CameraSettings(url=str(CLIP)), 1.0)


def test_a_good_pair_is_not_warned_of():
    assert list(warnings(GOOD, SMALL)) == []


@pytest.mark.parametrize(
    ("main", "sub", "words"),
    [
        (replace(GOOD, key_s=8.0), SMALL, "main stream: a key frame only every 8.0 s"),
        (replace(GOOD, key_s=None), None, "main stream: no two key frames in 6 s"),
        (GOOD, replace(SMALL, key_s=5.0), "sub-stream: a key frame only every 5.0 s"),
        (replace(GOOD, b_frames=True), None, "main stream: B-frames"),
        (GOOD, replace(SMALL, size=(640, 480)), "aspect ratios differ (1.78 and 1.33)"),
        (SMALL, GOOD, "are the two swapped"),
        (GOOD, replace(SMALL, size=(1280, 720)), "720 pixels high"),
    ],
)
def test_what_costs_quality_or_time_is_warned_of(main, sub, words):
    assert any(words in text for text in warnings(main, sub))
