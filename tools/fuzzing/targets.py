"""The readers of foreign input, each as a function of bytes that raises nothing but the program's
own errors. ``WrongError`` says that a promise was broken without any error."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from pydantic import ValidationError
from rich.console import Console

from engines import EngineError, EngineOptions
from engines.packs import PackError, find, read_pack, shipped
from engines.packs.pack import LABELS, MODEL, labels
from engines.trt.plans import Key, Plans
from fuzzing.inputs import (
    Strategy,
    damaged,
    payloads,
    settings_texts,
    some_text,
    svg_texts,
)
from pipeline.cli import errors as cli_errors
from pipeline.cli.screen import Screen, summary, table
from pipeline.errors import SourceRefusedError, redact, source_name
from pipeline.flow.stats import CameraStats
from pipeline.picture.header import read_header
from pipeline.picture.still import MOST_PIXELS, load_image
from pipeline.settings.file import load
from pipeline.sinks.jsonl import JsonLines
from pipeline.sources import is_live, open_source
from pipeline.sources.assemble import CODECS, Assembler
from pipeline.sources.camera import CameraSettings
from pipeline.sources.local import file_source
from pipeline.sources.location import expand, holds_picture, is_picture
from pipeline.sources.table import scheme_of
from pipeline.tagging.logos.exemplars import VIEWS, views
from pipeline.tagging.logos.gallery import Gallery, open_gallery
from pipeline.tagging.logos.marks import read_mark

ROOT = Path(__file__).parent.parent.parent
TESTS = ROOT / "tests"
#: Stands where a password does; nothing may tell it.
SECRET = "hunter2"
#: Pictures between this many pixels and the most that are read take, rightly, much memory.
MODEST_PIXELS = 20_000_000


class WrongError(Exception):
    """A reader kept none of its promises, and said nothing."""


def promise(kept: object, what: str) -> None:
    if not kept:
        raise WrongError(what)


@dataclass(frozen=True, slots=True)
class Target:
    """A reader.

    Attributes:
        check: reads some bytes.
        seeds: good inputs to begin with.
        inputs: Hypothesis' strategy for bytes, given the seeds.
        most: bytes of an input.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    inputs: Callable[[list[bytes]], Strategy] = damaged
    most: int = 16_384


@cache
def folder() -> Path:
    """A folder for the inputs that are read from files: whoever tries them works in one that is
    gone with it."""
    return Path.cwd() / "files"


def file(name: str, content: bytes) -> Path:
    path = folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def text_of(data: bytes) -> str:
    """Text as a command line has it: any bytes but zero."""
    return os.fsdecode(data).replace("\0", "")


# -- Pictures ----------------------------------------------------------------------------------


def pictures(data: bytes) -> None:
    header = read_header(io.BytesIO(data))
    path = file("picture", data)
    holds_picture(str(path))
    declared = header.width * header.height if header else 0
    if MODEST_PIXELS < declared <= MOST_PIXELS:
        return
    image = load_image(path)
    promise(image.shape[0] * image.shape[1] <= declared, "more pixels than it declared")


def picture_seeds() -> list[bytes]:
    sys.path.append(str(TESTS))
    from hostile.pictures import BAD, ODD, avif, plain, png, tiff

    made = [png(9, 9), tiff(plain(9, 9)), tiff(plain(9, 9), ">"), avif(9, 9)]
    noise = np.random.default_rng(0).integers(0, 256, (7, 9, 4), np.uint8)
    for suffix in (".png", ".jpg", ".webp", ".bmp", ".tiff", ".ppm", ".pam", ".gif", ".avif"):
        for channels in (1, 3, 4):
            with suppress(cv2.error):
                good, packed = cv2.imencode(suffix, noise[..., :channels])
                made += [packed.tobytes()] if good else []
    small = [c for c in (*BAD.values(), *ODD.values()) if 0 < len(c) < 2000]
    return made + small


# -- Settings ----------------------------------------------------------------------------------


def settings(data: bytes) -> None:
    """Any settings file."""
    load(file("own.yaml", data))


def settings_secrets(data: bytes) -> None:
    """Settings whose first camera has a password; what follows is anything."""
    begin = f"cameras:\n  - url: rtsp://admin:{SECRET}@10.0.0.7/s\n"
    if len(data) % 2:
        begin = f"cameras:\n  - url: rtsp://10.0.0.7/s\n    password: {SECRET}\n"
    config = load(file("own.yaml", begin.encode() + data.replace(SECRET.encode(), b"x")))
    shown = f"{config!r} {config.model_dump_json()} {config.cameras}"
    shown += " ".join(camera.name for camera in config.cameras)
    promise(SECRET not in shown, "a password is shown")


def secret_seeds() -> list[bytes]:
    camera = b"    id: till\n    exclude: [[[0, 0], [0.1, 0], [0.1, 0.1]]]\n    timeout_s: 2\n"
    return [camera, b"    id: a\n  - {url: b.mp4, id: b}\nlogos: {gallery: g}\nperson: {x: 1}\n"]


def settings_seeds() -> list[bytes]:
    os.environ |= {"CAM_USER": "admin", "CAM_PASSWORD": "x"}
    files = [path.read_bytes() for path in sorted((ROOT / "configs").glob("*.yaml"))]
    return [*files, b"cameras: [{url: a.mp4, id: b}]\nlogos: {gallery: g}\nengine: {threads: 2}\n"]


# -- Locations ---------------------------------------------------------------------------------


def locations(data: bytes) -> None:
    """A path or URL as somebody types it."""
    text = text_of(data)
    for question in (is_picture, holds_picture, is_live, scheme_of, redact):
        question(text)
    promise(CameraSettings(url="x", id=source_name(text)).name, "the name is no id")
    expand(text, Counter())
    with suppress(ValidationError):
        camera = CameraSettings(url=text)
        f"{camera!r} {camera.model_dump_json()} {camera.name}"
        open_source(camera)


def redaction(data: bytes) -> None:
    """A URL with a password, or a token in its query; nothing shown holds either."""
    parts = [re.sub(r"\s|hunter", "", part) for part in text_of(data).split("|")[:6]]
    scheme, user, left, right, host, rest = parts + [""] * (6 - len(parts))
    scheme = re.sub(r"[^a-z]", "", scheme) or "rtsp"
    # Whoever writes a user name with these in it has written no URL.
    user = re.sub(r"[/@:?#]", "", user)
    left = re.sub(r"^\d*[/?#].*", "", left, flags=re.DOTALL)  # begins as a port with a path does
    url = f"{scheme}://{user}:{left}{SECRET}{right}@{host}/{rest}"
    token = f"{scheme}://{re.sub('[/@?#]', '', host)}/?password={left.replace('&', '')}{SECRET}"
    for text in (url, token):
        shown = [redact(text), redact(f"{text}: cannot be read"), source_name(text)]
        try:
            camera = CameraSettings(url=text)
            shown += [repr(camera), camera.model_dump_json(), camera.name]
            open_source(camera)
        except (SourceRefusedError, ValidationError) as error:
            shown.append(redact(str(error)))
        promise(not any(SECRET in s for s in shown), "a password is shown")


def location_seeds() -> list[bytes]:
    texts = ("rtsp://a:b@10.0.0.7:554/s?x=1", "recording.mp4", "/dev/video0", "csi://0", "a/b.jpg",
             "http://h/x.m3u8?token=abc", "file:///a", "rtsp://[::1]/s", "concat:a|b", "~", "é.mp4",
             "rtsp|admin|a|b|10.0.0.7|s?x=y")  # fmt: skip
    return [text.encode() for text in texts]


# -- Packs and models --------------------------------------------------------------------------


def pack_file(data: bytes) -> None:
    place = folder() / "p"
    for name in (MODEL, LABELS, "background.npy"):
        file(f"p/{name}", b"[]")
    file("p/pack.toml", data)
    try:
        pack = read_pack(place)
    except PackError as error:
        promise(str(error).isprintable(), "an error of several lines")
        raise
    f"{pack} {pack.inputs} {[str(t) for t in (*pack.inputs, *pack.outputs)]}"
    pack.input_size(1920, 1080)
    pack.input_size(1080, 1920, 10**6)


def pack_seeds() -> list[bytes]:
    found = [(pack.folder / "pack.toml").read_text() for pack in shipped()]
    return [
        re.sub(r'^name = ".*"', 'name = "p"', text, count=1, flags=re.M).encode() for text in found
    ]


def pack_labels(data: bytes) -> None:
    pack = find("garments-lite0")
    file(f"l/{LABELS}", data)
    labels.__wrapped__(replace(pack, folder=folder() / "l"))


def label_seeds() -> list[bytes]:
    path = find("garments-lite0").folder / LABELS
    return [path.read_bytes()[:400].rsplit(b",\n", 1)[0] + b"]", b'[{"label":"a","category":null}]']


def onnx_file(data: bytes) -> None:
    """A model of no pack, for ONNX Runtime: its header is read and a session made."""
    from engines import ort
    from engines.trt import graphs

    path = file("m.onnx", data)
    graphs.load(path)
    with ort.open(path, EngineOptions(threads=1)) as engine:
        f"{engine.inputs} {engine.outputs}"


def onnx_seeds() -> list[bytes]:
    from onnx import TensorProto, helper

    made = []
    for kind, shape in ((TensorProto.FLOAT, [1, 4]), (TensorProto.UINT8, ["n", 2, 2, 3])):
        ends = [helper.make_tensor_value_info(name, kind, shape) for name in ("images", "out")]
        node = helper.make_node("Identity", ["images"], ["out"])
        graph = helper.make_graph([node], "g", ends[:1], ends[1:])
        opset = [helper.make_opsetid("", 17)]
        made.append(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
    return made


def plan_record(data: bytes) -> None:
    """What lies beside a TensorRT plan."""
    plans = Plans(folder() / "plans")
    key = Key("m", "0" * 64, "f16", {"images": ((1, 4), (1, 4), (8, 4))}, "trt 1", ("sm86",))
    file(f"plans/{key.stem}.plan", b"plan")
    file(f"plans/{key.stem}.json", data)
    with suppress(EngineError):
        plans.report(plans.path(key))
    plans.find(key)


def plan_seeds() -> list[bytes]:
    plans = Plans(folder() / "seed")
    key = Key("m", "0" * 64, "f16", {"images": ((1, 4), (1, 4), (8, 4))}, "trt 1", ("sm86",))
    path = plans.write(key, b"plan", {"graph": {"failures": []}, "plan": None})
    return [path.with_suffix(".json").read_bytes()]


# -- Galleries and marks -----------------------------------------------------------------------


def length() -> int:
    """Numbers of an embedding."""
    return int(find("logo-embedder-lite0").outputs[0].shape[-1])


def used(gallery: Gallery) -> None:
    """What reading marks does with a gallery."""
    vectors = np.eye(2, length(), dtype=np.float32)
    gallery.match(vectors)
    gallery.lettered(vectors[0], "acme")


def gallery_index(data: bytes) -> None:
    file(f"gallery/{vectors_name(vector_seeds()[0])}", vector_seeds()[0])
    used(open_gallery(file("gallery/gallery.json", data).parent, find("logo-embedder-lite0")))


def gallery_vectors(data: bytes) -> None:
    """An array under the name that belongs to it, in a gallery of its own."""
    for old in (folder() / "vectors").glob("vectors-*"):
        old.unlink()
    file(f"vectors/{vectors_name(data)}", data)
    path = file("vectors/gallery.json", gallery_seeds(vectors_name(data))[0])
    used(open_gallery(path.parent, find("logo-embedder-lite0")))


def vectors_name(content: bytes) -> str:
    return f"vectors-{hashlib.sha256(content).hexdigest()[:16]}.npy"


def gallery_seeds(vectors: str = "") -> list[bytes]:
    model = find("logo-embedder-lite0")
    entry = {"file": "marks/0123456789abcdef.svg", "source": "a.svg"}
    brands = [{"name": n, "background": 0.2, "files": [entry]} for n in ("Acme", "Émile")]
    vectors = vectors or vectors_name(vector_seeds()[0])
    whole = {"version": 1, "model": model.name, "sha256": model.sha256, "vectors": vectors}
    return [json.dumps(whole | {"brands": brands}).encode(), json.dumps(whole).encode()]


@cache
def vector_seeds() -> list[bytes]:
    found = []
    for shape in ((2 * VIEWS, length()), (2, 3)):
        packed = io.BytesIO()
        np.save(packed, np.ones(shape, np.float16))
        found.append(packed.getvalue())
    return found


def marks_svg(data: bytes) -> None:
    views(read_mark(file("mark.svg", data)), 64)


def marks_picture(data: bytes) -> None:
    views(read_mark(file("mark.png", data)), 64)


def svg_seeds() -> list[bytes]:
    found = [path.read_bytes() for path in sorted((TESTS / "data" / "brands").glob("*.svg"))]
    own = (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><defs><g id="a"><rect width="5"'
        b' height="4" fill="#f00"/></g></defs><use href="#a" x="2"/><text y="5">ab</text></svg>'
    )
    return [own, *[svg for svg in found if len(svg) < 4000][:8]]


# -- Streams -----------------------------------------------------------------------------------


class Piece:
    """A payload as PyAV hands it out."""

    time_base = Fraction(1, 90_000)

    def __init__(self, content: bytes, pts: int) -> None:
        self._content, self.pts, self.dts = content, pts, pts

    def __bytes__(self) -> bytes:
        return self._content


def pieces(data: bytes) -> Iterator[Piece]:
    """Payloads: of each a length and a time, four bytes together, then its content."""
    at = 1
    while at + 4 <= len(data):
        length, begins, pts = struct.unpack_from(">HBB", data, at)
        content = data[at + 4 : at + 4 + length % 2048]
        yield Piece((b"\0\0\0\1" if begins % 2 else b"") + content, pts)
        at += 4 + length % 2048


def assembly(data: bytes) -> None:
    """Payloads of an RTSP camera: what comes out came in, once, in order."""
    assembler = Assembler(CODECS[data[:1] > b"\x7f"])
    came, left = b"", b""
    for piece in pieces(data):
        came += bytes(piece)
        for picture in assembler.feed(piece):
            left += bytes(picture)
    promise(len(left) <= len(came), "more bytes out than in")


def assembly_seeds() -> list[bytes]:
    def payload(content: bytes, begins: int, pts: int) -> bytes:
        return struct.pack(">HBB", len(content), begins, pts) + content

    made = []
    for codec, key, delta in (
        (b"\0", b"\x65\x88", b"\x41\x9a"),
        (b"\xff", b"\x26\1\x80", b"\2\1\x80"),
    ):
        stream = codec
        for pts in range(12):
            first = (key if pts % 6 == 0 else delta) + bytes(30)
            stream += payload(first, 1, pts) + payload(bytes(32), 0, pts) + payload(b"xy", 0, pts)
        made.append(stream)
    return made


def videos(data: bytes) -> None:
    """A recording: opened, and a few pictures of it decoded."""
    with file_source(CameraSettings(url=str(file("clip", data)))) as source:
        for _, _frame in zip(range(4), source, strict=False):
            pass


def video_seeds() -> list[bytes]:
    import av

    made = []
    for form, codec in (
        ("mp4", "libx264"),
        ("matroska", "mpeg4"),
        ("mpegts", "libx264"),
        ("avi", "mjpeg"),
    ):
        packed = io.BytesIO()
        with av.open(packed, "w", format=form) as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for level in (0, 90, 200):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8))
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        made.append(packed.getvalue())
    return made


# -- Records and the screen ----------------------------------------------------------------------


def records(data: bytes) -> None:
    """A file of records that was cut short anywhere is continued, and every new line is whole."""
    path = file("events.jsonl", data)
    lines = JsonLines(path, append=True)
    lines.open()
    lines.write({"event": "entered"})
    lines.close()
    content = path.read_bytes()
    promise(content.startswith(data), "what was there is changed")
    promise(content.endswith(b'\n{"event": "entered"}\n') or not data, "a line that is not whole")


def record_seeds() -> list[bytes]:
    line = {"event": "entered", "source": "cam", "track_id": 1, "utc": 1.5, "pts": 0.2}
    return [json.dumps(line).encode() + b"\n", b'{"event": "ent', b""]


#: Whatever a terminal takes for more than letters.
CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def screen(data: bytes) -> None:
    """Names and reasons on the terminal and in the log: no control characters, one line each."""
    text = text_of(data)
    name = source_name(text)
    with suppress(ValueError):
        name = CameraSettings(url="x", id=text).name
    stats = SimpleNamespace(cameras={name: CameraStats(name, note=text)}, outlets=[], started=0.0)
    told = io.StringIO()
    console = Console(file=told, width=200)
    before, cli_errors.errors = cli_errors.errors, console
    try:
        console.print(table(stats))
        shown = Screen(stats, console, quiet=False)
        console.print(shown._picture())
        summary(stats, Path(text), "engine", console)
        promise(name in told.getvalue(), "the name is not on the screen")
        for say in (cli_errors.warn, cli_errors.complain):
            begin = len(told.getvalue().splitlines())
            say(text.replace("\n", " "))
            promise(len(told.getvalue().splitlines()) == begin + 1, "more than one line")
    finally:
        cli_errors.errors = before
    promise(not CONTROL.search(told.getvalue()), "control characters reach the terminal")


def screen_seeds() -> list[bytes]:
    return [b"cam-1", b"[red]x[/] cannot be read", b"\x1b[31m", "кам\u202e.mp4".encode(), b"[/"]


TARGETS: dict[str, Target] = {
    "pictures": Target(pictures, picture_seeds),
    "settings": Target(settings, settings_seeds, settings_texts, 4096),
    "settings-secrets": Target(settings_secrets, secret_seeds, settings_texts, 2048),
    "locations": Target(locations, location_seeds, some_text, 512),
    "redaction": Target(redaction, location_seeds, some_text, 256),
    "pack-file": Target(pack_file, pack_seeds, most=8192),
    "pack-labels": Target(pack_labels, label_seeds, most=2048),
    "onnx": Target(onnx_file, onnx_seeds, most=2048),
    "plan-record": Target(plan_record, plan_seeds, most=2048),
    "gallery-index": Target(gallery_index, gallery_seeds, most=2048),
    "gallery-vectors": Target(gallery_vectors, vector_seeds, most=8192),
    "marks-svg": Target(marks_svg, svg_seeds, svg_texts, 8192),
    "marks-picture": Target(marks_picture, picture_seeds, most=8192),
    "assembly": Target(assembly, assembly_seeds, payloads, 8192),
    "videos": Target(videos, video_seeds),
    "records": Target(records, record_seeds, most=2048),
    "screen": Target(screen, screen_seeds, some_text, 512),
}
