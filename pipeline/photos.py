"""Tagging still pictures: the same models without tracking or time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import SourceRefusedError
from pipeline.people.detect import DetectStage
from pipeline.picture.crop import clip_box
from pipeline.picture.yuv import from_bgr
from pipeline.settings.schema import Config
from pipeline.sinks.annotate import Bgr, colour_of, draw_box, draw_labels, tag_text
from pipeline.sinks.records import VERSION, box_record, tag_record
from pipeline.sources.image import IMAGE_SUFFIXES, load_image
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.logos.loose_marks import Standing, same_mark, tiles
from pipeline.tagging.logos.reader import LogoReader, loose_tags, mark_tags
from pipeline.tagging.parsing import paste_labels
from pipeline.tagging.vote import TrackVote
from pipeline.types import Box, Detection, Frame, Parsing, Tag


@dataclass(frozen=True, slots=True, eq=False)
class TaggedPhoto:
    """One picture and what is on it. Without a person the whole picture was parsed as one."""

    path: Path
    image: Bgr
    persons: tuple[Detection, ...]
    tags: tuple[Tag, ...]
    parsings: tuple[Parsing, ...]

    def mask(self) -> npt.NDArray[np.uint8]:
        """Label ids (H, W) uint8 at the picture's size; the surest person lies on top."""
        canvas: npt.NDArray[np.uint8] = np.zeros(self.image.shape[:2], np.uint8)
        for parsing in reversed(self.parsings):
            paste_labels(canvas, parsing)
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
            "persons": persons,
            "tags": [tag_record(tag) for tag in self.tags],
        }

    def drawing(self) -> Bgr:
        """The picture with people and tags drawn on it."""
        image: Bgr = self.image.copy()
        for i, person in enumerate(self.persons):
            draw_box(image, person.box, colour_of(i + 1))
        boxes: list[Box] = [p.box for p in self.persons] or [(0.0, 0.0, 0.0, 0.0)]
        labels = []
        for i, box in enumerate(boxes):
            number = i + 1 if self.persons else None
            lines = [tag_text(t) for t in self.tags if t.track_id == number and not _loose(t)]
            labels.append((box, i + 1, lines))
        for tag in self.tags:
            if tag.kind == "logo":
                draw_box(image, tag.box, colour_of(tag.track_id or 0))
            if _loose(tag):
                labels.append((tag.box, 0, [tag_text(tag)]))
        draw_labels(image, labels)
        return image


def _loose(tag: Tag) -> bool:
    """Whether a tag is said where it is rather than beside a person."""
    return tag.kind == "logo" and tag.track_id is None


class PhotoTagger:
    """Finds people in pictures and parses each; a picture without people is parsed whole."""

    def __init__(
        self, detector: DetectStage, parser: GarmentParser, settings: Config,
        logos: LogoReader | None = None,
    ) -> None:  # fmt: skip
        self._detector = detector
        self._parser = parser
        self._logos = logos
        self._settings = settings
        self._vote = replace(settings.vote_policy, looks=1)

    def tag(self, path: Path) -> TaggedPhoto:
        """Tag one picture.

        Raises:
            SourceRefusedError: missing or not a picture.
        """
        image = load_image(path)
        frame = Frame(path.stem, 0, 0.0, 0.0, 0.0, from_bgr(image))
        found = self._detector.detect([frame])[0]
        persons = self._subjects(found)
        whole: Box = (0.0, 0.0, float(frame.width), float(frame.height))
        boxes = [p.box for p in persons] or [whole]
        parsed = self._parser.parse([(frame, box) for box in boxes])
        tags: list[Tag] = []
        for i, (parsing, evidence) in enumerate(parsed):
            number = i + 1 if persons else None
            vote = TrackVote(self._vote)
            vote.add(evidence)
            own = [*vote.result()]
            if self._logos is not None:
                marks = self._logos.on(frame, boxes[i])
                own += mark_tags(marks, parsing, self._parser.labels, self._logos.model)
            tags += [replace(t, box=clip_box(t.box, frame), track_id=number) for t in own]
        if self._logos is not None and self._settings.logos.tile_s:
            people = boxes if persons else ()
            tags += self._loose_tags(frame, people, [t for t in tags if t.kind == "logo"])
        return TaggedPhoto(path, image, persons, tuple(tags), tuple(p for p, _ in parsed))

    def _loose_tags(self, frame: Frame, people: Sequence[Box], known: Sequence[Tag]) -> list[Tag]:
        """Marks on nobody that are not ``known``, each once."""
        assert self._logos is not None
        places = Standing(0.0, 1)
        for tile in tiles(frame.width, frame.height, self._logos.size):
            places.saw(tile, loose_tags(self._logos.read(frame, tile), self._logos.model), people)
        return [
            replace(tag, box=clip_box(tag.box, frame))
            for tag in places.tags
            if not any(same_mark(tag, other) for other in known)
        ]

    def _subjects(self, found: Sequence[Detection]) -> tuple[Detection, ...]:
        """Who a picture is of: passers-by, much smaller than the tallest, are left out."""
        sure = [p for p in found if p.score >= self._settings.person.score]
        tallest = max((p.box[3] - p.box[1] for p in sure), default=0.0)
        least = self._settings.garments.photo_share * tallest
        return tuple(p for p in sure if p.box[3] - p.box[1] >= least)


def find_photos(places: list[Path]) -> Iterator[Path]:
    """Pictures named directly, and those in folders and their sub-folders, in order of name.

    Raises:
        SourceRefusedError: a folder holds no picture.
    """
    for place in places:
        if not place.is_dir():
            yield place
            continue
        inside = sorted(p for p in place.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not inside:
            raise SourceRefusedError(f"{place}: no picture in this folder")
        yield from inside
