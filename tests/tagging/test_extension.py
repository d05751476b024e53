"""A tagger from outside: installed, it is one of the others, without a change to Threadline."""

from __future__ import annotations

import json
from collections import defaultdict

import cv2
import numpy as np
import pytest
from extension_support import EXTENSION, install, make_pack
from support import CLIP, HERE, QUICK, lines, threadline

from pipeline import plugins
from pipeline.tagging.tagger import TaggerEntry


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs")
    make_pack(folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Where the extension is installed: for PYTHONPATH."""
    return str(install(tmp_path_factory.mktemp("site")))


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "street.png"
    strip = cv2.imread(str(CLIP.parent / "person_reference.png"))
    cv2.imwrite(str(path), cv2.resize(strip[:, :300], (767, 575)))
    return path


def patterns(tags):
    return [tag for tag in tags if tag["kind"] == "pattern"]


def test_it_runs_on_recordings_beside_the_others(few_frames, packs, site, tmp_path):
    stats = tmp_path / "s.json"
    done = threadline(
        "run", few_frames, "--packs", packs, "--out", tmp_path, "--stats", stats, "--no-video",
        "--quiet", *QUICK, PYTHONPATH=site,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    counted = json.loads(stats.read_text())
    [camera] = counted["cameras"]
    assert camera["looks"]["stripes"] == camera["looks"]["garments"] > 0, "one look serves both"
    assert counted["stages"]["stripes"]["calls"] > 0
    events = lines(tmp_path / "events.jsonl")
    entered = {e["track_id"]: e["pts"] for e in events if e["event"] == "entered"}
    appeared = [e for e in events if e["event"] == "appeared" and patterns([e["tag"]])]
    assert appeared
    for event in appeared:
        assert event["tag"]["label"] in ("stripes", "plain")
        assert event["tag"]["model"] == "stripes-small"
        assert event["tag"]["track_id"] == event["track_id"]
        assert event["pts"] >= entered[event["track_id"]] + 0.3, "never after one look"
    assert any(e["event"] == "appeared" and e["tag"]["kind"] == "garment" for e in events)


def test_its_section_holds_for_all_cameras_and_under_one(few_frames, packs, site, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(
        "garments: {enabled: false}\n"
        "stripes: {least: 0.2, vote: {looks: 3}}\n"
        "cameras:\n"
        f"  - {{url: {few_frames}, id: slow}}\n"
        f"  - {{url: {few_frames}, id: fast, stripes: {{vote: {{looks: 1}}}}}}\n"
        f"  - {{url: {few_frames}, id: none, stripes: {{enabled: false}}}}\n"
    )
    stats = tmp_path / "s.json"
    done = threadline(
        "run", "--config", config, "--packs", packs, "--out", tmp_path, "--stats", stats,
        "--no-video", "--quiet", *QUICK, PYTHONPATH=site,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    looks = {c["id"]: c["looks"] for c in json.loads(stats.read_text())["cameras"]}
    assert looks["slow"]["stripes"] > 0
    assert looks["fast"]["stripes"] > 0
    assert looks["none"] == {}
    entered, waits = {}, defaultdict(list)
    for event in lines(tmp_path / "events.jsonl"):
        person = (event["camera"], event["track_id"])
        if event["event"] == "entered":
            entered[person] = event["pts"]
        elif event["event"] == "appeared":
            waits[event["camera"]].append(event["pts"] - entered[person])
    assert set(waits) == {"slow", "fast"}
    assert min(waits["fast"]) == 0
    assert min(waits["slow"]) >= 0.6, "two further looks, at least 0.3 s apart"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stripes:\n  least: 2\n", ":2: stripes.least: "),
        ("stripes:\n  model: person-store\n", "'person-store' is no stripes model"),
        ("cameras:\n  - url: a\n    stripes: {model: x}\n", ":3: cameras.0.stripes.model: is the"),
    ],
)
def test_mistakes_in_its_section_are_explained_like_any(text, words, packs, site, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    done = threadline("config", "check", path, "--packs", packs, PYTHONPATH=site)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_it_tags_photos_and_is_drawn(photo, packs, site, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("garments: {enabled: false}\n")

    def tagged(name, **env):
        out = tmp_path / name
        done = threadline(
            "tag",
            photo,
            "--config",
            config,
            "--packs",
            packs,
            "--out",
            out,
            "--draw",
            *QUICK,
            **env,
        )
        assert done.returncode == 0, done.stderr
        [row] = lines(out / "tags.jsonl")
        return row, cv2.imread(str(out / "drawn" / "street.png")).astype(int)

    plain, bare = tagged("without")
    row, drawn = tagged("with", PYTHONPATH=site)
    assert plain["tags"] == []
    assert row["persons"] == plain["persons"]
    tags = patterns(row["tags"])
    assert len(tags) == len(row["tags"]) >= len(row["persons"]) > 0
    assert {tag["track_id"] for tag in tags} <= {one["track_id"] for one in row["persons"]}
    changed = np.abs(drawn - bare).max(axis=2) > 0
    assert changed.any()
    columns = np.flatnonzero(changed.any(axis=0))
    boxes = [tag["box"] for tag in tags]
    assert any(x0 - 1 <= column <= x1 + 1 for x0, _, x1, _ in boxes for column in columns)


def test_one_that_cannot_be_imported_is_one_warning_and_the_run_goes_on(few_frames, tmp_path):
    broken = install(tmp_path / "site", "threadline_absent", absent="threadline_absent:ENTRY")
    out = tmp_path / "out"
    done = threadline(
        "run", few_frames, "--out", out, "--no-video", "--quiet", *QUICK, PYTHONPATH=str(broken)
    )
    assert done.returncode == 0, done.stderr
    [line] = done.stderr.splitlines()
    assert "WARNING" in line
    assert "'absent' is not used: threadline_absent:ENTRY" in line
    assert lines(out / "events.jsonl")


def test_without_its_model_the_run_says_which_is_missing(few_frames, site, tmp_path):
    done = threadline("run", few_frames, "--out", tmp_path, PYTHONPATH=site)
    assert done.returncode == 2
    assert "stripes.model: model 'stripes-small' is unknown" in done.stderr
    assert "add it with --packs" in done.stderr
    assert "Traceback" not in done.stderr


def test_entry_points_that_are_something_else_are_left_out(tmp_path, monkeypatch, caplog):
    site = install(
        tmp_path, group="threadline.tests", good="threadline_stripes:ENTRY",
        wrong="json:dumps", nothing="json:nothing",
    )  # fmt: skip
    monkeypatch.syspath_prepend(str(site))
    found = plugins.additions("threadline.tests", TaggerEntry)
    assert list(found) == ["good"]
    assert len(caplog.records) == 2
    assert plugins.additions("threadline.none", TaggerEntry) == {}


def test_none_takes_the_place_of_one_that_comes_with_threadline(packs, tmp_path):
    site = install(tmp_path / "site", garments="threadline_stripes:ENTRY")
    done = threadline("config", "show", "--packs", packs, PYTHONPATH=str(site))
    assert "garments-lite0-int8" in done.stdout
    assert "stripes-small" not in done.stdout


def test_the_documentation_shows_the_code_that_is_tested():
    page = (HERE.parent / "docs" / "extending.md").read_text(encoding="utf-8")
    code = (EXTENSION / "threadline_stripes" / "__init__.py").read_text(encoding="utf-8")
    assert f"```python\n{code}```" in page
