"""Bad pictures do no harm: no crash, no waiting, no gigabytes, one line that names the file."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hostile.pictures import BAD, ODD, chunk, encoded, png

from pipeline.errors import SourceRefusedError
from pipeline.picture.header import read_header
from pipeline.picture.still import find_photos, load_image

MOST_S = 2.0
MOST_MB = 300


class Reader:
    """The process that reads; begun anew where a picture killed it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, path: Path) -> dict[str, object]:
        if self._process is None or self._process.poll() is not None:
            script = Path(__file__).with_name("reader.py")
            self._process = subprocess.Popen(
                [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(str(path)) + "\n")
        self._process.stdin.flush()
        alarm = threading.Timer(10 * MOST_S, self._process.kill)
        alarm.start()
        line = self._process.stdout.readline()
        alarm.cancel()
        assert line, f"died with {self._process.wait()}"
        told: dict[str, object] = json.loads(line)
        return told

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture(scope="module")
def reader():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of memory is only told under Linux")
    made = Reader()
    yield made
    made.close()


def checked(reader, path):
    told = reader(path)
    assert not told["said"].startswith("crashed"), told
    assert told["seconds"] < MOST_S, told
    assert told["peak_mb"] < MOST_MB, told
    return told["said"]


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_refused(reader, tmp_path, name):
    path = tmp_path / f"{name}.jpg"
    path.write_bytes(BAD[name])
    said = checked(reader, path)
    assert said.startswith(f"refused {path}: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_do_no_harm(reader, tmp_path, name):
    path = tmp_path / f"{name}.png"
    path.write_bytes(ODD[name])
    checked(reader, path)


def fifo(path):
    os.mkfifo(path)


def large(path):
    with path.open("wb") as file:
        file.write(BAD["png-huge"])
        file.truncate(190_000_000)


def too_large(path):
    with path.open("wb") as file:
        file.truncate(5_000_000_000)


@pytest.mark.parametrize(
    "make",
    [
        fifo,
        large,
        too_large,
        Path.mkdir,
        lambda path: None,
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to("/proc/self/mem"),
    ],
    ids=[
        "fifo",
        "large",
        "too-large",
        "folder",
        "missing",
        "loop",
        "endless",
        "nowhere",
        "memory",
    ],
)
def test_what_is_no_file_is_refused(reader, tmp_path, make):
    path = tmp_path / "x.jpg"
    make(path)
    assert checked(reader, path).startswith(f"refused {path}: ")


def test_refusals_say_why(tmp_path):
    said = {}
    for name in ("png-bomb", "heic", "text", "jpeg-many-scans"):
        path = tmp_path / "x.jpg"
        path.write_bytes(BAD[name])
        with pytest.raises(SourceRefusedError) as refused:
            load_image(path)
        said[name] = str(refused.value)
    assert "30000 x 30000 pixels" in said["png-bomb"]
    assert "120 million" in said["png-bomb"]
    assert "HEIC is not supported; save it as JPEG" in said["heic"]
    assert "use JPEG, PNG or WebP" in said["text"]
    assert "passes" in said["jpeg-many-scans"]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_of_the_largest_cameras_are_read(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if suffix == ".jpg" else []
    cv2.imwrite(str(path), np.zeros((8_660, 11_548), np.uint8), progressive)
    assert load_image(path).shape == (8_660, 11_548, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tiff", ".ppm", ".gif"])
def test_declared_sizes_are_the_sizes(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(encoded(suffix, 37, 21))
    with path.open("rb") as file:
        header = read_header(file)
    assert (header.width, header.height) == (37, 21)
    assert load_image(path).shape == (21, 37, 3)


def test_avif_is_read_where_opencv_can(tmp_path):
    path = tmp_path / "x.avif"
    try:
        path.write_bytes(encoded(".avif", 37, 21))
    except cv2.error:
        pytest.skip("this OpenCV writes no AVIF")
    assert load_image(path).shape == (21, 37, 3)


@pytest.mark.parametrize(
    ("suffix", "depth"),
    [
        *((suffix, np.uint8) for suffix in (".png", ".webp", ".bmp", ".tiff", ".avif")),
        *((suffix, np.uint16) for suffix in (".png", ".tiff")),
    ],
)
def test_transparent_pictures_stand_on_white(tmp_path, suffix, depth):
    """A shop's picture hides black behind what is transparent."""
    path, most = tmp_path / f"x{suffix}", np.iinfo(depth).max
    picture = np.zeros((24, 32, 4), depth)
    picture[:, :10] = (0, 0, most, most)
    picture[:, 10:20] = (0, 0, most, most // 2)
    try:
        assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_WEBP_QUALITY, 101])
    except cv2.error:
        pytest.skip("this OpenCV does not write it")
    image = load_image(path).astype(int)
    for column, colour in ((4, (0, 0, 255)), (15, (127, 127, 255)), (28, (255, 255, 255))):
        assert np.abs(image[12, column] - colour).max() <= 6, column


@pytest.mark.parametrize(
    ("colour", "more", "pixel"),
    [
        (2, chunk(b"tRNS", b"\0\0" * 3), b"\0\0\0"),
        (3, chunk(b"PLTE", b"\0\0\0\0\0\xff") + chunk(b"tRNS", b"\0"), b"\0"),
        (4, b"", b"\0\0"),
    ],
    ids=["one colour", "palette", "grey"],
)
def test_transparency_of_other_kinds(tmp_path, colour, more, pixel):
    path = tmp_path / "x.png"
    seen = {4: b"\0\xff", 3: b"\1", 2: b"\0\0\xff"}[colour]
    path.write_bytes(png(2, 1, 8, colour, more, b"\0" + pixel + seen))
    image = load_image(path)
    assert image[0, 0].tolist() == [255, 255, 255]


def test_an_alpha_channel_without_anything_in_it_hides_nothing(tmp_path):
    """Many programs write BMP of 32 bits with zeros where others have alpha."""
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), np.full((9, 9, 4), (10, 20, 30, 0), np.uint8))
    assert load_image(path)[4, 4].tolist() == [10, 20, 30]


@pytest.mark.parametrize("turn", range(1, 9))
def test_transparent_pictures_are_turned_upright_as_others_are(tmp_path, turn):
    packed = {}
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 4), np.uint8)
    picture[..., 3] = 255
    for channels in (3, 4):
        plain = cv2.imencode(".png", picture[..., :channels])[1].tobytes()
        short = struct.pack(">HHIHH", 274, 3, 1, turn, 0)
        exif = chunk(b"eXIf", b"MM\0*" + struct.pack(">IH", 8, 1) + short + b"\0" * 4)
        packed[channels] = plain[:33] + exif + plain[33:]
    images = {}
    for channels, content in packed.items():
        path = tmp_path / f"{channels}.png"
        path.write_bytes(content)
        images[channels] = load_image(path)
    assert images[4].shape == ((7, 5, 3) if turn >= 5 else (5, 7, 3))
    assert np.array_equal(images[3], images[4])


def test_thumbnails_of_other_programs_and_hidden_files_are_left_out(tmp_path):
    good = encoded(".jpg")
    for name in (
        "a.jpg",
        "deep/b.JPG",
        "._a.jpg",
        "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg",
        ".hidden/c.jpg",
        "#recycle/d.jpg",
        "__MACOSX/._a.jpg",
        "e.heic",
        "f.heic",
        "notes.txt",
        "README",
        "deep/@eaDir/b.jpg",
        "drawn/a.png",
        "drawn/.threadline",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(good)
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    left_out = Counter()
    found = list(find_photos([tmp_path], left_out))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.jpg", "deep/b.JPG"]
    assert left_out == {
        "hidden": 6,
        ".heic": 2,
        ".txt": 1,
        "without suffix": 1,
        "no files": 2,
        "folders of results": 1,
    }
    drawn = list(find_photos([tmp_path / "drawn"]))
    assert [path.name for path in drawn] == ["a.png"], "named, it is meant"


def test_a_folder_without_pictures_says_what_is_in_it(tmp_path):
    (tmp_path / "a.heic").write_bytes(BAD["heic"])
    with pytest.raises(SourceRefusedError, match=r"left out: 1 \.heic; HEIC is not supported"):
        list(find_photos([tmp_path]))
