"""The shipped detectors find the people of a real clip that they have never seen."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest
from support import CLIP

from engines import open_engine
from engines.boxes import overlaps
from engines.packs import shipped
from pipeline.flow.pace import Pace
from pipeline.people.detect import DetectStage, PersonSettings
from pipeline.people.zones import Zones
from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.types import Frame

LABELS = json.loads((CLIP.parent / "people" / "vtest.json").read_text())["frames"]
#: Frames of the labels that are in the clip: it is the beginning of the labelled one.
SOME = [number for number in map(int, LABELS) if number < 400][::5]


def pictures():
    with av.open(str(CLIP)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i in SOME:
                yield i, frame.to_ndarray(format="bgr24")


@pytest.mark.parametrize("pack", shipped().of("person-detection"), ids=lambda pack: pack.name)
def test_people_are_found_and_nothing_else(pack):
    right = wrong = people = 0
    with open_engine(pack) as engine:
        fixed = Fixed(PersonSettings(keep_score=PersonSettings().score))
        stage = DetectStage((engine, pack), fixed, Pace().budget, Fixed(Zones()))
        for number, bgr in pictures():
            found = stage.detect([Frame("", 0, 0.0, 0.0, 0.0, from_bgr(bgr))])[0]
            boxes = np.array([d.box for d in found]).reshape(-1, 4)
            known = LABELS[str(number)]
            iou, _ = overlaps(boxes, known["people"])
            _, within = overlaps(boxes, known["ignore"])
            hits = iou.max(axis=1, initial=0) >= 0.5
            right += int((iou.max(axis=0, initial=0) >= 0.5).sum())
            wrong += int((~hits & (within.max(axis=1, initial=0) < 0.5)).sum())
            people += len(known["people"])
    assert people > 30
    assert right >= 0.93 * people
    assert wrong <= 0.03 * people
