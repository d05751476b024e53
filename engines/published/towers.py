"""Networks with a side for pictures and one for texts, read from the files that the hub has."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor, nn

from engines.base import ModelFileError
from engines.published import clip, siglip
from engines.published.checkpoint import WEIGHTS, load_state, read_state, weights_in
from engines.published.clip import Clip, ClipConfig
from engines.published.siglip import Siglip, SiglipConfig

OPEN_CONFIG = "open_clip_config.json"
OPEN_WEIGHTS = "open_clip_model.safetensors"
CONFIG = "config.json"
#: What checkpoints hold besides: what is computed anew.
IGNORED = r".*(position_ids|attn_mask)"

Towers = Clip | Siglip


class Words(nn.Module):
    """The text's side alone, to be exported."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, tokens: Tensor) -> Tensor:
        return self.net.words(tokens)


def read_towers(folder: Path) -> Towers:
    """A CLIP or SigLIP of the files of open_clip, or of transformers, in a folder.

    Raises:
        ModelFileError: a file is missing, unreadable or of another network.
    """
    opened = (folder / OPEN_CONFIG).is_file()
    path = folder / (OPEN_CONFIG if opened else CONFIG)
    try:
        net = _described(json.loads(path.read_text(encoding="utf-8")), opened)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} is no configuration of a CLIP or SigLIP: {error!r}") from None
    state = read_state(weights_in(folder, (OPEN_WEIGHTS,) if opened else WEIGHTS))
    if not opened:
        state = (clip if isinstance(net, Clip) else siglip).as_open_clip(state)
    # A number may be kept as one, or as a row of one.
    for name in ("logit_scale", "logit_bias"):
        if name in state and state[name].numel() == 1:
            state[name] = state[name].reshape(())
    load_state(net, state, IGNORED)
    return net.eval()


def _described(found: dict[str, object], opened: bool) -> Towers:
    """The network that a configuration describes, its weights still zero."""
    if not opened:
        if found.get("model_type") == "siglip":
            return Siglip(SiglipConfig.of_transformers(found))
        return Clip(ClipConfig.of_transformers(found))
    own = found["model_cfg"]
    if not isinstance(own, dict):
        raise ValueError("it has no model_cfg")
    if "timm_model_name" in own["vision_cfg"]:
        return Siglip(SiglipConfig.of_open_clip(found))
    return Clip(ClipConfig.of_open_clip(found))
