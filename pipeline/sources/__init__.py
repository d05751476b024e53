"""Where frames come from: one location, one source."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import SourceRefusedError, redact
from pipeline.protocols import Source
from pipeline.settings.schema import CameraConfig
from pipeline.sources.gstreamer import GStreamerSource
from pipeline.sources.image import ImageSource
from pipeline.sources.location import expand, is_live, scheme_of
from pipeline.sources.stream import file_source, http_source, rtsp_source, v4l2_source

__all__ = ["SOURCES", "expand", "is_live", "open_source", "scheme_of"]

#: Scheme -> factory.
SOURCES: dict[str, Callable[[CameraConfig], Source]] = {
    "file": file_source,
    "image": ImageSource,
    "http": http_source,
    "https": http_source,
    "rtsp": rtsp_source,
    "rtsps": rtsp_source,
    "v4l2": v4l2_source,
    "csi": GStreamerSource,
}


def open_source(camera: CameraConfig) -> Source:
    """The source for a camera; entering it opens the connection.

    Raises:
        SourceRefusedError: nothing here reads this kind of location.
    """
    scheme = scheme_of(camera.url)
    if scheme not in SOURCES:
        raise SourceRefusedError(
            f"{redact(camera.url)}: cannot read '{scheme}://'; use a file, /dev/videoN or "
            f"{', '.join(s + '://' for s in ('rtsp', 'http', 'https'))}"
        )
    if camera.reader == "gstreamer" and scheme != "image":
        return GStreamerSource(camera)
    return SOURCES[scheme](camera)
