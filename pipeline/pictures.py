"""How the picture of a visit is called: the sink writes it, the store and people find it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.files import is_there
from pipeline.ids import began

#: Their folder in that of the results.
FOLDER = "snapshots"
#: Folder of pictures to teach with, one folder a class.
LESSONS = "teach"
#: Most pictures of one visit.
MOST_LOOKS = 9
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
#: Of a picture, or of one that was being written when the program was killed.
_NAME = re.compile(r"\d{6}-person-\d{4,}-[0-9a-f]{6}(-[2-9])?\.jpg|\.[0-9a-f]{12}\.part", re.ASCII)


def snapshot_file(source: str, track_id: int, visit: str) -> str:
    """The picture of a visit, within the folder of the results; no other visit has it:
    ``snapshots/entrance/2026-11-26/052312-person-0012-9f3a1c.jpg``, in UTC."""
    day, moment = time.strftime("%Y-%m-%d %H%M%S", time.gmtime(began(visit))).split()
    return f"{FOLDER}/{source}/{day}/{moment}-person-{track_id:04d}-{visit[-6:]}.jpg"


def look_file(picture: str, number: int) -> str:
    """The name of one more picture of a visit, from 2 on, by that of its best one."""
    return f"{picture.removesuffix('.jpg')}-{number}.jpg"


def looks_of(folder: Path, picture: str) -> list[int]:
    """Numbers of the further pictures of a visit that are there, in the order of their time."""
    numbers = range(2, MOST_LOOKS + 1)
    return [number for number in numbers if is_there(folder / look_file(picture, number))]


def lessons(folder: Path) -> Iterator[Path]:
    """Pictures that were kept to teach with: ``teach/CLASS/VISIT-...jpg``, in the folder of the
    results."""
    yield from (folder / LESSONS).glob("*/*.jpg")


def is_snapshot(path: Path) -> bool:
    """Whether a file is called as pictures of visits are: nobody else's would be."""
    return bool(_NAME.fullmatch(path.name) and _DAY.fullmatch(path.parent.name))
