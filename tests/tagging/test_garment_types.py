"""The classifier of single garments: training data, and the second look at upper garments."""

from __future__ import annotations

import numpy as np
import pytest
from support import CLIP

from engines import open_engine
from engines.packs import find
from pipeline.flow.pace import Pace
from pipeline.people.detect import DetectStage, PersonSettings
from pipeline.people.zones import Zones
from pipeline.settings.section import Fixed
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.tagging.garments.parser import GarmentParser
from pipeline.tagging.garments.tagger import GarmentSettings
from pipeline.tagging.garments.types import REFINED, TypeRefiner


@pytest.fixture(scope="module")
def people():
    """Those of a picture of the clip."""
    with open_source(CameraSettings(url=str(CLIP))) as source:
        frame = next(f for i, f in enumerate(source) if i == 60)
    settings = PersonSettings()
    pack = find(settings.model)
    with open_engine(pack, "onnxruntime") as engine:
        stage = DetectStage((engine, pack), Fixed(settings), Pace().budget, Fixed(Zones()))
        found = stage.detect([frame])[0]
    return [(frame, person.box) for person in found]


@pytest.mark.parametrize("background", ["keep", "remove"])
def test_a_second_look_names_types_of_upper_garments_only(background, people):
    pack, types = find(GarmentSettings().model), find("garment-types-lite0")
    with (
        open_engine(pack, "onnxruntime") as engine,
        open_engine(types, "onnxruntime") as classifier,
    ):
        refiner = TypeRefiner(classifier, types, background)
        plain = GarmentParser(engine, pack).parse(people)
        refined = GarmentParser(engine, pack, refiner).parse(people)
    said = 0
    for (_, before), (_, after) in zip(plain, refined, strict=True):
        assert [t.label for t in before] == [t.label for t in after]
        for tag in after:
            kind = dict(tag.attributes).get("type")
            said += kind is not None
            allowed = {name.lower() for name in REFINED.get(tag.category or "", ())}
            assert kind is None or kind in allowed
    assert said > 0


def test_training_crops_keep_their_size_and_mixed_targets_their_sum():
    torch = pytest.importorskip("torch", reason="needs the train extra")
    from training.garment_types import mixed
    from training.type_data import varied

    from engines.teach.views import square

    rng = np.random.default_rng(0)
    for shape in ((40, 90, 3), (300, 120, 3), (5, 5, 3)):
        picture = rng.integers(0, 256, shape, np.uint8)
        assert square(picture, 224).shape == varied(picture, rng).shape == (224, 224, 3)
    images, kinds = torch.rand(6, 3, 32, 32), torch.arange(6) % 4
    for _ in range(20):
        out, target = mixed(images, kinds, 4, rng)
        assert out.shape == images.shape
        assert target.sum(dim=1).numpy() == pytest.approx(1)
        assert bool((target.argmax(dim=1) == kinds).any())
