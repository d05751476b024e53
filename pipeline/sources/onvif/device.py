"""What streams an ONVIF device offers: its profiles, by Media2 where it is there (it alone knows
H.265), else by Media (ONVIF Media and Media2 Service Specifications)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote, urlsplit, urlunsplit
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from pipeline.errors import ConfigError, SourceDeniedError, SourceError
from pipeline.picture.registration import SAME_ASPECT
from pipeline.sources.onvif.soap import Device
from pipeline.sources.onvif.xml import every, number, plain, text

#: Profiles that are looked at.
MOST_PROFILES = 16
#: Characters of an address at most.
_MOST_URL = 2000
_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_SERVICE = "/onvif/device_service"
#: Rows of a sub-stream from which people can be found, and up to which it is cheap.
_LEAST_HIGH = 240
_MOST_HIGH = 720


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a device, without a login.

    Attributes:
        codec: ``h264``, ``hevc`` or what else the device calls it.
        size: width and height in pixels, zeros where it does not tell.
        rate: pictures a second at most, 0 where it does not tell.
    """

    name: str
    url: str
    codec: str
    size: tuple[int, int]
    rate: float


@dataclass(frozen=True, slots=True)
class Offered:
    """What a device offers."""

    maker: str
    model: str
    streams: Sequence[Stream]


def offered(address: str, user: str = "", password: str = "") -> Offered:
    """Ask a device for its streams.

    Args:
        address: of its ONVIF service, or a host alone.

    Raises:
        ConfigError: it is no such address.
        SourceDeniedError: the login is wrong, or one is needed.
        SourceError: it cannot be asked, or has none.
    """
    device = Device(_checked(address), user, password)
    device.ahead_s = _ahead_s(device)
    known = device.call(_asked("GetDeviceInformation", _DEVICE))
    space, path = _media(device)
    kind = "<Type>VideoEncoder</Type>" if space == _MEDIA2 else ""
    answer = device.call(_asked("GetProfiles", space, kind), path)
    found = [
        _stream(device, one, space, path) for one in list(every(answer, "Profiles"))[:MOST_PROFILES]
    ]
    streams = [one for one in found if one is not None]
    if not streams:
        raise SourceError(f"{device.host}: offers no stream; set one up on the camera's own page")
    return Offered(plain(text(known, "Manufacturer")), plain(text(known, "Model")), streams)


def chosen(streams: Sequence[Stream]) -> tuple[str, str]:
    """The addresses of main stream and sub-stream, as far as they can be told: the largest; and of
    those that are cheap to decode, have its shape and show people large enough, again the largest,
    or none."""

    def pixels(one: Stream) -> int:
        return one.size[0] * one.size[1]

    known = [one for one in streams if one.codec in ("h264", "hevc")] or list(streams)
    main = max(known, key=pixels)
    small = [
        one
        for one in known
        if one.url != main.url
        and _LEAST_HIGH <= one.size[1] <= _MOST_HIGH
        and pixels(one) < pixels(main)
        and _alike(one.size, main.size)
    ]
    return main.url, max(small, key=pixels).url if small else ""


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    ratio = one[0] * other[1] / max(one[1] * other[0], 1)
    return 1 / SAME_ASPECT <= ratio <= SAME_ASPECT


def _checked(address: str) -> str:
    full = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(full)
        plain_host = parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        plain_host = False
    if not plain_host or parts.scheme not in ("http", "https") or not full.isprintable():
        raise ConfigError("address: use a host or http://HOST/onvif/device_service, no login in it")
    path = quote(parts.path, safe="/%") if parts.path.strip("/") else _SERVICE
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _asked(name: str, space: str, inner: str = "") -> str:
    return f"<{name} xmlns={quoteattr(space)}>{inner}</{name}>"


def _ahead_s(device: Device) -> float:
    """Seconds by which a device's clock is ahead; 0 where it does not tell."""
    try:
        answer = device.call(_asked("GetSystemDateAndTime", _DEVICE), login=False)
    except SourceDeniedError:
        return 0.0
    utc = next(every(answer, "UTCDateTime"), None)
    if utc is None:
        return 0.0
    fields = ("Year", "Month", "Day", "Hour", "Minute", "Second")
    try:
        year, month, day, hour, minute, second = (int(text(utc, name)) for name in fields)
        told = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return 0.0
    return told.timestamp() - time.time()


def _media(device: Device) -> tuple[str, str]:
    """Which media service a device has, and its path."""
    try:
        inner = "<IncludeCapability>false</IncludeCapability>"
        answer = device.call(_asked("GetServices", _DEVICE, inner))
        services = {
            text(one, "Namespace"): _path(text(one, "XAddr")) for one in every(answer, "Service")
        }
    except SourceDeniedError:
        raise
    except SourceError:  # an old device
        answer = device.call(_asked("GetCapabilities", _DEVICE, "<Category>Media</Category>"))
        services = {_MEDIA: _path(text(answer, "Media", "XAddr"))}
    for space in (_MEDIA2, _MEDIA):
        if services.get(space):
            return space, services[space]
    return _MEDIA, device.path


def _path(address: str) -> str:
    """Where on the device a service is: what else it says of itself is often wrong, and would be
    somebody else."""
    try:
        path = urlsplit(address).path
    except ValueError:
        return ""
    return path if path.startswith("/") and path.isprintable() and path.isascii() else ""


def _stream(device: Device, profile: Element, space: str, path: str) -> Stream | None:
    """A profile's stream; ``None`` without video, or where it has no usable address."""
    token = profile.get("token", "")
    name = "VideoEncoder" if space == _MEDIA2 else "VideoEncoderConfiguration"
    encoder = next(every(profile, name), None)
    if encoder is None or not token:
        return None
    which = f"<ProfileToken>{escape(token)}</ProfileToken>"
    if space == _MEDIA2:
        inner = f"<Protocol>RTSP</Protocol>{which}"
    else:
        inner = (
            f"<StreamSetup><Stream xmlns={quoteattr(_SCHEMA)}>RTP-Unicast</Stream>"
            f"<Transport xmlns={quoteattr(_SCHEMA)}><Protocol>RTSP</Protocol></Transport>"
            f"</StreamSetup>{which}"
        )
    try:
        url = _usable(text(device.call(_asked("GetStreamUri", space, inner), path), "Uri"), device)
    except SourceDeniedError:
        raise
    except SourceError:  # of this profile there is none
        return None
    if not url:
        return None
    codec = plain(text(encoder, "Encoding")).lower()
    width, height = (int(number(encoder, "Resolution", side)) for side in ("Width", "Height"))
    return Stream(
        plain(text(profile, "Name") or token),
        url,
        {"h265": "hevc"}.get(codec, codec),
        (width, height),
        number(encoder, "RateControl", "FrameRateLimit"),
    )


def _usable(url: str, device: Device) -> str:
    """An address of a stream on the device itself, without a login; empty where there is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("rtsp", "rtsps") or len(url) > _MOST_URL or not url.isprintable():
        return ""
    host = f"[{device.host}]" if ":" in device.host else device.host
    place = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
