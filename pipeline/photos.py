"""Tagging still pictures: the same taggers without tracking or time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.people.detect import DetectStage, Found
from pipeline.picture.area import cells_in
from pipeline.picture.crop import clip_box, middle_in
from pipeline.picture.heads import head_region, pixelate
from pipeline.picture.privacy import MASKED
from pipeline.picture.still import load_image
from pipeline.picture.yuv import from_bgr
from pipeline.settings.live import LiveSettings
from pipeline.sinks.annotate import colour_of, draw_box, draw_labels, tag_text
from pipeline.sinks.privacy import Bgr
from pipeline.sinks.records import VERSION, box_record, tag_record
from pipeline.tagging.failures import Failures
from pipeline.tagging.garments.tagger import GarmentTagger
from pipeline.tagging.looks import Look, show
from pipeline.tagging.parsing import Parsing
from pipeline.tagging.tagger import Evidence, Kind, Subject, Tagger
from pipeline.tagging.tiles import Rota, same_thing, settled, tiles
from pipeline.types import Box, Detection, Frame, Tag


@dataclass(frozen=True, slots=True, eq=False)
class TaggedPhoto:
    """One picture and what is on it. Without a person the whole picture was looked at as one.

    Attributes:
        heads: what ``drawing`` hides, in pixels.
    """

    path: Path
    image: Bgr
    persons: tuple[Detection, ...]
    tags: tuple[Tag, ...]
    parsings: tuple[Parsing, ...]
    heads: tuple[Box, ...] | None = None

    def mask(self) -> npt.NDArray[np.uint8]:
        """Label ids (H, W) uint8 at the picture's size; the surest person lies on top."""
        canvas: npt.NDArray[np.uint8] = np.zeros(self.image.shape[:2], np.uint8)
        for parsing in reversed(self.parsings):
            parsing.paste(canvas)
        return canvas

    def record(self) -> dict[str, Any]:
        """One line of tags.jsonl."""
        persons = [
            {"track_id": i + 1, "box": box_record(p.box), "score": round(p.score, 4)}
            for i, p in enumerate(self.persons)
        ]
        return {
            "version": VERSION,
            "file": str(self.path),
            "width": self.image.shape[1],
            "height": self.image.shape[0],
            "heads": "keep" if self.heads is None else "pixelate",
            "persons": persons,
            "tags": [tag_record(tag) for tag in self.tags],
        }

    def drawing(self) -> Bgr:
        """The picture, heads hidden, with people and tags drawn on it."""
        image: Bgr = self.image.copy()
        pixelate(image, self.heads or ())
        for i, person in enumerate(self.persons):
            draw_box(image, person.box, colour_of(i + 1))
        boxes: list[Box] = [p.box for p in self.persons] or [(0.0, 0.0, 0.0, 0.0)]
        labels = []
        for i, box in enumerate(boxes):
            number = i + 1 if self.persons else None
            lines = [tag_text(t) for t in self.tags if t.track_id == number and not _loose(t)]
            labels.append((box, i + 1, lines))
        for tag in self.tags:
            if tag.outlined:
                draw_box(image, tag.box, colour_of(tag.track_id or 0))
            if _loose(tag):
                labels.append((tag.box, 0, [tag_text(tag)]))
        draw_labels(image, labels)
        return image


def _heads(everybody: Found, parsed: Mapping[Box, Parsing]) -> Iterator[Box]:
    """The heads of everybody on a picture: passers-by too, and whoever wears clothes where nobody
    was found."""
    boxes = {*(person.box for person in everybody.counted), *everybody.others}
    for box in (*boxes, *(box for box, one in parsed.items() if one.dressed and box not in boxes)):
        yield head_region(box, parsed[box].head(box) if box in parsed else None)


def _worn(evidence: Evidence) -> bool:
    """Whether clothes are on somebody, in a picture in which nobody was found."""
    parsing = evidence.given.get("parsing")
    return not isinstance(parsing, Parsing) or parsing.dressed


def _loose(tag: Tag) -> bool:
    """Whether a tag is written where it is rather than beside a person."""
    return tag.outlined and tag.track_id is None


def _wearer(tag: Tag, people: Sequence[Box]) -> int | None:
    """The number of the person whose middle is nearest of those on whom something is."""
    on = [i for i, box in enumerate(people) if middle_in(tag.box, box)]
    x = tag.box[0] + tag.box[2]
    return min(on, key=lambda i: abs(x - people[i][0] - people[i][2])) + 1 if on else None


def _told(tag: Tag, other: Tag) -> bool:
    """Whether another tag says the same: of the same person, or at the same place."""
    same = tag.label == other.label and tag.track_id == other.track_id is not None
    return same or same_thing(tag, other)


class PhotoTagger:
    """Finds people in pictures and shows them to all taggers; a picture without people is shown
    whole, as if it were one."""

    def __init__(
        self, detector: DetectStage, taggers: Sequence[Tagger], settings: LiveSettings
    ) -> None:
        self._detector = detector
        self._taggers = [tagger for tagger in taggers if tagger.settings.of("").wanted]
        self._failures = Failures(lenient=False)
        self._person = settings.section("person").of("")
        self._privacy = settings.section("privacy").of("")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of ``TaggedPhoto.mask``, by index; none if garments are not parsed."""
        parsers = (tagger for tagger in self._taggers if isinstance(tagger, GarmentTagger))
        return next((tuple(label.name for label in parser.labels) for parser in parsers), ())

    def tag(self, path: Path) -> TaggedPhoto:
        """Tag one picture.

        Raises:
            SourceRefusedError: missing or not a picture.
        """
        image = load_image(path)
        image[cells_in(self._privacy.mask, image.shape)] = MASKED
        frame = Frame("", 0, 0.0, 0.0, 0.0, from_bgr(image))
        [everybody] = self._detector.search([frame])
        persons = self._subjects(everybody.counted)
        whole: Box = (0.0, 0.0, float(frame.width), float(frame.height))
        boxes = tuple(p.box for p in persons)
        looks = [self._look("person", frame, box, boxes) for box in boxes or [whole]]
        found = show(looks, self._taggers, self._failures)
        tags: list[Tag] = []
        for i, evidence in enumerate(found):
            number = i + 1 if persons else None
            for tagger in self._taggers:
                if tagger.name in evidence and (persons or _worn(evidence[tagger.name])):
                    own = self._voted(tagger, evidence[tagger.name].tags)
                    tags += [replace(tag, track_id=number) for tag in own]
        for tagger in self._taggers:
            tags += self._around(tagger, frame, boxes, [tag for tag in tags if tag.outlined])
        parsed = {
            box: one.given["parsing"]
            for box, evidence in zip(boxes or [whole], found, strict=True)
            for one in evidence.values()
            if "parsing" in one.given
        }
        clipped = (replace(tag, box=clip_box(tag.box, frame)) for tag in settled(tags))
        heads = None
        if self._privacy.heads == "pixelate":
            heads = tuple(_heads(everybody, parsed))
        return TaggedPhoto(path, image, persons, tuple(clipped), tuple(parsed.values()), heads)

    def _look(self, kind: Kind, frame: Frame, box: Box, people: Sequence[Box]) -> Look:
        others = tuple(other for other in people if other is not box)
        part = tuple(tagger for tagger in self._taggers if kind in tagger.wants)
        return Subject(kind, frame, box, others=others), part

    def _voted(self, tagger: Tagger, evidence: Sequence[Tag]) -> tuple[Tag, ...]:
        """What is reported after a single look."""
        vote = tagger.vote("")
        vote.add(evidence)
        return vote.result(hurry=True)

    def _around(
        self, tagger: Tagger, frame: Frame, people: Sequence[Box], known: Sequence[Tag]
    ) -> list[Tag]:
        """Tags seen on tiles and on the whole picture that are not ``known``, each once: attached
        to no person, but for things on somebody, which are theirs."""
        found: list[Tag] = []
        if "tile" in tagger.wants and tagger.every_s("tile", ""):
            places = Rota(0.0, 1)
            for tile in tiles(frame.width, frame.height, tagger.tile_shape):
                [evidence] = tagger.look([Subject("tile", frame, tile, others=tuple(people))])
                places.saw(tile, evidence.tags, ())
            for tag in places.tags:
                mine = replace(tag, track_id=_wearer(tag, people))
                if not any(_told(mine, other) for other in (*known, *found)):
                    found.append(mine)
        if "frame" in tagger.wants and tagger.every_s("frame", ""):
            whole: Box = (0.0, 0.0, float(frame.width), float(frame.height))
            [evidence] = tagger.look([Subject("frame", frame, whole, others=tuple(people))])
            found += self._voted(tagger, evidence.tags)
        return found

    def _subjects(self, found: Sequence[Detection]) -> tuple[Detection, ...]:
        """Who a picture is of: passers-by, much smaller than the tallest, are left out."""
        sure = [p for p in found if p.score >= self._person.score]
        tallest = max((p.box[3] - p.box[1] for p in sure), default=0.0)
        least = self._person.photo_share * tallest
        return tuple(p for p in sure if p.box[3] - p.box[1] >= least)
