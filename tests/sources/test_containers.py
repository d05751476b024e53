"""Recordings found by how they begin, and nothing else."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from support import CLIP

from pipeline.errors import SourceRefusedError
from pipeline.sources import expand
from pipeline.sources.containers import holds_recording

FORMS = {
    "mp4": "libx264", "mov": "libx264", "matroska": "libx264", "avi": "mpeg4", "asf": "mpeg4",
    "mpegts": "libx264", "flv": "libx264", "mpeg": "mpeg1video", "vob": "mpeg2video",
    "h264": "libx264", "hevc": "libx265", "mpeg2video": "mpeg2video", "m4v": "mpeg4",
    "ivf": "libvpx-vp9", "yuv4mpegpipe": "rawvideo", "mxf": "mpeg2video",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_what_ffmpeg_writes_is_known(tmp_path, form):
    path = tmp_path / "recording"
    try:
        container = av.open(str(path), "w", format=form)
    except ValueError:
        pytest.skip(f"this FFmpeg writes no {form}")
    with container:
        stream = container.add_stream(FORMS[form], rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for i in range(5):
            noise = np.random.default_rng(i).integers(0, 256, (240, 320, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, "rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts = i
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    assert holds_recording(path)


@pytest.mark.parametrize(
    "begins",
    [
        b"DHAV\xfd\0\0\0", b"DAHUA\0", b"IMKH\x01\x01", b"\0\0\0\x08wide\0\0\0\x08mdat",
        b"\0\0\0\1\x67\x64", b"\0\0\1\x09\xf0", b"\0\0\0\1\x40\x01\x0c",
        b"".join(b"\0\0\0\0G" + bytes(187) for _ in range(5)),
    ],
)  # fmt: skip
def test_what_recorders_write_is_known(tmp_path, begins):
    (tmp_path / "a").write_bytes(begins + bytes(2000))
    assert holds_recording(tmp_path / "a")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 2000, b"Get free beer", b"GGGG", b"G" + b"x" * 1000, b"PK\3\4", b"MZ\x90\0",
        b"RIFF\0\0\0\0WAVEfmt ", b"RIFF\0\0\0\0WEBPVP8 ", b"\xff\xd8\xff\xe0", b"ID3\4",
        b"\0\0\0 ftypM4A \0", b"OggS" + bytes(24) + b"\x01vorbis", b"SQLite format 3\0",
        b"<?xml version='1.0'?>", b"%PDF-1.7",
    ],
)  # fmt: skip
def test_what_is_something_else_is_not(tmp_path, content):
    (tmp_path / "a").write_bytes(content.ljust(2000, b"\0"))
    assert not holds_recording(tmp_path / "a")


def test_the_files_of_this_project_hold_none_but_its_clips():
    root = Path(__file__).parent.parent
    found = {path.name for path in root.rglob("*") if path.is_file() and holds_recording(path)}
    assert {CLIP.name} <= found
    assert all(name.endswith(".mp4") for name in found)


def test_what_cannot_be_read_is_none(tmp_path):
    (tmp_path / "short").write_bytes(b"DHAV")
    assert not holds_recording(tmp_path / "short")
    assert not holds_recording(tmp_path / "missing")
    assert not holds_recording(tmp_path)


def test_the_whole_disk_is_not_searched(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.sources.location.MOST_FILES", 3)
    for i in range(3):
        (tmp_path / f"{i}.mp4").touch()
    assert len(expand(str(tmp_path))) == 3
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SourceRefusedError, match="more than 3 files; name a folder inside"):
        expand(str(tmp_path))
