"""Whatever is named as a source or a result: what is read stays as it is, byte for byte, and what
is refused is refused before anything is written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hostile.pictures import encoded
from support import CLIP, command


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def put(path: Path, given: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(given)
    return path


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder with a recording, pictures, settings, a gallery; and the present one."""
    put(tmp_path / "shop" / "cam.mp4", CLIP.read_bytes())
    put(tmp_path / "shop" / "till.mp4")
    put(tmp_path / "photos" / "a.jpg", encoded(".jpg"))
    put(tmp_path / "photos" / "masks" / "m.png", encoded(".png"))
    put(tmp_path / "photos" / "drawn" / "d.png", encoded(".png"))
    put(tmp_path / "settings" / "events.jsonl", b"outputs: {video: false}\n")
    put(tmp_path / "settings" / "own.yaml", b"cameras: [{url: shop/cam.mp4, id: till}]\n")
    address = f"cameras: [{{url: 'file://{tmp_path}/shop/cam.mp4', id: cam}}]\n"
    put(tmp_path / "settings" / "address.yaml", address.encode())
    put(tmp_path / "other" / "cam.mp4")
    put(tmp_path / "other" / "link.mp4")
    put(tmp_path / "marks" / "events.jsonl")
    put(tmp_path / "marks" / "tags.jsonl")
    (tmp_path / "link.mp4").symlink_to("shop/cam.mp4")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "link.mp4").symlink_to("../shop/cam.mp4")
    (tmp_path / "again").symlink_to("shop")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hard(source: str, target: str) -> None:
    Path(target).parent.mkdir(exist_ok=True)
    os.link(source, target)


def soft(source: str, target: str) -> None:
    Path(target).parent.mkdir(exist_ok=True)
    Path(target).symlink_to(Path(source).absolute())


RUNS = {
    "same folder": ["shop/cam.mp4", "--out", "shop"],
    "folder into itself": ["shop", "--out", "shop"],
    "folder with a slash": ["shop/", "--out", "shop/"],
    "dots": ["shop/../shop/./cam.mp4", "--out", "photos/../shop"],
    "absolute": ["{}/shop/cam.mp4", "--out", "shop"],
    "slashes": ["shop//cam.mp4", "--out", "{}//shop"],
    "linked source": ["again/../link.mp4", "--out", "linked"],
    "linked folder": ["shop/cam.mp4", "--out", "again"],
    "by linked folder": ["again/cam.mp4", "--out", "shop"],
    "address": ["--config", "settings/address.yaml", "--out", "shop"],
    "second of one name": ["other/cam.mp4", "shop/cam.mp4", "--out", "shop"],
    "by id": ["--config", "settings/own.yaml", "--out", "{}/shop"],
    "out is the source": ["shop/cam.mp4", "--out", "shop/cam.mp4"],
    "out is the settings": [
        "shop/cam.mp4",
        "--config",
        "settings/own.yaml",
        "--out",
        "settings/own.yaml",
    ],
    "stats is the source": ["shop/cam.mp4", "--stats", "shop/cam.mp4", "--out", "o"],
    "stats is a link": ["shop/cam.mp4", "--stats", "link.mp4", "--out", "o"],
    "stats is the settings": [
        "shop/cam.mp4",
        "--config",
        "settings/own.yaml",
        "--stats",
        "settings/../settings/own.yaml",
        "--out",
        "o",
    ],
    "stats is in the gallery": [
        "shop/cam.mp4",
        "--gallery",
        "marks",
        "--stats",
        "marks/tags.jsonl",
        "--out",
        "o",
    ],
    "stats is a result": ["shop/cam.mp4", "--stats", "o/events.jsonl", "--out", "o"],
    "settings are a result": [
        "shop/cam.mp4",
        "--config",
        "settings/events.jsonl",
        "--out",
        "settings",
    ],
    "out is the gallery": ["shop/cam.mp4", "--gallery", "marks", "--out", "marks"],
    "video of somebody else": ["link.mp4", "--out", "other"],
}

TAGS = {
    "masks among pictures": ["photos", "--out", "photos", "--masks"],
    "drawn among pictures": ["photos", "--out", "{}/photos/.", "--draw"],
    "named masks": ["photos/masks/m.png", "--out", "photos", "--masks"],
    "out is a picture": ["photos/a.jpg", "--out", "photos/a.jpg"],
    "out is the gallery": ["photos/a.jpg", "--gallery", "marks", "--out", "marks"],
    "settings are a result": ["photos/a.jpg", "--config", "linked/tags.jsonl", "--out", "linked"],
}

LINKED = {
    "hard link to a video": [hard, "shop/cam.mp4", "o/till.mp4"],
    "soft link to a video": [soft, "shop/cam.mp4", "o/till.mp4"],
    "hard link to events": [hard, "shop/cam.mp4", "o/events.jsonl"],
    "soft link to events": [soft, "shop/cam.mp4", "o/events.jsonl"],
    "soft link to frames": [soft, "shop/cam.mp4", "o/frames.jsonl"],
    "hard link to the lock": [hard, "settings/own.yaml", "o/.threadline.lock"],
}


def refused(folder: Path, *args: str) -> str:
    before, began = content(folder), time.monotonic()
    done = command(*(arg.format(folder) for arg in args))
    assert time.monotonic() - began < 2
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert "choose another --out" in line or "choose another --stats" in line
    assert content(folder) == before
    return line


@pytest.mark.parametrize("name", RUNS)
def test_a_run_never_writes_over_what_it_reads(shop, name):
    refused(shop, "run", *RUNS[name])


@pytest.mark.parametrize("name", TAGS)
def test_tagging_never_writes_over_what_it_reads(shop, name):
    put(shop / "linked" / "tags.jsonl", b"garments: {enabled: true}\n")
    refused(shop, "tag", *TAGS[name])


@pytest.mark.parametrize("name", LINKED)
def test_links_to_what_is_read_are_seen_through(shop, name):
    link, source, target = LINKED[name]
    try:
        link(source, target)
    except OSError:
        pytest.skip("no links on this disk")
    refused(shop, "run", "--config", "settings/own.yaml", "--out", "o", "--frames")


def test_what_would_be_overwritten_is_named_with_the_remedy(shop):
    line = refused(shop, "run", "link.mp4", "shop/cam.mp4", "--out", "shop")
    assert "shop/cam.mp4: is read" in line
    hard("photos/a.jpg", "o/tags.jsonl")
    assert "as photos/a.jpg" in refused(shop, "tag", "photos/a.jpg", "--out", "o")


def test_without_video_a_recording_may_lie_beside_the_results(shop, monkeypatch):
    monkeypatch.setattr("pipeline.cli.run._run", lambda *given: 0)
    before = content(shop)
    assert command("run", "shop/cam.mp4", "--no-video", "--out", "shop").returncode == 0
    assert content(shop) == before | {"shop/.threadline.lock": b""}


NAMES = {
    "run": [
        "",
        " ",
        "-",
        ".",
        "..",
        "/",
        "~",
        "\n",
        "a\udcff.mp4",
        "x" * 300 + ".mp4",
        "a/" * 3000,
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/proc/self/mem",
        "/proc/self/environ",
        "concat:a|b",
        "file:",
        "file://",
        "file:///",
        "http://",
        "http:///x",
        "rtsp://u:hunter2@",
        "rtsp://[",
        "rtsp://u:hunter2@h:port/x",
        "subfile,,start,0,end,9,,:x",
        "pipe:0",
        "data:,x",
        "async:http:x",
        "%s%n",
        "${HOME}",
        "con",
        "nul.mp4",
        "\u202egpj.mp4",
        "🎥.mp4",
        "@eaDir",
    ],
    "tag": [
        "",
        " ",
        ".",
        "/dev/null",
        "/dev/zero",
        "x" * 300 + ".jpg",
        "a/" * 3000,
        "a\udcff.jpg",
        "\n",
        "http://u:hunter2@h/x.jpg",
        "%s.jpg",
        "/proc/self/mem",
        "🎥.jpg",
        "~",
        "missing",
    ],
}


@pytest.fixture
def no_models(monkeypatch):
    """Nothing runs: what is named is refused before a model would be asked."""
    monkeypatch.setattr("pipeline.cli.run._run", lambda *given: 1)
    monkeypatch.setattr("pipeline.cli.tag.open_detector", lambda *given: None)
    monkeypatch.setattr("pipeline.cli.tag.open_taggers", lambda *given: [])


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        pytest.param(verb, name, id=f"{verb} {name[:20]!a}")
        for verb, names in NAMES.items()
        for name in names
    ],
)
def test_odd_names_get_one_line(tmp_path, monkeypatch, no_models, verb, name):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    began = time.monotonic()
    done = command(verb, "--out", tmp_path / "out", "--", name)
    assert done.returncode in (0, 1, 2)
    assert time.monotonic() - began < 2
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "hunter2" not in said
    assert not content(empty)


OUTS = ["x" * 300, "a/" * 3000, "\udcff", "loop", "loop/x", "file", "file/x", "/dev/null", "\n", ""]


@pytest.mark.parametrize(
    ("verb", "option"),
    [
        *(("run", option) for option in ("--out", "--stats", "--gallery", "--config")),
        *(("tag", option) for option in ("--out", "--gallery", "--config")),
    ],
)
@pytest.mark.parametrize("name", OUTS, ids=lambda name: ascii(name[:20]))
def test_odd_names_of_results_get_one_line(tmp_path, monkeypatch, no_models, verb, name, option):
    put(tmp_path / "file")
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    source = "loop" if verb == "tag" else "missing.mp4"
    more = ["--draw"] if verb == "tag" else []
    began = time.monotonic()
    done = command(verb, source, *more, "--out", "out", option, name)
    assert done.returncode in (1, 2)
    assert time.monotonic() - began < 2
    assert "Traceback" not in done.stderr
    assert content(tmp_path)["file"] == b"x"


@pytest.mark.parametrize("gallery", ["x" * 300, "a/" * 3000, "a\\0b", "loop"])
def test_odd_names_in_settings_get_one_line(tmp_path, monkeypatch, no_models, gallery):
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(f'logos: {{gallery: "{gallery}"}}\n')
    done = command("run", "missing", "--config", "own.yaml", "--out", "out")
    assert done.returncode in (1, 2)


@pytest.mark.parametrize("option", ["--gallery", "--packs", "--out", "--config", "--stats"])
def test_names_too_long_for_the_file_system_are_one_line(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("run", CLIP, option, "a" * 300)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("error: aaa")
    assert done.stderr.count("\n") == 1
