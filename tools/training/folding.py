"""Batch normalisation put between convolutions and taken out again, and INT8 rehearsed."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Share of values on each side that a quantised tensor may cut off.
TAIL = 1e-4
#: Values of a tensor that its range is taken from.
SAMPLE = 1 << 16
#: Weights have seven bits: processors without VNNI add products in 16 bits.
MOST = 64


@torch.no_grad()
def normalised(net: nn.Module, pixels: Tensor) -> nn.Module:
    """A copy that computes the same, with batch normalisation behind every convolution that has a
    place for it (``norm``). Means and deviations are those over ``pixels``."""
    net = copy.deepcopy(net)
    convs = [m for m in net.modules() if isinstance(getattr(m, "norm", None), nn.Identity)]
    found: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        found[norm] = (output.float().mean((0, 2, 3)), output.float().var((0, 2, 3)))

    hooks = [conv.norm.register_forward_hook(note) for conv in convs]
    net(pixels)
    for hook in hooks:
        hook.remove()
    for conv in convs:
        mean, variance = found[conv.norm]
        norm = nn.BatchNorm2d(len(mean), eps=1e-3, momentum=0.03, device=mean.device)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean)
        conv.norm = norm
    return net


@torch.no_grad()
def folded(net: nn.Module) -> nn.Module:
    """A copy that computes the same without batch normalisation."""
    net = copy.deepcopy(net)
    for conv in net.modules():
        norm = getattr(conv, "norm", None)
        if isinstance(norm, nn.BatchNorm2d):
            gain = norm.weight / (norm.running_var + norm.eps).sqrt()
            conv.weight.mul_(gain[:, None, None, None])
            conv.bias.copy_(norm.bias + (conv.bias - norm.running_mean) * gain)
            conv.norm = nn.Identity()
    return net


def _rounded(x: Tensor) -> Tensor:
    """To whole numbers, with the gradient of the number itself."""
    return x + (torch.round(x) - x).detach()


class Rehearsal:
    """Makes the convolutions of a net compute as INT8 would, while it learns.

    Inputs have eight bits by one range each, which follows what comes; weights seven, by channel.

    Attributes:
        low, high: of every convolution's input, by its name in the net.
    """

    def __init__(self, net: nn.Module, exact: tuple[str, ...] = ()) -> None:
        self.low: dict[str, Tensor] = {}
        self.high: dict[str, Tensor] = {}
        #: How much of the ranges stays at each step; ranges are fixed while it is 1.
        self.keep = 0.9
        self.active = False
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d) and name not in exact:
                self._teach(name, module)

    def _teach(self, name: str, conv: nn.Conv2d) -> None:
        norm = getattr(conv, "norm", None)

        def forward(x: Tensor) -> Tensor:
            self._watch(name, x)
            weight = conv.weight
            if self.active:
                low, high = self.low[name], self.high[name]
                step = (high - low).clamp(min=1e-6) / 255
                zero = torch.round(-low / step)
                x = (_rounded(x / step).clamp(-zero, 255 - zero)) * step
                unit = weight.detach().abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-8) / MOST
                weight = _rounded(weight / unit) * unit
            y = F.conv2d(x, weight, conv.bias, conv.stride, conv.padding, 1, conv.groups)
            return y if norm is None else F.silu(y)

        conv.forward = forward  # type: ignore[method-assign]

    @torch.no_grad()
    def _watch(self, name: str, x: Tensor) -> None:
        if self.keep >= 1:
            return
        values = x.detach().float().flatten()
        if len(values) > SAMPLE:
            values = values[torch.randint(len(values), (SAMPLE,), device=x.device)]
        ends = values.sort().values[[int(TAIL * (len(values) - 1)), -1 - int(TAIL * len(values))]]
        low, high = ends[0].clamp(max=0), ends[1].clamp(min=0)
        if name in self.low:
            low = self.low[name].lerp(low, 1 - self.keep)
            high = self.high[name].lerp(high, 1 - self.keep)
        self.low[name], self.high[name] = low, high

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest input of every convolution."""
        return {name: (float(self.low[name]), float(self.high[name])) for name in self.low}
