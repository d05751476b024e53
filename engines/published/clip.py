"""CLIP: a picture and a text in one space (Radford et al., ICML 2021).

Names of parameters are those of open_clip; checkpoints of transformers are read, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.published.checkpoint import State, renamed
from engines.published.vit import Gelu, attended, gelu, split


@dataclass(frozen=True, slots=True)
class Tower:
    """Sizes of a transformer."""

    width: int
    layers: int
    heads: int
    inner: int


@dataclass(frozen=True, slots=True)
class ClipConfig:
    """Sizes of a CLIP.

    Attributes:
        side, patch: of pictures, in pixels.
        numbers: of an embedding.
        words: how many tokens there are; ``context``: how many a text has.
        gelu: which one; ``quick``: the original's.
    """

    vision: Tower
    text: Tower
    side: int
    patch: int
    numbers: int
    words: int
    context: int
    gelu: Gelu

    @classmethod
    def of_open_clip(cls, found: Mapping[str, Any]) -> ClipConfig:
        """Of an ``open_clip_config.json``."""
        own = found["model_cfg"]
        vision, text = own["vision_cfg"], own["text_cfg"]
        if not isinstance(vision.get("layers"), int) or "hf_model_name" in text:
            raise ValueError("its towers are no plain transformers")
        wide, narrow = int(vision["width"]), int(text["width"])
        return cls(
            Tower(wide, vision["layers"], wide // vision.get("head_width", 64), 4 * wide),
            Tower(narrow, text["layers"], text["heads"], 4 * narrow),
            side=int(vision["image_size"]),
            patch=int(vision["patch_size"]),
            numbers=int(own["embed_dim"]),
            words=int(text["vocab_size"]),
            context=int(text["context_length"]),
            gelu="quick" if own.get("quick_gelu", False) else "exact",
        )

    @classmethod
    def of_transformers(cls, found: Mapping[str, Any]) -> ClipConfig:
        """Of a ``config.json`` of transformers."""
        if found.get("model_type") != "clip":
            raise ValueError(f"describes a {found.get('model_type')}")
        vision, text = found["vision_config"], found["text_config"]

        def tower(own: Mapping[str, Any]) -> Tower:
            return Tower(
                int(own["hidden_size"]),
                int(own["num_hidden_layers"]),
                int(own["num_attention_heads"]),
                int(own["intermediate_size"]),
            )

        return cls(
            tower(vision),
            tower(text),
            side=int(vision["image_size"]),
            patch=int(vision["patch_size"]),
            numbers=int(found["projection_dim"]),
            words=int(text["vocab_size"]),
            context=int(text["max_position_embeddings"]),
            gelu="quick" if vision["hidden_act"] == "quick_gelu" else "exact",
        )


class _Attention(nn.Module):
    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.heads = tower.heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * tower.width, tower.width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * tower.width))
        self.out_proj = nn.Linear(tower.width, tower.width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        three = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        query, key, value = (split(own, self.heads) for own in three)
        return self.out_proj(attended(query, key, value, mask))


class _Block(nn.Module):
    def __init__(self, tower: Tower, kind: Gelu, epsilon: float) -> None:
        super().__init__()
        self.kind: Gelu = kind
        self.ln_1 = nn.LayerNorm(tower.width, epsilon)
        self.attn = _Attention(tower)
        self.ln_2 = nn.LayerNorm(tower.width, epsilon)
        self.mlp = nn.ModuleDict(
            {
                "c_fc": nn.Linear(tower.width, tower.inner),
                "c_proj": nn.Linear(tower.inner, tower.width),
            }
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.attn(self.ln_1(x), mask)
        return x + self.mlp["c_proj"](gelu(self.mlp["c_fc"](self.ln_2(x)), self.kind))


class Transformer(nn.Module):
    """Blocks with the names of open_clip: ``forward`` takes and returns tokens (n, tokens,
    width)."""

    def __init__(self, tower: Tower, kind: Gelu, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(tower, kind, epsilon) for _ in range(tower.layers))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class _Vision(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width = config.vision.width
        cells = (config.side // config.patch) ** 2
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(cells + 1, width))
        self.proj = nn.Parameter(torch.zeros(width, config.numbers))
        self.conv1 = nn.Conv2d(3, width, config.patch, config.patch, bias=False)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(config.vision, config.gelu)
        self.ln_post = nn.LayerNorm(width)

    def forward(self, pixel_values: Tensor) -> Tensor:
        cells = self.conv1(pixel_values).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(cells.shape[0], 1, -1)
        x = self.ln_pre(torch.cat([first, cells], dim=1) + self.positional_embedding)
        return F.normalize(self.ln_post(self.transformer(x)[:, 0]) @ self.proj, dim=-1)


class Clip(nn.Module):
    """``visual`` takes pictures float32 (n, 3, side, side), RGB, normalised; ``words`` takes tokens
    int64 (n, context). Both return embeddings (n, numbers) of unit length."""

    mask: Tensor

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        width = config.text.width
        self.visual = _Vision(config)
        self.token_embedding = nn.Embedding(config.words, width)
        self.positional_embedding = nn.Parameter(torch.zeros(config.context, width))
        self.transformer = Transformer(config.text, config.gelu)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, config.numbers))
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())
        ahead = torch.full((config.context, config.context), -torch.inf).triu(1)
        self.register_buffer("mask", ahead, persistent=False)

    def words(self, tokens: Tensor) -> Tensor:
        """Embeddings of texts; what stands for a text is its last token, of the highest number."""
        x = self.token_embedding(tokens) + self.positional_embedding
        x = self.ln_final(self.transformer(x, self.mask))
        last = tokens.argmax(dim=-1)[:, None, None].expand(-1, 1, x.shape[2])
        return F.normalize(x.gather(1, last)[:, 0] @ self.text_projection, dim=-1)


def as_open_clip(state: State) -> State:
    """A checkpoint of transformers with the names of open_clip."""
    found: State = {}
    for name, own in state.items():
        new = renamed(name, _RENAMED)
        if new in ("visual.proj", "text_projection"):
            own = own.T
        if match := re.fullmatch(r"(.*\.attn)\.q_proj\.(weight|bias)", new):
            parts = [state[name.replace("q_proj", f"{one}_proj")] for one in "qkv"]
            found[f"{match[1]}.in_proj_{match[2]}"] = torch.cat(parts)
        elif not re.fullmatch(r".*\.attn\.[kv]_proj\..*", new):
            found[new] = own
    return found


_RENAMED = (
    (r"^vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
    (r"^text_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"^vision_model\.embeddings\.class_embedding$", "visual.class_embedding"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "visual.conv1."),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "visual.positional_embedding"),
    (r"^vision_model\.pre_layrnorm\.", "visual.ln_pre."),
    (r"^vision_model\.post_layernorm\.", "visual.ln_post."),
    (r"^visual_projection\.weight$", "visual.proj"),
    (r"^text_model\.embeddings\.token_embedding\.", "token_embedding."),
    (r"^text_model\.embeddings\.position_embedding\.weight$", "positional_embedding"),
    (r"^text_model\.final_layer_norm\.", "ln_final."),
    (r"^text_projection\.weight$", "text_projection"),
    (r"\.self_attn\.", ".attn."),
    (r"\.layer_norm(\d)\.", r".ln_\1."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)
