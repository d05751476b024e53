"""What events say of a person's visit, folded into one state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pipeline.finest import finest_names

#: Milliseconds of the year 5138: what is later is no time.
_LAST_MS = 10**14
_MOST = 2**31 - 1
#: Characters of a name that are kept.
_NAME = 1000
LEVELS = ("fine", "category", "part")
#: What is done to heads in pictures.
HEADS = ("pixelate", "keep")
#: Events about a person's tags; all others are rows of their own.
PERSON = frozenset({"entered", "appeared", "changed", "vanished", "left"})

#: A name of a kind, such as ("colour", "red").
Term = tuple[str, str]


@dataclass(frozen=True, slots=True)
class StoredTag:
    """A tag as it is kept; ``gone``: it vanished before the person left."""

    kind: str
    label: str
    category: str | None
    level: str
    colours: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    score: float
    box: tuple[int, int, int, int]
    model: str
    gone: bool = False

    @property
    def slot(self) -> tuple[str, str]:
        """What it competes for with other tags of the person."""
        return self.kind, self.category or self.label

    @property
    def named(self) -> Term:
        """What it is counted as."""
        if self.kind == "logo":
            return "brand", self.label
        return ("label" if self.level == "fine" else "category"), self.label


@dataclass(slots=True)
class Visit:
    """A person at a camera from ``began`` to ``ended``, in milliseconds; as far as is known while
    it is ``open``. ``heads``: what was done to them in its picture. ``summary`` is what the index
    knows of the tags of one that was searched."""

    name: bytes
    run: str
    camera: str
    track: int
    began: int
    ended: int
    first_pts: int
    recorded: int | None = None
    open: bool = True
    last: int = -1
    picture: str | None = None
    heads: str | None = None
    tags: dict[tuple[str, str], StoredTag] = field(default_factory=dict)
    zones: set[str] = field(default_factory=set)
    id: int = 0
    stream: int = 0
    summary: tuple[str, ...] = ()


@lru_cache(8192)  # names are few, and come again and again
def text(value: object) -> str:
    """A name as every database takes it: no null characters, no half characters."""
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is no text")
    return value[:_NAME].replace("\0", "").encode("utf-8", "replace").decode()


def milliseconds(value: object) -> int:
    """A time of a record, milliseconds since the epoch."""
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is no time")
    found = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError(f"{value!r} names no time zone")
    ms = round(found.timestamp() * 1000)
    if not 0 <= ms < _LAST_MS:
        raise ValueError(f"{value!r} is no time of a camera")
    return ms


def number(value: object) -> int:
    """A whole number that databases hold."""
    if type(value) is float and -_MOST < value < _MOST:
        return round(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError(f"{str(value)[:40]!r} is no number")
    return round(min(max(value, -_MOST), _MOST))


def sequence(event_id: str) -> int:
    """A number by which events of one run rise: time and counter of the UUID (version 7)."""
    found = event_id.replace("-", "")
    if len(found) != 32:
        raise ValueError(f"{event_id[:40]!r} is no UUID")
    return int(found[:12] + found[13:16], 16)


def camera_of(record: Mapping[str, Any]) -> str:
    return text(record.get("camera") or record["source"])


def when(record: Mapping[str, Any]) -> int:
    """When what an event tells was seen, milliseconds: of a recording, its own time."""
    return milliseconds(record.get("recorded_at") or record["utc"])


def recording_began(record: Mapping[str, Any]) -> int | None:
    """When the recording began that an event is of, where it tells."""
    if not record.get("recorded_at"):
        return None
    return milliseconds(record["recorded_at"]) - number(1000 * record["pts"])


def visit_name(record: Mapping[str, Any]) -> bytes | None:
    """The visit an event is about; ``None`` for what is on nobody."""
    found = record.get("visit")
    if not found:
        return None
    name = bytes.fromhex(found.replace("-", ""))
    if len(name) != 16:
        raise ValueError(f"{found!r} is no UUID")
    return name


def begin(record: Mapping[str, Any], name: bytes) -> Visit:
    """A visit of which this is the first event known."""
    at = when(record)
    return Visit(
        name=name,
        run=text(record["run"]),
        camera=camera_of(record),
        track=number(record.get("track_id") or 0),
        began=at,
        ended=at,
        first_pts=number(1000 * record["pts"]),
        recorded=recording_began(record),
    )


def fold(visit: Visit, record: Mapping[str, Any]) -> bool:
    """Add what an event tells; whether that was news. What is there already changes nothing: one
    that is not later than the last, or of a visit that has ended."""
    order = sequence(record["event_id"])
    if not visit.open or order <= visit.last:
        return False
    name = record["event"]
    tags = dict(visit.tags)
    if name in ("appeared", "changed"):
        tag = stored(record["tag"])
        tags[tag.slot] = tag
    elif name == "vanished":
        slot = stored(record["tag"]).slot
        if slot in tags:
            tags[slot] = _gone(tags[slot])
    elif name == "left":
        for one in record.get("tags") or ():
            tag = stored(one)
            tags[tag.slot] = tag
    # By the stream's time: a recording's pictures are decoded sooner than they were taken.
    at = visit.began + max(number(1000 * record["pts"]) - visit.first_pts, 0)
    visit.open = name != "left"
    visit.ended = at if name == "left" else max(visit.ended, at)
    visit.tags, visit.last = tags, order
    visit.picture = text(record["snapshot"]) if record.get("snapshot") else visit.picture
    visit.heads = record["heads"] if record.get("heads") in HEADS else visit.heads
    return True


def _gone(tag: StoredTag) -> StoredTag:
    fields = {name: getattr(tag, name) for name in StoredTag.__slots__}
    return StoredTag(**{**fields, "gone": True})


def stored(record: Mapping[str, Any]) -> StoredTag:
    """A tag's record, as in docs/events.md, checked."""
    colours = record.get("colours") or ([record["colour"]] if record.get("colour") else [])
    x0, y0, x1, y1 = record["box"]
    level = record.get("level", "fine")
    if level not in LEVELS:
        raise ValueError(f"level {str(level)[:40]!r} is unknown")
    attributes = dict(record.get("attributes") or {})
    return StoredTag(
        kind=text(record["kind"]),
        label=text(record["label"]),
        category=text(record["category"]) if record.get("category") else None,
        level=level,
        colours=tuple(text(colour) for colour in colours[:2]),
        attributes=tuple(sorted((text(k), text(v)) for k, v in attributes.items())),
        score=min(max(float(record["score"]), 0.0), 1.0),
        box=(number(x0), number(y0), number(x1), number(y1)),
        model=text(record.get("model") or ""),
    )


def pair(first: Term, second: Term) -> Term:
    """Two names on one garment, as one."""
    return f"{first[0]},{second[0]}", f"{first[1]}\t{second[1]}"


def garment_terms(tag: StoredTag) -> Iterator[Term]:
    """All by which a tag is found. What it is goes with each of its colours, as on one garment."""
    names: list[Term] = [tag.named]
    if tag.category and ("category", tag.category) not in names:
        names.append(("category", tag.category))
    attributes = dict(tag.attributes)
    if on := attributes.pop("on", None):
        yield pair(tag.named, ("category", on))
    if tag.level != "fine" and tag.kind != "logo":
        yield "only", "\t".join((tag.label, *tag.colours))
    for one in names:
        yield one
        for colour in tag.colours:
            yield pair(one, ("colour", colour))
    for colour in tag.colours:
        yield "colour", colour
    for name, value in attributes.items():
        yield "attribute", f"{name}={value}"


def terms(visit: Visit) -> set[Term]:
    """All by which a visit is found."""
    found: set[Term] = {("camera", visit.camera)}
    found |= {("zone", zone) for zone in visit.zones}
    for tag in visit.tags.values():
        found.update(garment_terms(tag))
    return found


def summary(found: Iterable[Term]) -> tuple[str, ...]:
    """What somebody wears, in words, by the terms of a visit: ``blue/white jeans``."""
    colours: dict[str, list[str]] = {}
    for kind, name in sorted(found):
        if kind in ("label", "brand"):
            colours.setdefault(name, [])
        elif kind in ("label,colour", "only"):
            label, *more = name.split("\t")
            colours.setdefault(label, []).extend(more)
    return tuple(f"{'/'.join(colours[name])} {name}".strip() for name in finest_names(colours))


#: What is counted by hour and day -> number.
DIMENSIONS = MappingProxyType(
    {
        "people": 0,
        "garments": 1,
        "colours": 2,
        "brands": 3,
        "garments and colours": 4,
        "dwell": 5,
        "in": 6,
        "out": 7,
        "zones": 8,
    }
)


def counted(visit: Visit) -> set[tuple[int, Term | None]]:
    """What a visit adds one to: dimension and value. A person with two red things counts once."""
    found: set[tuple[int, Term | None]] = {(0, None)}
    for tag in visit.tags.values():
        named = tag.named
        found.add((3 if named[0] == "brand" else 1, named))
        if named[0] != "brand" and tag.colours:
            found |= {(2, ("colour", colour)) for colour in tag.colours}
            found.add((4, pair(named, ("colour", tag.colours[0]))))
    return found
