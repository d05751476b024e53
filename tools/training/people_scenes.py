"""Scenes to train the person detector on, composed on the training's own device.

All pictures lie decoded in its memory. A scene is a picture at a random place and scale, four of
them side by side, or one with people cut out of others before it; boxes go along.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.people_pictures import Pictures, cut, drawn, moved

#: Marks of boxes.
NOBODY, PERSON, IGNORE = 0, 1, 2
#: Input sizes (width, height), multiples of 32, and how often each is drawn.
SIZES = (
    ((512, 288), 0.36),
    ((448, 320), 0.16),
    ((384, 384), 0.16),
    ((320, 448), 0.10),
    ((288, 512), 0.06),
    ((576, 256), 0.04),
    ((416, 192), 0.06),
    ((640, 352), 0.06),
)
#: People lower than this in a scene are neither wanted nor punished.
LEAST_HEIGHT = 14.0
#: Visible share of a person's box under which the person is neither wanted nor punished.
LEAST_VISIBLE = 0.3
#: People pasted into a scene, at most, and how often none to that many.
PASTED = (0.0, 0.34, 0.22, 0.16, 0.12, 0.08, 0.08)


@dataclass(frozen=True, slots=True)
class Batch:
    """Scenes: pixels (n, 3, height, width) 0 to 255, boxes (n, most, 4) xyxy and their marks."""

    pixels: Tensor
    boxes: Tensor
    marks: Tensor


def _between(shape: tuple[int, ...], low: float, high: float, like: Tensor) -> Tensor:
    return torch.rand(shape, device=like.device) * (high - low) + low


def _sorted_out(boxes: Tensor, marks: Tensor, left: Tensor, height: int) -> Tensor:
    """Marks of boxes of which ``left`` can be seen: who is too small or mostly hidden is left
    alone. A close person cut by the frame is what a store camera sees: size makes up for it."""
    tall = boxes[..., 3] - boxes[..., 1]
    wide = boxes[..., 2] - boxes[..., 0]
    wanted = (left >= LEAST_VISIBLE) & (tall >= LEAST_HEIGHT)
    wanted |= (left >= 0.12) & (tall >= 0.3 * height)
    gone = (left <= 0.02) | (tall < 1) | (wide < 1)
    marks = torch.where((marks == PERSON) & ~wanted, IGNORE, marks)
    return torch.where(gone, NOBODY, marks)


@dataclass(slots=True)
class Material:
    """Everything scenes are made of: pictures with people, pictures without, people cut out (a
    fourth channel is their coverage), and how often each picture with people is drawn."""

    real: Pictures
    empty: Pictures
    cutouts: Pictures
    often: Tensor

    def _placed(self, room: Tensor, empty: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which picture fills each room (n, 4), at which scale and shift."""
        count = len(room)
        which = torch.where(
            empty,
            torch.randint(len(self.empty), (count,), device=room.device),
            torch.multinomial(self.often, count, replacement=True),
        )
        sizes = torch.where(empty[:, None], self.empty.sizes[which % len(self.empty)],
                            self.real.sizes[which % len(self.real)])  # fmt: skip
        space = room[:, 2:] - room[:, :2]
        fit = space / sizes
        low, high = fit.amin(1, keepdim=True), fit.amax(1, keepdim=True)
        between = torch.rand((count, 1), device=room.device).sqrt()
        scale = low * (high / low) ** between
        scale = scale * torch.exp(_between((count, 1), math.log(0.6), math.log(1.7), room))
        bend = torch.exp(_between((count, 1), -0.13, 0.13, room))
        scale = torch.cat([scale * bend, scale / bend], dim=1)
        # Most look at somebody; people much larger than the picture teach little.
        boxes = self.real.boxes[which % len(self.real)]
        people = (self.real.marks[which % len(self.real)] == PERSON).float()
        one = torch.multinomial(people + 1e-6, 1)[:, 0]
        chosen = boxes[torch.arange(count, device=room.device), one]
        around = (people.sum(1) > 0) & ~empty & (torch.rand(count, device=room.device) < 0.7)
        tall = (chosen[:, 3] - chosen[:, 1]).clamp(min=1)
        near = torch.where(torch.rand(count, device=room.device) < 0.75, 1.2, 2.0)
        largest = torch.where(around, near * space[:, 1] / tall, torch.inf)
        scale = scale * (largest / scale[:, 1]).clamp(max=1)[:, None]
        focus = torch.rand((count, 2), device=room.device)
        spot = torch.where(
            around[:, None], chosen[:, :2] + focus * (chosen[:, 2:] - chosen[:, :2]), focus * sizes
        )
        shift = space * _between((count, 2), 0.15, 0.85, room) - spot * scale
        slack = space - sizes * scale
        shift = torch.minimum(torch.maximum(shift, slack.clamp(max=0)), slack.clamp(min=0))
        mirror = torch.rand(count, device=room.device) < 0.5
        x = torch.where(mirror, shift[:, 0] + sizes[:, 0] * scale[:, 0], shift[:, 0])
        scale = torch.stack([torch.where(mirror, -scale[:, 0], scale[:, 0]), scale[:, 1]], dim=1)
        return which, scale, torch.stack([x, shift[:, 1]], dim=1) + room[:, :2]

    def _fill(
        self, canvas: Tensor, rows: Tensor, room: Tensor, empty: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Draw a picture into a room (n, 4) of each of some canvases; its boxes and marks."""
        height, width = canvas.shape[2:]
        which, scale, shift = self._placed(room, empty)
        xs = torch.arange(width, device=room.device)[None, None]
        ys = torch.arange(height, device=room.device)[None, :, None]
        there = (xs >= room[:, 0, None, None]) & (xs < room[:, 2, None, None])
        there = there & (ys >= room[:, 1, None, None]) & (ys < room[:, 3, None, None])
        pad = _between((len(rows), 3, 1, 1), 0, 255, room)
        pad = torch.where(torch.rand_like(pad[:, :1]) < 0.5, torch.full_like(pad, 114.0), pad)
        for source, here in ((self.real, ~empty), (self.empty, empty)):
            some = torch.nonzero(here)[:, 0]
            if len(some):
                layer = drawn(source, which[some], scale[some], shift[some], (width, height))
                image = torch.where(layer[:, -1:] > 0.5, layer[:, :3], pad[some])
                old = canvas[rows[some]]
                canvas[rows[some]] = torch.where(there[some][:, None], image, old)
        known = which % len(self.real)
        boxes = moved(self.real.boxes[known], scale, shift)
        marks = torch.where(empty[:, None], NOBODY, self.real.marks[known])
        inside, left = cut(boxes, room)
        return inside, _sorted_out(inside, marks, left, height)

    def scenes(self, count: int, size: tuple[int, int]) -> Batch:
        """Some training scenes of one size."""
        width, height = size
        device = self.often.device
        canvas = torch.zeros((count, 3, height, width), device=device)
        kind = torch.rand(count, device=device)
        four = kind < 0.3
        pasted = kind > 0.62
        centre = torch.rand((count, 2), device=device) * 0.7 + 0.15
        x = torch.where(four, (centre[:, 0] * width).round(), width)
        y = torch.where(four, (centre[:, 1] * height).round(), height)
        zero = torch.zeros_like(x)
        right, low = torch.full_like(x, width), torch.full_like(y, height)
        rooms = [
            torch.stack(r, dim=1)
            for r in (
                (zero, zero, x, y),
                (x, zero, right, y),
                (zero, y, x, low),
                (x, y, right, low),
            )
        ]
        most = self.real.boxes.shape[1]
        boxes = torch.zeros((count, 4 * most, 4), device=device)
        marks = torch.zeros((count, 4 * most), dtype=torch.long, device=device)
        for k, room in enumerate(rooms):
            rows = torch.arange(count, device=device) if k == 0 else torch.nonzero(four)[:, 0]
            if not len(rows):
                continue
            chance = torch.where(pasted, 0.6, 0.4)[rows]
            empty = torch.rand(len(rows), device=device) < chance
            slots = slice(k * most, (k + 1) * most)
            boxes[rows, slots], marks[rows, slots] = self._fill(canvas, rows, room[rows], empty)
        more = self._paste(canvas, torch.nonzero(pasted)[:, 0], boxes, marks)
        return _packed(canvas, torch.cat([boxes, more[0]], 1), torch.cat([marks, more[1]], 1))

    def _paste(
        self, canvas: Tensor, rows: Tensor, boxes: Tensor, marks: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Draw people before some canvases, the nearest last; their boxes and marks. Marks of those
        they hide change in place."""
        height, width = canvas.shape[2:]
        count, most = len(canvas), len(PASTED) - 1
        new = torch.zeros((count, most, 4), device=canvas.device)
        made = torch.zeros((count, most), dtype=torch.long, device=canvas.device)
        if not len(rows):
            return new, made
        number = torch.multinomial(torch.tensor(PASTED, device=canvas.device), len(rows), True)
        top = torch.where(number <= 2, 1.5, 0.9) * height
        tall = torch.exp(
            torch.rand((len(rows), most), device=canvas.device) * torch.log(top / 18)[:, None]
            + math.log(18)
        ).sort(dim=1).values  # fmt: skip
        near = torch.rand(len(rows), device=canvas.device) * width
        room = torch.tensor([0.0, 0.0, width, height], device=canvas.device)
        seen = torch.zeros((len(rows), most, height // 4, width // 4), device=canvas.device)
        whole = torch.zeros((len(rows), most), device=canvas.device)
        for k in range(most):
            some = torch.nonzero(number > k)[:, 0]
            if not len(some):
                break
            scale, shift, which = self._stand(tall[some, k], near[some], (width, height))
            layer = drawn(self.cutouts, which, scale, shift, (width, height))
            cover = layer[:, 3:4] * layer[:, 4:] / 255
            light = _between((len(some), 3, 1, 1), 0.9, 1.1, tall) * _between(
                (len(some), 1, 1, 1), 0.6, 1.25, tall
            )
            image = (layer[:, :3] * light + _between((len(some), 1, 1, 1), -15, 15, tall)).clamp(
                0, 255
            )
            spot = rows[some]
            canvas[spot] = cover * image + (1 - cover) * canvas[spot]
            small = F.avg_pool2d(cover, 4)[:, 0]
            seen[some] *= (1 - small)[:, None]
            seen[some, k] = small
            whole[some, k] = small.sum((1, 2))
            box = moved(self.cutouts.boxes[which], scale, shift)[:, 0]
            inside, left = cut(box[:, None], room.expand(len(some), 4))
            new[spot, k] = inside[:, 0]
            made[spot, k] = _sorted_out(
                inside, torch.ones_like(inside[..., 0], dtype=torch.long), left, height
            )[:, 0]
        visible = torch.zeros_like(made, dtype=torch.float)
        visible[rows] = seen.sum((2, 3)) / whole.clamp(min=1e-3)
        new_marks = torch.where((made == PERSON) & (visible < LEAST_VISIBLE), IGNORE, made)
        new_marks = torch.where(visible < 0.03, NOBODY, new_marks)
        hidden = _covered(1 - (1 - seen.sum(1)).clamp(0, 1), boxes[rows])
        old = marks[rows]
        old = torch.where((old == PERSON) & (hidden > 1 - LEAST_VISIBLE), IGNORE, old)
        marks[rows] = torch.where(hidden > 0.97, NOBODY, old)
        return new, new_marks

    def _stand(
        self, tall: Tensor, near: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Where and how large people stand: scale, shift, and who."""
        width, height = size
        count = len(tall)
        which = torch.randint(len(self.cutouts), (count,), device=tall.device)
        sizes = self.cutouts.sizes[which]
        sy = tall / sizes[:, 1]
        sx = sy * torch.exp(_between((count,), -0.15, 0.15, tall))
        wide = sizes[:, 0] * sx
        together = torch.rand(count, device=tall.device) < 0.4
        x = (
            torch.where(
                together,
                near + torch.randn(count, device=tall.device) * 0.25 * tall,
                torch.rand(count, device=tall.device) * width,
            )
            - wide / 2
        )
        low = torch.where(tall < height, -0.15 * tall, height * 0.6 - tall)
        high = torch.maximum(height - 0.4 * tall, low + 1)
        y = low + torch.rand(count, device=tall.device) * (high - low)
        mirror = torch.rand(count, device=tall.device) < 0.5
        x = torch.where(mirror, x + wide, x)
        scale = torch.stack([torch.where(mirror, -sx, sx), sy], dim=1)
        return scale, torch.stack([x, y], dim=1), which


def _covered(cover: Tensor, boxes: Tensor) -> Tensor:
    """Mean of a map (n, height/4, width/4) inside of boxes (n, most, 4) of the canvas."""
    total = F.pad(cover.cumsum(1).cumsum(2), (1, 0, 1, 0))
    height, width = cover.shape[1:]
    x0, x1 = (boxes[..., k].div(4).round().long().clamp(0, width) for k in (0, 2))
    y0, y1 = (boxes[..., k].div(4).round().long().clamp(0, height) for k in (1, 3))
    n = torch.arange(len(boxes), device=boxes.device)[:, None]
    inside = total[n, y1, x1] - total[n, y0, x1] - total[n, y1, x0] + total[n, y0, x0]
    return inside / ((x1 - x0) * (y1 - y0)).clamp(min=1)


def _packed(canvas: Tensor, boxes: Tensor, marks: Tensor, most: int = 48) -> Batch:
    """People first, then what is ignored, then nothing."""
    order = torch.where(marks == PERSON, 0, torch.where(marks == IGNORE, 1, 2)).sort(
        dim=1, stable=True
    )
    order = order.indices[:, :most]
    return Batch(
        canvas, boxes.gather(1, order[..., None].expand(-1, -1, 4)), marks.gather(1, order)
    )
