"""Material as hard as a camera's: both streams of a 1080p camera, made of real video at its own
size with a sensor's noise. Nothing is enlarged, so every pixel costs what a camera's does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import av
import numpy as np
import numpy.typing as npt

from benchmark.streams import BARE, FOLDER, SIZE, at_rate

#: Counted up when the material is made in another way.
VERSION = 1
#: Width and height, bits a second and seconds between key frames of the smaller stream; and of the
#: larger one, whose size is ``SIZE``.
SUB = (640, 360)
SUB_BITS, SUB_KEY_S = 300_000, 1
MAIN_KEY_S = 2
#: Standard deviation of a sensor's noise in steps of luma, in the dark and in the light.
NOISE = (3.0, 1.5)
#: Pictures by which decoding is timed.
TIMED = 150


class Coding(NamedTuple):
    """How the streams of a camera are encoded: ``bits`` a second of the larger one; ``b`` B-frames
    between two others in both."""

    codec: str = "h264"
    bits: int = 2_000_000
    b: int = 0


CODINGS = MappingProxyType(
    {
        "h264": Coding(),
        "h264-4m": Coding(bits=4_000_000),
        "h264-b": Coding(b=2),
        "h264-4m-b": Coding(bits=4_000_000, b=2),
        "h265": Coding("h265"),
        "h265-b": Coding("h265", b=2),
    }
)


def pair(video: Path, rate: int, coding: str = "h264", few: bool = False) -> tuple[Path, Path]:
    """The larger and the smaller stream of a camera, bare, made once; ``coding`` of ``CODINGS``.
    With ``few``, one of the places side by side has people."""
    codec = CODINGS[coding].codec
    kind = "-".join(filter(None, (coding.partition("-")[2], few and "few")))
    stem = f"{video.stem}-native-{{}}{kind and '-'}{kind}-{rate}-{VERSION}.{codec}"
    out = tuple(FOLDER / stem.format(name) for name in ("main", "sub"))
    if not all(path.exists() for path in out):
        FOLDER.mkdir(parents=True, exist_ok=True)
        print(f"making {out[0]} (once, some minutes)", file=sys.stderr)
        code = "import sys; from pathlib import Path; from benchmark.native import make; "
        code += "make(Path(sys.argv[1]), (Path(sys.argv[2]), Path(sys.argv[3])), "
        code += "int(sys.argv[4]), sys.argv[5], bool(sys.argv[6]))"
        paths = (str(video.resolve()), *map(str, out))
        command = [sys.executable, "-c", code, *paths, str(rate), coding, "few" * few]
        subprocess.run(command, check=True, cwd=Path(__file__).parent.parent)
    return out[0], out[1]


def make(video: Path, out: tuple[Path, Path], rate: int, coding: str, few: bool) -> None:
    """Write what ``pair`` returns: the video side by side and one above the other, each time from
    another moment on, or but for one without anybody, at its own size."""
    wanted = CODINGS[coding]
    with av.open(str(video)) as source:
        pictures = [frame.to_ndarray(format="rgb24") for frame in at_rate(source, rate)]
    nobody = np.median(pictures[::9], axis=0).astype(np.uint8) if few else None
    chance = np.random.default_rng(0)
    noise = [chance.normal(0, 1, (SIZE[1] + 64, SIZE[0] + 64, 1)).astype(np.float32)
             for _ in range(4)]  # fmt: skip
    form, _ = BARE[f".{wanted.codec}"]
    parts = [path.with_name(f"part-{path.name}") for path in out]
    orders: tuple[list[int], list[int]] = ([], [])
    with (
        av.open(str(parts[0]), "w", format=form) as large,
        av.open(str(parts[1]), "w", format=form) as small,
    ):
        sizes = (SIZE, wanted.bits, MAIN_KEY_S), (SUB, SUB_BITS, SUB_KEY_S)
        streams = [
            (target, _stream(target, rate, wanted, *more), order)
            for target, more, order in zip((large, small), sizes, orders, strict=True)
        ]
        for index in range(len(pictures)):
            shown = _noisy(_wall(pictures, index, nobody), noise, chance)
            whole = av.VideoFrame.from_ndarray(shown, format="rgb24")
            for target, stream, order in streams:
                picture = whole.reformat(
                    stream.width, stream.height, "yuv420p", interpolation="AREA"
                )
                picture.pts = index
                _mux(target, stream.encode(picture), order)
        for target, stream, order in streams:
            _mux(target, stream.encode(), order)
    for part, path, order in zip(parts, out, orders, strict=True):
        if order != sorted(order):
            path.with_name(f"{path.name}.order").write_text(" ".join(map(str, order)))
        part.replace(path)


def _mux(target: Any, packets: list[Any], order: list[int]) -> None:
    order += [packet.pts for packet in packets]
    target.mux(packets)


def _stream(
    target: Any, rate: int, coding: Coding, size: tuple[int, int], bits: int, key_s: int
) -> Any:
    stream = target.add_stream(BARE[f".{coding.codec}"][1], rate=rate)
    stream.width, stream.height = size
    stream.pix_fmt, stream.bit_rate = "yuv420p", bits
    # One slice a picture: the server's payloader takes slices for pictures.
    common = f"scenecut=0:vbv-maxrate={bits // 1000}:vbv-bufsize={bits // 500}:bframes={coding.b}"
    if coding.codec == "h264":
        stream.options = {"preset": "veryfast", "x264-params": f"sliced-threads=0:{common}"}
    else:
        stream.options = {"preset": "superfast", "x265-params": f"repeat-headers=1:{common}"}
    if not coding.b:
        stream.options |= {"tune": "zerolatency"}
    stream.codec_context.gop_size = key_s * rate
    return stream


def _wall(
    pictures: list[npt.NDArray[np.uint8]], index: int, nobody: npt.NDArray[np.uint8] | None
) -> npt.NDArray[np.uint8]:
    """One picture of ``SIZE``, RGB: as many of the video's as fit, cut at its edges; or one, and
    what the place looks like without anybody beside it."""
    height, width = pictures[0].shape[:2]
    wall = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
    places = [(x, y) for y in range(0, SIZE[1], height) for x in range(0, SIZE[0], width)]
    for number, (x, y) in enumerate(places):
        at = (index + number * len(pictures) // len(places)) % len(pictures)
        there = wall[y : y + height, x : x + width]
        shown = nobody if number and nobody is not None else pictures[at]
        there[:] = shown[: there.shape[0], : there.shape[1]]
    return wall


def _noisy(
    shown: npt.NDArray[np.uint8],
    noise: list[npt.NDArray[np.float32]],
    chance: np.random.Generator,
) -> npt.NDArray[np.uint8]:
    """A picture with a sensor's noise, another one each time."""
    x, y = chance.integers(0, 64, 2)
    one = noise[chance.integers(len(noise))][y : y + SIZE[1], x : x + SIZE[0]]
    strength = np.interp(np.arange(256), (0, 255), NOISE).astype(np.float32)[shown[:, :, 1:2]]
    return np.clip(shown + one * strength, 0, 255).astype(np.uint8)


def decoding_ms(stream: Path) -> tuple[float, float]:
    """Milliseconds of processor time that a picture of a bare stream takes to decode on one thread:
    the mean of all, and of key frames alone."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    with av.open(str(stream), format=BARE[stream.suffix][0]) as source:
        video = source.streams.video[0]
        video.codec_context.thread_count = 1
        for number, packet in enumerate(source.demux(video)):
            if not packet.size or number == TIMED:
                break
            began = time.thread_time()
            video.codec_context.decode(packet)
            taken[packet.is_keyframe].append(time.thread_time() - began)
    every = taken[True] + taken[False]
    return 1000 * sum(every) / len(every), 1000 * sum(taken[True]) / max(len(taken[True]), 1)
