"""Where a database file may lie."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.files import real

#: File systems on which SQLite's locks and shared memory do not work.
_FAR = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre"}
)
_MOUNTS = Path("/proc/self/mounts")


def kind_of_disk(path: Path, mounts: str) -> str:
    """The kind of file system of a path, given the system's list of mounts; empty if unknown."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = fields[1].encode().decode("unicode_escape")
        inside = str(path) == place or str(path).startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, fields[2]
    return kind


def refuse_far_disks(path: Path) -> None:
    """Make sure that a database file lies on a disk of this machine.

    Raises:
        StoreError: it does not.
    """
    if not os.access(_MOUNTS, os.R_OK):
        return
    kind = kind_of_disk(real(path), _MOUNTS.read_text(encoding="utf-8", errors="replace"))
    if kind in _FAR or (kind.startswith("fuse") and kind != "fuseblk"):
        raise StoreError(
            f"{path}: on a network file system ({kind}), on which databases break; choose an --out "
            "on a local disk, or store.url: postgresql://..."
        )
