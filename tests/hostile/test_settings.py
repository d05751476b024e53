"""Settings made to do harm, and broken ones: one line each that names the file, soon, and no
secret."""

from __future__ import annotations

import time

import pytest
from support import command

CAMERA = "cameras:\n  - url: rtsp://admin:hunter2@10.0.0.7/s\n"
BAD = {
    "no yaml": "cameras: [",
    "tabs": "cameras:\n\t- url: x",
    "two documents": "cameras: []\n---\ncameras: []",
    "a list": "- url: rtsp://admin:hunter2@h/s",
    "a word": "hunter2",
    "a number": "7",
    "no url": "cameras: [{id: x, password: hunter2}]",
    "url is a list": "cameras: [{url: [rtsp://a:hunter2@h/s]}]",
    "url is empty": "cameras: [{url: ''}]",
    "id climbs": CAMERA + "    id: ../../etc/passwd",
    "id is a dot": CAMERA + "    id: .",
    "id is long": CAMERA + f"    id: {'x' * 5000}",
    "id has a zero": CAMERA + '    id: "a\\0b"',
    "two of one name": CAMERA + "    id: a\n  - {url: x, id: a}",
    "two logins": CAMERA + "    user: admin\n    password: hunter2",
    "login of a file": "cameras: [{url: a.mp4, user: admin, password: hunter2}]",
    "unknown transport": CAMERA + "    transport: hunter3",
    "unknown reader": CAMERA + "    reader: magic",
    "endless timeout": CAMERA + "    timeout_s: .inf",
    "no timeout": CAMERA + "    timeout_s: .nan",
    "negative": CAMERA + "    timeout_s: -1",
    "huge number": CAMERA + f"    timeout_s: {'9' * 400}",
    "aliases": "a: &a [1]\nb: &b [*a, *a]\ncameras: [*b, *b]",
    "alias of itself": "cameras: &a [*a]",
    "merge": "person: {<<: {interval_s: 1}}",
    "twice": CAMERA + "cameras: []",
    "python": "cameras: !!python/object/apply:os.system [echo hunter2]",
    "deep": "[" * 3000,
    "deep maps": "".join(" " * i + "a:\n" for i in range(400)),
    "binary": "cameras: !!binary aGVsbG8=",
    "date": "cameras: 2026-01-01",
    "unset variable": CAMERA + "    password: ${NOT_SET_ANYWHERE}",
    "unknown section": "cameraz: []",
    "unknown key": "person: {interval: 1}",
    "unknown output": "outputs: {email: hunter@x}",
    "section is a list": "person: [1]",
    "unknown model": "person: {model: ../../x}",
    "zone of two corners": CAMERA + "    include: [[[0, 0], [1, 1]]]",
    "zone of words": CAMERA + "    exclude: hunter",
}


def checked(path) -> str:
    began = time.monotonic()
    done = command("config", "check", path)
    assert time.monotonic() - began < 2
    assert done.returncode == 2, done.stdout
    said = done.stdout + done.stderr
    assert "hunter2" not in said
    assert "Traceback" not in said
    assert path.name in said
    return said


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    path = tmp_path / "own.yaml"
    path.write_text(BAD[name])
    checked(path)


CONTENTS = {
    "zeros": b"\0" * 500,
    "latin": b"cameras: [{url: \xff\xfe}]",
    "large": b"# " + b"x" * 2_000_000,
    "control": b"cameras: [\x1b[31m]",
    "surrogate": b"\xed\xa0\x80",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_no_text_is_refused(tmp_path, name):
    path = tmp_path / "own.yaml"
    path.write_bytes(CONTENTS[name])
    checked(path)


@pytest.mark.parametrize("kind", ["folder", "loop", "missing"])
def test_what_is_no_file_is_refused(tmp_path, kind):
    path = tmp_path / "own.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    checked(path)
