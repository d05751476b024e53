"""FashionSAP as a pack: which kind of garment it is, and what its attributes are."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from engines.base import ModelFileError
from engines.packs import Label
from engines.packs.prompts import read_prompts
from engines.packs.tagger import TaggerTable
from engines.published.checkpoint import checkpoint_in
from engines.published.fashionsap import BERT_CONFIG, SYMBOLS, read_fashionsap
from engines.published.making import CLIP_MEAN, CLIP_STD, Built
from engines.published.recipes import Options
from engines.published.text_side import label_rows, text_files

VOCABULARY = "vocab.txt"
#: The labels to begin with, to be copied and edited.
PROMPTS = "prompts.txt"
#: Tokens of a sentence.
CONTEXT = 64
#: Categories of FashionGen (Rostamzadeh et al., arXiv 1806.08317) by the symbol they had in
#: training. Two are called as their symbols are, and stand by what they mostly hold.
CATEGORIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tops": ("t shirts", "shirts", "sweaters"),
        "pants": ("trousers", "jeans", "shorts"),
        "dresses": ("dresses and gowns", "suits & blazers", "jumpsuits"),
        "shoes": (
            *("sneakers", "boots", "sandals", "heels", "flats", "loafers", "lace ups"),
            *("monkstraps", "espadrilles", "boat shoes & moccasins"),
        ),
        "bags": (
            *("backpacks", "tote bags", "shoulder bags", "messenger bags", "briefcases"),
            *("messenger bags & satchels", "duffle & top handle bags", "duffle bags"),
            *("travel bags", "clutches & pouches", "pouches & document holders"),
        ),
        "accessories": (
            *("hats", "scarves", "gloves", "socks", "ties", "eyewear", "belts & suspenders"),
            *("jewelry", "fine jewelry", "keychains", "blankets", "bag accessories"),
            "pocket squares & tie bars",
        ),
        "others": ("swimwear", "underwear & loungewear", "lingerie"),
    }
)


def prompts() -> str:
    """The labels to begin with, as a file that users edit."""
    lines = [
        "# One label a line. The symbols share the probability; the labels of a group share",
        "# that of the symbol before the slash: SYMBOL/NAME: VALUE asks",
        '# "the image NAME is VALUE" of what is that symbol.',
        *(f"symbol: {symbol}" for symbol in SYMBOLS),
        *(f"{top}/category: {name}" for top, names in CATEGORIES.items() for name in names),
    ]
    return "\n".join(lines) + "\n"


def build(folder: Path, options: Options) -> Built:
    """The network in a folder with the checkpoint, BERT's configuration and the vocabulary.

    Raises:
        ModelFileError: a file is missing, unreadable, or does not fit the others.
    """
    checkpoint = checkpoint_in(folder)
    net = read_fashionsap(checkpoint, folder / BERT_CONFIG)
    side = net.config.side
    options.fixed(side)
    table: dict[str, Any] = {
        "kind": "embedder",
        "subject": "upper",
        "report": "fashion",
        "least": 0.5,
        "resize": "stretch",
        "filter": "bicubic",
        "scale": net.scale,
        "prompt": "the image description is {label}",
        "under_prompt": "[{under}_sign] the image {group} is {label}",
        "top_prompt": "[{label}_sign]",
        "context": min(CONTEXT, net.config.context),
    }
    labels = _labels(options)
    texts = text_files(net, tokenizer(folder / VOCABULARY), labels, TaggerTable(**table))
    return Built(
        net=net.visual,
        example=torch.zeros(1, 3, side, side),
        outputs=("embedding",),
        mean=CLIP_MEAN,
        std=CLIP_STD,
        labels=label_rows(labels),
        tagger=table,
        files={**texts, PROMPTS: prompts().encode()},
        free=True,
    )


def _labels(options: Options) -> tuple[Label, ...]:
    if options.tags is not None:
        return read_prompts(options.tags)
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / PROMPTS
        path.write_text(prompts(), encoding="utf-8")
        return read_prompts(path)


def tokenizer(vocabulary: Path) -> bytes:
    """A ``tokenizer.json`` of a vocabulary of BERT: texts are cleaned as in training, and begin
    with ``[CLS]``; nothing stands at their end.

    Raises:
        ModelFileError: the file is missing, or is no vocabulary with the symbols.
    """
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

    try:
        made = Tokenizer(models.WordPiece.from_file(str(vocabulary), unk_token="[UNK]"))
    except Exception as error:  # the library raises plain exceptions
        reason = " ".join(str(error).split())[:160]
        raise ModelFileError(f"{vocabulary} is no vocabulary: {reason}") from None
    signs = [f"[{symbol}_sign]" for symbol in SYMBOLS]
    found = [made.token_to_id(sign) for sign in signs]
    first = made.token_to_id("[CLS]")
    if found != list(range(1, len(SYMBOLS) + 1)) or first is None:
        raise ModelFileError(
            f"{vocabulary}: the tokens 1 to {len(SYMBOLS)} must be {signs[0]} to {signs[-1]}: it "
            "is a plain BERT's"
        )
    made.add_special_tokens([AddedToken(sign, normalized=False) for sign in signs])
    made.normalizer = _cleaning()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", first)]
    )
    return bytes(made.to_str(), "utf-8")


def _cleaning() -> Any:
    """How texts were cleaned in training."""
    from tokenizers import Regex, normalizers

    return normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"""[,.'!"()*#:;~]"""), ""),
            normalizers.Replace(Regex(r"[-/]"), " "),
            normalizers.Replace("&", "and"),
            normalizers.BertNormalizer(lowercase=True),
        ]
    )
