"""The best picture of every person, with the tags below it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import cv2

from pipeline.files import make_folder, make_pictures, replace_file
from pipeline.picture.crop import clip_box, person_window
from pipeline.pictures import FOLDER, snapshot_file
from pipeline.settings.section import PerSource
from pipeline.sinks.annotate import snapshot, tag_text
from pipeline.sinks.privacy import Bgr, shown
from pipeline.sinks.settings import Place, SinkSettings
from pipeline.types import TaggedFrame, Track

#: People whose best crops are kept; of more, those seen longest ago are let go of.
_MOST = 300


class SnapshotsSettings(SinkSettings):
    """The best picture of every person."""

    enabled: bool = True


@dataclass(slots=True)
class _Shot:
    crop: Bgr
    caption: tuple[str, ...] = ()


class SnapshotSink:
    """``snapshot_file`` of every visit, replaced when a better crop or other tags come."""

    name = "snapshots"

    def __init__(self, settings: PerSource[SnapshotsSettings], place: Place) -> None:
        self._settings = settings
        self._live = place.live
        self._folder = place.folder
        self._shots: OrderedDict[tuple[str, str], _Shot] = OrderedDict()

    def write(self, tagged: TaggedFrame) -> None:
        frame = tagged.frame
        if not self._settings.of(frame.source).wanted(self._live):
            return
        for track in tagged.tracks:
            key = (frame.source, track.visit)
            if track.best:
                self._shots[key] = _Shot(_cut(tagged, track))
            shot = self._shots.get(key)
            if shot is None:
                continue
            self._shots.move_to_end(key)
            caption = tuple(tag_text(tag) for tag in track.tags)
            if caption and caption != shot.caption:
                self._save(frame.source, track, shot)
                shot.caption = caption
        while len(self._shots) > _MOST:
            self._shots.popitem(last=False)

    def forget(self, source: str) -> None:
        for key in [key for key in self._shots if key[0] == source]:
            del self._shots[key]

    def _save(self, source: str, track: Track, shot: _Shot) -> None:
        path = self._folder / snapshot_file(source, track.id, track.visit)
        make_folder(path.parent, private=True)
        picture = snapshot(shot.crop, f"{source} #{track.id}", track.tags)
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
        replace_file(path, packed.tobytes(), durable=False, private=True)

    def __enter__(self) -> SnapshotSink:
        make_pictures(self._folder / FOLDER)
        return self

    def __exit__(self, *error: object) -> None:
        self._shots.clear()


def _cut(tagged: TaggedFrame, track: Track) -> Bgr:
    """The person with a margin, inside of the frame, BGR; heads of whoever is beside them hidden as
    well."""
    height = track.box[3] - track.box[1]
    width = max(track.box[2] - track.box[0], 0.4 * height)
    window = person_window(track.box, (max(round(width), 1), max(round(height), 1)))
    x0, y0, x1, y1 = (int(v) for v in clip_box(window, tagged.frame))
    return shown(tagged, (x0, y0, x1, y1))
