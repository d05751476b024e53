"""Files of results: whole, their owner's alone, in a folder of their own run."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
from support import wait_until

from pipeline.errors import ConfigError, SinkError
from pipeline.files import (
    LOCK,
    made_here,
    make_folder,
    make_pictures,
    refuse_overlap,
    replace_file,
    reserved,
)

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@posix
def test_results_are_their_owners_alone_whatever_the_umask(umask, tmp_path):
    make_folder(tmp_path / "a" / "b", private=True)
    replace_file(tmp_path / "a" / "b" / "c", b"x", private=True)
    assert [mode(p) for p in (tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/c")] == [
        0o700,
        0o700,
        0o600,
    ]
    make_folder(tmp_path / "shared")
    replace_file(tmp_path / "shared" / "c", b"x")
    assert mode(tmp_path / "shared" / "c") == 0o666 & ~umask
    assert mode(tmp_path / "shared") == 0o777 & ~umask


@posix
def test_a_folder_that_is_there_keeps_its_mode(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o755)
    make_folder(folder, private=True)
    make_pictures(folder)
    with reserved(folder):
        assert mode(folder) == 0o755


def test_files_are_replaced_without_touching_what_links_lead_to(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"kept")
    for name, link in (("hard", os.link), ("soft", os.symlink)):
        link(source, tmp_path / name)
        replace_file(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"
    os.link(source, tmp_path / "x.part")
    replace_file(tmp_path / "x", b"new")
    assert source.read_bytes() == b"kept"


def test_names_may_be_as_long_as_the_disk_allows(tmp_path):
    replace_file(tmp_path / ("x" * 255), b"new")
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


@pytest.mark.skipif(not os.access("/dev/null", os.W_OK), reason="needs /dev/null")
def test_what_is_no_file_is_written_to(tmp_path):
    """As root, a regular file would take the place of /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    replace_file(pipe, b"told")
    assert os.read(reader, 9) == b"told"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path):
    out = tmp_path / "new" / "out"
    with reserved(out):
        with pytest.raises(SinkError, match=r"another run writes there.*choose another --out"):
            reserved(out).__enter__()
        with reserved(tmp_path / "other"):
            pass
    with reserved(out):
        pass


def test_errors_of_the_run_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), reserved(tmp_path):
        raise FileNotFoundError("of something else")


def test_a_run_that_was_killed_blocks_nobody(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from pipeline.files import reserved\n"
        "with reserved(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(SinkError):
        reserved(tmp_path).__enter__()
    process.kill()
    process.communicate()
    wait_until((tmp_path / LOCK).exists, 1, "the lock's file stays")
    with reserved(tmp_path):
        pass


def test_a_disk_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def fail(*given):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", fail)
    with reserved(tmp_path), reserved(tmp_path):
        pass


def test_only_folders_of_its_own_are_marked(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "a.png").write_bytes(b"x")
    for name in ("ours", "theirs"):
        make_pictures(tmp_path / name)
    assert made_here(tmp_path / "ours")
    assert not made_here(tmp_path / "theirs")


def test_overlap_is_seen_by_path_and_by_file(tmp_path):
    read = tmp_path / "a.mp4"
    refuse_overlap([read], [read.with_name("b.mp4")], "--out")
    with pytest.raises(ConfigError, match="choose another --stats"):
        refuse_overlap([tmp_path / "x" / ".." / "a.mp4"], [read], "--stats")
    read.write_bytes(b"x")
    os.link(read, tmp_path / "hard")
    with pytest.raises(ConfigError, match=r"hard: is read, as .*a\.mp4, and would be overwritten"):
        refuse_overlap([tmp_path / "hard"], [read], "--out")
