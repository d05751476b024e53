"""The pages as files: others' are as published, nothing comes from elsewhere, all is small."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.flow.troubles import _SLOWER, _TCP
from pipeline.sources import reasons
from pipeline.sources.probe import Offer, warnings
from pipeline.store.words import LABELS
from pipeline.web import mistakes
from pipeline.web.settings import leaves

PIPELINE = Path(__file__).parents[2] / "pipeline"
STATIC = PIPELINE / "web" / "static"
SCRIPTS = sorted(path for path in STATIC.rglob("*.js") if "vendor" not in path.parts)
SHEETS = sorted(path for path in STATIC.rglob("*.css") if "vendor" not in path.parts)
#: Bytes that the first page may take, compressed.
MOST_FIRST = 150_000


def words(language: str) -> dict[str, str]:
    return json.loads((STATIC / "lang" / f"{language}.json").read_text(encoding="utf-8"))


def imported(script: Path) -> set[Path]:
    """A script and all that it imports before it runs."""
    found, open_ = set(), [script]
    while open_:
        one = open_.pop()
        if one in found:
            continue
        found.add(one)
        text = one.read_text(encoding="utf-8")
        names = re.findall(r'^(?:import|export|\}) [^;]*?from "([^"]+)"', text, re.M)
        open_ += [(one.parent / name).resolve() for name in names]
    return found


def test_what_is_others_is_as_they_published_it():
    table = (STATIC / "vendor" / "README").read_text(encoding="utf-8")
    told = {}
    for line in table.splitlines():
        columns = re.split(r"  +", line)
        if re.fullmatch("[0-9a-f]{64}", columns[-1]):
            told[columns[0]] = columns[-1]
    files = {path for path in (STATIC / "vendor").iterdir() if path.suffix in (".js", ".css")}
    assert set(told) == {path.name for path in files}, "every file has a line"
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == told[path.name], path.name
    for name in ("htm", "preact", "uplot"):
        assert (STATIC / "vendor" / f"LICENSE-{name}").stat().st_size > 500


def test_both_languages_say_the_same():
    english, german = words("en"), words("de")
    assert set(english) == set(german)
    for key, text in english.items():
        fields = set(re.findall(r"\{\w+\}", text))
        assert fields == set(re.findall(r"\{\w+\}", german[key])), key
        assert german[key].strip(), key


def test_every_text_of_the_pages_is_in_the_dictionary():
    text = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    known = words("en")
    asked = set(re.findall(r'\bt\("([^"]+)"', text))
    for pair in re.findall(r'\bt\([^")`]*\? "([^"]+)" : "([^"]+)"\)', text):
        asked |= set(pair)
    assert len(asked) > 200
    missing = {key for key in asked if key not in known and f"{key}.other" not in known}
    assert not missing
    begun = set(re.findall(r"\bt\(`([a-z.]+)\$", text))
    for start in begun:
        assert any(key.startswith(start) for key in known), start


def test_everything_that_is_reported_has_a_word():
    with (PIPELINE / "picture" / "colours.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        colours = {row["term"] for row in rows}
    known = words("de")
    assert {name for name in colours | LABELS if f"word.{name}" not in known} == set()


def test_every_mistake_has_words_in_both_languages():
    text = "".join(path.read_text(encoding="utf-8") for path in (PIPELINE / "web").rglob("*.py"))
    codes = set(re.findall(r'(?:RefusedError|answer)\(\s*\d+,\s*"(\w+)"', text))
    codes |= set(mistakes.CODES.values()) | {"conflict", "unreachable"}
    assert len(codes) > 10
    assert {f"error.{code}" for code in codes} == {
        key for key in words("en") if key.startswith("error.")
    }


def test_every_action_of_the_audit_log_has_words():
    text = "".join(path.read_text(encoding="utf-8") for path in (PIPELINE / "web").rglob("*.py"))
    actions = set(re.findall(r'client(?:_of\(\w+(?:\.\w+)?\))?, "([a-z.]+)"', text)) | {"forgotten"}
    told = {key.removeprefix("action.") for key in words("de") if key.startswith("action.")}
    packs = set(re.findall(r'"(pack\.[a-z]+ed)"', text))
    assert len(actions) > 20
    assert actions | packs == told


def test_every_setting_is_explained_in_both_languages():
    """In English by the settings themselves."""
    found = list(leaves())
    assert all(leaf.why for leaf in found)
    path = STATIC / "lang" / "settings.de.json"
    german = json.loads(path.read_text(encoding="utf-8"))
    assert {leaf.why for leaf in found} == set(german)
    assert all(text.strip() and text != why for why, text in german.items())
    named = {f"choice.{one}" for leaf in found for one in leaf.choices}
    named |= {f"section.{leaf.key.partition('.')[0]}" for leaf in found}
    assert named <= set(words("de"))


def test_what_is_said_of_cameras_is_there_in_german():
    """With # for every number, as the pages look for it."""
    good = Offer("h264", (640, 360), 15.0, 2e6, 2.0, 5.0, b_frames=False, reports=True)
    rare, late = replace(good, key_s=None, watched_s=9.0), replace(good, key_s=8.0, b_frames=True)
    tall = replace(good, size=(720, 576))
    said = {reason for _, reason, _ in reasons._REASONS}
    for offers in (
        (rare, rare),
        (late, late),
        (good, good),
        (replace(good, size=(1920, 1080)), tall),
    ):
        said |= set(warnings(*offers))
    said |= {f"3 of 40 pictures are lost on the way; {why}" for why in (_TCP, _SLOWER)}
    path = STATIC / "lang" / "reasons.de.json"
    german = json.loads(path.read_text(encoding="utf-8"))
    keys = {f"reason.{re.sub(r'[0-9]+(?:[.][0-9]+)?', '#', one)}" for one in said}
    assert len(keys) >= 25
    assert keys <= set(german)
    for key, text in german.items():
        assert text.count("#") == key.count("#")


def test_nothing_comes_from_elsewhere():
    for path in [*SCRIPTS, *SHEETS, STATIC / "index.html"]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""["'(`](?:https?:)?//""", text), path.name
        assert "@import" not in text, path.name


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_names_never_become_markup(path):
    text = path.read_text(encoding="utf-8")
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert way not in text


def test_no_script_or_style_stands_in_the_page():
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", text)


def test_the_first_page_is_small():
    first = imported(STATIC / "app.js") | imported(STATIC / "pages" / "wall.js")
    texts = {STATIC / "lang" / name for name in ("de.json", "reasons.de.json")}
    first |= {STATIC / "index.html", STATIC / "icon.svg", *SHEETS, *texts}
    assert len(first) > 20
    size = sum(len(gzip.compress(path.read_bytes(), 9)) for path in first)
    assert size <= MOST_FIRST, size
    assert all(path.name != "uplot.js" for path in first), "charts are loaded when one is shown"


def test_what_the_first_page_needs_is_asked_for_at_once():
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    named = {STATIC / name for name in re.findall(r'modulepreload" href="([^"]+)"', text)}
    needed = imported(STATIC / "app.js") | imported(STATIC / "pages" / "wall.js")
    assert named == needed - {STATIC / "app.js"}


def test_every_page_has_its_file():
    text = (STATIC / "app.js").read_text(encoding="utf-8")
    pages = re.findall(r'import\("(\./pages/\w+\.js)"\)', text)
    assert len(pages) >= 9
    for name in pages:
        assert (STATIC / name).is_file()
    for script in SCRIPTS:
        assert all(path.is_file() for path in imported(script)), script.name
