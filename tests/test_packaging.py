"""What is shipped, what it is made of, and what is installed only when somebody agrees."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import check_wheel
import pytest
import sbom
import yaml
from support import HERE
from support import command as run

SCRIPT = HERE.parent / "tools" / "install_test_system.sh"


@pytest.fixture
def machine(tmp_path):
    """A machine without GStreamer, on which root has an apt-get that only notes its calls."""
    for name, text in (
        ("python", "exit 1"),
        ("id", "echo 0"),
        ("apt-get", f"echo $* >> {tmp_path}/calls"),
    ):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "SYSTEM_PYTHON": str(tmp_path / "python")}
    env.pop("INSTALL", None)
    return tmp_path / "calls", env


@pytest.mark.parametrize(("install", "installed"), [("", False), ("no", False), ("yes", True)])
def test_without_a_terminal_only_consent_installs_system_packages(machine, install, installed):
    calls, env = machine
    env = env | ({"INSTALL": install} if install else {})
    done = subprocess.run(
        ["sh", SCRIPT], env=env, text=True, capture_output=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0
    assert calls.exists() == installed
    assert "apt-get install python3-gi" in done.stdout
    assert ("INSTALL=yes make test" in done.stdout) == (not installed)


@pytest.mark.parametrize(("answer", "installed"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_at_a_terminal_the_answer_counts(machine, answer, installed):
    calls, env = machine
    terminal, end = pty.openpty()
    process = subprocess.Popen(["sh", SCRIPT], env=env, stdin=end, stdout=end, stderr=end)
    os.write(terminal, answer.encode())
    assert process.wait(timeout=20) == 0
    os.close(end)
    told = b""  # the echo of what was typed may come first, alone
    with contextlib.suppress(OSError):  # nothing more comes
        while part := os.read(terminal, 4096):
            told += part
    os.close(terminal)
    assert b"install them now?" in told
    assert calls.exists() == installed


# -- Containers --------------------------------------------------------------------------------

DEPLOY = HERE.parent / "configs" / "deploy"


@pytest.mark.parametrize("name", ["Dockerfile.serve", "Dockerfile.jetson"])
def test_an_image_is_made_of_what_is_there_and_runs_what_there_is(name):
    """No image is built here; but what is copied, installed and run has to exist."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / name).read_text(encoding="utf-8"))
    steps = [line.split(maxsplit=1) for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    kept = (HERE.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = {part for step, rest in steps if step == "COPY" for part in rest.split()[:-1]}
    assert sources >= {"pyproject.toml", "pipeline", "engines"}
    for source in sources:
        assert (HERE.parent / source).exists(), source
        assert f"!{source}" in kept, "left out of what is sent to build it"
    told = sbom.tomllib.loads(sbom.PROJECT.read_text())
    project, packages = told["project"], told["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {project["readme"], *packages["packages"]} <= sources
    extras = {one for group in re.findall(r"\.\[([\w,]+)\]", text) for one in group.split(",")}
    assert extras <= set(project["optional-dependencies"])
    last = dict(steps)
    assert "USER" in last, "not as root"
    [command, *arguments] = json.loads(last["CMD"])
    assert Path(json.loads(last["ENTRYPOINT"])[0]).name in project["scripts"]
    known = run(command, "--help").stdout
    assert {one for one in arguments if one.startswith("--")} <= set(re.findall(r"--\w+", known))


def test_the_compose_file_builds_that_image():
    told = yaml.safe_load((DEPLOY / "compose.serve.yaml").read_text(encoding="utf-8"))
    [service] = told["services"].values()
    build = service["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert context == HERE.parent
    dockerfile = (context / build["dockerfile"]).read_text(encoding="utf-8")
    volumes = dict(one.split(":") for one in service["volumes"])
    assert set(volumes) <= set(told["volumes"])
    assert all(f"VOLUME {place}" in dockerfile for place in volumes.values())
    assert all(f"EXPOSE {one.rpartition(':')[2]}" in dockerfile for one in service["ports"])
    assert all(one.startswith("127.0.0.1:") for one in service["ports"]), "this machine's alone"


# -- The wheel ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel():
    """What a wheel of this tree holds; models by name only."""
    files = {f"threadline-0.dist-info/{name}": b"" for name in check_wheel.METADATA}
    for name in check_wheel.wanted():
        read = name.endswith((".py", ".toml"))
        files[name] = (check_wheel.ROOT / name).read_bytes() if read else b""
    return files


def test_what_runs_needs_nothing_that_is_not_shipped(wheel):
    assert check_wheel.problems(wheel, check_wheel.wanted()) == []
    assert "pipeline/py.typed" in wheel
    assert "engines/packs/person-store-int8/model.onnx" in wheel
    assert "engines/teach/trainer.py" in wheel
    assert not [name for name in wheel if name.startswith(("tests", "tools"))]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"engines/packs/person-store/model.onnx": None}, "of engines/packs/person-store/pack"),
        ({"engines/packs/person-store/MODEL_CARD.md": None}, "MODEL_CARD.md, of"),
        ({"engines/py.typed": None}, "engines/py.typed is missing"),
        ({"threadline-0.dist-info/licenses/LICENSE": None}, "licenses/LICENSE is missing"),
        ({"engines/nets/efficientnet_lite.py": None}, "efficientnet_lite.py is missing"),
        ({"tests/support.py": b""}, "does not belong in it"),
        (
            {"pipeline/photos.py": b"def f():\n from engines.nets import x\n"},
            "imports engines.nets",
        ),
        ({"pipeline/photos.py": b"import torch.nn\n"}, "imports torch.nn"),
    ],
)
def test_what_is_wrong_with_a_wheel_is_named(wheel, change, told):
    files = {name: c for name, c in {**wheel, **change}.items() if c is not None}
    assert any(told in problem for problem in check_wheel.problems(files, check_wheel.wanted()))


# -- The list of what it is made of ------------------------------------------------------------


def listed(*names: str) -> dict:
    """What CycloneDX's tool writes of an environment with some packages, and pip."""
    licence = [{"license": {"id": "MIT"}}]
    parts = [{"name": n, "bom-ref": n, "licenses": licence} for n in (*names, "pip")]
    rows = [{"ref": "root", "dependsOn": list(names)}, *({"ref": n} for n in (*names, "pip"))]
    return {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": parts,
        "dependencies": rows,
    }


def needed() -> list[str]:
    project = sbom.tomllib.loads(sbom.PROJECT.read_text())["project"]
    return [row.partition(">")[0] for row in project["dependencies"] if ";" not in row]


def test_models_and_bundled_libraries_are_components(tmp_path):
    (tmp_path / "av.libs").mkdir()
    (tmp_path / "av.libs" / "libx264-d6533a8d.so.165").touch()
    bom = sbom.completed(listed(*needed()), tmp_path)
    assert sbom.problems(bom) == []
    by_name = {part["name"]: part for part in bom["components"]}
    assert "pip" not in by_name, "the program does not need it"
    model = by_name["garments-lite0-int8"]
    assert model["type"] == "machine-learning-model"
    assert model["licenses"][0]["license"]["id"] == "Apache-2.0"
    assert len(model["hashes"][0]["content"]) == 64
    assert by_name["libx264"]["licenses"][0]["license"]["id"] == "GPL-2.0-or-later"


def test_what_is_missing_or_without_a_licence_is_named(tmp_path):
    bom = sbom.completed(listed(*needed()[1:]), tmp_path)
    bom["components"][0]["licenses"] = []
    assert sbom.problems(bom) == [f"{needed()[0]} is missing", f"{needed()[1]} has no licence"]
