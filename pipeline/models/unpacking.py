"""A pack that was sent as a ZIP file: unpacked into a folder if it is one, else refused. Nothing in
it is run or unpickled, and nothing is written outside of that folder."""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from engines.base import EngineError
from engines.packs import Pack, PackError, read_pack, verify
from engines.packs.reading import MOST_BYTES as MOST_TOML
from engines.packs.table import FILE, SAFE_NAME
from pipeline.files import explained, make_folder

#: Bytes of a pack once unpacked, and files in it: a large transformer has a third of a gigabyte.
MOST_BYTES = 1_000_000_000
MOST_FILES = 64
_CARD = "MODEL_CARD.md"
_PIECE = 1 << 20
_NAME = re.compile(rb"^\s*name\s*=\s*[\"']([A-Za-z0-9][A-Za-z0-9._-]{0,63})[\"']", re.MULTILINE)
#: What ``zipfile`` raises where a file is none, is encrypted, or is compressed in another way.
_BROKEN = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError)


def unpacked(archive: Path, packs: Path) -> Pack:
    """The pack of a ZIP file, in a folder of its name among ``packs``. It may lie in a folder of
    its own in there; what ``pack.toml`` does not name is left out, but for the card.

    Raises:
        PackError: it is no ZIP file, too large, holds a path that leads elsewhere, or no pack, or
            a file has not the SHA-256 of ``pack.toml``.
        SinkError: it cannot be written.
    """
    make_folder(packs, private=True)
    with explained(packs), tempfile.TemporaryDirectory(dir=packs, prefix=".new-") as work:
        pack = _checked(archive, Path(work))
        place = packs / pack.name
        if place.exists():
            raise PackError(f"a pack called '{pack.name}' is there already; remove it first")
        pack.folder.replace(place)
    return read_pack(place)


def _checked(archive: Path, work: Path) -> Pack:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened)
            content = _read(opened, members.get(FILE), MOST_TOML)
            found = _NAME.search(content)
            if found is None:
                raise PackError(f'{FILE} names no pack: name = "..."')
            folder = work / found[1].decode("ascii")
            folder.mkdir(mode=0o700)
            (folder / FILE).write_bytes(content)
            wanted = [name for name in members if name != FILE]
            left = MOST_BYTES
            for name in wanted:
                left -= _written(opened, members[name], folder / name, left)
    except _BROKEN as error:
        raise PackError(f"no ZIP file that can be read: {str(error)[:120]}") from None
    try:
        pack = read_pack(folder)
        verify(pack)
    except EngineError as error:  # where it was unpacked is nobody's business
        text = str(error).replace(f"{folder}: ", "").replace(f"{folder}/", "")
        raise PackError(text.partition("; install")[0]) from None
    for path in folder.iterdir():
        if path.name not in {FILE, _CARD, *pack.files}:
            path.unlink()
    return pack


def _members(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Its files by name, without the folder that all are in."""
    files = [info for info in opened.infolist() if not info.is_dir()]
    if len(files) > MOST_FILES:
        raise PackError(f"holds {len(files)} files; a pack has {MOST_FILES} at most")
    if sum(info.file_size for info in files) > MOST_BYTES:
        raise PackError(f"is larger than {MOST_BYTES // 1_000_000} MB once unpacked")
    tops = {PurePosixPath(info.filename).parts[:1] for info in files}
    deep = len(tops) == 1 and all("/" in info.filename for info in files)
    found: dict[str, zipfile.ZipInfo] = {}
    for info in files:
        name = info.filename.partition("/")[2] if deep else info.filename
        mode = info.external_attr >> 16
        if not SAFE_NAME.fullmatch(name) or (mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode)):
            raise PackError(f"{info.filename[:80]!a}: packs are folders of plain files")
        if name in found:
            raise PackError(f"{name}: stands twice in it")
        found[name] = info
    return found


def _read(opened: zipfile.ZipFile, info: zipfile.ZipInfo | None, most: int) -> bytes:
    if info is None:
        raise PackError(f"holds no {FILE}: pack the folder that has it")
    with opened.open(info) as source:
        content = source.read(most + 1)
    if len(content) > most:
        raise PackError(f"{FILE} is larger than {most // 1024} KiB")
    return content


def _written(opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, most: int) -> int:
    """Bytes written; what is told beforehand may be a lie."""
    written = 0
    with opened.open(info) as source, path.open("xb") as target:
        while piece := source.read(_PIECE):
            written += len(piece)
            if written > most:
                raise PackError(f"is larger than {MOST_BYTES // 1_000_000} MB once unpacked")
            target.write(piece)
    return written


def removed(folder: Path) -> None:
    """Delete the folder of a pack.

    Raises:
        SinkError: it cannot be deleted.
    """
    with explained(folder):
        shutil.rmtree(folder)
