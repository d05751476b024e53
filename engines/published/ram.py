"""RAM and RAM++: thousands of tags of a picture (Zhang et al., arXiv 2306.03514; Huang et al.,
arXiv 2310.15200).

Every tag is a question to the picture, and none sees the others: leaving tags out changes nothing
for the rest. Names of parameters are those of the checkpoints.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.base import ModelFileError
from engines.published.bias_tables import BIAS_TABLE, for_window
from engines.published.checkpoint import State, load_state, read_state
from engines.published.swin import Swin, SwinConfig

#: Numbers of a tag's embedding, and of a question.
WORD = 512
HIDDEN = 768
HEADS = 4
INNER = 3072
LAYERS = 2
#: Descriptions of a tag that RAM++ weighs for each picture.
DESCRIPTIONS = 51
#: What checkpoints hold besides: captions, and what is computed anew.
IGNORED = r"(tag_encoder|text_decoder)\..*|.*(relative_position_index|attn_mask)"


@dataclass(frozen=True, slots=True)
class RamConfig:
    """Sizes of a RAM.

    Attributes:
        tags: how many there are.
        descriptions: of each tag; 1: RAM, more: RAM++.
    """

    swin: SwinConfig = field(default_factory=SwinConfig)
    tags: int = 4585
    descriptions: int = 1


class _Asking(nn.Module):
    """Attention of questions (n, tags, HIDDEN) to a picture's tokens (n, tokens, WORD)."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(HIDDEN, HIDDEN)
        self.key = nn.Linear(WORD, HIDDEN)
        self.value = nn.Linear(WORD, HIDDEN)

    def forward(self, query: Tensor, tokens: Tensor) -> Tensor:
        """``query``: what ``self.query`` makes of the questions."""
        parts = [
            x.unflatten(2, (HEADS, -1)).transpose(1, 2)
            for x in (query, self.key(tokens), self.value(tokens))
        ]
        scores = parts[0] @ parts[1].transpose(2, 3) * (HIDDEN // HEADS) ** -0.5
        return (scores.softmax(dim=-1) @ parts[2]).transpose(1, 2).flatten(2)


class _Output(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, HIDDEN)
        self.LayerNorm = nn.LayerNorm(HIDDEN, eps=1e-12)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(before + self.dense(x))


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.crossattention = nn.ModuleDict({"self": _Asking(), "output": _Output(HIDDEN)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(HIDDEN, INNER)})
        self.output = _Output(INNER)

    def forward(self, questions: Tensor, tokens: Tensor, query: Tensor | None = None) -> Tensor:
        asking = self.crossattention["self"]
        seen = asking(asking.query(questions) if query is None else query, tokens)
        seen = self.crossattention["output"](seen, questions)
        return self.output(F.gelu(self.intermediate["dense"](seen)), seen)


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = nn.ModuleList(_Layer() for _ in range(LAYERS))
        self.encoder = nn.ModuleDict({"layer": layers})


class Ram(nn.Module):
    """``forward`` takes pictures float32 (n, 3, side, side), RGB, normalised, and returns a logit
    for every tag (n, tags)."""

    def __init__(self, config: RamConfig) -> None:
        super().__init__()
        self.config = config
        self.visual_encoder = Swin(config.swin)
        self.image_proj = nn.Linear(config.swin.outputs, WORD)
        self.wordvec_proj = nn.Linear(WORD, HIDDEN)
        self.tagging_head = _Head()
        self.fc = nn.Linear(HIDDEN, 1)
        self.label_embed = nn.Parameter(torch.zeros(config.tags * config.descriptions, WORD))
        if config.descriptions > 1:
            self.reweight_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, pixel_values: Tensor) -> Tensor:
        tokens = self.image_proj(self.visual_encoder(pixel_values))
        return self.answers(self.questions(tokens, self.label_embed), tokens)

    def questions(self, tokens: Tensor, words: Tensor) -> Tensor:
        """Questions (n, tags, HIDDEN) of embeddings (tags * descriptions, WORD): of RAM++ the mean
        of each tag's descriptions, weighted by how well they fit the picture."""
        if self.config.descriptions > 1:
            picture = F.normalize(tokens[:, 0], dim=-1) * self.reweight_scale.exp()
            by_tag = words.unflatten(0, (-1, self.config.descriptions))
            weights = torch.einsum("be,tde->btd", picture, by_tag).softmax(dim=-1)
            mean = torch.einsum("btd,tde->bte", weights, by_tag)
        else:
            mean = words.expand(tokens.shape[0], -1, -1)
        return F.relu(self.wordvec_proj(mean))

    def answers(self, questions: Tensor, tokens: Tensor, query: Tensor | None = None) -> Tensor:
        """Logits (n, tags); ``query`` is what the first layer makes of the questions, where it is
        known already."""
        first, *others = self.tagging_head.encoder["layer"]
        x = first(questions, tokens, query)
        for layer in others:
            x = layer(x, tokens)
        return self.fc(x)[..., 0]


class ChosenRam(nn.Module):
    """A RAM that is asked some tags only, by their indices. What depends on no picture is computed
    once for all."""

    questions: Tensor | None
    query: Tensor | None

    def __init__(self, net: Ram, chosen: Sequence[int]) -> None:
        super().__init__()
        self.net = net
        each = net.config.descriptions
        rows = torch.tensor([i * each + k for i in chosen for k in range(each)])
        words = net.label_embed.detach()[rows]
        questions = query = None
        if each == 1:
            with torch.no_grad():
                questions = net.questions(words[None], words)
                query = net.tagging_head.encoder["layer"][0].crossattention["self"].query(questions)
        self.register_buffer("words", words)
        self.register_buffer("questions", questions)
        self.register_buffer("query", query)

    def forward(self, pixel_values: Tensor) -> Tensor:
        net = self.net
        tokens = net.image_proj(net.visual_encoder(pixel_values))
        if self.questions is None:
            return net.answers(net.questions(tokens, self.words), tokens)
        return net.answers(self.questions, tokens, self.query)


def read_ram(path: Path, swin: SwinConfig | None = None) -> Ram:
    """A RAM or RAM++ of a checkpoint; which one, and how many tags, the checkpoint tells.

    Args:
        swin: its encoder; that of the checkpoint may have larger windows.

    Raises:
        ModelFileError: it cannot be read, or is another network's.
    """
    state: State = {
        re.sub(r"^vision_multi\.", "tagging_head.", name): own
        for name, own in read_state(path, "model").items()
    }
    words = state.get("label_embed")
    if words is None or words.ndim != 2:
        raise ModelFileError(f"{path} has no label_embed: it is no RAM")
    each = DESCRIPTIONS if "reweight_scale" in state else 1
    if len(words) % each:
        raise ModelFileError(f"{path}: {len(words)} rows of label_embed are not {each} a tag")
    net = Ram(RamConfig(swin or SwinConfig(), len(words) // each, each))
    for name, own in net.state_dict().items():
        if name.endswith(BIAS_TABLE) and name in state:
            state[name] = for_window(state[name], len(own))
    load_state(net, state, IGNORED)
    return net.eval()
