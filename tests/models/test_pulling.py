"""Published models pulled from a server that speaks the hub's protocol, and made into packs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from servers.hub import COMMIT, Hub
from support import command, free_port, make_frame

torch = pytest.importorskip("torch", reason="needs the hub extra")
constants = pytest.importorskip("huggingface_hub.constants", reason="needs the hub extra")

from yolos_support import SMALL, described, randomised, saved  # noqa: E402

from engines.packs import read_pack, shipped  # noqa: E402
from engines.published import making  # noqa: E402
from engines.published.recipes import find_recipe  # noqa: E402
from engines.published.yolos import Yolos  # noqa: E402
from pipeline.models.fetching import FetchError, fetch  # noqa: E402
from pipeline.models.opening import EngineSettings, Models  # noqa: E402
from pipeline.settings.section import Fixed  # noqa: E402
from pipeline.tagging.packs.opening import open_pack  # noqa: E402
from pipeline.tagging.packs.settings import PackSettings  # noqa: E402
from pipeline.tagging.tagger import Subject  # noqa: E402

pytestmark = pytest.mark.train

NAME = "yolos-fashionpedia"
REPOSITORY = "valentinafeve/yolos-fashionpedia"
RENAMED = "valentinafevu/yolos-fashionpedia"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The files of a small YOLOS."""
    folder = saved(tmp_path_factory.mktemp("yolos"), randomised(Yolos(SMALL)))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(content, monkeypatch, tmp_path):
    """The server, and a cache of this test alone."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with Hub({f"{REPOSITORY}/{name}": own for name, own in content.items()}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def pull(packs, *more):
    return command("models", "pull", NAME, "--packs", packs, "--size", "32x64", *more)


def refused(packs, *more):
    """The one line of a pull that did not work, which leaves nothing behind."""
    done = pull(packs, *more)
    assert done.returncode == 1, done.stdout
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert not packs.exists() or not list(packs.iterdir())
    return line


def test_a_model_is_fetched_converted_compared_and_used(hub, tmp_path):
    done = pull(tmp_path / "packs")
    assert done.returncode == 0, done.stderr
    assert "state no licence" in done.stderr
    assert "GFLOP a picture" in done.stdout
    assert "accuracy is not verified" in done.stdout
    pack = read_pack(tmp_path / "packs" / NAME)
    assert pack.size == (32, 64)
    assert COMMIT in pack.source
    assert "sleeve" in pack.tagger.ignore
    settings = Fixed(PackSettings(pack=NAME, accept_licence=True, least=0.01))
    with Models(EngineSettings(), shipped().joined([pack])) as models:
        tagger = open_pack(pack, settings, models)
        frame = make_frame(size=(120, 100))
        [evidence] = tagger.look([Subject("person", frame, (20.0, 10.0, 60.0, 90.0))])
        assert not {tag.label for tag in evidence.tags} & set(pack.tagger.ignore)
        assert all(tag.category == tag.label for tag in evidence.tags)
    again = pull(tmp_path / "packs")
    assert (again.returncode, "is there already" in again.stdout) == (0, True)


def test_where_it_was_renamed_it_is_found_all_the_same(hub, content, tmp_path):
    hub.files = {f"{RENAMED}/{name}": own for name, own in content.items()}
    assert pull(tmp_path / "packs").returncode == 0
    assert RENAMED in read_pack(tmp_path / "packs" / NAME).source


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(hub, content, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)  # 10 MB, as it is
    hub.breaks = 1
    assert pull(tmp_path / "packs").returncode == 0
    [later] = [asked for _, _, asked in hub.asked if asked]
    begins = int(later.removeprefix("bytes=").removesuffix("-"))
    assert 0 < begins < len(content["pytorch_model.bin"])


def test_what_is_there_already_is_not_loaded_again(hub, tmp_path):
    assert pull(tmp_path / "one").returncode == 0
    before = len([1 for method, _, _ in hub.asked if method == "GET"])
    assert pull(tmp_path / "two", "--revision", COMMIT).returncode == 0
    assert len([1 for method, _, _ in hub.asked if method == "GET"]) == before


def test_a_file_that_comes_damaged_is_refused_and_loaded_anew(hub, tmp_path):
    hub.damaged = True
    assert "came damaged" in refused(tmp_path / "packs")
    hub.damaged = False
    assert pull(tmp_path / "packs").returncode == 0


def test_refusals_say_what_to_do(hub, content, tmp_path, monkeypatch):
    packs = tmp_path / "packs"
    assert "has no revision 'v9'" in refused(packs, "--revision", "v9")
    hub.gated = {REPOSITORY}
    assert "accepted" in refused(packs)
    hub.gated, hub.token = set(), "secret"
    assert "set HF_TOKEN" in refused(packs)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert pull(tmp_path / "with-login").returncode == 0
    hub.token = ""
    del hub.files[f"{REPOSITORY}/pytorch_model.bin"]
    assert "pytorch_model.bin" in refused(packs)
    hub.files.clear()
    assert "the hub knows none of" in refused(packs)


def test_without_the_network_it_names_the_files_and_where_to_put_them(
    hub, content, tmp_path, monkeypatch
):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the library waits for 23 s in all
    line = refused(tmp_path / "packs")
    for part in ("config.json", "pytorch_model.bin", REPOSITORY, "--from DIR"):
        assert part in line
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "config.json").write_bytes(content["config.json"])
    assert "lacks model.safetensors or pytorch_model.bin" in refused(
        tmp_path / "packs", "--from", folder
    )
    (folder / "pytorch_model.bin").write_bytes(content["pytorch_model.bin"])
    assert pull(tmp_path / "packs", "--from", folder).returncode == 0


def test_lists_that_are_in_no_repository_are_read_from_their_address(hub, tmp_path):
    hub.files["somebody/lists/tags.txt"] = b"coat\nhat\n"
    address = f"{hub.url}/elsewhere/somebody/lists/tags.txt"
    recipe = replace(find_recipe(NAME), files=(("config.json",),), elsewhere={"tags.txt": address})
    fetch(recipe, tmp_path)
    assert (tmp_path / "tags.txt").read_bytes() == b"coat\nhat\n"
    away = replace(recipe, elsewhere={"tags.txt": f"http://127.0.0.1:{free_port()}/tags.txt"})
    with pytest.raises(FetchError, match=r"tags\.txt cannot be loaded.*--from DIR"):
        fetch(away, tmp_path)
    with pytest.raises(FetchError, match=r"lacks tags\.txt"):
        fetch(away, tmp_path / "new", given=hub_folder(tmp_path))


def hub_folder(folder):
    """A folder with the files of the hub alone."""
    found = folder / "given"
    found.mkdir()
    (found / "config.json").write_text("{}")
    (folder / "new").mkdir()
    return found


OFFLINE = """
import sys
from pathlib import Path
from engines.published.recipes import find_recipe
from pipeline.models.fetching import fetch
print(fetch(find_recipe(sys.argv[1]), Path(sys.argv[2])))
"""


def test_offline_what_was_loaded_before_is_enough(hub, tmp_path):
    """In a process of its own: the library reads this from the environment once."""
    assert pull(tmp_path / "packs").returncode == 0
    before = len(hub.asked)
    env = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    (tmp_path / "files").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, NAME, str(tmp_path / "files")],
        capture_output=True, text=True, timeout=60, env=env,
    )  # fmt: skip
    assert COMMIT in done.stdout, done.stderr
    assert {path.name for path in (tmp_path / "files").iterdir()} == {
        "config.json",
        "pytorch_model.bin",
    }
    assert len(hub.asked) == before


def test_a_file_that_computes_something_else_is_not_used(hub, tmp_path, monkeypatch):
    """The gate: an export whose weights were changed."""

    def spoilt(net, *rest):
        own = net.net.class_labels_classifier.layers[2].bias
        own.data += 0.01
        export(net, *rest)
        own.data -= 0.01

    export = making.export
    monkeypatch.setattr(making, "export", spoilt)
    assert "from PyTorch's" in refused(tmp_path / "packs")


def test_checkpoints_of_something_else_are_refused(hub, tmp_path):
    net = Yolos(SMALL)
    hub.files[f"{REPOSITORY}/pytorch_model.bin"] = b"PK" + bytes(9000)
    assert "no checkpoint" in refused(tmp_path / "packs")
    config = {**described(net.config), "id2label": {"0": "person"}}
    hub.files[f"{REPOSITORY}/config.json"] = json.dumps(config).encode()
    assert refused(tmp_path / "packs") != ""


def test_mistakes_on_the_command_line(tmp_path):
    done = command("models", "pull", "yolo-fashionpedia")
    assert (done.returncode, "did you mean 'yolos-fashionpedia'" in done.stderr) == (1, True)
    done = command("models", "pull", NAME, "--size", "big")
    assert (done.returncode, "WIDTHxHEIGHT" in done.stderr) == (2, True)
    listed = command("models", "pull")
    assert NAME in listed.stdout


def test_operations_are_counted_two_for_each_multiplication():
    net = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    assert making.gflop(net, torch.zeros(1, 3, 10, 20)) == pytest.approx(2 * 27 * 8 * 200 / 1e9)


def test_probes_are_the_same_each_time():
    one, two = making.probes(torch.zeros(1, 3, 8, 8)), making.probes(torch.zeros(1, 3, 8, 8))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert "torch" in sys.modules
