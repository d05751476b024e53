"""The command line as a user meets it: real files, and real processes where they are the point."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import CLIP, QUICK, command, cut, lines, threadline, wait_until

from engines.packs import find, labels, shipped
from pipeline.cli.app import COMMANDS, opened
from pipeline.cli.errors import standard_output
from pipeline.cli.screen import summary
from pipeline.cli.settings import cameras, unique
from pipeline.flow.stats import Stats
from pipeline.tagging.garments.parts import COVERS

CONFIGS = Path(__file__).parents[2] / "configs"


def test_run_tags_a_recording(short_clip, tmp_path):
    out = tmp_path / "out"
    done = threadline("run", short_clip, "--out", out, "--stats", out / "s.json", "--frames")
    assert done.returncode == 0, done.stderr
    assert "30 frames" in done.stdout
    assert str(out) in done.stdout
    stats = json.loads((out / "s.json").read_text())
    assert set(stats) == {
        "duration_s", "peak_memory_mb", "degraded", "cameras", "removed", "outlets", "stages",
    }  # fmt: skip
    [camera] = stats["cameras"]
    for key in (
        "id", "decoded", "analysed", "skipped", "dropped", "detector_runs", "looks", "unwritten",
        "failed", "reconnects", "latency",
    ):  # fmt: skip
        assert key in camera
    assert camera["decoded"] == camera["analysed"] == 30
    assert camera["detector_runs"] + sum(camera["skipped"].values()) == 30
    assert 0 < camera["latency"]["p50"] <= camera["latency"]["p99"]
    assert stats["stages"]["detect"]["calls"] > 0
    assert stats["stages"]["garments"]["calls"] > 0
    assert camera["looks"]["garments"] >= camera["people"] > 0
    events = lines(out / "events.jsonl")
    assert {"entered", "appeared"} <= {event["event"] for event in events}
    assert len(lines(out / "frames.jsonl")) == 30
    assert (out / "short.mp4").stat().st_size > 10_000
    assert list((out / "snapshots" / "short").glob("*/*-person-*.jpg"))


def test_quiet_prints_nothing(few_frames, tmp_path):
    """Not even what libraries print by themselves."""
    out = tmp_path / "out"
    done = threadline("run", few_frames, "--out", out, "--quiet", "--no-video", *QUICK)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (out / "events.jsonl").exists()
    assert not list(out.glob("*.mp4"))


def test_a_folder_is_many_recordings_and_one_bad_file_spoils_none(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        cut(folder / name, 10)
    (folder / "c.mp4").write_bytes(b"rubbish" * 100)
    (folder / "notes.txt").write_text("not a video")
    out, stats = tmp_path / "out", tmp_path / "s.json"
    done = command("run", folder, "--out", out, "--stats", stats, "--no-video", *QUICK)
    assert done.returncode == 1
    assert "c.mp4: not a readable video" in done.stderr.replace("\n", " ")
    states = {
        c["id"]: (c["state"], c["analysed"]) for c in json.loads(stats.read_text())["cameras"]
    }
    assert states == {"a": ("done", 10), "b": ("done", 10), "c": ("failed", 0)}
    assert {event["camera"] for event in lines(out / "events.jsonl")} == {"a", "b"}


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_tag_contract(backend, tmp_path):
    photo = tmp_path / "in" / "street.jpg"
    photo.parent.mkdir()
    strip = cv2.imread(str(CLIP.parent / "person_reference.png"))
    cv2.imwrite(str(photo), cv2.resize(strip[:, :300], (767, 575)))
    out = tmp_path / "out"
    done = command("tag", photo, "--out", out, "--masks", "--draw", "--engine", backend)
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
    known = {label.name: label.category for label in labels(find("garments-lite0"))}
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
        # Of upper and lower garments heads may know better, or no more than where they are.
        if tag["category"] in set(known.values()) - set(COVERS)
        and min(tag["box"][2] - tag["box"][0], tag["box"][3] - tag["box"][1]) >= 4
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
    done = command("tag", folder, "--out", tmp_path / "out", "--masks", *QUICK)
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
        (["models", "show", "person-stor"], "did you mean 'person-store'", 1),
        (["config", "check", "nope.yaml"], "nope.yaml: cannot be read", 2),
        (["run", "x.mp4", "--packs", "nowhere"], "nowhere: no folder of packs", 1),
        (["run", "x.mp4", "--gallery", "nowhere"], "threadline gallery add", 2),
    ],
)
def test_mistakes_get_one_line_with_a_remedy(args, word, code, tmp_path):
    out = ["--out", tmp_path / "out"] if args[0] in ("run", "tag") else []
    quick = QUICK if args[0] == "run" and "--engine" not in args else ()
    done = command(*args, *out, *quick)
    assert done.returncode == code
    message = " ".join(done.stderr.split())
    assert word in message
    assert "Traceback" not in message
    assert "hunter2" not in message + done.stdout


def test_an_output_folder_that_cannot_be_written(short_clip, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    done = command("run", short_clip, "--out", blocker)
    assert done.returncode == 1
    assert "choose another --out" in " ".join(done.stderr.split())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported_and_the_run_fails(few_frames, tmp_path):
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    stats = tmp_path / "s.json"
    done = command("run", few_frames, "--out", tmp_path, "--no-video", "--stats", stats, *QUICK)
    assert done.returncode == 1
    assert "free space" in " ".join(done.stderr.split())
    assert stats.exists()


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_within_two_seconds_and_keeps_what_was_found(number, tmp_path, start):
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


def test_a_signal_delivered_twice_is_one_signal(tmp_path, start):
    """`timeout` signals the process and then its group."""
    process = start("run", CLIP, "--out", tmp_path, "--stats", tmp_path / "s.json", *QUICK)
    events = tmp_path / "events.jsonl"
    wait_until(lambda: events.exists() and events.stat().st_size > 500, 60, "events")
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert (tmp_path / "s.json").exists()


def test_a_second_signal_ends_at_once_whatever_hangs(tmp_path, start):
    os.mkfifo(tmp_path / "events.jsonl")  # nobody reads: writing waits for ever
    process = start("run", CLIP, "--out", tmp_path, "--quiet", *QUICK)
    wait_until((tmp_path / "journal.db").exists, 60, "it begins")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130


def test_config_commands(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "cameras:\n  - url: rtsp://admin:hunter2@10.0.0.7/s\n"
        "  - {url: 'rtsp://10.0.0.8/s', user: admin, password: hunter2}\n"
    )
    assert "ok, 2 cameras" in command("config", "check", path).stdout
    shown = command("config", "show", "--config", path).stdout
    assert "10.0.0.7" in shown
    assert "hunter2" not in shown
    assert "refresh_s: 3.0" in shown, "defaults are shown"
    assert json.loads(command("config", "schema").stdout)["title"] == "Config"
    path.write_text("camera: []\n")
    done = command("config", "check", path)
    assert done.returncode == 2
    assert "c.yaml:1: camera: unknown key; did you mean 'cameras'?" in done.stderr


def test_what_config_show_prints_is_a_settings_file(tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(command("config", "show").stdout)
    assert "ok, 0 cameras" in command("config", "check", path).stdout


def test_cameras_named_on_the_command_line_replace_those_of_the_file(
    few_frames, tmp_path, monkeypatch
):
    """The file's cameras need passwords that nobody has set."""
    for name in ("CAM_USER", "CAM_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    config, stats = CONFIGS / "store-cpu.yaml", tmp_path / "s.json"
    asked = ["run", "--config", config, "--out", tmp_path, "--no-video", "--stats", stats, *QUICK]
    done = command(*asked, few_frames)
    assert done.returncode == 0, done.stderr
    assert [camera["id"] for camera in json.loads(stats.read_text())["cameras"]] == ["few"]
    done = command(*asked)
    assert done.returncode == 2
    assert "is not set; export it first" in done.stderr
    photo = CLIP.parent / "person_reference.png"
    done = command("tag", photo, "--config", config, "--out", tmp_path, *QUICK)
    assert done.returncode == 0, "pictures need no camera: " + done.stderr


def test_options_change_only_what_they_name(short_clip, tmp_path):
    path, stats = tmp_path / "c.yaml", tmp_path / "s.json"
    path.write_text(
        "outputs: {events: false, frames: true}\nperson: {interval_s: 1}\n"
        "garments: {enabled: false}\nengine: {threads: 1}\n"
    )
    out = tmp_path / "out"
    done = command(
        "run", short_clip, "--config", path, "--engine", "onnxruntime", "--no-video",
        "--out", out, "--stats", stats,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(lines(out / "frames.jsonl")) == 30
    assert not (out / "events.jsonl").exists()
    [camera] = json.loads(stats.read_text())["cameras"]
    assert camera["detector_runs"] == 3, "one look a second"
    assert camera["looks"] == {}


def test_a_tagger_may_be_on_for_one_camera_alone(few_frames, tmp_path):
    path, stats = tmp_path / "c.yaml", tmp_path / "s.json"
    path.write_text(
        "garments: {enabled: false}\noutputs: {video: false, snapshots: false}\ncameras:\n"
        f"  - {{url: {few_frames}, id: bare}}\n"
        f"  - {{url: {few_frames}, id: dressed, garments: {{enabled: true}}}}\n"
    )
    done = command("run", "--config", path, "--out", tmp_path / "out", "--stats", stats, *QUICK)
    assert done.returncode == 0, done.stderr
    bare, dressed = json.loads(stats.read_text())["cameras"]
    assert (bare["id"], bare["looks"]) == ("bare", {})
    assert dressed["looks"]["garments"] > 0
    tagged = {e["camera"] for e in lines(tmp_path / "out" / "events.jsonl") if "tag" in e}
    assert tagged == {"dressed"}


def test_recordings_of_one_name_get_names_of_their_own(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "till.mp4").write_bytes(b"x")
    sources = [str(tmp_path / "a"), str(tmp_path / "b" / "till.mp4"), "rtsp://h/till"]
    named = cameras(sources, Counter())
    assert [camera["id"] for camera in named] == ["till", "till-2", "h-till"]
    deep = tmp_path / ("recorder " * 9) / "channel 1"
    deep.mkdir(parents=True)
    for name in ("10.mp4", "11.mp4"):
        (deep / name).write_bytes(b"x")
    named = cameras([str(tmp_path)], Counter())
    assert [camera["id"] for camera in named[:2]] == ["a-till", "b-till"]
    assert named[2]["id"].endswith("-channel-1-10")
    assert named[3]["id"].endswith("-channel-1-11")
    taken = {"x", "x-2"}
    assert unique("x", taken) == "x-3"
    assert taken == {"x", "x-2", "x-3"}


def test_nothing_is_cut_where_another_program_reads(tmp_path, capsys):
    stats = Stats()
    name, folder = "a-camera-with-a-long-name-" * 2, tmp_path / ("deep" * 30)
    stats.camera(name).note = "it cannot be reached " * 9
    summary(stats, folder, "openvino, int8", standard_output())
    first, row, last, *rest = capsys.readouterr().out.splitlines()
    assert row.split()[:2] == [name, "waiting"]
    assert first.split()[-1] == "latency"
    assert last.endswith(f"results in {folder}/")
    assert not rest


def test_masks_need_garments(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("garments: {enabled: false}\n")
    photo = CLIP.parent / "person_reference.png"
    done = command("tag", photo, "--config", path, "--masks", "--out", tmp_path)
    assert done.returncode == 2
    assert "--masks needs garments.enabled: true" in done.stderr


def test_help_and_version():
    shown = command("--help").stdout
    for word in ("run", "tag", "gallery", "models", "config", "doctor"):
        assert word in shown
    assert command("--version").stdout.startswith("threadline ")
    done = command("galery")
    assert done.returncode == 2
    assert "Did you mean 'gallery'" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_own_help_does(name):
    assert opened(name).help.splitlines()[0] == COMMANDS[name][1]


def test_help_imports_nothing_heavy():
    """What takes a second otherwise, at each start."""
    code = (
        "import sys\n"
        "from pipeline.cli.app import app\n"
        "try:\n"
        "    app(['--help'])\n"
        "except SystemExit:\n"
        "    heavy = {'av', 'cv2', 'numpy', 'pydantic', 'sqlalchemy', 'engines'}\n"
        "    print(heavy & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


@pytest.mark.parametrize("name", shipped().by_name)
def test_every_shipped_model_is_shown_and_runs(name):
    shown = command("models", "show", name).stdout
    for word in ("sha256", "licence", "figure ", f"# {name}"):
        assert word in shown
    assert "matches its hash" in command("models", "check", name).stdout


def test_the_installed_command_reports_what_this_machine_can_run():
    """In a process of its own, as a user starts it."""
    done = threadline("doctor")
    assert done.returncode == 0, done.stdout
    for word in ("openvino", "onnxruntime", "h264 yes", "ready"):
        assert word in done.stdout
    for name in shipped().by_name:
        assert f"model {name}" in done.stdout


def test_counters_are_written_and_shown_while_it_runs(tmp_path, start):
    """Every few seconds, whole; and on SIGUSR1 as a table. A hang-up ends it like Ctrl-C."""
    stats = tmp_path / "s.json"
    process = start(
        "run", CLIP, "--out", tmp_path / "out", "--stats", stats, "--no-video",
        "--config", slow(tmp_path), *QUICK,
    )  # fmt: skip

    def under_way():
        cameras = json.loads(stats.read_text())["cameras"] if stats.exists() else []
        return any(camera["people"] for camera in cameras)

    wait_until(under_way, 120, "counters while it runs")
    assert process.poll() is None
    process.send_signal(signal.SIGUSR1)
    time.sleep(1)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "street" in err
    assert "detector" in err
    assert (tmp_path / "out" / "events.jsonl").stat().st_size > 0


def slow(folder: Path) -> Path:
    """Settings with which the clip takes longer than counters are apart."""
    path = folder / "slow.yaml"
    path.write_text("person: {interval_s: 0, pixels: 1000000, parts: false}\n")
    return path


@pytest.mark.parametrize("after_s", [0.15, 0.35, 0.6, 1.2])
def test_ctrl_c_is_clean_at_any_moment_of_the_start(tmp_path, after_s):
    """While Python imports, while models are opened and compiled, with nothing kept from before."""
    cache = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [Path(sys.executable).parent / "threadline", "run", CLIP, "--out", tmp_path / "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=cache,
    )
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=40)
    assert "Traceback" not in err or "cli" not in err, "the start script of pip may be hit"
    assert process.returncode in (130, -signal.SIGINT), "Python itself had not begun"


def test_the_log_as_json(tmp_path):
    missing = tmp_path / "gone.mp4"
    words = ("run", missing, "--out", tmp_path / "out", "--quiet", *QUICK)
    done = threadline(*words, "--log-json", "-v")
    rows = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"error", "info"} <= {row["level"] for row in rows}
    assert any(str(missing) in row["message"] for row in rows)
    assert any("opened on" in row["message"] for row in rows), "verbose tells what is opened"
    plain = threadline(*words)
    assert "opened on" not in plain.stderr


@pytest.mark.parametrize("module", ["pipeline.cli.app", "pipeline.cli.run"])
def test_ctrl_c_ends_it_at_once_also_where_a_script_started_it_in_the_background(module):
    """Shells have such programs ignore it. It comes while everything else is imported."""
    code = (
        "import os, signal, sys\n"
        "class Sender:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == '{module}':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "sys.meta_path.insert(0, Sender())\n"
        "from pipeline.cli.start import main\n"
        "sys.argv = ['threadline', 'run', 'a.mp4']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")
