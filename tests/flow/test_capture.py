"""What a camera's thread says of an outage."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace

import pytest

from pipeline.errors import SourceDeniedError, SourceError
from pipeline.flow import capture
from pipeline.flow.capture import Capture, Outage
from pipeline.flow.stats import CameraStats
from pipeline.sources.camera import CameraSettings


def told(monkeypatch, caplog, *failures):
    """Warnings of a camera that fails at every try."""
    stop, left = threading.Event(), list(failures)

    class Failing:
        live = True

        def __enter__(self):
            failure = left.pop(0)
            if not left:
                stop.set()
            raise failure

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(capture, "open_source", lambda camera: Failing())
    for name in ("backoff_s", "denied_backoff_s"):
        monkeypatch.setattr(capture, name, lambda failures, jitter: 0.0)
    slot = SimpleNamespace(close=lambda: 0)
    camera, outage = CameraSettings(url="rtsp://h/s"), Outage(1.0, lambda: None)
    loop = Capture(
        camera, slot, CameraStats("cam"), None, None, None, stop, outage, lambda stop: None
    )
    with caplog.at_level(logging.WARNING):
        loop._run()
    return [record.getMessage() for record in caplog.records]


def test_an_outage_is_told_once_though_its_reasons_differ(monkeypatch, caplog):
    ended, refused = SourceError("the stream ended"), SourceError("connection refused")
    said = told(monkeypatch, caplog, ended, refused, refused, ended, refused)
    assert said == ["the stream ended; trying again until it is back"]


@pytest.mark.parametrize("first", [SourceError("gone"), SourceDeniedError("401")])
def test_a_camera_that_begins_or_ceases_to_refuse_is_told(monkeypatch, caplog, first):
    other = SourceDeniedError("401") if type(first) is SourceError else SourceError("gone")
    said = told(monkeypatch, caplog, first, other, other, other)
    assert [text.partition(";")[0] for text in said] == [str(first), str(other)]
