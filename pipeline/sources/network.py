"""Cameras and recordings with an address: RTSP, HTTP, HLS, TCP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from errno import EIO
from http.client import HTTPException
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

import av

from pipeline.address import login_end
from pipeline.errors import SourceError, SourceRefusedError, redact
from pipeline.picture.still import MOST_PIXELS
from pipeline.sources import tls
from pipeline.sources.camera import CameraSettings
from pipeline.sources.clock import Cadence, Metronome, StreamTime
from pipeline.sources.decoder import Decoder
from pipeline.sources.location import is_live_over_http
from pipeline.sources.pictures import Answers, codec_of
from pipeline.sources.stream import UNPARSED, StreamSource
from pipeline.sources.web import Web

#: Seconds to wait for the next segment of HLS.
_SEGMENT_S = 30.0
#: Scheme -> what FFmpeg may open for such an address, whatever a playlist or a redirect says: never
#: files, and nothing unchecked for what is checked.
PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {
        "rtsp": "rtsp,rtp,udp,tcp",
        "rtsps": "rtsps,rtp,udp,tls,tcp",
        "http": "http,https,httpproxy,tls,tcp,crypto",
        "https": "https,httpproxy,tls,tcp,crypto",
        "tcp": "tcp",
    }
)


def _parts(camera: CameraSettings) -> SplitResult:
    """The parts of a camera's address.

    Raises:
        SourceRefusedError: no server can have it.
    """
    try:
        parts = urlsplit(camera.address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise SourceRefusedError(
            f"{redact(camera.url)}: not a valid URL; check host and port, and give a password with "
            "special characters as password:"
        )
    return parts


class NetworkSource(StreamSource):
    """A camera or recording with an address."""

    def __init__(
        self,
        camera: CameraSettings,
        live: bool,
        options: Mapping[str, str],
        by_length: bool = False,
    ) -> None:
        scheme = _parts(camera).scheme
        checked = tls.options(camera) if "tls" in PROTOCOLS[scheme] else {}
        options = {"protocol_whitelist": PROTOCOLS[scheme], **checked, **options}
        super().__init__(camera, live=live, options=options, by_length=by_length)

    def _failure(self, error: Exception) -> SourceError:
        # FFmpeg says no more of a certificate that it does not trust.
        unknown = self._container is None and getattr(error, "errno", 0) == EIO
        failure = super()._failure((tls.distrust(self.camera) if unknown else None) or error)
        rest = self.camera.url.partition("://")[2]
        if login_end(rest) != login_end(rest, hide=True):
            more = "; if this is part of a password, set user: and password: instead"
            failure.args = (f"{failure}{more}",)
        return failure


class HttpSource(NetworkSource):
    """A recording, an HLS stream, motion JPEG or snapshots over HTTP: what comes tells. What has a
    length is a recording."""

    def __init__(self, camera: CameraSettings) -> None:
        options = {"rw_timeout": str(int(camera.timeout_s * 1_000_000))}
        super().__init__(camera, is_live_over_http(camera.url), options, by_length=True)
        self._web = Web(camera, self.wait_s)
        if camera.tls == "verify" and camera.url.startswith("https:"):
            self.fetch = self._web.part  # FFmpeg does not check who sends the parts of a stream
            self._options |= {"http_persistent": "0"}
        self._answers: Answers | None = None

    def __enter__(self) -> HttpSource:
        kind = "hls" if urlsplit(self._address).path.lower().endswith(".m3u8") else ""
        if self.live and not kind:
            answers = Answers(self._web, self._address, self.camera.poll_s, self.wait_s)
            try:
                kind = answers.look()
                if kind == "pictures":
                    self._show(answers)
                    return self
            except (OSError, HTTPException) as error:
                answers.close()
                raise self._failure(error) from None
        if kind == "hls":
            # The newest segment, not the third before it, and what it is is told by its beginning.
            self._options |= {"live_start_index": "-1", "analyzeduration": "1000000"}
            self.wait_s = max(self.camera.timeout_s, _SEGMENT_S)
            self.bursts = Metronome()
        super().__enter__()
        return self

    def _show(self, answers: Answers) -> None:
        self._answers = answers
        self._time = StreamTime(stamped=False)
        context = av.CodecContext.create(codec_of(answers.begun) or "mjpeg", "r")
        context.options = {"max_pixels": str(MOST_PIXELS)}
        self._decoder = Decoder(context, live=True)
        self._decoded = self._decode()
        self._look_ahead()

    def _packets(self) -> Iterator[tuple[Any, bool]]:
        if self._answers is None:
            yield from super()._packets()
            return
        try:
            for picture in self._answers:
                packet = av.Packet(picture)
                packet.is_keyframe = True
                yield packet, True
        except (OSError, EOFError, ValueError, HTTPException) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> SourceError:
        return super()._failure(self._web.failure or error)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._answers is not None:
            self._answers.close()


def _checks_rtsps() -> bool:
    """Whether FFmpeg heeds ``tls_verify`` for RTSP: from its version 8 on."""
    return bool(av.library_versions["libavformat"][0] >= 62)


def rtsp_source(camera: CameraSettings) -> NetworkSource:
    """An RTSP camera, over TCP unless the configuration says UDP."""
    options = {
        "rtsp_transport": camera.transport,
        "timeout": str(int(camera.timeout_s * 1_000_000)),
        "analyzeduration": "1000000",
        "fflags": UNPARSED,
        # FFmpeg would take a clock that is set back for one that wrapped around, hours ahead.
        "correct_ts_overflow": "0",
    }
    source = NetworkSource(camera, True, options)
    if camera.url.startswith("rtsps:") and camera.tls == "verify" and not _checks_rtsps():
        raise SourceRefusedError(
            f"{source.where}: PyAV {av.__version__} does not check certificates of rtsps://; "
            "install av>=16, or set tls: insecure for this camera"
        )
    if camera.transport == "udp":
        source.cadence = Cadence()
    return source


def tcp_source(camera: CameraSettings) -> NetworkSource:
    """A stream that a server sends to whoever connects: bare H.264, MPEG-TS."""
    options = {"timeout": str(int(camera.timeout_s * 1_000_000)), "analyzeduration": "1000000"}
    return NetworkSource(camera, True, options)
