"""SigLIP: a picture and a text in one space, each pair judged by itself (Zhai et al., ICCV 2023).

Names of parameters are those of open_clip; checkpoints of transformers are read, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.published.checkpoint import State, renamed
from engines.published.clip import Tower, Transformer
from engines.published.vit import FusedBlock, Gelu, Perceptron, attended, split

EPSILON = 1e-6
#: Image towers by the name that timm gives them.
TOWERS: Mapping[str, Tower] = MappingProxyType(
    {
        "base": Tower(768, 12, 12, 3072),
        "large": Tower(1024, 24, 16, 4096),
        "so400m": Tower(1152, 27, 16, 4304),
        "giantopt": Tower(1536, 40, 16, 6144),
    }
)
#: Name of a tower, its patch and its side: those whose GELU is by a hyperbolic tangent.
TANH = re.compile(r"base 32 .*|large 16 512|so400m 16 .*|giantopt .*")


@dataclass(frozen=True, slots=True)
class SiglipConfig:
    """Sizes of a SigLIP.

    Attributes:
        side, patch: of pictures, in pixels.
        numbers: of an embedding.
        words: how many tokens there are; ``context``: how many a text has.
        seen, told: which GELU the towers have, of pictures and of texts.
    """

    vision: Tower
    text: Tower
    side: int
    patch: int
    numbers: int
    words: int
    context: int
    seen: Gelu = "exact"
    told: Gelu = "exact"

    @classmethod
    def of_open_clip(cls, found: Mapping[str, Any]) -> SiglipConfig:
        """Of an ``open_clip_config.json``."""
        own = found["model_cfg"]
        vision, text = own["vision_cfg"], own["text_cfg"]
        name = re.fullmatch(r"vit_([a-z0-9]+)_patch(\d+)_siglip_(\d+)", vision["timm_model_name"])
        if name is None or name[1] not in TOWERS or vision.get("timm_pool", "map") != "map":
            raise ValueError("its towers are no plain transformers")
        if text.get("pool_type") != "last" or not text.get("no_causal_mask"):
            raise ValueError("its text's side is not SigLIP's")
        tower, side = TOWERS[name[1]], int(vision.get("image_size", name[3]))
        narrow = int(text["width"])
        inner = int(narrow * float(text.get("mlp_ratio", 4)))
        return cls(
            tower,
            Tower(narrow, int(text["layers"]), int(text["heads"]), inner),
            side=side,
            patch=int(name[2]),
            numbers=int(own["embed_dim"]),
            words=int(text["vocab_size"]),
            context=int(text["context_length"]),
            seen="tanh" if TANH.fullmatch(" ".join(name.groups())) else "exact",
            told="tanh" if text.get("act_kwargs", {}).get("approximate") == "tanh" else "exact",
        )

    @classmethod
    def of_transformers(cls, found: Mapping[str, Any]) -> SiglipConfig:
        """Of a ``config.json`` of transformers; what it leaves out is as in the first SigLIP."""
        base = {
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "hidden_act": "gelu_pytorch_tanh",
        }
        vision = {**base, "image_size": 224, "patch_size": 16, **found["vision_config"]}
        text = {**base, "vocab_size": 32000, "max_position_embeddings": 64, **found["text_config"]}
        if text.get("projection_size", text["hidden_size"]) != vision["hidden_size"]:
            raise ValueError("its towers give embeddings of different lengths")
        return cls(
            _tower(vision),
            _tower(text),
            side=int(vision["image_size"]),
            patch=int(vision["patch_size"]),
            numbers=int(vision["hidden_size"]),
            words=int(text["vocab_size"]),
            context=int(text["max_position_embeddings"]),
            seen="tanh" if "tanh" in vision["hidden_act"] else "exact",
            told="tanh" if "tanh" in text["hidden_act"] else "exact",
        )


def _tower(own: Mapping[str, Any]) -> Tower:
    return Tower(
        int(own["hidden_size"]),
        int(own["num_hidden_layers"]),
        int(own["num_attention_heads"]),
        int(own["intermediate_size"]),
    )


class _Pool(nn.Module):
    """One learned question to all cells of a picture."""

    def __init__(self, tower: Tower, kind: Gelu) -> None:
        super().__init__()
        self.heads = tower.heads
        self.latent = nn.Parameter(torch.zeros(1, 1, tower.width))
        self.q = nn.Linear(tower.width, tower.width)
        self.kv = nn.Linear(tower.width, 2 * tower.width)
        self.proj = nn.Linear(tower.width, tower.width)
        self.norm = nn.LayerNorm(tower.width, EPSILON)
        self.mlp = Perceptron(tower.width, tower.inner, kind)

    def forward(self, x: Tensor) -> Tensor:
        asked = self.q(self.latent).expand(x.shape[0], -1, -1)
        parts = (split(own, self.heads) for own in (asked, *self.kv(x).chunk(2, dim=-1)))
        x = self.proj(attended(*parts))
        return (x + self.mlp(self.norm(x)))[:, 0]


class _Trunk(nn.Module):
    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        tower = config.vision
        cells = (config.side // config.patch) ** 2
        patch = nn.Conv2d(3, tower.width, config.patch, config.patch)
        self.patch_embed = nn.ModuleDict({"proj": patch})
        self.pos_embed = nn.Parameter(torch.zeros(1, cells, tower.width))
        self.blocks = nn.ModuleList(
            FusedBlock(tower.width, tower.heads, tower.inner, EPSILON, config.seen)
            for _ in range(tower.layers)
        )
        self.norm = nn.LayerNorm(tower.width, EPSILON)
        self.attn_pool = _Pool(tower, config.seen)

    def forward(self, pixel_values: Tensor) -> Tensor:
        x = self.patch_embed["proj"](pixel_values).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.attn_pool(self.norm(x))


class _Vision(nn.Module):
    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        self.trunk = _Trunk(config)

    def forward(self, pixel_values: Tensor) -> Tensor:
        return F.normalize(self.trunk(pixel_values), dim=-1)


class _Text(nn.Module):
    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        width = config.text.width
        self.token_embedding = nn.Embedding(config.words, width)
        self.positional_embedding = nn.Parameter(torch.zeros(config.context, width))
        self.transformer = Transformer(config.text, config.told, EPSILON)
        self.ln_final = nn.LayerNorm(width, EPSILON)
        self.text_projection = nn.Linear(width, config.numbers)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.transformer(self.token_embedding(tokens) + self.positional_embedding)
        return F.normalize(self.text_projection(self.ln_final(x)[:, -1]), dim=-1)


class Siglip(nn.Module):
    """``visual`` takes pictures float32 (n, 3, side, side), RGB, normalised; ``words`` takes tokens
    int64 (n, context), filled up to the end. Both return embeddings (n, numbers) of unit length."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        if config.numbers != config.vision.width:
            raise ValueError("its towers give embeddings of different lengths")
        self.config = config
        self.visual = _Vision(config)
        self.text = _Text(config)
        self.logit_scale = nn.Parameter(torch.tensor(10.0).log())
        self.logit_bias = nn.Parameter(torch.tensor(-10.0))

    def words(self, tokens: Tensor) -> Tensor:
        """Embeddings of texts; what stands for a text is its last token, filled up or not."""
        return self.text(tokens)


def as_open_clip(state: State) -> State:
    """A checkpoint of transformers with the names of open_clip."""
    found: State = {}
    for name, own in state.items():
        new = renamed(name, _RENAMED)
        joined = "attn.qkv" if new.startswith("visual.") else "attn.in_proj"
        if match := re.fullmatch(r"(.*)\.self_attn\.q_proj\.(weight|bias)", new):
            parts = [state[name.replace("q_proj", f"{one}_proj")] for one in "qkv"]
            end = f".{match[2]}" if joined == "attn.qkv" else f"_{match[2]}"
            found[f"{match[1]}.{joined}{end}"] = torch.cat(parts)
        elif match := re.fullmatch(r"(.*attn_pool)\.attention\.in_proj_(weight|bias)", new):
            width = len(own) // 3
            found[f"{match[1]}.q.{match[2]}"] = own[:width]
            found[f"{match[1]}.kv.{match[2]}"] = own[width:]
        elif new == "visual.trunk.pos_embed":
            found[new] = own[None]
        elif new in ("logit_scale", "logit_bias"):
            found[new] = own.reshape(())
        elif not re.fullmatch(r".*\.self_attn\.[kv]_proj\..*", new):
            found[new] = own
    return found


_RENAMED = (
    (r"^vision_model\.encoder\.layers\.", "visual.trunk.blocks."),
    (r"^vision_model\.embeddings\.patch_embedding\.", "visual.trunk.patch_embed.proj."),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "visual.trunk.pos_embed"),
    (r"^vision_model\.post_layernorm\.", "visual.trunk.norm."),
    (r"^vision_model\.head\.probe$", "visual.trunk.attn_pool.latent"),
    (r"^vision_model\.head\.layernorm\.", "visual.trunk.attn_pool.norm."),
    (r"^vision_model\.head\.attention\.out_proj\.", "visual.trunk.attn_pool.proj."),
    (r"^vision_model\.head\.", "visual.trunk.attn_pool."),
    (r"^text_model\.encoder\.layers\.", "text.transformer.resblocks."),
    (r"^text_model\.embeddings\.token_embedding\.", "text.token_embedding."),
    (r"^text_model\.embeddings\.position_embedding\.weight$", "text.positional_embedding"),
    (r"^text_model\.final_layer_norm\.", "text.ln_final."),
    (r"^text_model\.head\.", "text.text_projection."),
    (r"^(visual\..*)\.layer_norm(\d)\.", r"\1.norm\2."),
    (r"^(visual\..*)\.self_attn\.out_proj\.", r"\1.attn.proj."),
    (r"^(text\..*)\.layer_norm(\d)\.", r"\1.ln_\2."),
    (r"^(text\..*)\.self_attn\.out_proj\.", r"\1.attn.out_proj."),
    (r"^(text\..*)\.mlp\.fc1\.", r"\1.mlp.c_fc."),
    (r"^(text\..*)\.mlp\.fc2\.", r"\1.mlp.c_proj."),
)
