"""FashionSAP: pictures of fashion and their attributes in one space (Han et al., CVPR 2023).

Of the published network, what tells how well a text fits a picture: the image tower, the text
tower below the layers that mix both, and the projections. Names of parameters are those of the
checkpoint.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.base import ModelFileError
from engines.published.checkpoint import State, load_state, read_state
from engines.published.clip import Tower
from engines.published.vit import FusedBlock, attended, split

BERT_CONFIG = "bert_config.json"
#: Numbers of a head of the image tower.
HEAD = 64
#: What a garment is, in the order of the tokens 1 to 9.
SYMBOLS = (
    *("tops", "pants", "skirts", "coats", "dresses", "shoes", "bags", "accessories"),
    "others",
)
#: Bounds of the temperature, as in training.
LEAST_TEMPERATURE = 0.001
MOST_TEMPERATURE = 0.5
#: What the checkpoint holds besides: slow copies, queues, and heads of the training's other tasks.
IGNORED = (
    r"(\w+_m|itm_head|decoder_layer|replace_predict_layer|text_encoder\.cls)(\..*)?"
    r"|\w+_queue|queue_ptr|.*\.position_ids"
)
#: Added to the attention to what fills a text up.
APART = -10_000.0


@dataclass(frozen=True, slots=True)
class SapConfig:
    """Sizes of a FashionSAP.

    Attributes:
        text: of its layers those below the ones that mix texts and pictures.
        side, patch: of pictures, in pixels.
        numbers: of an embedding.
        words: how many tokens there are; ``context``: how many a text may have.
    """

    vision: Tower
    text: Tower
    side: int = 256
    patch: int = 16
    numbers: int = 256
    words: int = 30522
    context: int = 512


class _Image(nn.Module):
    def __init__(self, config: SapConfig) -> None:
        super().__init__()
        tower = config.vision
        cells = (config.side // config.patch) ** 2
        patch = nn.Conv2d(3, tower.width, config.patch, config.patch)
        self.patch_embed = nn.ModuleDict({"proj": patch})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, tower.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, cells + 1, tower.width))
        self.blocks = nn.ModuleList(
            FusedBlock(tower.width, tower.heads, tower.inner) for _ in range(tower.layers)
        )
        self.norm = nn.LayerNorm(tower.width, 1e-6)

    def forward(self, pixel_values: Tensor) -> Tensor:
        cells = self.patch_embed["proj"](pixel_values).flatten(2).transpose(1, 2)
        first = self.cls_token.expand(cells.shape[0], -1, -1)
        x = torch.cat([first, cells], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 0]


class _Output(nn.Module):
    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(before + self.dense(x))


class _Layer(nn.Module):
    """A layer of BERT (Devlin et al., NAACL 2019): each LayerNorm behind its shortcut."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.heads = tower.heads
        three = {n: nn.Linear(tower.width, tower.width) for n in ("query", "key", "value")}
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict(three), "output": _Output(tower.width, tower.width)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(tower.width, tower.inner)})
        self.output = _Output(tower.inner, tower.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        three = self.attention["self"]
        parts = [split(three[name](x), self.heads) for name in ("query", "key", "value")]
        x = self.attention["output"](attended(parts[0], parts[1], parts[2], mask), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class _Text(nn.Module):
    def __init__(self, config: SapConfig) -> None:
        super().__init__()
        width = config.text.width
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(config.words, width),
                "position_embeddings": nn.Embedding(config.context, width),
                "token_type_embeddings": nn.Embedding(2, width),
                "LayerNorm": nn.LayerNorm(width, eps=1e-12),
            }
        )
        layers = nn.ModuleList(_Layer(config.text) for _ in range(config.text.layers))
        self.encoder = nn.ModuleDict({"layer": layers})

    def forward(self, tokens: Tensor) -> Tensor:
        own = self.embeddings
        x = own["word_embeddings"](tokens) + own["token_type_embeddings"].weight[0]
        x = own["LayerNorm"](x + own["position_embeddings"].weight[: tokens.shape[1]])
        mask = torch.where(tokens == 0, APART, 0.0)[:, None, None]
        for layer in self.encoder["layer"]:
            x = layer(x, mask)
        return x


class _Visual(nn.Module):
    """The image's side alone, to be exported."""

    def __init__(self, net: FashionSap) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixel_values: Tensor) -> Tensor:
        net = self.net
        own = net.vision_proj(net.visual_encoder(pixel_values))
        return F.normalize(net.combine_vision_proj(own), dim=-1)


class FashionSap(nn.Module):
    """``visual`` takes pictures float32 (n, 3, side, side), RGB, normalised; ``words`` takes tokens
    int64 (n, length), filled up by 0. Both return embeddings (n, numbers) of unit length."""

    def __init__(self, config: SapConfig) -> None:
        super().__init__()
        self.config = config
        numbers = config.numbers
        self.visual_encoder = _Image(config)
        self.text_encoder = _Text(config)
        self.vision_proj = nn.Linear(config.vision.width, numbers)
        self.text_proj = nn.Linear(config.text.width, numbers)
        self.combine_vision_proj = nn.Linear(numbers, numbers)
        self.combine_text_proj = nn.Linear(numbers, numbers)
        self.temp = nn.Parameter(torch.tensor(0.07))

    @property
    def visual(self) -> nn.Module:
        """The image's side."""
        return _Visual(self)

    @property
    def scale(self) -> float:
        """By which cosines are multiplied before labels share the probability."""
        return 1 / float(self.temp.detach().clamp(LEAST_TEMPERATURE, MOST_TEMPERATURE))

    def words(self, tokens: Tensor) -> Tensor:
        """Embeddings of texts; what stands for a text is its first token, and for a symbol alone
        that symbol, as training draws it to pictures."""
        x = self.text_encoder(tokens)
        second = tokens[:, 1]
        alone = (second >= 1) & (second <= len(SYMBOLS)) & (tokens[:, 2] == 0)
        chosen = torch.where(alone[:, None], x[:, 1], x[:, 0])
        return F.normalize(self.combine_text_proj(self.text_proj(chosen)), dim=-1)


def read_fashionsap(checkpoint: Path, bert_config: Path) -> FashionSap:
    """A FashionSAP of its checkpoint, whether of the pre-training or tuned for retrieval; sizes are
    those of the tensors and of BERT's configuration.

    Raises:
        ModelFileError: a file cannot be read, or is another network's.
    """
    try:
        bert = json.loads(bert_config.read_text(encoding="utf-8"))
        layers, heads = int(bert["fusion_layer"]), int(bert["num_attention_heads"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{bert_config} is no configuration of its BERT: {error!r}") from None
    above = re.compile(r"text_encoder\.encoder\.layer\.(\d+)\..*")
    state: State = {}
    for name, own in read_state(checkpoint, "model").items():
        plain = re.sub(r"^(module\.)?(text_encoder\.)bert\.", r"\2", name)
        match = above.fullmatch(plain)
        if match is None or int(match[1]) < layers:
            state[plain] = own
    net = FashionSap(_sizes(state, layers, heads, checkpoint))
    load_state(net, state, IGNORED)
    return net.eval()


def _sizes(state: State, layers: int, heads: int, path: Path) -> SapConfig:
    try:
        patch = state["visual_encoder.patch_embed.proj.weight"]
        width, cells = patch.shape[0], state["visual_encoder.pos_embed"].shape[1] - 1
        blocks = {name.split(".")[2] for name in state if name.startswith("visual_encoder.blocks.")}
        inner = state["visual_encoder.blocks.0.mlp.fc1.weight"].shape[0]
        words, narrow = state["text_encoder.embeddings.word_embeddings.weight"].shape
        deep = state["text_encoder.encoder.layer.0.intermediate.dense.weight"].shape[0]
        return SapConfig(
            Tower(width, len(blocks), max(width // HEAD, 1), inner),
            Tower(narrow, layers, heads, deep),
            side=round(cells**0.5) * patch.shape[2],
            patch=patch.shape[2],
            numbers=state["vision_proj.weight"].shape[0],
            words=words,
            context=state["text_encoder.embeddings.position_embeddings.weight"].shape[0],
        )
    except (KeyError, ValueError, IndexError) as error:
        raise ModelFileError(f"{path} is no FashionSAP: {error!r}") from None
