"""Cameras found on the network.

A probe by UDP to the group of WS-Discovery (2005/04, section 5), from every interface; an ONVIF
device answers with its addresses and scopes (ONVIF Core Specification, section 7.3).
"""

from __future__ import annotations

import select
import socket
import struct
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pipeline.errors import SourceError
from pipeline.sources.onvif.xml import MOST_BYTES, every, parsed, plain, text

#: Where devices listen.
GROUP = "239.255.255.250"
PORT = 3702
#: Devices that are told at most, and answers that are read.
MOST_FOUND = 256
_MOST_ANSWERS = 4096
_SCOPE = "onvif://www.onvif.org/"
_SERVICE = "/onvif/device_service"
#: Without types and scopes: some devices answer nothing else.
_PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Header>'
    "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>"
    "<a:MessageID>urn:uuid:{}</a:MessageID>"
    "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
    "</s:Header><s:Body><d:Probe><d:Types/><d:Scopes/></d:Probe></s:Body></s:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered.

    Attributes:
        address: of its ONVIF service, at the host that answered.
    """

    address: str
    host: str
    name: str
    hardware: str


def find(seconds: float, host: str = "") -> list[Found]:
    """Ask who is there, and listen for so long.

    Args:
        host: asked alone, where the network passes no multicast; with a port, if it is another.

    Raises:
        ConfigError: what reads the answers is not installed.
        SourceError: this machine's network cannot be asked.
    """
    found: dict[str, Found] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        _ask(asking, host)
        until = time.monotonic() + seconds
        for _ in range(_MOST_ANSWERS):
            left = until - time.monotonic()
            if (
                left <= 0
                or len(found) >= MOST_FOUND
                or not select.select([asking], [], [], left)[0]
            ):
                break
            try:
                content, (sender, *_) = asking.recvfrom(MOST_BYTES)
                one = answered(content, sender)
            except SourceError:  # somebody else's idea of an answer
                continue
            except OSError:  # nobody listens there
                continue
            if one is not None:
                found.setdefault(one.address, one)
    return sorted(found.values(), key=lambda one: one.address)


def _ask(asking: socket.socket, host: str) -> None:
    probe = _PROBE.format(uuid.uuid4()).encode()
    parsed(probe, "this program")  # rather before than after waiting: is all there that it needs?
    try:
        if host:
            asking.sendto(probe, _place(host))
            return
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
        if not sum(_sent(asking, probe, number) for number in _interfaces()):
            asking.sendto(probe, (GROUP, PORT))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(
            f"{host or 'the network'}: cannot be asked for cameras: {reason}; "
            "add them by their addresses"
        ) from None


def _sent(asking: socket.socket, probe: bytes, interface: int) -> bool:
    """Ask by one interface; false where it passes no multicast."""
    wanted = struct.pack("=4s4si", socket.inet_aton(GROUP), bytes(4), interface)
    try:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, wanted)
        asking.sendto(probe, (GROUP, PORT))
    except OSError:
        return False
    return True


def _interfaces() -> Sequence[int]:
    try:
        return [number for number, _ in socket.if_nameindex()]
    except (OSError, AttributeError):  # a system that does not tell
        return []


def _place(host: str) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if not parts.hostname or parts.path:
        raise ValueError("no address of a machine")
    return parts.hostname, parts.port or PORT


def answered(content: bytes, sender: str) -> Found | None:
    """Who answered a probe; ``None`` if it is no ONVIF device.

    Raises:
        SourceError: it is no XML.
    """
    root = parsed(content, sender)
    match = next(every(root, "ProbeMatch"), None)
    scopes = text(match, "Scopes").split()
    addresses = text(match, "XAddrs").split()
    kinds = f"{text(match, 'Types')} {' '.join(scopes)} {' '.join(addresses)}".lower()
    if match is None or not ("onvif" in kinds or "networkvideotransmitter" in kinds):
        return None
    named = {
        key: plain(unquote(scope.removeprefix(f"{_SCOPE}{key}/")))
        for key in ("name", "hardware")
        for scope in scopes
        if scope.startswith(f"{_SCOPE}{key}/")
    }
    address = _address(addresses, sender)
    return Found(address, sender, named.get("name", ""), named.get("hardware", ""))


def _address(addresses: Sequence[str], sender: str) -> str:
    """Where a device's service is: at the machine that answered, whatever it says, so that nobody
    sends logins elsewhere in its name."""
    usable = []
    for one in addresses:
        try:
            parts = urlsplit(one)
            place = sender if parts.port is None else f"{sender}:{parts.port}"
        except ValueError:
            continue
        if parts.scheme in ("http", "https"):
            usable.append((parts.hostname != sender, f"{parts.scheme}://{place}{parts.path}"))
    best = min(usable, key=lambda one: one[0], default=None)
    return best[1] if best else f"http://{sender}{_SERVICE}"
