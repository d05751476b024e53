"""``threadline models`` and ``doctor``: what there is, packs of others included."""

from __future__ import annotations

import io
import shutil

import pytest
from rich.console import Console
from typer.testing import CliRunner

from engines import available
from engines.packs import SHIPPED, find, open_packs, shipped
from pipeline.cli import doctor
from pipeline.cli.models import app

SMALL = "logo-detector-lite0-int8"


def run(*args):
    return CliRunner().invoke(app, list(map(str, args)))


@pytest.fixture
def packs(tmp_path, monkeypatch):
    """A folder with one good pack, one broken one and one named like a shipped one."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("mine", "broken", SMALL):
        folder = tmp_path / "packs" / name
        shutil.copytree(SHIPPED / SMALL, folder)
        text = (folder / "pack.toml").read_text()
        text = text.replace(f'name = "{SMALL}"', f'name = "{name}"')
        (folder / "pack.toml").write_text("name =" if name == "broken" else text)
    return tmp_path / "packs"


def test_all_models_are_listed_and_broken_packs_are_a_line_each(packs):
    done = run("list", "--names", "--packs", packs)
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [*shipped().by_name, "mine"]
    warnings = [line for line in done.stderr.splitlines() if line]
    assert len(warnings) == 2
    assert "no TOML" in warnings[0]
    assert "comes with threadline" in warnings[1]
    rows = run("list", "--packs", packs).stdout.splitlines()
    assert rows[-1].split() == ["mine", "logo-detection", "192x384", "Apache-2.0"]


def test_a_model_is_shown_with_its_contract_figures_and_card():
    done = run("show", "logo-embedder-lite0")
    assert done.exit_code == 0, done.output
    pack = find("logo-embedder-lite0")
    likeness = f"likeness: {pack.thresholds['likeness']}"
    for words in ("images uint8 (n, 96, 96, 3) nhwc rgb", likeness, "0.988", "# logo-e"):
        assert words in done.stdout
    assert pack.sha256 in done.stdout


def test_a_model_is_checked_on_every_engine(packs):
    done = run("check", "mine", "--packs", packs)
    assert done.exit_code == 0, done.output
    assert "matches its hash" in done.stdout
    for name, version in available().items():
        assert (f"{name} {version}" in done.stdout) is (version is not None)
    (packs / "mine" / "model.onnx").write_bytes(b"changed")
    done = run("check", "mine", "--packs", packs)
    assert done.exit_code == 1
    assert "damaged or was changed" in done.stderr


def test_engines_that_run_plans_are_not_given_an_int8_twin(monkeypatch):
    monkeypatch.setattr(doctor, "available", lambda: {"onnxruntime": "1", "tensorrt": "11"})
    told = io.StringIO()
    doctor.check_model(find(SMALL), Console(file=told, width=200))
    assert "onnxruntime 1, f32:" in told.getvalue()
    assert "tensorrt 11: runs logo-detector-lite0 instead" in told.getvalue()


@pytest.mark.parametrize(
    ("args", "words", "code"),
    [
        (("show", "garment-lite0"), "did you mean 'garments-lite0'", 1),
        (("check", "broken", "--packs", "PACKS"), "'broken' is broken", 1),
        (("list", "--packs", "/nowhere"), "no folder of packs", 1),
        (("build", SMALL, "--engine", "openvino"), "tensorrt only", 2),
        (("build", SMALL, "--precision", "f8"), "f32, f16, int8", 2),
        (("build", SMALL, "--batch", "8:1:4"), "1:8:32", 2),
        (("quantize", SMALL, "--images", "/nowhere"), "/nowhere", 1),
    ],
)
def test_mistakes_get_a_line_with_a_remedy(packs, args, words, code):
    done = run(*(packs if arg == "PACKS" else arg for arg in args))
    assert done.exit_code == code, done.output
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.output


def test_the_doctor_knows_every_engine_and_model(packs):
    console = Console(record=True, width=200, file=io.StringIO())
    assert doctor.report(console, open_packs(packs)), "a broken pack hinders nothing"
    text = console.export_text()
    for name, version in available().items():
        assert f"engine {name}" in text
        assert (version or "cannot run here") in text
    for name in (*shipped().by_name, "mine"):
        assert f"model {name}" in text
    assert "pack broken" in text
