"""What trainings minimise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Weight of AD-Net's distillation (arXiv 2406.19814).
ALPHA = 0.1


def self_distillation(weak: Tensor, strong: Tensor) -> Tensor:
    """KL(softmax(weak) || softmax(strong)), the mean over a batch of features (N, D).

    AD-Net ("Extract More from Less", arXiv 2406.19814): pooled features before the classifier,
    softmax over channels at temperature 1. Gradients go into both. One that is not finite counts
    as none.
    """
    target, seen = torch.log_softmax(weak, dim=1), torch.log_softmax(strong, dim=1)
    found = F.kl_div(seen, target, reduction="batchmean", log_target=True)
    return found if bool(torch.isfinite(found)) else weak.new_zeros(())


def adnet_loss(
    logits: Tensor, classes: Tensor, weak: Tensor, strong: Tensor, alpha: float = ALPHA
) -> Tensor:
    """Cross-entropy of the standard view, and ``alpha`` times the distillation between the features
    of the two crops, which have no loss of their own."""
    return F.cross_entropy(logits, classes) + alpha * self_distillation(weak, strong)
