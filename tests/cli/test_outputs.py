"""What commands read and write: results of their own folder, and pictures apart from recordings."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import weakref
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import CLIP, QUICK, command, cut, lines

from engines.ov import OpenVinoEngine
from pipeline.cli.settings import cameras
from pipeline.errors import ConfigError
from pipeline.files import reserved
from pipeline.picture.still import load_image


def photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    strip = cv2.imread(str(CLIP.parent / "person_reference.png"))
    cv2.imwrite(str(path), cv2.resize(strip[:, :300], (320, 240)))
    return path


def said(done) -> str:
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("name", ["a.jpg", "A.JPG", "a b.png", "a.heic", "without-suffix"])
def test_run_refuses_pictures(tmp_path, name):
    path = photo(tmp_path / "a.png").rename(tmp_path / name)
    done = command("run", path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "use: threadline tag" in said(done)
    assert not (tmp_path / "out").exists()


def test_run_refuses_pictures_that_the_settings_name(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(f"cameras: [{{url: {photo(tmp_path / 'a.jpg')}}}]\n")
    done = command("run", "--config", config, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "a.jpg: a picture, and no recording; use: threadline tag" in said(done)


def test_run_refuses_folders_of_pictures(tmp_path):
    photo(tmp_path / "in" / "a.jpg")
    photo(tmp_path / "in" / "b.png")
    done = command("run", tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "in: holds only pictures; use: threadline tag" in said(done)


@pytest.mark.parametrize("quiet", [True, False])
def test_of_a_mixed_folder_one_line_tells_what_was_left_out(few_frames, tmp_path, quiet):
    folder = tmp_path / "in"
    photo(folder / "a.jpg")
    photo(folder / "b.jpg")
    for name in ("notes.txt", "._clip.mp4", "c.heic"):
        (folder / name).write_bytes(b"x")
    shutil.copy(few_frames, folder / "clip.mp4")
    more = ["--quiet"] if quiet else []
    done = command("run", folder, "--out", tmp_path / "out", "--no-video", *more, *QUICK)
    assert done.returncode == 0, done.stderr
    assert {e["camera"] for e in lines(tmp_path / "out" / "events.jsonl")} == {"clip"}
    found = [line for line in done.stderr.splitlines() if "left out" in line]
    assert len(found) == (not quiet)
    for word in ("2 pictures (use: threadline tag)", "1 .txt", "1 hidden", "1 .heic"):
        assert quiet or word in found[0]


def test_recordings_of_recorders_are_found(tmp_path):
    for name in ("a.dav", "b.ASF", "c.vob"):
        (tmp_path / name).write_bytes(b"x")
    done = command("run", tmp_path, "--out", tmp_path / "out", *QUICK)
    assert done.returncode == 1
    for name in ("a.dav", "b.ASF", "c.vob"):
        assert f"{name}: " in said(done)


def test_exports_of_recorders_in_sub_folders(tmp_path):
    clip = cut(tmp_path / "clip.mp4", 2)
    export = tmp_path / "export"
    for name in (
        *("cam1/2026-11-01/10.00.00", "cam1/2026-11-01/10.00.00.dat", "cam2/10.00.00.mp4"),
        *("cam2/@eaDir/10.00.00.mp4", "cam2/._10.00.00.mp4", "cam1/out/10.00.00.mp4"),
    ):
        (export / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, export / name)
    for name in ("cam1/index.db", "player.exe"):
        (export / name).write_bytes(b"no video")
    (export / "cam2" / "again").symlink_to(export / "cam1")
    left_out = Counter()
    with reserved(export / "cam1" / "out"):
        found = cameras([str(export)], left_out)
    assert {
        camera["id"]: Path(camera["url"]).relative_to(export).as_posix() for camera in found
    } == {
        "cam1-2026-11-01-10.00": "cam1/2026-11-01/10.00.00",
        "cam1-2026-11-01-10.00.00": "cam1/2026-11-01/10.00.00.dat",
        "cam2-10.00.00": "cam2/10.00.00.mp4",
    }
    assert left_out == {
        "hidden": 2, ".db": 1, ".exe": 1, "folders of results": 1, "links to folders": 1,
    }  # fmt: skip


def test_every_picture_is_tagged_before_the_next_is_opened(tmp_path, monkeypatch):
    """Neither time nor memory depends on how many there are, nor on how many shapes they have."""
    for i, width in enumerate((320, 240, 300, 200, 400)):
        shown = cv2.imread(str(photo(tmp_path / "in" / f"{i}.png")))
        cv2.imwrite(str(tmp_path / "in" / f"{i}.png"), cv2.resize(shown, (width, 240)))
    written, alive, images, compiled = [], [], [], []

    def load(path):
        lines_there = (tmp_path / "out" / "tags.jsonl").read_text().splitlines()
        written.append(len(lines_there))
        alive.append(sum(image() is not None for image in images))
        image = load_image(path)
        images.append(weakref.ref(image))
        return image

    compile_it = OpenVinoEngine._compiled

    def counted(engine, shapes, settings):
        compiled.append(shapes)
        return compile_it(engine, shapes, settings)

    monkeypatch.setattr("pipeline.photos.load_image", load)
    monkeypatch.setattr(OpenVinoEngine, "_compiled", counted)
    done = command("tag", tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert written == [0, 1, 2, 3, 4]
    assert max(alive) <= 1
    assert len([shapes for shapes in compiled if -1 in shapes[0]]) == 1
    assert len(compiled) == 2, "the detector's and the garments'"


def test_tagging_twice_into_the_folder_of_the_pictures(tmp_path):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "deep" / "a.jpg")
    before = (tmp_path / "a.jpg").read_bytes()
    for others in ("", "left out: 2 folders of results"):
        done = command("tag", tmp_path, "--out", tmp_path, "--masks", "--draw", *QUICK)
        assert done.returncode == 0, done.stderr
        assert "2 of 2 pictures tagged" in done.stdout
        assert others in said(done)
        assert len(lines(tmp_path / "tags.jsonl")) == 2
    assert sorted(p.name for p in (tmp_path / "drawn").glob("*.png")) == ["a-2.png", "a.png"]
    assert (tmp_path / "a.jpg").read_bytes() == before
    done = command("tag", tmp_path, "--out", tmp_path / "other", *QUICK)
    assert "2 of 2 pictures tagged" in done.stdout, "nor are another run's"


def test_somebody_elses_folder_of_that_name_is_tagged(tmp_path):
    photo(tmp_path / "drawn" / "a.jpg")
    done = command("tag", tmp_path, "--out", tmp_path, "--masks", *QUICK)
    assert "1 of 1 pictures tagged" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_what_tag_writes_is_its_owners_alone(tmp_path):
    out = tmp_path / "new" / "out"
    before = os.umask(0)
    try:
        words = ("--out", out, "--masks", "--draw", *QUICK)
        done = command("tag", photo(tmp_path / "a.jpg"), *words)
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    found = list((tmp_path / "new").rglob("*"))
    assert {"tags.jsonl", "labels.json", "a.png"} <= {path.name for path in found}
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_names_as_long_as_the_disk_allows(tmp_path):
    for name in ("x" * 251 + ".png", "ä" * 125 + ".png"):
        photo(tmp_path / "a.png").rename(tmp_path / name)
    done = command("tag", tmp_path, "--out", tmp_path / "out", "--draw", *QUICK)
    assert "2 of 2 pictures tagged" in done.stdout, done.stderr
    assert len(list((tmp_path / "out" / "drawn").glob("*.png"))) == 2


@pytest.mark.parametrize("verb", ["run", "tag"])
def test_a_second_command_into_one_folder_is_refused(tmp_path, verb):
    source = photo(tmp_path / "a.jpg") if verb == "tag" else CLIP
    with reserved(tmp_path / "out"):
        events = tmp_path / "out" / "events.jsonl"
        events.write_text("kept\n")
        done = command(verb, source, "--out", tmp_path / "elsewhere" / ".." / "out")
    assert done.returncode == 1
    assert "another run writes there; wait until it has ended, or choose another" in said(done)
    assert events.read_text() == "kept\n"


def test_a_video_of_no_run_is_not_written_over(short_clip, tmp_path):
    theirs = tmp_path / "out" / "short.mp4"
    theirs.parent.mkdir()
    theirs.write_bytes(b"theirs")
    done = command("run", short_clip, "--out", theirs.parent)
    assert done.returncode == 2
    assert "short.mp4: is there, and of no run; choose another --out" in said(done)
    assert theirs.read_bytes() == b"theirs"


def test_a_run_may_be_done_again(few_frames, tmp_path):
    for _ in range(2):
        done = command("run", few_frames, "--out", tmp_path / "out", "--quiet", *QUICK)
        assert done.returncode == 0, done.stderr


def test_a_disk_that_fills_up_ends_the_run_with_its_reason(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = shutil.which("mount")
    asked = [mount, "-t", "tmpfs", "-o", "size=400k", "tmpfs", small]
    if mount is None or subprocess.run(asked, capture_output=True).returncode:
        pytest.skip("needs root, to mount a disk that is soon full")
    try:
        done = command("run", CLIP, "--out", small / "out", "--quiet", *QUICK)
    finally:
        subprocess.run(["umount", small], check=True)
    assert done.returncode == 1
    assert "cannot be written: No space left on device; free space or choose another" in said(done)


def test_an_address_given_to_tag_is_refused_without_its_password(tmp_path):
    done = command("tag", "https://u:hunter2@h/x.jpg", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "download the picture first" in said(done)
    assert "hunter2" not in said(done)


def test_pictures_of_odd_shapes_are_tagged(tmp_path):
    rng = np.random.default_rng(0)
    for name, shape in {"wide": (1, 60_000), "high": (20_000, 1), "dot": (1, 1)}.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), rng.integers(0, 256, (*shape, 3), np.uint8))
    done = command("tag", tmp_path, "--out", tmp_path / "out", "--draw", "--masks", *QUICK)
    assert "3 of 3 pictures tagged" in done.stdout, done.stderr


def test_files_are_one_camera_in_the_order_of_the_times_in_their_names(tmp_path):
    names = ("b/ch1_20260120_100000.mp4", "b/ch1_20260120_090000.mp4", "b/20260120_090000_x.mp4")
    places = [str(tmp_path / name) for name in (*names, "c/20260120_090000.mp4")]
    found = cameras([*places, "rtsp://h/s"], Counter(), "from-name")
    known = {camera["id"]: [camera["url"], *camera.get("then", ())] for camera in found}
    assert known == {
        "h-s": ["rtsp://h/s"],
        "ch1": [places[1], places[0]],
        "x": [places[2]],
        "c": [places[3]],
    }
    with pytest.raises(ConfigError, match=r"film.mp4: no time in the name 'film.mp4'"):
        cameras([str(tmp_path / "film.mp4")], Counter(), "from-name")
