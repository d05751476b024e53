"""What cameras do to a picture, on the training's own device: light, colour, blur, codec, noise.

Every function takes and returns float32 pixels (n, 3, height, width), 0 to 255.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

#: Quantisation of luma and chroma in JPEG at quality 50 (ITU-T T.81, annex K), by rows.
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)
#: RGB to Y, Cb, Cr (BT.601).
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def _between(count: int, low: float, high: float, like: Tensor) -> Tensor:
    return (torch.rand(count, device=like.device) * (high - low) + low)[:, None, None, None]


def light(x: Tensor) -> Tensor:
    """Brightness, contrast, gamma, saturation and a colour cast; some grey, some by night."""
    n = len(x)
    grey = (x * x.new_tensor(_YCC[0])[None, :, None, None]).sum(1, keepdim=True)
    fade = _between(n, 0.5, 1.4, x)
    fade = torch.where(_between(n, 0, 1, x) < 0.12, torch.zeros_like(fade), fade)
    x = grey + (x - grey) * fade
    cast = torch.exp(torch.randn((n, 3, 1, 1), device=x.device) * 0.06) * fade.clamp(0, 1)
    x = x * torch.where(fade > 0, cast / cast.mean(1, keepdim=True).clamp(min=0.1), 1.0)
    middle = x.mean((1, 2, 3), keepdim=True)
    x = (x - middle) * _between(n, 0.65, 1.3, x) + middle + _between(n, -30, 30, x)
    x = 255 * (x.clamp(0, 255) / 255 + 1e-4) ** torch.exp(_between(n, -0.35, 0.35, x))
    night = _between(n, 0, 1, x) < 0.08
    dim = _between(n, 0.25, 0.6, x)
    dark = x * dim + torch.randn_like(x[:, :1]) * _between(n, 2, 12, x)
    return torch.where(night, dark, x).clamp(0, 255)


def _blurred(x: Tensor, across: float, down: float) -> Tensor:
    """Gaussian blur; the deviations are pixels."""
    for axis, deviation in ((3, across), (2, down)):
        if deviation < 0.2:
            continue
        reach = math.ceil(2.5 * deviation)
        taps = torch.arange(-reach, reach + 1, device=x.device).float()
        kernel = torch.exp(-(taps**2) / (2 * deviation**2))
        shape = [1, 1, 1, 1]
        shape[axis] = len(kernel)
        weight = (kernel / kernel.sum()).reshape(shape).expand(3, -1, -1, -1)
        padding = (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach)
        x = F.conv2d(F.pad(x, padding, mode="replicate"), weight, groups=3)
    return x


def codec(x: Tensor) -> Tensor:
    """Blocks of eight by eight pixels quantised, chroma at half the size, as JPEG does."""
    n, _, height, width = x.shape
    ycc = torch.einsum("ij,njhw->nihw", x.new_tensor(_YCC), x)
    steps = torch.arange(8, device=x.device).float()
    dct = torch.cos((2 * steps[None] + 1) * steps[:, None] * math.pi / 16) * 0.5
    dct[0] /= math.sqrt(2)
    quality = _between(n, 12, 75, x)
    factor = torch.where(quality < 50, 50 / quality, 2 - quality / 50)[..., None, None]

    def rounded(plane: Tensor, table: tuple[int, ...]) -> Tensor:
        step = (x.new_tensor(table).reshape(8, 8) * factor).clamp(min=1)
        blocks = plane.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
        found = torch.round(dct @ blocks @ dct.T / step) * step
        return (dct.T @ found @ dct).transpose(3, 4).flatten(4, 5).flatten(2, 3)

    luma = rounded(ycc[:, :1] - 128, _LUMA) + 128
    chroma = F.avg_pool2d(ycc[:, 1:], 2)
    sides = chroma.shape[2:]
    chroma = F.pad(chroma, (0, -sides[1] % 8, 0, -sides[0] % 8), mode="replicate")
    chroma = rounded(chroma, _CHROMA)[..., : sides[0], : sides[1]]
    chroma = F.interpolate(chroma, (height, width), mode="bilinear", align_corners=False)
    whole = torch.cat([luma, chroma], dim=1)
    back = torch.linalg.inv(x.new_tensor(_YCC))
    return torch.einsum("ij,njhw->nihw", back, whole).clamp(0, 255)


def _number(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))


def _some(x: Tensor, share: float, change: Callable[[Tensor], Tensor]) -> None:
    """Change a random share of the pictures, in place."""
    rows = torch.nonzero(torch.rand(len(x), device=x.device) < share)[:, 0]
    if len(rows):
        x[rows] = change(x[rows])


def _fewer_pixels(x: Tensor) -> Tensor:
    part = F.interpolate(x, scale_factor=_number(0.35, 0.9), mode="bilinear", antialias=True)
    return F.interpolate(part, x.shape[2:], mode="bilinear", align_corners=False)


def _sharpened(x: Tensor) -> Tensor:
    return x + (x - _blurred(x, 1.0, 1.0)) * _number(0.3, 1.5)


def _noisy(x: Tensor) -> Tensor:
    return x + torch.randn_like(x) * _between(len(x), 0, 14, x)


def _interlaced(x: Tensor) -> Tensor:
    x[:, :, 1::2] = x[:, :, 1::2].roll(round(_number(1, 4)), dims=3)
    return x


def seen_by_camera(x: Tensor) -> Tensor:
    """Light, then for some pictures each: a soft lens, movement, fewer pixels, sharpening, noise,
    interlaced lines and a codec."""
    x = light(x)
    _some(x, 0.15, lambda part: _blurred(part, _number(0.4, 1.2), _number(0.4, 1.2)))
    _some(x, 0.08, lambda part: _blurred(part, _number(1, 3), 0))
    _some(x, 0.04, lambda part: _blurred(part, 0, _number(0.7, 2)))
    _some(x, 0.14, _fewer_pixels)
    _some(x, 0.14, _fewer_pixels)
    _some(x, 0.15, _sharpened)
    _some(x, 0.35, _noisy)
    _some(x, 0.04, _interlaced)
    _some(x, 0.5, lambda part: codec(part.clamp(0, 255)))
    return x.clamp(0, 255)


def faults(x: Tensor, share: float = 0.6) -> Tensor:
    """A share of the pictures as cameras show them; the others a little brighter or darker."""
    x = (x * _between(len(x), 0.85, 1.15, x)).clamp(0, 255)
    _some(x, share, seen_by_camera)
    return x.round()
