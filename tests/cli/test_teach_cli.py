"""``threadline teach``: from pictures to tags on a clip, and what it refuses. Needs the train
extra."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest
from support import CLIP, HERE, command, cut, lines

from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from vit_support import google  # noqa: E402

from engines.nets.vit import Shape  # noqa: E402
from engines.teach.making import make_pack  # noqa: E402
from engines.teach.teaching import Wish  # noqa: E402
from engines.teach.watch import Unwatched  # noqa: E402
from pipeline.models.examples import read_lesson  # noqa: E402

pytestmark = [pytest.mark.train]

#: Who wears the red and blue jacket; the other early visits are people in dark ones.
TWO_COLOURED = 4
DARK = (1, 2, 3, 5, 6)
#: Frames to learn from come after those that are run on.
RUN = 40
LEARNT = (44, 57, 71, 84, 97, 111, 124, 137)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def people(folder):
    """A list of people on later frames of the clip, by the colours of their jackets."""
    told = json.loads((HERE / "data" / "people" / "vtest.json").read_text())["frames"]
    rows = []
    with open_source(CameraSettings(url=str(CLIP))) as source:
        for index, frame in enumerate(source):
            if index in LEARNT and str(index) in told:
                picture = folder / f"{index}.png"
                cv2.imwrite(str(picture), frame.rgb()[..., ::-1])
                own = told[str(index)]
                for box, visit in zip(own["people"], own["visits"], strict=True):
                    if visit == TWO_COLOURED or visit in DARK:
                        label = "red and blue" if visit == TWO_COLOURED else "dark"
                        rows.append({"image": picture.name, "label": label, "box": box})
            if index > max(LEARNT):
                break
    path = folder / "people.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def two_looks(pictures, folder):
    """A pack that always looks again, of a small transformer that knows nothing else."""
    weights = folder / "vit.npz"
    np.savez(weights, **google(Shape(side=64, patch=16, width=24, depth=2, heads=3)))
    wish = Wish("glsim", 3.0, "cpu", 64, 0, "person", weights)
    made, work = folder / "packs" / "twice", folder / "work"
    work.mkdir()
    make_pack(read_lesson(pictures), wish, made, work, Unwatched())
    text = (made / "pack.toml").read_text()
    assert "again_below" in text
    (made / "pack.toml").write_text(re.sub(r"(again_below = ).*", r"\g<1>1.0", text))
    return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:Constant folding:UserWarning")
def test_what_was_taught_is_tagged_on_a_clip(tmp_path, monkeypatch):
    """By a network of its own, by one that looks twice, and by a head on the parser, which takes
    the usual one's place."""
    monkeypatch.setattr("engines.teach.courses.LEAST_STEPS", 2)
    pictures = people(tmp_path)
    for name, recipe in (("jackets", "linear"), ("heard", "head")):
        done = command(
            "teach", pictures, "--name", name, "--recipe", recipe, "--side", 96,
            "--out", tmp_path / "packs",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "pictures held out" in done.stdout
        assert f"--pack {tmp_path / 'packs' / name}" in done.stdout
    stats = tmp_path / "stats.json"
    done = command(
        "run", cut(tmp_path / "begin.mp4", RUN), "--pack", tmp_path / "packs" / "jackets",
        "--pack", tmp_path / "packs" / "heard", "--pack", two_looks(pictures, tmp_path),
        "--out", tmp_path / "out", "--no-video", "--quiet", "--stats", stats,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    left = [e for e in lines(tmp_path / "out" / "events.jsonl") if e["event"] == "left"]
    tags = [tag for e in left for tag in e["tags"]]
    assert {"garment", "jackets", "heard", "twice"} <= {tag["kind"] for tag in tags}
    assert sum(tag["label"] == "dark" for tag in tags if tag["kind"] == "twice") >= 2
    for kind in ("jackets", "heard"):
        own = [tag for tag in tags if tag["kind"] == kind]
        assert sum(tag["label"] == "dark" for tag in own) >= 2
        surest = max(own, key=lambda tag: (tag["label"] == "red and blue") * tag["score"])
        assert surest["label"] == "red and blue", kind
        assert 540 < (surest["box"][0] + surest["box"][2]) / 2 < 660, "where that jacket is then"
    [camera] = json.loads(stats.read_text())["cameras"]
    assert "heard" not in camera["looks"], "the parser looks once, and tells both"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--name", "a/b"], "letters, digits"),
        (["--name", "garments-lite0"], "comes with threadline"),
        (["--name", "there"], "is there already; choose another --name, or add --replace"),
        (["--name", "x", "--budget", "soon"], "such as 90s, 30m or 2h"),
        (["--name", "x", "--budget", "0m"], "such as 90s, 30m or 2h"),
        (["--name", "x", "--side", "100"], "multiple of 32"),
        (["--name", "x", "--device", "tpu"], "choose auto, cpu or cuda"),
        (["--name", "x", "--subject", "sky"], "--subject sky: choose"),
        (["--name", "x", "--recipe", "magic"], "choose one of auto, linear"),
        (["--name", "x", "--recipe", "glsim"], "give --weights ViT-B_16.npz"),
        (["--name", "x", "--weights", "gone.pth"], "--weights gone.pth: no such file"),
        (["--name", "x"], "no folders in it"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, options, told):
    (tmp_path / "packs" / "there").mkdir(parents=True)
    (tmp_path / "photos").mkdir()
    done = command("teach", tmp_path / "photos", *options, "--out", tmp_path / "packs")
    assert done.returncode != 0
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    left = [path.name for path in (tmp_path / "packs").iterdir() if path.name[0] != "."]
    assert left == ["there"]


def test_nothing_is_left_of_what_could_not_be_begun(tmp_path):
    (tmp_path / "other.pth").write_bytes(b"no weights")
    done = command(
        "teach", people(tmp_path), "--name", "jackets", "--recipe", "linear", "--side", 64,
        "--weights", tmp_path / "other.pth", "--out", tmp_path / "packs",
    )  # fmt: skip
    assert done.returncode == 1
    assert "other.pth" in done.stderr
    assert list((tmp_path / "packs").iterdir()) == []
