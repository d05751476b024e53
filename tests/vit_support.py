"""Files of transformers, made for a test."""

from __future__ import annotations

import numpy as np


def google(shape):
    """A file as Google writes it, with random numbers."""
    rng = np.random.default_rng(0)
    width, heads = shape.width, shape.heads
    each = width // heads

    def made(*size):
        return rng.normal(0, 0.05, size).astype(np.float32)

    found = {
        "cls": made(1, 1, width),
        "Transformer/posembed_input/pos_embedding": made(1, 1 + shape.grid**2, width),
        "embedding/kernel": made(shape.patch, shape.patch, 3, width),
        "embedding/bias": made(width),
        "Transformer/encoder_norm/scale": made(width),
        "Transformer/encoder_norm/bias": made(width),
    }
    for i in range(shape.depth):
        own = f"Transformer/encoderblock_{i}"
        for norm in ("LayerNorm_0", "LayerNorm_2"):
            found |= {f"{own}/{norm}/scale": made(width), f"{own}/{norm}/bias": made(width)}
        heard = f"{own}/MultiHeadDotProductAttention_1"
        for part in ("query", "key", "value"):
            found[f"{heard}/{part}/kernel"] = made(width, heads, each)
            found[f"{heard}/{part}/bias"] = made(heads, each)
        found |= {f"{heard}/out/kernel": made(heads, each, width), f"{heard}/out/bias": made(width)}
        found |= {f"{own}/MlpBlock_3/Dense_0/kernel": made(width, 4 * width)}
        found |= {f"{own}/MlpBlock_3/Dense_0/bias": made(4 * width)}
        found |= {f"{own}/MlpBlock_3/Dense_1/kernel": made(4 * width, width)}
        found |= {f"{own}/MlpBlock_3/Dense_1/bias": made(width)}
    return found
