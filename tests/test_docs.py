"""Everything the documentation names is there, and every command it shows works."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import support
from pack_support import make_example
from store_support import RED_JACKET, Run
from support import CLIP, HERE, cut, free_port

from pipeline.cli.app import COMMANDS, opened
from pipeline.store.opening import writing

ROOT = HERE.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
#: Folders of the repository that a path in the documentation may begin with.
TOP = ("pipeline", "engines", "configs", "tools", "tests", "docs")
BIN = Path(sys.executable).parent


def blocks(page: Path) -> list[str]:
    """Lines of the code blocks of a page, or of the comments of a settings file."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".yaml":
        return [line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")]
    found = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.S | re.M)
    return [line.strip() for block in found for line in block.splitlines()]


def commands(page: Path) -> list[str]:
    """The ``threadline`` commands a page shows."""
    shown = [line for line in blocks(page) if line.startswith("threadline ")]
    inline = re.findall(r"`(threadline [^`\n]+)`", page.read_text(encoding="utf-8"))
    return sorted({line.split("  #")[0].strip() for line in [*shown, *inline]})


ALL = sorted({(page.name, command) for page in [*PAGES, *CONFIGS] for command in commands(page)})


def parsed(words: list[str]) -> None:
    """Parse the words of a command line as the program would, without running anything."""
    if not words or words[0] in ("--help", "--version"):
        return
    assert words[0] in COMMANDS, f"no command {words[0]!r}"
    command, words = opened(words[0]), words[1:]
    while hasattr(command, "commands"):
        if not words:
            return
        assert words[0] in command.commands, f"no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    if words:
        command.make_context(command.name, list(words))


@pytest.mark.parametrize(("page", "command"), ALL)
def test_every_command_shown_is_one_the_program_takes(page, command):
    if "|" not in command and "..." not in command and "[" not in command:
        parsed(shlex.split(command)[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_path_named_exists(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"(?<![\w./-])((?:{'|'.join(TOP)})/[\w./-]*\w)", text)
    missing = {path for path in named if not (ROOT / path).exists() and page.name != "CHANGELOG.md"}
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        other = page if not path else (page.parent / path).resolve()
        assert other.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), flags=re.M)
            slugs = {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}
            assert anchor in slugs, target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_tool_and_target_named_takes_what_is_shown(page):
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for line in re.findall(r"^(?:`|)make ([a-z -]+)", text, flags=re.M):
        assert set(line.split()) <= targets, line
    for script, rest in re.findall(r"python (tools/\w+\.py)([^`\n]*)", text):
        folder = {"tools/bench.py": "benchmark", "tools/evaluate.py": "evaluation"}.get(script)
        sources = (
            [ROOT / script, *(ROOT / "tools" / folder).glob("*.py")] if folder else [ROOT / script]
        )
        known = "".join(path.read_text(encoding="utf-8") for path in sources)
        for option in re.findall(r"--[\w-]+", rest.split("#")[0]):
            assert f'"{option}"' in known, f"{script} {option}"


def test_the_example_shown_is_the_one_that_is_tested():
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    package = HERE / "data" / "extension" / "threadline_stripes" / "__init__.py"
    assert package.read_text(encoding="utf-8") in page


# -- Run for real ------------------------------------------------------------------------------

#: Commands that need what is not everywhere: TensorRT, and a shop's own files.
NOT_RUN = (
    *("models build", "models quantize", "gallery rebuild", "jetson-orin", "store-gpu", "OUT"),
    *("nike", "postgresql"),  # brands and servers of somebody else
    *("yolos-fashionpedia", "pull ram", "pack parsing"),  # the hub
    "spring-range",  # taught from a shop's own pictures; needs the train extra, and minutes
    "--tls-cert",
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the documentation's commands name."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(ROOT / "configs", folder / "configs")
    marks = sorted((HERE / "data" / "brands").glob("*.svg"))
    picture = HERE / "data" / "person_reference.png"
    films = ("recording.mp4", "recordings/a.mp4", "film.mp4", "archive/shop_20261120_090000.mp4")
    for name in films:
        (folder / name).parent.mkdir(exist_ok=True)
        cut(folder / name, 12)
    (folder / "tests" / "data").mkdir(parents=True)
    for path in CLIP.parent.iterdir():  # the beginnings of recordings do
        if path.suffix == ".mp4":
            cut(folder / "tests" / "data" / path.name, 20, video=path)
        else:
            (folder / "tests" / "data" / path.name).symlink_to(path)
    for name in ("photo.jpg", "picture.jpg", "shelf/a.png", "photos/a.png", "acme-label.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(picture, folder / name)
    shutil.copy(marks[0], folder / "acme.svg")
    (folder / "marks").mkdir()
    for mark in marks[:2]:
        shutil.copy(mark, folder / "marks" / mark.name)
    make_example(folder / "packs")
    with writing(str(folder / "out" / "threadline.db"), "test") as store:
        store.write(Run(time.time()).visit(RED_JACKET, camera="entrance", at=time.time()))
    (folder / "my.yaml").write_text("outputs: {video: false}\ncameras: [{url: recording.mp4}]\n")
    return folder


def watched(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on cameras as shown, in a process that is interrupted once it says that it has
    looked at frames."""
    words = [str(BIN / "threadline"), *shlex.split(command)[1:]]
    process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    alarm = threading.Timer(60, process.kill)
    alarm.start()
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if re.search(r"\b[1-9]\d* frames", line):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    alarm.cancel()
    return subprocess.CompletedProcess(words, process.returncode, out, said + err)


def served(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that serves until it says where, then end it as a supervisor would."""
    words = [str(BIN / "threadline"), *shlex.split(command)[1:], "--port", str(free_port())]
    process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    alarm = threading.Timer(60, process.kill)
    alarm.start()
    assert process.stdout is not None
    said = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    alarm.cancel()
    return subprocess.CompletedProcess(words, process.returncode, said + out, err)


#: Addresses in settings files.
CAMERAS = ("10.0.0.7/stream1", "10.0.0.8/stream1", "10.0.0.8/stream2")
#: Commands that are named without what they need.
BARE = frozenset(
    f"threadline {name}"
    for name in (
        "run",
        "tag",
        "teach",
        "config check",
        "gallery add",
        "forget",
        "db import",
        "measure calibrate",
        "camera probe",
        "serve",
        "user",
        "config export",
    )
)


def expanded(word: str) -> list[str]:
    """Files a pattern stands for, as a shell would have it."""
    return sorted(str(path) for path in Path().glob(word)) if "*" in word else [word]


def whole(command: str) -> bool:
    """Whether a command is shown as it is run, not merely mentioned."""
    bare = command in BARE
    unclear = any(word in command for word in ("NAME", "DIR", "FILE", "KIND", "|", "...", "["))
    return not bare and not unclear and not any(word in command for word in NOT_RUN)


RUN = sorted({command for _, command in ALL if whole(command)})
#: Galleries are made before they are used, and people are seen before they are searched.
FIRST = (
    "gallery import",
    "gallery add",
    "measure calibrate",
    "threadline run --config",
    "threadline run",
    "threadline user add",
)
IN_ORDER = sorted(RUN, key=lambda c: (*(word not in c for word in FIRST), "forget" in c, c))


def test_every_command_shown_does_what_it_says(desk, rtsp, monkeypatch):
    """One after the other in one folder, as a reader would; what ends by itself in this process,
    which starts but once."""
    monkeypatch.chdir(desk)
    monkeypatch.setenv("CAM_USER", "admin")
    monkeypatch.setenv("CAM_PASSWORD", "secret")
    monkeypatch.setenv("THREADLINE_PASSWORD", "correct horse battery")
    server = rtsp(mounts=3, user="admin:secret")
    for config in (desk / "configs").glob("*.yaml"):
        text = config.read_text(encoding="utf-8")
        for i, address in enumerate(CAMERAS):
            text = text.replace(address, server.url(i).removeprefix("rtsp://"))
        config.write_text(text, encoding="utf-8")
    failed = []
    for command in IN_ORDER:
        ends = "camera probe" in command
        live = ("rtsp://" in command and not ends) or "configs/store-cpu.yaml" in command
        asked = re.sub(
            r"rtsp://\S+",
            lambda url: server.url(2 * ("stream2" in url[0]), login="admin:secret@"),
            command,
        )
        words = [found for word in shlex.split(asked)[1:] for found in expanded(word)]
        words += ["--seconds", "1"] * ends
        if command.startswith("threadline serve"):
            done = served(asked)
        else:
            done = watched(asked) if live else support.command(*words)
        if done.returncode != 0 or "Traceback" in done.stderr:
            failed.append(f"{command}: {done.returncode}\n{done.stdout[-500:]}{done.stderr[-500:]}")
    assert not failed, "\n\n".join(failed)
    assert (desk / "out" / "events.jsonl").stat().st_size > 0
