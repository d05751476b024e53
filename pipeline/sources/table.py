"""The kinds of locations, and what reads each. A new one is a module and a line in ``SOURCES``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from pipeline.errors import SourceRefusedError, redact
from pipeline.plugins import additions
from pipeline.protocols import Source
from pipeline.sources import gstreamer, local, location, network
from pipeline.sources.begins import FROM_METADATA, FROM_NAME, began
from pipeline.sources.camera import CameraSettings
from pipeline.sources.chain import ChainSource
from pipeline.sources.image import ImageSource
from pipeline.sources.proxy import LargeSource, ProxySource

Make = Callable[[CameraSettings], Source]


@dataclass(frozen=True, slots=True)
class Scheme:
    """One kind of location.

    Attributes:
        make: the source for a camera; entering that opens it.
        live: whether such a location is a camera, or what tells by the location.
        claims: whether a path without ``://`` is of this kind.
    """

    make: Make
    live: bool | Callable[[str], bool]
    claims: Callable[[str], bool] | None = None


def by_reader(**makes: Make) -> Make:
    """Chooses by the camera's ``reader``; one that is not named here is refused."""

    def make(camera: CameraSettings) -> Source:
        if camera.reader not in makes:
            raise SourceRefusedError(
                f"{redact(camera.url)}: reader {camera.reader} cannot read it; "
                f"use reader: {' or '.join(makes)}"
            )
        return makes[camera.reader](camera)

    return make


_RTSP = by_reader(
    ffmpeg=network.rtsp_source, nvdec=network.rtsp_source, gstreamer=gstreamer.rtsp_source
)
_HTTP = by_reader(ffmpeg=network.HttpSource, nvdec=network.HttpSource)
_TCP = by_reader(ffmpeg=network.tcp_source, nvdec=network.tcp_source)
_FILE = by_reader(
    ffmpeg=local.file_source, nvdec=local.file_source, gstreamer=gstreamer.file_source
)
_V4L2 = by_reader(
    ffmpeg=local.v4l2_source, nvdec=local.v4l2_source, gstreamer=gstreamer.v4l2_source
)

#: Scheme of a URL, or kind of a path -> what reads it. Paths nobody claims are files.
SOURCES: Mapping[str, Scheme] = MappingProxyType(
    {
        "file": Scheme(_FILE, live=False),
        "image": Scheme(ImageSource, live=False, claims=location.is_picture),
        "http": Scheme(_HTTP, live=location.is_live_over_http),
        "https": Scheme(_HTTP, live=location.is_live_over_http),
        "rtsp": Scheme(_RTSP, live=True),
        "rtsps": Scheme(_RTSP, live=True),
        "tcp": Scheme(_TCP, live=True),
        "v4l2": Scheme(_V4L2, live=True, claims=location.is_capture_device),
        "csi": Scheme(gstreamer.csi_source, live=True),
    }
)


@cache
def schemes() -> Mapping[str, Scheme]:
    """``SOURCES`` and what other packages add under ``threadline.sources``, which replaces none."""
    return MappingProxyType(additions("threadline.sources", Scheme) | dict(SOURCES))


def scheme_of(url: str) -> str:
    """Key into ``schemes()`` for a path or URL; of a URL, its scheme, known or not."""
    match = re.match(r"([A-Za-z][\w+.-]*)://", url)
    if match:
        return match.group(1).lower()
    claimed = (name for name, kind in schemes().items() if kind.claims and kind.claims(url))
    return next(claimed, "file")


def is_live(url: str) -> bool:
    """Whether this is a camera. Over HTTP only opening tells for sure."""
    kind = schemes().get(scheme_of(url))
    if kind is None:
        return True
    return kind.live if isinstance(kind.live, bool) else kind.live(url)


def open_source(camera: CameraSettings) -> Source:
    """The source for a camera; entering it opens the connection.

    Raises:
        SourceRefusedError: nothing here reads this kind of location.
    """
    scheme = scheme_of(camera.url)
    if scheme not in schemes():
        raise SourceRefusedError(
            f"{redact(camera.url)}: cannot read '{scheme}://'; known: {', '.join(schemes())}"
        )
    proxied = camera.sub and not is_live(camera.url)
    make = _with_proxy if proxied else schemes()[scheme].make
    if is_live(camera.url) or (not camera.then and camera.begins == FROM_METADATA):
        return make(camera)
    return ChainSource(camera, _parts(camera, make))


def _with_proxy(camera: CameraSettings) -> Source:
    small = local.file_source(camera.sub_stream)
    return ProxySource(camera, small, local.recording(camera.main_stream, LargeSource))


def _parts(camera: CameraSettings, make: Make) -> list[tuple[Source, float | None]]:
    """A source of every file of a camera, and when it began; a time that somebody gave is that of
    the first."""
    try:
        times = [began(camera.begins, one.url, camera.time_zone) for one in camera.files]
    except ValueError as error:  # of a path, the settings have told
        raise SourceRefusedError(f"{redact(camera.url)}: {error}") from None
    if camera.begins != FROM_NAME:
        times[1:] = [None] * (len(times) - 1)
    return list(zip(map(make, camera.files), times, strict=True))
