"""What is wrong with a stream is counted over all connections, and told once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline.flow.stats import CameraStats
from pipeline.flow.troubles import Troubles
from pipeline.sources.camera import CameraSettings

URL = "rtsp://admin:s3cret@10.0.0.7/s"


def run(troubles, stats, camera, lost, jumps=0, seconds=20.0):
    """One connection with ten pictures a second, of which every so many are lost."""
    source = SimpleNamespace(corrupt=0, lost=0, jumps=0)
    start = 100.0 * stats.reconnects
    troubles.begin(stats, start)
    notes = []
    for i in range(round(10 * seconds)):
        if lost and i % lost == 0:
            source.lost += 1
            source.corrupt = source.lost // 2
        else:
            stats.decoded += 1
        source.jumps = jumps
        troubles.count(source, stats)
        troubles.tell(camera, stats, start + i / 10)
        notes.append(stats.note)
    stats.reconnects += 1
    return notes


@pytest.mark.parametrize(("transport", "advice"), [("udp", "transport: tcp"), ("tcp", "bit rate")])
def test_lost_pictures_are_told_once_with_a_remedy_and_shown_while_it_lasts(
    caplog, transport, advice
):
    troubles, stats = Troubles(), CameraStats("door")
    camera = CameraSettings(url=URL, id="door", transport=transport)
    assert set(run(troubles, stats, camera, lost=0)) == {""}
    notes = run(troubles, stats, camera, lost=10)
    assert advice in notes[-1]
    assert notes[-1].startswith("door: 5 of 50 pictures are lost on the way")
    run(troubles, stats, camera, lost=5)
    assert stats.lost == 20 + 40
    assert stats.corrupt == 10 + 20
    assert len(caplog.records) == 1
    assert "s3cret" not in caplog.text
    assert run(troubles, stats, camera, lost=0)[-1] == ""


def test_a_few_lost_pictures_are_only_counted(caplog):
    troubles, stats = Troubles(), CameraStats("door")
    run(troubles, stats, CameraSettings(url=URL, transport="udp"), lost=100, seconds=60)
    assert stats.as_json()["lost"] == 6
    assert caplog.records == []


def test_jumps_are_told_once_over_all_connections(caplog):
    troubles, stats = Troubles(), CameraStats("door")
    for _ in range(3):
        run(troubles, stats, CameraSettings(url=URL, id="door"), lost=0, jumps=2)
    assert stats.as_json()["jumps"] == 6
    assert [r.getMessage() for r in caplog.records] == [
        "door: the time of its stream jumps; it goes on by the clock"
    ]


def test_another_note_stays(caplog):
    troubles, stats = Troubles(), CameraStats("door", note="the stream ended")
    run(troubles, stats, CameraSettings(url=URL), lost=0)
    assert stats.note == "the stream ended"
