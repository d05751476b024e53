"""The best picture of every person, and a few more of those who stay, with the tags below."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from pydantic import Field

from pipeline.files import make_folder, make_pictures, replace_file
from pipeline.picture.crop import clip_box, person_window
from pipeline.picture.still import jpeg
from pipeline.pictures import FOLDER, MOST_LOOKS, look_file, snapshot_file
from pipeline.settings.section import PerSource
from pipeline.sinks.annotate import snapshot, tag_text
from pipeline.sinks.privacy import Bgr, shown
from pipeline.sinks.settings import Place, SinkSettings
from pipeline.types import TaggedFrame, Track

#: People whose best crops are kept; of more, those seen longest ago are let go of.
_MOST = 300
#: Seconds until somebody's second picture; from each to the next one it is twice as long. What
#: share of the best one's quality they need.
_APART_S = 3.0
_GOOD = 0.5


class SnapshotsSettings(SinkSettings):
    """The best picture of every person."""

    enabled: bool = Field(True, description="pictures of people are written, their best one")
    looks: int = Field(
        4, ge=1, le=MOST_LOOKS, description="most pictures of one visit: the best, and others later"
    )


@dataclass(slots=True)
class _Shot:
    """The best crop of a visit, what was written below it, and the further pictures: how many there
    are, when the next one is due, and the quality that it needs."""

    crop: Bgr
    quality: float
    due: float
    caption: tuple[str, ...] = ()
    count: int = 1


class SnapshotSink:
    """``snapshot_file`` of every visit, replaced when a better crop or other tags come, and further
    ones as ``look_file``."""

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
            shot = self._shots.get(key)
            if shot is None and track.best:
                shot = self._shots[key] = _Shot(
                    _cut(tagged, track), track.quality, frame.pts + _APART_S
                )
            elif shot is not None and track.best:
                shot.crop, shot.quality, shot.caption = _cut(tagged, track), track.quality, ()
            if shot is None:
                continue
            self._look_again(tagged, track, shot)
            self._shots.move_to_end(key)
            caption = tuple(tag_text(tag) for tag in track.tags)
            if caption and caption != shot.caption:
                name = snapshot_file(frame.source, track.id, track.visit)
                self._save(name, f"{frame.source} #{track.id}", track, shot.crop)
                shot.caption = caption
        while len(self._shots) > _MOST:
            self._shots.popitem(last=False)

    def _look_again(self, tagged: TaggedFrame, track: Track, shot: _Shot) -> None:
        """Keep one more picture of somebody now and then: the longer they stay, the rarer."""
        frame = tagged.frame
        most = self._settings.of(frame.source).looks
        good = not track.predicted and track.quality >= _GOOD * shot.quality
        if shot.count >= most or frame.pts < shot.due or not good or track.best or not track.tags:
            return
        shot.count += 1
        shot.due = frame.pts + _APART_S * 2 ** (shot.count - 1)
        name = look_file(snapshot_file(frame.source, track.id, track.visit), shot.count)
        self._save(name, f"{frame.source} #{track.id}", track, _cut(tagged, track))

    def forget(self, source: str) -> None:
        for key in [key for key in self._shots if key[0] == source]:
            del self._shots[key]

    def _save(self, name: str, title: str, track: Track, crop: Bgr) -> None:
        path = self._folder / name
        make_folder(path.parent, private=True)
        picture = snapshot(crop, title, track.tags)
        replace_file(path, jpeg(picture, 90), durable=False, private=True)

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
