"""Recordings known by how they begin: recorders give them all kinds of names, or none."""

from __future__ import annotations

import re
from pathlib import Path

#: Bytes of a file that are looked at.
_LOOKED_AT = 1024
_BEGINNINGS = (
    rb"\0...(?:ftyp(?!M4[AB] )|moov|moof|styp|wide|free|skip|pnot)",  # MP4, MOV
    rb"....mdat",
    rb"\x1aE\xdf\xa3",  # Matroska, WebM
    rb"RIFF....AVI ",
    rb"0&\xb2u\x8ef\xcf\x11",  # ASF, WMV
    rb"(?:G.{187}){4}",  # MPEG transport stream
    rb"(?:.{4}G.{187}){4}",  # the same, with time codes
    rb"\0\0\x01[\xb0\xb3\xb6\xba]",  # MPEG program stream, MPEG-1, 2 and 4
    rb"\0?\0\0\x01(?:[\x07\x09\x27\x47\x67]|[\x40\x42\x46]\x01)",  # bare H.264, H.265
    rb"DHAV|DAHUA",
    rb"IMKH",  # Hikvision
    rb"FLV\x01",
    rb"OggS.{24}(?:\x80theora|fishead)",
    rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02",  # MXF
    rb"\.RMF|DKIF|YUV4MPEG2",
)
_RECORDING = re.compile(b"|".join(_BEGINNINGS), re.DOTALL)


def holds_recording(path: Path) -> bool:
    """Whether a file begins as recordings do. Smaller ones are none, and those of ``/proc``, which
    have no size, are not touched."""
    try:
        if path.stat().st_size < _LOOKED_AT:
            return False
        with path.open("rb") as file:
            return _RECORDING.match(file.read(_LOOKED_AT)) is not None
    except OSError:
        return False
