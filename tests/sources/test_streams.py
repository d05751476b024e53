"""Recordings as they should not be, and picture formats as they are."""

from __future__ import annotations

import contextlib
import wave
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from support import CLIP, cut, encode, picture

from pipeline.errors import SourceError, SourceRefusedError
from pipeline.sources import expand, open_source
from pipeline.sources.camera import CameraSettings
from pipeline.sources.stream import StreamSource


def read(path):
    with open_source(CameraSettings(url=str(path))) as source:
        return list(source), source


def test_a_file_that_is_not_there():
    with pytest.raises(SourceRefusedError, match="check the path"):
        read("missing.mp4")


@pytest.mark.parametrize("content", [b"", b"rubbish" * 1000, b"\x00" * 5000])
def test_files_that_are_no_video(tmp_path, content):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceRefusedError, match=r"x\.mp4: "):
        read(path)


def test_a_truncated_recording_gives_what_is_there(tmp_path):
    whole = cut(tmp_path / "whole.mp4", 100).read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    frames, source = read(path)
    assert 20 < len(frames) < 100
    assert frames[-1].rgb((8, 8)).shape == (8, 8, 3)
    assert source.corrupt >= 0


def test_damage_in_the_middle_is_counted_and_survived(tmp_path):
    content = bytearray(cut(tmp_path / "whole.mp4", 100).read_bytes())
    rng = np.random.default_rng(0)
    middle = len(content) // 2
    content[middle : middle + 4000] = rng.integers(0, 256, 4000, np.uint8).tobytes()
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    frames, source = read(path)
    assert 50 < len(frames) < 101
    assert source.corrupt + len(frames) >= 95


def test_audio_only(tmp_path):
    path = tmp_path / "voice.mp4"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\0\0" * 8000)
    with pytest.raises(SourceRefusedError, match="no video in it"):
        read(path)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [
        ("libx264", "yuv420p", "mp4"), ("libx264", "yuv422p", "mp4"), ("libx264", "yuv444p", "mp4"),
        ("libx264", "gray", "mp4"), ("libx264", "yuv420p10le", "mp4"), ("mjpeg", "yuvj420p", "avi"),
        ("mpeg4", "yuv420p", "mp4"), ("ffv1", "bgr0", "mkv"), ("libvpx-vp9", "yuv420p", "webm"),
    ],
)  # fmt: skip
def test_every_pixel_format_has_the_right_colours(tmp_path, codec, pix_fmt, suffix):
    path = encode(tmp_path / f"a.{suffix}", [picture(64, 48)] * 5, codec, pix_fmt)
    frames, _ = read(path)
    assert len(frames) == 5
    rgb = frames[2].rgb().astype(int)
    assert rgb.shape == (48, 64, 3)
    expected = [200, 60, 40] if pix_fmt != "gray" else [rgb[0, 0, 0]] * 3
    assert np.abs(rgb - expected).max() <= 8


@pytest.mark.parametrize("size", [(17, 9), (1, 1), (33, 1)])
def test_odd_sizes(tmp_path, size):
    path = encode(tmp_path / "odd.mkv", [picture(*size)] * 3, "ffv1", "yuv444p")
    frames, _ = read(path)
    assert (frames[0].width, frames[0].height) == size
    assert frames[0].rgb((30, 30)).shape == (30, 30, 3)
    assert frames[0].rgb().shape == (size[1], size[0], 3)


def test_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0.0, 0.1, 0.15, 0.9, 2.0]
    path = encode(tmp_path / "vfr.mkv", [picture(64, 48)] * 5, times=times)
    frames, _ = read(path)
    assert [frame.pts for frame in frames] == pytest.approx(times, abs=0.01)


def test_streams_without_times_count_on(annexb):
    frames, _ = read(annexb)
    assert len(frames) == 400
    steps = np.diff([frame.pts for frame in frames])
    assert (steps > 0).all()
    assert frames[-1].pts == pytest.approx(399 * np.median(steps), rel=0.05)


def test_a_change_of_size_in_the_middle(tmp_path, annexb):
    small = encode(tmp_path / "small.h264", [picture(64, 48)] * 10, times=None)
    path = tmp_path / "both.h264"
    path.write_bytes(annexb.read_bytes()[:60_000] + small.read_bytes())
    frames, _ = read(path)
    assert {(f.width, f.height) for f in frames} == {(768, 576), (64, 48)}


def test_folders_expand_to_what_can_be_read(tmp_path):
    for name in ("b.mp4", "a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert [p.split("/")[-1] for p in expand(str(tmp_path))] == ["a.jpg", "b.mp4"]
    assert expand("rtsp://h/x") == ["rtsp://h/x"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceRefusedError, match="no video or picture"):
        expand(str(tmp_path / "empty"))


def test_the_clip_has_a_note_of_its_origin():
    assert "opencv" in (CLIP.parent / "README.md").read_text().lower()


def garbled(path, at):
    """The clip's first 60 pictures (a key frame every 20), one of them half rubbish."""
    rubbish = np.random.default_rng(0)
    with av.open(str(CLIP)) as source, av.open(str(path), "w", format="matroska") as target:
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream)
        for index, packet in zip(range(60), source.demux(stream), strict=False):
            content = bytearray(bytes(packet))
            if index == at:
                half = len(content) // 2
                content[half:] = rubbish.integers(0, 255, len(content) - half, np.uint8).tobytes()
            made = av.Packet(bytes(content))
            made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
            made.is_keyframe, made.stream = packet.is_keyframe, out
            target.mux(made)
    return path


def watched(source, hook=lambda seen: None):
    """Tenths of a second of all frames of a camera that ends."""
    seen = []
    with contextlib.suppress(SourceError):
        for frame in source:
            seen.append(round(frame.pts * 10))
            hook(seen)
    return seen


@pytest.mark.parametrize("at", [20, 27])
def test_after_a_loss_a_camera_shows_nothing_until_a_key_frame(tmp_path, at):
    camera = CameraSettings(url=str(garbled(tmp_path / "cut.mkv", at)))
    with StreamSource(camera, live=True, options={}) as source:
        assert watched(source) == [*range(at), *range(40, 60)]
        assert source.corrupt >= 1


def test_only_key_frames_are_decoded_while_nothing_else_is_wanted(tmp_path):
    camera = CameraSettings(url=str(cut(tmp_path / "a.mp4", 100)))

    def want(seen):
        source.decoding = "key" if 2 <= seen[-1] < 40 else "all"

    with StreamSource(camera, live=True, options={}) as source:
        seen = watched(source, want)
    assert seen == [0, 1, 2, 20, *range(40, 100)]


def test_a_camera_that_sends_no_key_frames_is_not_waited_for_forever(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.sources.decoder._KEY_WAIT_S", 0.0)
    camera = CameraSettings(url=str(cut(tmp_path / "a.mp4", 20)))
    with StreamSource(camera, live=True, options={}) as source:
        source.decoding = "key"
        assert len(watched(source)) >= 19


def test_quick_decoding_begins_at_a_key_frame_and_shows_nearly_the_same(tmp_path):
    camera = CameraSettings(url=str(cut(tmp_path / "a.mp4", 60)))

    def lumas(decoding):
        with StreamSource(camera, live=True, options={}) as source:
            source.decoding = decoding
            with contextlib.suppress(SourceError):
                for frame in source:
                    yield frame.planes.y.astype(np.float32)

    errors = [((a - b) ** 2).mean() for a, b in zip(lumas("all"), lumas("quick"), strict=True)]
    assert 0 < max(errors) < 20, "at least 35 dB at the end of two seconds"


def test_quick_decoding_can_be_taken_back(tmp_path):
    camera = CameraSettings(url=str(cut(tmp_path / "a.mp4", 100)))

    def want(seen):
        source.decoding = "quick" if seen[-1] < 50 else "all"

    with StreamSource(camera, live=True, options={}) as source:
        assert watched(source, want) == [*range(100)]
        assert source.corrupt == 0


def with_b_frames(path, length=60, group=20):
    """The clip with three B-frames between others, and which of its pictures are none."""
    with av.open(str(CLIP)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 384, 288, "yuv420p"
        stream.options = {
            "preset": "veryfast",
            "x264-params": f"bframes=3:b-adapt=0:keyint={group}",
        }
        for i, shown in enumerate(source.decode(video=0)):
            if i == length:
                break
            small = shown.reformat(384, 288, "yuv420p")
            small.pict_type = PictureType.NONE  # else the clip's own kinds are taken over
            small.pts, small.time_base = i, Fraction(1, 10)
            target.mux(stream.encode(small))
        target.mux(stream.encode())
    with av.open(str(path)) as made:
        kinds = [one.pict_type for one in made.decode(video=0)]
    return path, [i for i, kind in enumerate(kinds) if kind != PictureType.B]


def test_quick_decoding_leaves_out_b_frames_and_waits_for_none(tmp_path):
    path, others = with_b_frames(tmp_path / "b.mkv")
    camera = CameraSettings(url=str(path))

    def pictures(decoding):
        with StreamSource(camera, live=True, options={}) as source:
            source.decoding = decoding
            with contextlib.suppress(SourceError):
                for frame in source:
                    yield round(frame.pts * 10), frame.planes.y.astype(np.float32)
            assert source.corrupt == source.lost == 0

    every, quick = dict(pictures("all")), dict(pictures("quick"))
    assert len(every) == 60
    assert len(others) < 25, "most are B-frames"
    assert list(quick) == others
    errors = [((every[i] - shown) ** 2).mean() for i, shown in quick.items()]
    assert 0 < max(errors) < 20, "at least 35 dB"


def test_quick_decoding_of_b_frames_can_be_taken_back(tmp_path):
    path, others = with_b_frames(tmp_path / "b.mkv", length=100)
    camera, seen = CameraSettings(url=str(path)), []
    with StreamSource(camera, live=True, options={}) as source, contextlib.suppress(SourceError):
        for frame in source:
            seen.append(round(frame.pts * 10))
            source.decoding = "quick" if 30 < seen[-1] < 60 else "all"
        assert source.corrupt == source.lost == 0
    assert seen == sorted(set(seen))
    assert {i for i in seen if 42 <= i < 60} == {i for i in others if 42 <= i < 60}
    assert {*range(30), *range(82, 96)} <= set(seen)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("2023-05-01T10:00:00Z", 1_682_935_200.0),
        ("1970-01-01T00:00:00Z", None),
        ("2099-01-01T00:00:00Z", None),
        ("yesterday", None),
    ],
)
def test_a_recording_tells_when_it_was_taken_if_that_can_be(tmp_path, told, seconds):
    pictures = [picture(64, 48)] * 5
    path = encode(tmp_path / "a.mkv", pictures, creation_time=told)
    with open_source(CameraSettings(url=str(path))) as source:
        times = [frame.recorded_at for frame in source]
    if seconds is None:
        assert times == [None] * 5
    else:
        assert times == pytest.approx([seconds + i / 10 for i in range(5)])


def test_a_camera_has_one_decoder_at_a_time(tmp_path):
    """The one that PyAV makes with a stream could not be closed before the stream is."""
    camera = CameraSettings(url=str(cut(tmp_path / "a.mp4", 60)))

    def want(seen):
        source.decoding = "quick" if 5 < seen[-1] < 25 else "all"

    with StreamSource(camera, live=True, options={}) as source:
        assert watched(source, want) == [*range(60)]
        assert not source._container.streams.video[0].codec_context.is_open
