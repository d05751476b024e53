"""What a second look brings and costs: the transformer as it was published, on whole photos and on
the parts that it asks for; only the block that joins the looks and the classifiers learn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from engines.nets.efficientnet_lite import normalise
from engines.nets.glsim import TaughtTwice
from engines.packs import open_packs
from engines.teach import linear
from engines.teach.calibration import fit_temperature
from engines.teach.export import About, fill, write_pack
from engines.teach.glance import Glance, look_once, part_of, settle
from engines.teach.onnx_file import write_look
from engines.teach.splits import folds
from engines.teach.transformers import transformer
from pipeline.models.opening import EngineSettings, Models
from pipeline.picture.yuv import from_bgr
from pipeline.settings.section import Fixed
from pipeline.tagging.packs.settings import PackSettings
from pipeline.tagging.packs.tagger import PackTagger
from pipeline.tagging.tagger import Subject
from pipeline.types import Frame
from training.type_data import Garment

F32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
#: Steps of the block that joins the looks, all pictures in each, and their rate.
STEPS = 150
RATE = 1e-3
DECAY = 0.05
FOLDS = 4
#: Regularisation of the classifier of first looks.
STRENGTH = 0.1
#: Photos that packs are timed on.
TIMED = 60


class Looks(NamedTuple):
    """Class tokens (n, width) of whole photos and of their parts, and classes (n,)."""

    whole: F32
    part: F32
    classes: Indices

    def of(self, rows: Indices) -> Looks:
        return Looks(self.whole[rows], self.part[rows], self.classes[rows])


@torch.no_grad()
def looks(net: TaughtTwice, photos: Sequence[Garment], side: int) -> Looks:
    """Both looks at photos, the second at parts cut from them as they are."""
    pictures = [one.rgb for one in photos]
    whole, parts = look_once(net, pictures, side)
    found = []
    for rgb, part in zip(pictures, parts, strict=True):
        shown = torch.from_numpy(part_of(rgb, part, side)[None])
        found.append(net.features.vit(normalise(shown))[:, 0].numpy())
    classes = np.array([one.kind for one in photos])
    return Looks(whole, np.concatenate(found), classes)


def network(weights: Path, side: int, kinds: int, seed: int = 0) -> TaughtTwice:
    """A transformer as published, what joins the looks new."""
    torch.manual_seed(seed)
    return TaughtTwice(transformer("glsim", weights, side), kinds).eval()


def learn(net: TaughtTwice, own: Looks) -> TaughtTwice:
    """Train what joins the looks, and both classifiers, on tokens."""
    joined = [net.features.aggregator, net.features.aggregator_norm, net.fc]
    weights = [tensor for one in joined for tensor in one.parameters()]
    search = torch.optim.AdamW(weights, RATE, weight_decay=DECAY, fused=True)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(search, STEPS)
    whole, part, classes = map(torch.from_numpy, own)
    for _ in range(STEPS):
        loss = F.cross_entropy(net.fc(net.features.second(whole, part)), classes)
        search.zero_grad()
        loss.backward()
        search.step()
        falling.step()
    first = linear.fit(own.whole, own.classes, net.fc.out_features, STRENGTH)
    with torch.no_grad():
        net.glance.weight.copy_(torch.from_numpy(first.weight))
        net.glance.bias.copy_(torch.from_numpy(first.bias))
    return net


@torch.no_grad()
def judged(net: TaughtTwice, own: Looks) -> tuple[F32, F32]:
    """Logits (n, classes) of first looks and of both."""
    whole, part = torch.from_numpy(own.whole), torch.from_numpy(own.part)
    return net.glance(whole).numpy(), net.fc(net.features.second(whole, part)).numpy()


def chosen(make: Callable[[], TaughtTwice], own: Looks, seed: int) -> tuple[Glance, float]:
    """From when a first look is enough, by pictures held out in turn, and the temperature of both
    looks."""
    fold_of = folds(own.classes, np.arange(len(own.classes)), FOLDS, seed)
    kinds = int(own.classes.max()) + 1
    first, both = (np.zeros((len(own.classes), kinds), np.float32) for _ in range(2))
    for fold in range(FOLDS):
        held = fold_of == fold
        net = learn(make(), own.of(np.flatnonzero(~held)))
        first[held], both[held] = judged(net, own.of(np.flatnonzero(held)))
    temperature = fit_temperature(both, own.classes)
    return settle(first, both, own.classes, temperature)[0], temperature


def study(
    draws: Sequence[Sequence[Garment]],
    test: Sequence[Garment],
    weights: Path,
    side: int,
    kinds: int,
) -> tuple[TaughtTwice, Glance, float]:
    """Print what each way of looking is right on, over draws; the last draw's network, from when
    its first look is enough, and its temperature."""
    seer = network(weights, side, kinds)
    asked = looks(seer, test, side)
    rows = []
    for seed, photos in enumerate(draws):
        own = looks(seer, photos, side)
        make = partial(network, weights, side, kinds, seed)
        glance, temperature = chosen(make, own, seed)
        net = learn(make(), own)
        first, both = judged(net, asked)
        sure = torch.softmax(torch.from_numpy(first) / glance.temperature, 1).amax(1).numpy()
        told = np.where(sure >= glance.below, first.argmax(1), both.argmax(1))
        every = (first.argmax(1), told, both.argmax(1))
        shares = [float((one == asked.classes).mean()) for one in every]
        same = float((told == both.argmax(1)).mean())
        rows.append((*shares, float((sure < glance.below).mean()), same, glance.below))
        print(" ".join(f"{value:.3f}" for value in rows[-1]), flush=True)
    names = (
        "first look alone",
        "again where unsure",
        "always again",
        "looked at again",
        "label of always again",
        "threshold",
    )
    for name, values in zip(names, np.array(rows).T, strict=True):
        print(f"| {name} | {values.mean():.3f} ± {values.std(ddof=min(len(rows) - 1, 1)):.3f} |")
    return net, glance, temperature


def written(net: TaughtTwice, glance: Glance, temperature: float, side: int, folder: Path) -> None:
    """Write the pack that somebody would run."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    model = folder.with_suffix(".onnx")
    write_look(net, (glance.temperature, temperature), side, model)
    about = About(
        folder.name, "a study", "the backbone's", {}, {}, "frame", glance.below, net.fc.in_features
    )
    labels = [f"class {i}" for i in range(net.fc.out_features)]
    write_pack(folder, lambda made: fill(made, about, labels, side, model))


def ways(folder: Path, models: Models) -> Iterator[tuple[str, Callable[[Frame], str]]]:
    """Looking again never, where the pack is unsure, and always, and what names a frame so."""
    engine, pack = models.open(folder.name)
    assert pack.tagger is not None
    for way, below in (("never", 1e-9), ("unsure", pack.tagger.again_below), ("always", 1.0)):
        own = replace(pack, tagger=replace(pack.tagger, again_below=below))
        tagger = PackTagger(engine, own, Fixed(PackSettings(pack=pack.name, least=0.0)))

        def name(frame: Frame, tagger: PackTagger = tagger) -> str:
            box = (0.0, 0.0, float(frame.width), float(frame.height))
            [evidence] = tagger.look([Subject("frame", frame, box)])
            return max(evidence.tags, key=lambda tag: tag.score).label

        yield way, name


def measure(folder: Path, test: Sequence[Garment]) -> None:
    """Print what the pack says and takes through the pipeline's tagger, every photo looked at in
    every way, one after the other, in random order."""
    rng = np.random.default_rng(0)
    with Models(EngineSettings(threads=1, cache=False), open_packs(folder.parent)) as models:
        every = dict(ways(folder, models))
        told: dict[str, list[str]] = {way: [] for way in every}
        spent: dict[str, list[float]] = {way: [] for way in every}
        for one in test[:TIMED]:
            bgr = np.ascontiguousarray(one.rgb[..., ::-1])
            frame = Frame("", 0, 0.0, 0.0, 0.0, from_bgr(bgr))
            for way in rng.permutation(list(every)).tolist():
                begin = time.process_time()
                told[way].append(every[way](frame))
                spent[way].append((time.process_time() - begin) * 1e3)
    true = np.array([f"class {one.kind}" for one in test[:TIMED]])
    print("| looked at again | right | ms, mean |\n|---|---|---|")
    for way, names in told.items():
        right = float((np.array(names) == true).mean())
        print(f"| {way} | {right:.3f} | {np.mean(spent[way]):.1f} |")
