"""Whose certificates are trusted."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from pipeline.sources.camera import CameraSettings

#: Where systems keep the certificates of the authorities they trust.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
#: Kinds of addresses with certificates, and their usual ports.
_PORTS: Mapping[str, int] = MappingProxyType({"https": 443, "rtsps": 322})


def authorities() -> str | None:
    """File with the certificates of trusted authorities: the one that SSL_CERT_FILE names, else the
    system's."""
    told = ssl.get_default_verify_paths().cafile
    return next((name for name in (told, *_BUNDLES) if name and Path(name).is_file()), None)


def context(camera: CameraSettings) -> ssl.SSLContext:
    """How Python connects to a camera."""
    made = ssl.create_default_context(cafile=authorities())
    if camera.tls == "insecure":
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def options(camera: CameraSettings) -> dict[str, str]:
    """How FFmpeg connects to a camera."""
    if camera.tls == "insecure":
        return {"tls_verify": "0"}
    trusted = authorities()
    return {"tls_verify": "1"} | ({"ca_file": trusted} if trusted else {})


def distrust(camera: CameraSettings) -> ssl.SSLCertVerificationError | None:
    """Why the certificate of a camera that could not be opened is not trusted; ``None`` if it is,
    or if that is not the point."""
    parts = urlsplit(camera.address)
    if parts.scheme not in _PORTS or camera.tls == "insecure" or not parts.hostname:
        return None
    place = parts.hostname, parts.port or _PORTS[parts.scheme]
    try:
        with (
            socket.create_connection(place, camera.timeout_s) as plain,
            context(camera).wrap_socket(plain, server_hostname=parts.hostname),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return error
    except OSError:
        return None


def untrusted(error: ssl.SSLCertVerificationError) -> str:
    """Why a certificate is not trusted, and what to do."""
    return (
        f"its certificate is not trusted ({error.verify_message.rstrip('.')}); name a file with "
        "that of who issued it in SSL_CERT_FILE, or set tls: insecure for this camera"
    )
