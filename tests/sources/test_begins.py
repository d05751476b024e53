"""When a recording began: names, times, and several files of one camera."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import cut

from pipeline.errors import ConfigError, SourceRefusedError
from pipeline.settings.file import parse
from pipeline.sources import open_source
from pipeline.sources.begins import FROM_METADATA, FROM_NAME, began, possible, without_time
from pipeline.sources.camera import CameraSettings

FORMS = (
    "%Y%m%d_%H%M%S",
    "%Y-%m-%dT%H-%M-%S",
    "%Y-%m-%d_%H.%M.%S",
    "%Y%m%d%H%M%S",
    "%Y%m%dT%H%M%S",
    "%Y.%m.%d %H-%M-%S",
    "%Y_%m_%d_%H_%M_%S",
)
moments = st.datetimes(datetime(2001, 1, 1), datetime(2026, 1, 1)).map(
    lambda at: at.replace(microsecond=0)
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
#: What a recorder may write around the time: no digit right beside it.
around = st.sampled_from(["", "ch01_", "cam-2 ", "Einfahrt.", "NVR_1_"])
behind = st.sampled_from(["", "_main", "-1", " (2)", ".part"])


@given(moments, st.sampled_from(FORMS), around, behind, ZONES)
def test_a_time_in_a_name_is_the_zones_own(at, form, before, after, zone):
    name = f"/archive/{before}{at.strftime(form)}{after}.mp4"
    there = at.replace(tzinfo=ZoneInfo(zone))
    assert began(FROM_NAME, name, zone) == there.timestamp()


@given(moments, around, behind)
def test_seconds_since_1970_and_times_with_a_zone_need_none(at, before, after):
    utc = at.replace(tzinfo=timezone.utc)
    seconds = int(utc.timestamp())
    assume_ten = seconds >= 1_000_000_000
    if assume_ten:
        assert began(FROM_NAME, f"{before}{seconds}{after}.mkv", "Asia/Kolkata") == seconds
        assert began(FROM_NAME, f"{before}{seconds}250{after}.mkv") == seconds + 0.25
    name = f"{before}{at.strftime('%Y%m%dT%H%M%SZ')}.mkv"
    assert began(FROM_NAME, name, "Asia/Kolkata") == utc.timestamp()
    east = utc.astimezone(timezone(timedelta(hours=2)))
    assert began(east.isoformat(), "x.mp4", "Asia/Kolkata") == utc.timestamp()


@given(st.text(max_size=60))
def test_any_name_and_any_text_has_a_time_that_can_be_or_is_refused(text):
    for begins, place in ((FROM_NAME, text), (text, "a.mp4")):
        with suppress(ValueError):
            found = began(begins, place)
            assert found is None or possible(found)


def test_of_this_machines_zone_without_another():
    at = datetime(2026, 1, 20, 9, 0)
    assert began(FROM_NAME, "20260120_090000.mp4") == time.mktime(at.timetuple())
    assert began("2026-01-20T09:00", "x.mp4") == time.mktime(at.timetuple())
    assert began(FROM_METADATA, "20260120_090000.mp4") is None


@pytest.mark.parametrize(
    "name",
    [
        "film.mp4", "20261320_090000.mp4", "20260230_090000.mp4", "20260120_250000.mp4",
        "19991231_235959.mp4", "20990101_000000.mp4", "2026-01-20.mp4", "120260120_0900001.mp4",
        "", "99999999999.mp4",
    ],
)  # fmt: skip
def test_names_without_a_time_that_can_be_are_refused(name):
    with pytest.raises(ValueError, match="no time in the name") as refused:
        began(FROM_NAME, name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1970-01-01T00:00", "9999-01-01", ""])
def test_times_that_cannot_be_are_refused_with_their_line(text):
    settings = f"cameras:\n  - url: a.mp4\n    begins: '{text}'\n"
    with pytest.raises(ConfigError, match=r"^x\.yaml:\d: cameras\.0.*(is no time|recorded then)"):
        parse(settings, "x.yaml")
    with pytest.raises(ConfigError, match="no time zone is called 'Mars'"):
        parse("cameras: [{url: a.mp4, time_zone: Mars}]", "x.yaml")


def test_the_hour_that_there_is_twice_is_the_first_and_the_one_that_is_not_is_bridged():
    twice = began(FROM_NAME, "20251026_023000.mp4", "Europe/Berlin")
    assert twice == datetime(2025, 10, 26, 0, 30, tzinfo=timezone.utc).timestamp()
    never = began(FROM_NAME, "20250330_023000.mp4", "Europe/Berlin")
    assert never == datetime(2025, 3, 30, 1, 30, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("name", "common"),
    [
        ("ch01_20260120090000.mp4", "ch01"),
        ("20260120_090000_entrance.mp4", "entrance"),
        ("a_2026-01-20T09-00-00_b.mp4", "a_b"),
        ("20260120_090000.mp4", ""),
        ("film.mp4", "film"),
    ],
)
def test_what_files_of_one_camera_have_in_common(name, common):
    assert without_time(f"/x/{name}") == common


def frames(**settings):
    with open_source(CameraSettings(**settings)) as source:
        return [(f.index, f.pts, f.recorded_at) for f in source]


def test_a_given_time_counts_on_through_the_recording(short_clip):
    told = frames(url=str(short_clip), begins="2026-01-20T09:00:00+00:00")
    plain = frames(url=str(short_clip))
    start = datetime(2026, 1, 20, 9, tzinfo=timezone.utc).timestamp()
    assert [one[:2] for one in told] == [one[:2] for one in plain]
    assert [at for *_, at in told] == pytest.approx([start + pts for _, pts, _ in plain])


def test_files_of_one_camera_follow_each_other_at_their_times(tmp_path):
    first, second = (tmp_path / f"ch01_20260120_0900{s}.mp4" for s in ("00", "10"))
    cut(first, 20)
    cut(second, 10)
    told = frames(url=str(first), then=(str(second),), begins=FROM_NAME, time_zone="UTC")
    assert [index for index, *_ in told] == list(range(30))
    pts = [at for _, at, _ in told]
    assert pts == sorted(set(pts))
    assert pts[20] == pytest.approx(10.0), "the gap between them stays"
    start = datetime(2026, 1, 20, 9, tzinfo=timezone.utc).timestamp()
    assert [at for *_, at in told] == pytest.approx([start + at for at in pts])
    given = frames(url=str(first), then=(str(second),), begins="2026-01-20T10:00+00:00")
    assert given[20][2] == pytest.approx(start + 3600 + given[19][1] + 0.04)


def test_a_file_that_cannot_be_read_costs_only_itself(tmp_path, caplog):
    places = [tmp_path / f"20260120_09000{i}.mp4" for i in range(3)]
    cut(places[0], 5)
    places[1].write_bytes(b"no video")
    cut(places[2], 5)
    urls = [str(place) for place in places]
    for order in (urls, [urls[1], urls[0], urls[2]]):
        camera = CameraSettings(url=order[0], then=tuple(order[1:]), begins=FROM_NAME)
        found = []
        refused = pytest.raises(SourceRefusedError, match="20260120_090001")
        with open_source(camera) as source, refused:
            found += source
        assert len(found) == 10
        assert "the other files" in caplog.text
