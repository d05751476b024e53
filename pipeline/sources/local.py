"""Video on this machine: recordings and V4L2 devices."""

from __future__ import annotations

from typing import TypeVar

from pipeline.sources.camera import CameraSettings
from pipeline.sources.stream import StreamSource

Kind = TypeVar("Kind", bound=StreamSource)


def file_source(camera: CameraSettings) -> StreamSource:
    """A recording."""
    return recording(camera, StreamSource)


def recording(camera: CameraSettings, kind: type[Kind]) -> Kind:
    """A recording, read by a kind of source. Its path is a path, whatever FFmpeg would read into
    it: ``concat:a|b``."""
    address = camera.address if "://" in camera.url else f"file:{camera.url}"
    options = {"protocol_whitelist": "file,crypto"}
    return kind(camera, live=False, options=options, address=address)


def v4l2_source(camera: CameraSettings) -> StreamSource:
    """A webcam or capture device under Linux."""
    return StreamSource(camera, live=True, options={}, form="v4l2")
