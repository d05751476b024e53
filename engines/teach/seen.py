"""Features of a network before it is trained, kept for when a course is interrupted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engines.nets.taught import Taught
from engines.teach.room import Room
from engines.teach.trainer import look
from engines.teach.twins import Image

#: Pictures whose features are kept together.
_SHARD = 128


def seen(
    net: Taught, pictures: Sequence[Image], room: Room, mirrored: bool = False
) -> npt.NDArray[np.float32]:
    """Features (1, n, width) of pictures, or (2, n, width) of them and their mirror images, kept
    part by part in the room's folder. The network is back on the processor afterwards."""
    views, parts = 1 + mirrored, []
    room.watch.begin("features", views * len(pictures), 0)
    net = net.to(room.device)
    for start in range(0, len(pictures), _SHARD):
        file = room.work / f"features-{start // _SHARD:04}.npy"
        own = [list(pictures[start : start + _SHARD])]
        if file.exists():
            parts.append(np.load(file, allow_pickle=False))
            room.watch.step(views * len(own[0]))
            continue
        if mirrored:
            own.append([np.ascontiguousarray(rgb[:, ::-1]) for rgb in own[0]])
        parts.append(np.stack([look(net, view, room.side, room.watch)[1] for view in own]))
        partial = file.with_suffix(".part")
        with partial.open("wb") as opened:
            np.save(opened, parts[-1])
        partial.replace(file)
    net.to("cpu")
    return np.concatenate(parts, axis=1)
