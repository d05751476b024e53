"""The pages in a browser, against the real service: what a person does on the first day."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from store_support import BLUE_JEANS, HAT, RED_JACKET, Run
from support import HERE

from pipeline.store.opening import writing

pytest.importorskip("fastapi")
api = pytest.importorskip("playwright.sync_api")

PASSWORD = "correct horse battery"
#: What a hostile name would do, if it ever became markup.
HOSTILE = '<img src=x onerror="document.title=1">'
PAGES = ("wall", "search", "timeline", "statistics", "brands", "cameras", "system", "more")
#: What else the accessibility checker looks at.
STATES = (
    *("search?me=1", "search?q=hat", "cameras?add=1", "brands?test=1", "timeline?term=jeans"),
    *("system?tab=users", "system?tab=tokens", "system?tab=audit", "system?tab=settings"),
    *("system?tab=packs", "system?tab=logs"),
    "statistics?compare=before",
)
SETTINGS = (
    "{garments: {enabled: false}, store: {zone: Europe/Berlin}, person: {interval_s: 1}, "
    "logos: {tile_s: 0}}"
)
#: Seconds that a busy machine may take for anything.
PATIENCE_S = 90
#: The accessibility checker, where somebody has put it: `npm pack axe-core`.
AXE = os.environ.get("THREADLINE_AXE", "")


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--headless=new", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium) -> Iterator[object]:
    """A page of a browser of its own; any error of the page fails the test."""
    context = chromium.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE_S)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if refused(said.text) else None)
    yield page
    context.close()
    assert not wrong


def refused(text: str) -> bool:
    return "Content Security Policy" in text or "TypeError" in text


class Shop:
    """``threadline serve`` on a folder, as a user starts it."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out"
        self.config = folder / "shop.yaml"
        self.config.write_text(SETTINGS, encoding="utf-8")
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "serve", "--port", "0",
             "--out", str(self.out), "--config", str(self.config)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=HERE.parent,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(30) == 0
            self._process.stdout.close()
        self._process = None

    def fill(self) -> None:
        """Three people of the last hours; the first one has a picture."""
        at = time.time() - 3600
        run = Run(at)
        visits = [
            run.visit(RED_JACKET, BLUE_JEANS, camera="street", at=at),
            run.visit(HAT, camera="street", at=at + 600),
            run.visit(BLUE_JEANS, camera=HOSTILE, at=at + 1200),
        ]
        for record in (record for records in visits for record in records):
            record["heads"] = "pixelate"
        self.out.mkdir(exist_ok=True)
        with writing(str(self.out / "threadline.db"), "a test", "Europe/Berlin") as store:
            for records in visits:
                store.write(records)
        for records in visits[:2]:
            path = self.out / records[-1]["snapshot"]
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((120, 60, 3), 90, np.uint8))


def opened(folder: Path) -> Iterator[Shop]:
    shop = Shop(folder)
    shop.fill()
    shop.start()
    yield shop
    shop.stop()


@pytest.fixture
def new_shop(tmp_path: Path) -> Iterator[Shop]:
    """One in which nobody has a password yet."""
    yield from opened(tmp_path)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One that several tests look at, and change nothing."""
    yield from opened(tmp_path_factory.mktemp("shop"))


def enter(page, shop: Shop) -> None:
    """Log in; at the first start, with a name and a password that are new."""
    user, url = {"user": "admin", "password": PASSWORD}, f"{shop.url}api/v1"
    if page.request.get(f"{url}/me").json()["code"] == "login":
        done = page.request.post(f"{url}/login", data=user, headers={"Origin": shop.url[:-1]})
        assert done.ok
        return
    page.goto(shop.url)
    page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("link", name="Wall").wait_for()


def expect(page, condition: str, what: str) -> None:
    """Wait until an expression of the page holds. Asked from outside: its policy allows no more."""
    deadline = time.monotonic() + PATIENCE_S
    while not page.evaluate(f"Boolean({condition})"):
        shown = page.locator("body").inner_text()[:1000]
        assert time.monotonic() < deadline, f"never: {what}; {page.url} shows {shown}"
        page.wait_for_timeout(100)


@pytest.mark.alone  # live pictures give way to all other work on the machine
@pytest.mark.rtsp
def test_the_first_day(page, new_shop, rtsp):
    shop = new_shop
    camera = rtsp()
    enter(page, shop)
    page.get_by_text("No cameras yet").wait_for()

    page.goto(f"{shop.url}#/cameras?add=1")
    page.locator("[name=url]").fill(camera.url())
    page.get_by_role("button", name="Measure").click()
    page.get_by_text(re.compile("768 . 576")).wait_for()
    page.locator("[name=id]").fill("street")
    page.locator("[name=purpose]").fill("Trying it out")
    page.locator("form .primary").click()
    page.get_by_role("heading", name="Areas and lines").wait_for()
    page.get_by_role("button", name="Zone", exact=True).press("Enter")
    page.get_by_role("button", name="Corner 1").press("ArrowUp")
    page.get_by_role("button", name="Save").first.click()
    page.get_by_text("Saved").wait_for()

    page.goto(f"{shop.url}#/wall?rest=no")
    expect(page, "document.querySelector('canvas[data-live=jpeg]')?.dataset.pts > 0", "a picture")
    expect(page, "document.querySelector('.tile.busy')", "people on the wall")
    first = page.evaluate("document.querySelector('canvas[data-live]').dataset.pts")
    expect(page, f"document.querySelector('canvas[data-live]').dataset.pts != {first}", "it moves")

    page.goto(f"{shop.url}#/wall?camera=street&as=filmed")
    expect(page, "document.querySelector('video')?.currentTime > 0.2", "the camera's own video")
    shown = "document.querySelector('canvas[data-live=video]').dataset.pts"
    expect(page, f"{shown} > 0", "boxes by the time of its pictures")

    page.goto(f"{shop.url}#/search")
    page.get_by_role("searchbox").fill("blue jaens")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="jeans", exact=True).click()
    expect(page, "document.querySelectorAll('a.person').length === 2", "both in blue jeans")
    page.get_by_role("button", name="Save search").click()
    page.get_by_label("Name").fill("Denim")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Denim").wait_for()
    page.locator("a.person", has_text="red jacket").click()
    page.get_by_role("heading", name="Wears").wait_for()
    assert page.locator(".portrait img").evaluate("image => image.decode().then(() => true)")
    page.get_by_role("button", name="Forget").click()
    page.locator("dialog .danger").click()
    page.wait_for_url("**/#/search")
    page.goto(f"{shop.url}#/search?q=blue+jeans")
    expect(page, "document.querySelectorAll('a.person').length === 1", "one of them is forgotten")

    page.goto(f"{shop.url}#/brands")
    page.locator("input[type=file]").first.set_input_files(
        next((HERE / "data" / "brands").glob("*.svg"))
    )
    page.locator("[name=brand]").fill("Acme & Söhne")
    page.locator("dialog footer .primary").click()
    page.get_by_role("button", name="Done").click()
    page.locator("[data-brand='Acme & Söhne'] img").first.wait_for()

    shop.stop()
    shop.start()
    page.context.clear_cookies()
    page.goto(shop.url)
    page.get_by_label("User").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("[data-camera=street]").wait_for()
    page.goto(f"{shop.url}#/search")
    page.get_by_role("link", name="Denim").click()
    expect(page, "document.querySelectorAll('a.person').length === 1", "the saved search")
    page.goto(f"{shop.url}#/brands")
    page.locator("[data-brand='Acme & Söhne']").wait_for()
    page.goto(f"{shop.url}#/cameras/street")
    page.locator(".shape-row input").wait_for()
    assert page.locator(".shape-row input").input_value() == "zone"


def test_every_page_in_light_and_dark_on_desktop_and_phone(page, shop):
    enter(page, shop)
    title = ""
    for colours, size in (("light", (1280, 800)), ("dark", (390, 844))):
        page.emulate_media(color_scheme=colours)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        for name in PAGES:
            page.goto(f"{shop.url}#/{name}")
            page.locator(".page-head h1").wait_for()
            expect(page, f"document.title !== {json.dumps(title)}", f"the page {name}")
            title = page.title()
            assert not page.locator("[role=alert]").count(), name
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0], f"{name} is wider than the screen"
    page.goto(f"{shop.url}#/search")
    page.locator("a.person", has_text=HOSTILE).wait_for()
    expect(page, "document.title === 'Search · Threadline'", "a name is text, whatever it holds")


def test_a_viewer_sees_every_page_and_changes_nothing(page, shop):
    enter(page, shop)
    viewer = {"user": "vera", "password": PASSWORD, "role": "viewer", "cameras": ["street"]}
    headers = {"Origin": shop.url[:-1]}
    assert page.request.post(f"{shop.url}api/v1/users", data=viewer, headers=headers).ok
    page.context.clear_cookies()
    assert page.request.post(f"{shop.url}api/v1/login", data=viewer, headers=headers).ok
    for name in PAGES:
        page.goto(f"{shop.url}#/{name}")
        page.locator(f"[aria-current=page][href='#/{name}']").first.wait_for(state="attached")
        page.locator(".page-head h1").wait_for()
        assert not page.locator("[role=alert], .danger, input[type=file]").count(), name
    page.goto(f"{shop.url}#/search")
    expect(page, "document.querySelectorAll('a.person').length === 2", "those of their camera")
    page.locator("a.person").first.click()
    page.get_by_role("heading", name="Wears").wait_for()
    assert not page.get_by_role("button", name="Forget").count()


def test_settings_and_taggers_are_changed_and_a_tag_is_marked_wrong(page, shop):
    enter(page, shop)
    page.goto(f"{shop.url}#/system?tab=settings")
    page.locator("summary", has_text="privacy").first.click()
    page.get_by_label("privacy.teach").check()
    page.get_by_role("button", name="Back to no").wait_for()
    page.goto(f"{shop.url}#/system?tab=packs")
    page.get_by_text("No packs yet").wait_for()
    page.locator("input[type=file]").set_input_files(
        {"name": "x.zip", "mimeType": "application/zip", "buffer": b"nothing"}
    )
    page.get_by_role("alert").wait_for()

    page.goto(f"{shop.url}#/search?q=red+jacket")
    page.locator("a.person").first.click()
    page.get_by_role("button", name="red jacket is wrong").click()
    page.locator("[name=right]").fill("rain coat")
    page.get_by_role("button", name="Keep the picture").click()
    page.get_by_text("Not jacket, but rain coat").wait_for()
    assert len(list(shop.out.glob("teach/rain coat/*.jpg"))) == 1
    page.get_by_role("button", name="Take back").click()
    page.get_by_role("heading", name="Marked wrong").wait_for(state="detached")
    assert not list(shop.out.glob("teach/*/*.jpg"))
    page.get_by_role("button", name="Show products").click()
    page.get_by_text("no products are set").wait_for()
    page.goto(f"{shop.url}#/system?tab=settings")
    page.locator("summary", has_text="privacy").first.click()
    page.get_by_role("button", name="Back to no").click()
    page.get_by_role("button", name="Back to no").wait_for(state="detached")


def test_the_address_holds_the_state(page, shop):
    enter(page, shop)
    page.goto(f"{shop.url}#/search?and=blue+jeans&camera=street")
    expect(page, "document.querySelectorAll('a.person').length === 1", "one at this camera")
    page.get_by_role("button", name="Without street").click()
    expect(page, "document.querySelectorAll('a.person').length === 2", "both without it")
    assert "camera" not in page.url
    page.locator("a.person").first.click()
    page.get_by_role("heading", name="Wears").wait_for()
    page.go_back()
    expect(page, "document.querySelectorAll('a.person').length === 2", "the same again")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Wears").wait_for()
    page.goto(f"{shop.url}#/search?me=1")
    page.get_by_label("Language").select_option("de")
    page.get_by_role("heading", name="Suche").wait_for()
    assert page.evaluate("document.documentElement.lang") == "de"
    page.goto(f"{shop.url}#/timeline?term=jeans")
    expect(page, "document.querySelectorAll('.strip canvas').length >= 1", "the timeline")


def test_notices_follow_the_address_and_need_no_login(page, shop):
    enter(page, shop)
    headers = {"Origin": shop.url[:-1]}
    for name, purpose in (("hall", "Counting who comes"), ("yard", "Guarding bicycles")):
        camera = {"id": name, "url": "rtsp://127.0.0.1:9/none", "purpose": purpose}
        assert page.request.post(f"{shop.url}api/v1/cameras", data=camera, headers=headers).ok
    page.context.clear_cookies()
    page.goto(f"{shop.url}#/notice/hall")
    page.get_by_text("Counting who comes").wait_for()
    page.evaluate("location.hash = '#/notice/yard'")
    page.get_by_text("Guarding bicycles").wait_for()
    page.evaluate("location.hash = '#/notice/nowhere'")
    page.get_by_role("alert").wait_for()
    page.evaluate("location.hash = '#/wall'")
    page.get_by_role("button", name="Log in").wait_for()
    page.go_back()
    page.get_by_role("alert").wait_for()
    enter(page, shop)
    for name in ("hall", "yard"):
        assert page.request.delete(f"{shop.url}api/v1/cameras/{name}", headers=headers).ok


def test_whoever_is_not_logged_in_sees_the_door(page, shop):
    enter(page, shop)
    page.goto(f"{shop.url}#/search?me=1")
    page.get_by_role("button", name="Log out", exact=True).click()
    page.get_by_role("button", name="Log in").wait_for()
    page.get_by_label("User").fill("admin")
    page.get_by_label("Password").fill("something else entirely")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    assert not page.locator(".rail").count()


@pytest.mark.skipif(not Path(AXE).is_file(), reason="THREADLINE_AXE names no axe.min.js")
def test_axe_finds_nothing_serious(page, shop):
    enter(page, shop)
    source = Path(AXE).read_text(encoding="utf-8")
    [one, *_] = page.request.get(f"{shop.url}api/v1/search").json()["visits"]
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        for name in (*PAGES, *STATES, f"person/{one['visit']}"):
            page.goto(f"{shop.url}#/{name}")
            page.wait_for_timeout(700)
            page.evaluate(source)  # past the page's policy, which refuses scripts of others
            found = page.evaluate("axe.run(document)")["violations"]
            serious = [
                (one["id"], one["nodes"][0]["html"][:120])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert not serious, (colours, name)
