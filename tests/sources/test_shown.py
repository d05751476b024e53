"""Recordings as players show them: upright, in square pixels, in ordinary colours, in time."""

from __future__ import annotations

import gc
import struct
from fractions import Fraction
from itertools import islice
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition
from light_support import TO_BT2020, hlg, linear, pq
from support import CLIP, cut, encode, picture

from pipeline.picture.turn import exif_turn, quarter_turn
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings
from pipeline.sources.tracks import video_track

RED = (200, 60, 40)
BLUE = (40, 80, 170)
GREY = (200, 200, 200)
GREEN = (60, 120, 60)


def read(path, **camera):
    with open_source(CameraSettings(url=str(path), **camera)) as source:
        frames = list(source)
    for frame in frames:
        assert (frame.width, frame.height) == source.size
        assert frame.planes.y.shape == (frame.height, frame.width)
    return frames, source


def quarters():
    """RGB (48, 64, 3): red and blue above, grey and green below."""
    rgb = picture(64, 48, RED)
    rgb[:24, 32:], rgb[24:, :32], rgb[24:, 32:] = BLUE, GREY, GREEN
    return rgb


def corners(rgb):
    """The colours in the middle of the four quarters."""
    rows, columns = (np.array([1, 3]) * side // 4 for side in rgb.shape[:2])
    return rgb[rows][:, columns].astype(int)


def looks_like(frame, expected, most=8):
    assert frame.rgb().shape == expected.shape
    assert np.abs(corners(frame.rgb()) - corners(expected)).max() <= most


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    return encode(tmp_path_factory.mktemp("flat") / "flat.mp4", [quarters()] * 3)


IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


def turned(flat, path, turn):
    """The same video with a display matrix."""
    x, y = (-1 if turn.mirrored else 1) << 16, (-1 if turn.flipped else 1) << 16
    a, b, c, d = (0, y, x, 0) if turn.transposed else (x, 0, 0, y)
    content = bytearray(flat.read_bytes())
    at = content.index(IDENTITY, content.index(b"tkhd"))
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    as_mp4 = path.with_suffix(".mp4")
    as_mp4.write_bytes(content)
    if path.suffix != ".mp4":
        cut(path, 3, {".mov": "mov", ".mkv": "matroska"}[path.suffix], as_mp4)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_every_display_matrix_is_honoured(tmp_path, flat, orientation, suffix):
    turn = exif_turn(orientation)
    frames, _ = read(turned(flat, tmp_path / f"a.{suffix}", turn))
    looks_like(frames[0], turn(quarters()))


@pytest.mark.parametrize(
    ("settings", "turn"),
    [
        ({"rotate": 90}, quarter_turn(90)), ({"rotate": 180}, quarter_turn(180)),
        ({"rotate": 270}, quarter_turn(270)), ({"flip": "horizontal"}, exif_turn(2)),
        ({"flip": "vertical"}, exif_turn(4)),
        ({"rotate": 90, "flip": "horizontal"}, quarter_turn(90, mirrored=True)),
    ],
)  # fmt: skip
def test_a_camera_can_be_turned_and_mirrored(flat, settings, turn):
    frames, _ = read(flat, **settings)
    looks_like(frames[0], turn(quarters()))


def test_a_camera_is_turned_after_what_the_recording_tells(tmp_path, flat):
    path = turned(flat, tmp_path / "a.mp4", exif_turn(6))
    looks_like(read(path, rotate=270)[0][0], quarters())
    looks_like(read(path, flip="vertical")[0][0], exif_turn(6)(quarters())[::-1])


def test_turning_copies_nothing(flat):
    for settings in ({}, {"rotate": 90}, {"flip": "horizontal"}):
        frames, _ = read(flat, **settings)
        assert not frames[0].planes.y.flags.owndata


def test_gstreamer_turns_as_ffmpeg_does(tmp_path, flat, gstreamer):
    for orientation in (1, 2, 5, 6):
        path = turned(flat, tmp_path / "a.mp4", exif_turn(orientation))
        for settings in ({}, {"rotate": 90, "flip": "vertical"}):
            one, _ = read(path, **settings)
            two, _ = read(path, reader="gstreamer", **settings)
            assert (one[0].rgb() == two[0].rgb()).all()


def written(path, codec, form, shown, **context):
    """A video of one picture, (width, height) and bytes of its planes, in the clear."""
    (width, height), planes = shown
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, form
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame(width, height, form)
        for plane, rows in zip(frame.planes, planes, strict=True):
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            there = np.ascontiguousarray(rows).view(np.uint8)
            padded[:, : there.shape[1]] = there
            plane.update(padded.tobytes())
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            if name in context and hasattr(frame, name):
                setattr(frame, name, context[name])
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return path


WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def coded(rgb, space, full, bits):
    """RGB (h, w, 3), 0 to 1, as Y, U and V planes 4:2:0 of 8 or 10 bits (ITU-T H.273)."""
    red, blue = WEIGHTS[space]
    y = rgb @ np.array([red, 1 - red - blue, blue])
    u, v = (rgb[..., 2] - y) / 2 / (1 - blue), (rgb[..., 0] - y) / 2 / (1 - red)
    step = 1 << (bits - 8)
    if full:
        most = 256 * step - 1
        planes = [y * most, u[::2, ::2] * most + 128 * step, v[::2, ::2] * most + 128 * step]
    else:
        planes = [
            (219 * y + 16) * step,
            *((224 * plane[::2, ::2] + 128) * step for plane in (u, v)),
        ]
    kind = np.uint8 if bits == 8 else np.uint16
    return (rgb.shape[1], rgb.shape[0]), [np.rint(plane).astype(kind) for plane in planes]


@pytest.mark.parametrize("space", [1, 5, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("form", "bits"), [("yuv420p", 8), ("yuv420p10le", 10)])
def test_matrices_and_ranges(tmp_path, space, full, form, bits):
    shown = coded(quarters() / 255, space, full, bits)
    tags = {"colorspace": space, "color_range": 2 if full else 1}
    frames, _ = read(written(tmp_path / "a.mkv", "ffv1", form, shown, **tags))
    looks_like(frames[0], quarters(), 4)


@pytest.mark.parametrize("height", [48, 720])
@pytest.mark.parametrize(("codec", "form"), [("libx264rgb", "rgb24"), ("ffv1", "bgr0")])
def test_what_is_red_green_and_blue_needs_no_matrix(tmp_path, height, codec, form):
    rgb = np.repeat(quarters(), height // 48, axis=0)
    frames, _ = read(encode(tmp_path / "a.mkv", [rgb], codec, form))
    looks_like(frames[0], rgb)


@pytest.mark.parametrize(("curve", "code"), [(hlg, 18), (pq, 16)])
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_high_dynamic_range_is_shown_as_ordinary(tmp_path, curve, code, suffix):
    shown = coded(curve(linear(quarters()) @ TO_BT2020.T), 9, False, 10)
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": code}
    codec = "ffv1" if suffix == "mkv" else "libx264"
    frames, _ = read(written(tmp_path / f"a.{suffix}", codec, "yuv420p10le", shown, **tags))
    looks_like(frames[0], quarters(), 10)


@pytest.mark.parametrize(
    ("pixel", "size"),
    [("64/45", (91, 48)), ("8/9", (64, 54)), ("1/2", (64, 96)), ("1/1", (64, 48))],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_pixels_are_square(tmp_path, pixel, size, suffix):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(pixel)
        frame = av.VideoFrame.from_ndarray(quarters(), "rgb24").reformat(format="yuv420p")
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    for settings in ({}, {"rotate": 90}):
        frames, _ = read(path, **settings)
        assert (frames[0].width, frames[0].height) == (size[::-1] if settings else size)
        turn = quarter_turn(90 if settings else 0)
        assert np.abs(corners(frames[0].rgb()) - corners(turn(quarters()))).max() <= 8


def avi(path, scale, rate, frames=30):
    """A video at ten pictures a second whose header says another rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(quarters(), "rgb24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    content = bytearray(path.read_bytes())
    at = content.index(b"strh") + 28
    content[at : at + 8] = struct.pack("<II", scale, rate)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("scale", "rate"), [(1, 1000), (1, 90_000), (1, 10**6), (90_000, 1)])
def test_a_rate_that_cannot_be_is_not_believed(tmp_path, caplog, scale, rate):
    frames, source = read(avi(tmp_path / "dvr.avi", scale, rate))
    assert len(frames) == 30
    assert np.diff([frame.pts for frame in frames]) == pytest.approx(1 / 25)
    assert source.length_s == pytest.approx(30 / 25, rel=0.2)
    [word] = [record.message for record in caplog.records]
    assert "dvr.avi: " in word
    assert f"{rate / scale:g} pictures a second cannot be; taken as 25" in word


@pytest.mark.parametrize(("scale", "rate"), [(0, 0), (0, 25), (1, 0)])
def test_where_there_is_no_rate_another_part_of_the_header_has_one(tmp_path, scale, rate):
    frames, _ = read(avi(tmp_path / "dvr.avi", scale, rate))
    assert np.diff([frame.pts for frame in frames]) == pytest.approx(1 / 10)


@pytest.mark.parametrize(("scale", "rate"), [(1, 10), (1, 240), (1, 1), (60, 1)])
def test_rates_that_may_be_are_believed(tmp_path, caplog, scale, rate):
    frames, source = read(avi(tmp_path / "dvr.avi", scale, rate))
    assert np.diff([frame.pts for frame in frames]) == pytest.approx(scale / rate)
    assert source.length_s == pytest.approx(30 * scale / rate, rel=0.1)
    assert not caplog.records


@pytest.mark.parametrize(("suffix", "step"), [("mkv", 0.001), ("ts", 0.0001), ("mp4", 0.0005)])
def test_times_that_cannot_be_are_not_believed_whatever_the_rate(tmp_path, caplog, suffix, step):
    path = tmp_path / f"a.{suffix}"
    unit = Fraction(1, 90_000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = unit
        for i in range(30):
            frame = av.VideoFrame.from_ndarray(quarters(), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(i * step / unit), unit
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    frames, _ = read(path)
    assert np.diff([frame.pts for frame in frames]) == pytest.approx([1 / 25] * 29)
    assert f"{1 / step:g} pictures a second cannot be; taken as 25" in caplog.text


def test_a_burst_at_the_beginning_is_no_reason_not_to_believe(tmp_path, caplog):
    """Recorders that stamp by the clock get a camera's first pictures all at once."""
    times = [*(0.001 * i for i in range(20)), *(0.2 + 0.1 * i for i in range(40))]
    path = encode(tmp_path / "a.mkv", [quarters()] * 60, times=times)
    frames, _ = read(path)
    assert [frame.pts for frame in frames] == pytest.approx(times, abs=0.001)
    assert not caplog.records


def test_times_that_can_be_are_kept_whatever_the_rate(tmp_path, caplog):
    """A track whose two last pictures alone are too close together: its rate means nothing."""
    times = [0.0, 0.1, 0.2, 0.3, 0.9, 0.901]
    path = encode(tmp_path / "vfr.mkv", [quarters()] * 6, times=times)
    frames, _ = read(path)
    assert [frame.pts for frame in frames] == pytest.approx(times, abs=0.01)
    assert not caplog.records


def two_tracks(path, first, second):
    with av.open(str(path), "w") as container:
        streams = []
        for rgb in (first, second):
            stream = container.add_stream("libx264", rate=10)
            stream.height, stream.width = rgb.shape[:2]
            stream.pix_fmt = "yuv420p"
            streams.append(stream)
        for stream, rgb in zip(streams, (first, second), strict=True):
            for i in range(3):
                frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuv420p")
                frame.pts = i
                for packet in stream.encode(frame):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_preview_is_not_taken_for_the_video(tmp_path, suffix, order):
    preview, video = picture(64, 48, BLUE), picture(320, 240, RED)
    path = two_tracks(tmp_path / f"a.{suffix}", *(preview, video)[::order])
    frames, source = read(path)
    assert source.size == (320, 240)
    assert len(frames) == 3
    assert np.abs(frames[0].rgb()[5, 5].astype(int) - RED).max() <= 8


def track(width, height, frames=0, disposition=0):
    context = SimpleNamespace(width=width, height=height)
    return SimpleNamespace(
        codec_context=context, frames=frames, disposition=Disposition(disposition)
    )


@pytest.mark.parametrize(
    ("others", "video"),
    [
        ([track(4000, 3000, disposition=Disposition.attached_pic)], track(640, 480)),
        ([track(4000, 3000, 50, Disposition.timed_thumbnails)], track(640, 480, 900)),
        ([track(4000, 3000, 1)], track(640, 480, 900)),
        ([track(1920, 1080, 900)], track(1920, 1080, 900, Disposition.default)),
        ([track(320, 180, 900, Disposition.default)], track(1920, 1080, 900)),
        ([SimpleNamespace(codec_context=None, frames=9, disposition=Disposition(0))], track(9, 9)),
        ([], track(640, 480, 1, Disposition.attached_pic)),
    ],
)
def test_which_track_is_the_video(others, video):
    for tracks in ([*others, video], [video, *others]):
        assert video_track(SimpleNamespace(video=tracks), live=False) is video


def test_of_a_live_stream_the_first_track_is():
    first, second = track(640, 480), track(1920, 1080)
    assert video_track(SimpleNamespace(video=[first, second]), live=True) is first
    assert video_track(SimpleNamespace(video=[]), live=True) is None


def test_pictures_are_freed_as_soon_as_nobody_has_them():
    """PyAV keeps a picture whose side data was asked for until the garbage collector comes."""

    def held() -> int:
        return sum(type(one) is av.VideoFrame for one in gc.get_objects())

    gc.collect()
    before = held()
    gc.disable()
    try:
        with open_source(CameraSettings(url=str(CLIP))) as source:
            for _ in islice(source, 60):
                pass
            more = held() - before
    finally:
        gc.enable()
    assert more < 20, "what the decoder's threads have at hand"
