"""Still pictures: found in folders and read from files."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.errors import SourceRefusedError
from pipeline.files import made_here
from pipeline.picture.header import Header, read_header
from pipeline.picture.light import to_sdr

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)
#: Kinds of pictures that are known, but not read.
UNREAD_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
#: Larger picture files are refused (bytes).
MOST_BYTES = 200_000_000
#: Larger pictures are refused (pixels): those of the largest cameras have 100 million.
MOST_PIXELS = 120_000_000
#: The same, times how often the picture is gone through to unpack it (progressive JPEG).
MOST_WORK = 16 * MOST_PIXELS
#: Folders of other programs, which hold their thumbnails and what was thrown away.
_FOREIGN = frozenset({"@eaDir", "@Recycle", "@tmp", "#recycle", "#snapshot", "__MACOSX"})
#: Grey level that stands behind transparent pictures.
_GROUND = 255
#: Rows of a picture that are worked on at a time.
_ROWS = 256
#: Kinds of what was left out that are named.
_MOST_TOLD = 6

Bgr = npt.NDArray[np.uint8]


def jpeg(image: Bgr, quality: int) -> bytes:
    """A picture, BGR uint8 (H, W, 3), as JPEG of a quality of 0 to 100."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, packed = cv2.imencode(".jpg", np.ascontiguousarray(image), options)
    assert done
    return packed.tobytes()


def load_image(path: Path) -> Bgr:
    """BGR uint8 (H, W, 3), turned upright where EXIF says so, on white where it is transparent.

    Raises:
        SourceRefusedError: missing, too large or not a picture.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise SourceRefusedError(f"{path}: not a file")
        with path.open("rb") as file:
            header = _checked(file, path)
            file.seek(0)
            packed = np.frombuffer(file.read(MOST_BYTES), np.uint8)
    except SourceRefusedError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceRefusedError(f"{path}: cannot be read: {reason}") from None
    try:
        image = _unpacked(packed, header)
    except (cv2.error, MemoryError):
        image = None
    if image is None:
        raise SourceRefusedError(f"{path}: not a picture, or damaged")
    return image


def _checked(file: BinaryIO, path: Path) -> Header:
    """What a file declares, if it may be unpacked."""
    if os.fstat(file.fileno()).st_size > MOST_BYTES:
        raise SourceRefusedError(f"{path}: larger than {MOST_BYTES // 1_000_000} MB")
    header = read_header(file)
    if header is None:
        raise SourceRefusedError(f"{path}: not a picture, or damaged; use JPEG, PNG or WebP")
    if header.kind == "HEIC":
        raise SourceRefusedError(f"{path}: HEIC is not supported; save it as JPEG")
    pixels = header.width * header.height
    if pixels > MOST_PIXELS:
        raise SourceRefusedError(
            f"{path}: {header.width} x {header.height} pixels; more than "
            f"{MOST_PIXELS // 1_000_000} million are not read; save it smaller"
        )
    if pixels * header.passes > MOST_WORK:
        raise SourceRefusedError(f"{path}: packed in {header.passes} passes; save it anew")
    return header


def _unpacked(packed: npt.NDArray[np.uint8], header: Header) -> Bgr | None:
    image = _on_ground(packed) if header.alpha else None
    if image is None:  # older OpenCV turns some kinds of files only
        found = cv2.imdecode(packed, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if found is None:
            return None
        image = np.asarray(found, np.uint8)
    if header.light != "sdr":
        image = to_sdr(image[..., ::-1], header.light)[..., ::-1]
    return np.ascontiguousarray(header.turn(image))


def _on_ground(packed: npt.NDArray[np.uint8]) -> Bgr | None:
    """BGR uint8 of a transparent picture, on a light ground; ``None`` if it is not one."""
    whole = cv2.imdecode(packed, cv2.IMREAD_UNCHANGED)  # the only way to see alpha
    if whole is None or whole.dtype not in (np.uint8, np.uint16) or whole.shape[2:] != (4,):
        return None
    if not whole[..., 3].any():  # where nothing is, the channel means something else
        return None
    most = np.float32(np.iinfo(whole.dtype).max)
    out = np.empty((*whole.shape[:2], 3), np.uint8)
    for row in range(0, len(whole), _ROWS):
        part = whole[row : row + _ROWS].astype(np.float32) / most
        alpha = part[..., 3:]
        out[row : row + _ROWS] = 255 * part[..., :3] * alpha + _GROUND * (1 - alpha) + 0.5
    return out


def find_photos(places: Sequence[Path], left_out: Counter[str] | None = None) -> Iterator[Path]:
    """Pictures named directly, and those in folders and their sub-folders, in order of name.

    Folders of pictures that this program made are left out, and what other programs hide.

    Args:
        left_out: counts what else the folders hold, by kind.

    Raises:
        SourceRefusedError: a folder holds no picture.
    """
    for place in places:
        if not is_folder(place):
            yield place
            continue
        others, inside = Counter[str](), []
        for path, suffix in files_in(place, others, made_here):
            if suffix in IMAGE_SUFFIXES:
                inside.append(path)
            else:
                others[suffix] += 1
        if not inside:
            raise SourceRefusedError(f"{place}: no picture in this folder{told(others, '; ')}")
        if left_out is not None:
            left_out.update(others)
        yield from sorted(inside)


def files_in(
    place: Path, left_out: Counter[str], own: Callable[[Path], bool]
) -> Iterator[tuple[Path, str]]:
    """Files in a folder and its sub-folders, each with its suffix in small letters.

    Args:
        left_out: counts what is hidden, or no file.
        own: whether a sub-folder holds what this program wrote; it is left out too.

    Raises:
        SourceRefusedError: it is the whole disk, devices and all.
    """
    if place.resolve() == Path(place.resolve().anchor):
        raise SourceRefusedError(f"{place}: is the whole disk; name a folder of it")

    def unreadable(error: OSError) -> None:
        left_out["unreadable folders"] += 1

    for folder, folders, names in os.walk(place, onerror=unreadable):
        for name in list(folders):
            reason = _why_not(Path(folder, name), own)
            if reason:
                folders.remove(name)
                left_out[reason] += 1
        for name in names:
            path = Path(folder, name)
            if is_hidden(name):
                left_out["hidden"] += 1
            elif _is_file(path):
                yield path, path.suffix.lower() or "without suffix"
            else:
                left_out["no files"] += 1


def _why_not(folder: Path, own: Callable[[Path], bool]) -> str:
    """Why a sub-folder is not looked into; nothing if it is."""
    if own(folder):
        return "folders of results"
    if is_hidden(folder.name):
        return "hidden"
    return "links to folders" if folder.is_symlink() else ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # it may not even be looked at
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; what can be no name is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_hidden(name: str) -> bool:
    """Whether a file or folder is meant for programs alone: ``._photo.jpg``, ``@eaDir``."""
    return name.startswith(".") or name in _FOREIGN


def told(left_out: Counter[str], before: str = "") -> str:
    """``left out: 3 .heic, 2 .txt``, and what to do about it; nothing if nothing was."""
    if not left_out:
        return ""
    kinds = [f"{count} {kind}" for kind, count in left_out.most_common()]
    more = [f"{len(kinds) - _MOST_TOLD} other kinds"] if len(kinds) > _MOST_TOLD else []
    remedy = "; HEIC is not supported: save it as JPEG" if UNREAD_SUFFIXES & set(left_out) else ""
    return f"{before}left out: {', '.join(kinds[:_MOST_TOLD] + more)}{remedy}"
