"""The command line as a user meets it: real processes, real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import CLIP, wait_until

from engines.zoo import MODELS, labels

BIN = Path(sys.executable).parent / "threadline"


def threadline(*args: object, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN, *map(str, args)], capture_output=True, text=True, timeout=timeout,
        env={**os.environ, **env},
    )  # fmt: skip


def start(*args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BIN, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_run_tags_a_recording(short_clip, tmp_path):
    out = tmp_path / "out"
    done = threadline("run", short_clip, "--out", out, "--stats", out / "s.json", "--frames")
    assert done.returncode == 0, done.stderr
    assert "30 frames" in done.stdout
    assert str(out) in done.stdout
    stats = json.loads((out / "s.json").read_text())
    assert set(stats) == {"duration_s", "peak_memory_mb", "degraded", "cameras", "stages"}
    [camera] = stats["cameras"]
    for key in (
        "id", "decoded", "analysed", "skipped", "dropped", "detector_runs", "reconnects", "latency",
    ):  # fmt: skip
        assert key in camera
    assert camera["decoded"] == camera["analysed"] == 30
    assert camera["detector_runs"] + sum(camera["skipped"].values()) == 30
    assert 0 < camera["latency"]["p50"] <= camera["latency"]["p99"]
    assert stats["stages"]["detect"]["calls"] > 0
    events = lines(out / "events.jsonl")
    assert {"entered", "appeared"} <= {event["event"] for event in events}
    assert len(lines(out / "frames.jsonl")) == 30
    assert (out / "short.mp4").stat().st_size > 10_000
    assert list((out / "snapshots" / "short").glob("person-*.jpg"))


def test_quiet_prints_nothing(short_clip, tmp_path):
    done = threadline("run", short_clip, "--out", tmp_path, "--quiet", "--no-video")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.glob("*.mp4"))


def test_a_folder_is_many_recordings_and_one_bad_file_spoils_none(short_clip, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(short_clip.read_bytes())
    (folder / "c.mp4").write_bytes(b"rubbish" * 100)
    (folder / "notes.txt").write_text("not a video")
    out, stats = tmp_path / "out", tmp_path / "s.json"
    done = threadline("run", folder, "--out", out, "--stats", stats, "--no-video")
    assert done.returncode == 1
    assert "c.mp4: not a readable video" in done.stderr.replace("\n", " ")
    states = {
        c["id"]: (c["state"], c["analysed"]) for c in json.loads(stats.read_text())["cameras"]
    }
    assert states == {"a": ("done", 30), "b": ("done", 30), "c": ("failed", 0)}
    assert {event["camera"] for event in lines(out / "events.jsonl")} == {"a", "b"}


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_tag_contract(backend, tmp_path):
    photo = tmp_path / "in" / "street.jpg"
    photo.parent.mkdir()
    strip = cv2.imread(str(CLIP.parent / "person_reference.png"))
    cv2.imwrite(str(photo), cv2.resize(strip[:, :300], (767, 575)))
    out = tmp_path / "out"
    done = threadline("tag", photo, "--out", out, "--masks", "--draw", "--engine", backend)
    assert done.returncode == 0, done.stderr
    [record] = lines(out / "tags.jsonl")
    assert record["file"] == str(photo)
    assert record["persons"]
    assert record["tags"]
    for tag in record["tags"]:
        assert set(tag) >= {"kind", "label", "category", "colour", "score", "box", "track_id"}
        x0, y0, x1, y1 = tag["box"]
        assert 0 <= x0 < x1 <= 767
        assert 0 <= y0 < y1 <= 575
    names = json.loads((out / "labels.json").read_text())
    known = {label.name: label.category for label in labels("garments-lite0")}
    assert len(names) == 59
    assert record["mask"] == "masks/street.png"
    mask = cv2.imread(str(out / record["mask"]), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (575, 767)
    assert mask.dtype == np.uint8
    fine = {tag["label"] for tag in record["tags"] if tag["level"] == "fine"}
    assert fine <= set(names)
    drawn = {known[names[i]] for i in np.unique(mask)}
    large = {
        tag["category"]
        for tag in record["tags"]
        if min(tag["box"][2] - tag["box"][0], tag["box"][3] - tag["box"][1]) >= 4
    }
    assert large
    assert large <= drawn, "what is larger than a few pixels has its pixels in the mask"
    assert (out / "drawn" / "street.png").exists()


def test_tag_takes_any_picture_and_names_the_bad_ones(tmp_path):
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    rng = np.random.default_rng(0)
    pictures = {
        "one.png": np.full((1, 1, 3), 9, np.uint8), "odd.png": np.full((17, 9, 3), 200, np.uint8),
        "grey.png": rng.integers(0, 256, (40, 30), np.uint8),
        "deep.png": rng.integers(0, 65536, (40, 30, 3)).astype(np.uint16),
        "alpha.png": rng.integers(0, 256, (40, 30, 4), np.uint8),
        "deeper/odd.png": np.full((9, 9, 3), 20, np.uint8),
        "deeper/huge.jpg": np.zeros((4320, 7680, 3), np.uint8),
    }  # fmt: skip
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), picture)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "broken.jpg").write_bytes((folder / "odd.png").read_bytes()[:20])
    done = threadline("tag", folder, "--out", tmp_path / "out", "--masks")
    assert done.returncode == 1
    assert "empty.jpg" in done.stderr
    assert "broken.jpg" in done.stderr
    assert "7 of 9 pictures tagged" in done.stdout
    assert len(lines(tmp_path / "out" / "tags.jsonl")) == 7
    assert (tmp_path / "out" / "masks" / "odd-2.png").exists()
    mask = cv2.imread(str(tmp_path / "out" / "masks" / "huge.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (4320, 7680)


@pytest.mark.parametrize(
    ("args", "word", "code"),
    [
        (["run", "missing.mp4"], "missing.mp4: no such file", 1),
        (["run", "ftp://host/x"], "cannot read 'ftp://'", 1),
        (["run", "rtsp://"], "not a valid URL", 1),
        (["run", "rtsp://u:hunter2@h:99999/x"], "not a valid URL", 1),
        (["run"], "no camera given", 2),
        (["run", "rtsp://[::1/x"], "not a valid URL", 1),
        (["run", ""], "empty", 1),
        (["run", "a\udcff.mp4"], "not UTF-8", 1),
        (["run", "x.mp4", "--engine", "cuda"], "must be one of auto", 2),
        (["run", "x.mp4", "--config", "nope.yaml"], "nope.yaml: cannot be read", 2),
        (["tag", "missing.jpg"], "missing.jpg: cannot be read", 1),
        (["models", "show", "person-ssdlit"], "did you mean 'person-ssdlite'", 1),
        (["config", "check", "nope.yaml"], "nope.yaml: cannot be read", 2),
    ],
)
def test_mistakes_get_one_line_with_a_remedy(args, word, code, tmp_path):
    out = ["--out", tmp_path / "out"] if args[0] in ("run", "tag") else []
    done = threadline(*args, *out)
    assert done.returncode == code
    message = " ".join(done.stderr.split())
    assert word in message
    assert "Traceback" not in message
    assert "hunter2" not in message + done.stdout


def test_an_output_folder_that_cannot_be_written(short_clip, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    done = threadline("run", short_clip, "--out", blocker)
    assert done.returncode == 1
    assert "choose another --out" in " ".join(done.stderr.split())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_run_with_a_message(short_clip, tmp_path):
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    stats = tmp_path / "s.json"
    done = threadline("run", short_clip, "--out", tmp_path, "--no-video", "--stats", stats)
    assert done.returncode == 1
    assert "free space" in " ".join(done.stderr.split())
    assert stats.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_within_two_seconds_and_keeps_what_was_found(number, tmp_path):
    process = start("run", CLIP, "--out", tmp_path, "--stats", tmp_path / "s.json")
    events = tmp_path / "events.jsonl"
    wait_until(lambda: events.exists() and events.stat().st_size > 2000, 30, "events")
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - began < 2
    assert process.returncode == 130, err
    assert lines(events), "every line is whole"
    assert json.loads((tmp_path / "s.json").read_text())["cameras"][0]["analysed"] > 0
    assert "results in" in out


def test_a_signal_delivered_twice_is_one_signal(tmp_path):
    """`timeout` signals the process and then its group."""
    process = start("run", CLIP, "--out", tmp_path, "--stats", tmp_path / "s.json")
    events = tmp_path / "events.jsonl"
    wait_until(lambda: events.exists() and events.stat().st_size > 500, 30, "events")
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == 130
    assert (tmp_path / "s.json").exists()


def test_a_second_signal_ends_at_once_whatever_hangs(tmp_path):
    os.mkfifo(tmp_path / "events.jsonl")  # nobody reads: writing waits for ever
    process = start("run", CLIP, "--out", tmp_path, "--quiet")
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=1)
    assert process.returncode == 130


def test_models_commands():
    listed = threadline("models", "list", "--shipped", "--names").stdout.split()
    assert listed == list(MODELS)
    assert "Apache-2.0" in threadline("models", "list").stdout
    for name in listed:
        shown = threadline("models", "show", name).stdout
        assert "sha256" in shown
        assert "Figures" in shown
        assert "matches its hash" in threadline("models", "check", name).stdout
        assert "nothing to download" in threadline("models", "pull", name).stdout


def test_config_commands(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("cameras:\n  - url: rtsp://admin:hunter2@10.0.0.7/s\n")
    assert "ok, 1 cameras" in threadline("config", "check", path).stdout
    shown = threadline("config", "show", "--config", path).stdout
    assert "10.0.0.7" in shown
    assert "hunter2" not in shown
    assert json.loads(threadline("config", "schema").stdout)["title"] == "Config"
    path.write_text("camera: []\n")
    done = threadline("config", "check", path)
    assert done.returncode == 2
    assert "c.yaml:1: camera: unknown key; did you mean 'cameras'?" in " ".join(done.stderr.split())


def test_doctor_and_help():
    done = threadline("doctor")
    assert done.returncode == 0, done.stdout
    for word in ("openvino", "onnxruntime", "h264 yes", "model person-ssdlite", "ready"):
        assert word in done.stdout
    assert "tag" in threadline("--help").stdout
    assert threadline("--version").stdout.startswith("threadline ")
