"""The best picture of every person, with the tags below it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.files import make_folder, make_pictures, replace_file
from pipeline.picture.crop import clip_box, person_window
from pipeline.settings.section import PerSource
from pipeline.sinks.annotate import Bgr, snapshot, tag_text
from pipeline.sinks.settings import Place, SinkSettings
from pipeline.types import Frame, TaggedFrame, Track


class SnapshotsSettings(SinkSettings):
    """The best picture of every person."""

    enabled: bool = True


@dataclass(slots=True)
class _Shot:
    crop: Bgr
    caption: tuple[str, ...] = ()


class SnapshotSink:
    """``snapshots/CAMERA/person-0012.jpg``, replaced when a better crop or other tags come."""

    name = "snapshots"

    def __init__(self, settings: PerSource[SnapshotsSettings], place: Place) -> None:
        self._settings = settings
        self._live = place.live
        self._folder = place.folder / "snapshots"
        self._shots: dict[tuple[str, int], _Shot] = {}

    def write(self, tagged: TaggedFrame) -> None:
        frame = tagged.frame
        if not self._settings.of(frame.source).wanted(self._live):
            return
        for track in tagged.tracks:
            key = (frame.source, track.id)
            if track.best:
                self._shots[key] = _Shot(_cut(frame, track))
            shot = self._shots.get(key)
            caption = tuple(tag_text(tag) for tag in track.tags)
            if shot is not None and caption and caption != shot.caption:
                shot.caption = caption
                self._save(frame.source, track, shot)
        for track_id in tagged.ended:
            self._shots.pop((frame.source, track_id), None)

    def forget(self, source: str) -> None:
        self._shots = {key: shot for key, shot in self._shots.items() if key[0] != source}

    def _save(self, source: str, track: Track, shot: _Shot) -> None:
        path = self._folder / source / f"person-{track.id:04d}.jpg"
        make_folder(path.parent, private=True)
        picture = snapshot(shot.crop, f"{source} #{track.id}", track.tags)
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
        replace_file(path, packed.tobytes(), durable=False, private=True)

    def __enter__(self) -> SnapshotSink:
        make_pictures(self._folder)
        return self

    def __exit__(self, *error: object) -> None:
        self._shots.clear()


def _cut(frame: Frame, track: Track) -> Bgr:
    """The person with a margin, inside of the frame, BGR."""
    height = track.box[3] - track.box[1]
    width = max(track.box[2] - track.box[0], 0.4 * height)
    window = person_window(track.box, (max(round(width), 1), max(round(height), 1)))
    x0, y0, x1, y1 = (int(v) for v in clip_box(window, frame))
    return np.ascontiguousarray(frame.crop((x0, y0, x1, y1))[:, :, ::-1])
