"""The parsing model: person crops in, garments cell by cell and evidence out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engines.base import Engine
from engines.packs import Label, Pack, answers, categories, labels
from engines.packs.taught import OUTPUT, taught
from pipeline.picture.crop import crops, person_window
from pipeline.tagging.garments.answers import Answers, Said
from pipeline.tagging.garments.attributes import asked_of, attributes, body_of
from pipeline.tagging.garments.palette import Palette
from pipeline.tagging.garments.parts import COVERS, LAYERS, PARTS, chances
from pipeline.tagging.garments.taught import evidence
from pipeline.tagging.garments.types import TypeRefiner
from pipeline.tagging.parsing import Mask, Parsing, around, cells_of, large_pieces
from pipeline.types import Box, Frame, Level, Rgb, Tag

#: Crops per engine call; larger batches gain nothing on a CPU.
MOST_BATCH = 8
#: Labels that are no garment and never become tags.
NO_GARMENT = frozenset({"null", "hair", "skin"})
#: Labels of what is on heads, as far as it is hidden in pictures.
ON_HEAD = frozenset({"hair", "skin", "glasses", "sunglasses", "hat"})
#: Cells that show where something is, against those where it may be.
LEAST_SHARE = 1 / 8
#: Probability under which a label is no evidence.
LEAST_SCORE = 0.1

#: Cells of some labels, the rows and columns around them, and their box in the frame.
_Where = tuple[Mask, tuple[slice, slice], Box]
#: Colours and attributes of a set of cells.
_Look = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]


class GarmentParser:
    """Runs the parsing model on person crops."""

    def __init__(self, engine: Engine, pack: Pack, refiner: TypeRefiner | None = None) -> None:
        self._engine = engine
        self._pack = pack
        self._refiner = refiner
        self.labels: tuple[Label, ...] = labels(pack)
        self._category_of = tuple(label.category for label in self.labels)
        self._members = {
            name: [i for i, own in enumerate(self._category_of) if own == name]
            for name in categories(pack)
        }
        self._on_head = tuple(i for i, own in enumerate(self.labels) if own.name in ON_HEAD)
        self._asked = Answers(answers(pack), self.labels, tuple(self._members))
        self.taught = taught(pack)
        covered = [COVERS.get(name or "", ()) for name in self._category_of]
        self._on = {part: [i for i, own in enumerate(covered) if part in own] for part in PARTS}

    def parse(self, people: Sequence[tuple[Frame, Box]]) -> list[tuple[Parsing, tuple[Tag, ...]]]:
        """Parsing and evidence of each person, cropped from full resolution, in batches."""
        out: list[tuple[Parsing, tuple[Tag, ...]]] = []
        for start in range(0, len(people), MOST_BATCH):
            out += self._batch(people[start : start + MOST_BATCH])
        if self._refiner is None:
            return out
        return [
            (parsing, self._refiner.refine(frame, parsing, tags))
            for (frame, _), (parsing, tags) in zip(people, out, strict=True)
        ]

    def _batch(self, people: Sequence[tuple[Frame, Box]]) -> list[tuple[Parsing, tuple[Tag, ...]]]:
        windows = [person_window(box, self._pack.size) for _, box in people]
        looks = [(frame, window) for (frame, _), window in zip(people, windows, strict=True)]
        pictures = crops(looks, self._pack.size)
        result = self._engine.infer({"images": pictures})
        found = result["labels"].astype(np.uint8)
        scores = np.array(result["scores"], np.float32)
        worn, groups = result["worn"].tolist(), result["categories"].tolist()
        out = []
        for i, (window, crop) in enumerate(zip(windows, pictures, strict=True)):
            parsing = Parsing(window, found[i], scores[i], self._category_of, self._on_head)
            told = {question: result[question][i] for question in self._asked.questions}
            said = self._asked.over(worn[i], groups[i], told)
            tags = self.evidence(parsing, crop, said)
            if self.taught is not None:
                own = evidence(self.taught, result[OUTPUT][i], people[i][1], self._pack.name)
                tags = (*tags, *own)
            out.append((parsing, tags))
        return out

    def evidence(self, parsing: Parsing, crop: Rgb, said: Said) -> tuple[Tag, ...]:
        """What one crop shows of labels and categories, however unlikely.

        Args:
            crop: the picture that was parsed, RGB uint8 (h, w, 3).
            said: how likely each label and each category is.
        """
        look = _Crop(parsing, crop, self.labels, self._pack.name)
        worn, groups = said.worn, said.groups
        tags = []
        for i, (name, group) in enumerate((label.name, label.category) for label in self.labels):
            if worn[i] < LEAST_SCORE or name in NO_GARMENT:
                continue
            # A label without a cell of its own lies among those of its category.
            near = [[i], *self._places(group)] if group else [[i]]
            tags.append(look.tag(name, group, worn[i], near))
        tags += [
            look.tag(name, name, groups[i], self._places(name), "category")
            for i, name in enumerate(self._members)
            if groups[i] >= LEAST_SCORE
        ]
        tags += [
            look.tag(part, part, chance, [self._on[part]], "part")
            for part, chance in chances(tuple(self._members), groups).items()
            if chance >= LEAST_SCORE
        ]
        return tuple(self._with_answers(tag, said) for tag in tags if tag is not None)

    def _with_answers(self, tag: Tag, said: Said) -> Tag:
        attributes = self._asked.attributes(tag.attributes, tag.category, said)
        return tag if attributes == tag.attributes else replace(tag, attributes=attributes)

    def _places(self, category: str) -> list[list[int]]:
        """Labels whose cells show where a category is, the surest first: the parser may have taken
        for something else what a head knows."""
        own = self._members[category]
        if category not in self._asked.categories:
            return [own]
        return [own, *(self._on[part] for part in COVERS[category])]


class _Crop:
    """One parsed crop, and the tags its cells make."""

    def __init__(self, parsing: Parsing, crop: Rgb, known: tuple[Label, ...], model: str) -> None:
        self._parsing = parsing
        self._model = model
        self._body = body_of(parsing.labels, known)
        self._cells = np.bincount(parsing.labels.ravel(), minlength=len(known)).tolist()
        self._where: dict[tuple[int, ...], _Where] = {}
        self._looks: dict[tuple[tuple[int, ...], object], _Look] = {}
        self._palette = Palette(crop, parsing.labels, known)

    def tag(
        self,
        label: str,
        category: str | None,
        score: float,
        places: list[list[int]],
        level: Level = "fine",
    ) -> Tag | None:
        """The tag of a label or category, where the first of ``places`` (labels) with a cell is;
        ``None`` without one."""
        cells = [sum(self._cells[i] for i in place) for place in places]
        enough = max(max(cells) * LEAST_SHARE, 1)
        place = next((p for p, n in zip(places, cells, strict=True) if n >= enough), ())
        if not place:
            return None
        here = tuple(i for i in place if self._cells[i])
        covers = COVERS.get(category or "", ())
        # The same cells show the same of a shirt and of a sweater.
        seen = here, (covers, asked_of(category))
        if seen not in self._looks:
            self._looks[seen] = self._look(here, category)
        colours, more = self._looks[seen]
        return Tag(
            "garment",
            label,
            category,
            score,
            self._where[here][2],
            colours,
            more,
            level,
            model=self._model,
            covers=covers,
            layers=LAYERS.get(category or "", ()),
        )

    def _look(self, members: tuple[int, ...], category: str | None) -> _Look:
        mask, part, _ = self._where.get(members) or self._place(members)
        colours = self._palette.names(mask, COVERS.get(category or "", ()), part)
        return colours, attributes(self._body, mask, category) if self._body else ()

    def _place(self, members: tuple[int, ...]) -> _Where:
        mask = cells_of(self._parsing.labels, members)
        part = around(mask)
        mask[part] = large_pieces(mask[part])
        self._where[members] = mask, part, self._parsing.box(mask)
        return self._where[members]
