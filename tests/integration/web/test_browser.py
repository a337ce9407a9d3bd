"""The pages in a real browser: clicked through, by keyboard too, and listened to."""

from __future__ import annotations

import pytest
from tests.browser import KEYS, Browser, lacking
from tests.pictures import keep, shop
from tests.registries import Client

from lamina.engine import Engine

from .test_hostile import hostile

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(lacking() is not None, reason=lacking() or ""),
]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_walk_through_the_pages(pages: Client, engine: Engine, dark: bool) -> None:
    keep(engine.store, shop("1"), "shop:1")
    keep(engine.store, shop("2"), "shop:2")
    with Browser(dark=dark) as browser:
        browser.open(f"{pages.url}/")
        assert browser.text("h1") == "Images"
        browser.click("=1")
        assert browser.text("h1") == "shop:1"
        assert "at=" not in browser.url

        # The slider, by keyboard: a step to the left shows the instruction before.
        browser.type("input[type=range]", KEYS["left"])
        browser.await_url("at=5")
        browser.type("input[type=range]", KEYS["left"])
        browser.await_url("at=4")
        assert browser.text("[aria-current=step] .at") == "4"
        assert browser.run("return document.activeElement.id") == "at"

        browser.click("=usr/")
        browser.click("=share/")
        assert browser.text("tr.deleted .name").startswith("doc/")
        browser.click("=Earlier")
        browser.click("=doc/")
        browser.click("=a/")
        browser.click("=readme")
        assert browser.text("pre").startswith("a\na\n")

        browser.click("=Waste")
        assert browser.run("return document.querySelectorAll('.treemap a').length") > 9
        browser.click(".treemap a.deleted")
        assert "file?" in browser.url
        assert "deleted or replaced at 4" in browser.text("tbody")

        browser.click("=Files")
        browser.type("#q", "lib8" + KEYS["enter"])
        browser.await_url("q=lib8")
        assert browser.text("tr.deleted td.name") == "/var/cache/apt/archives/lib8.deb"
        browser.click("tr.deleted td.name a")
        assert "file?" in browser.url

        browser.click("=Compare with …")
        browser.type("#two", "shop:2" + KEYS["enter"])
        browser.await_url("two=")
        assert "Env VERSION" in browser.text("main")

        background = browser.run("return getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(20, 24, 28)" if dark else "rgb(251, 251, 250)")
        assert browser.complaints() == []
        asked = browser.requests()
        assert len(asked) > 20
        assert [url for url in asked if not url.startswith(f"{pages.url}/")] == []


def test_images_that_mean_harm_do_none(pages: Client, engine: Engine) -> None:
    keep(engine.store, hostile(), "evil:1")
    with Browser() as browser:
        for address in (
            "image?ref=evil:1&at=1",
            "find?ref=evil:1&q=*",
            "waste?ref=evil:1",
            "file?ref=evil:1&path=page.html",
            "document?ref=evil:1&kind=config",
        ):
            browser.open(f"{pages.url}/{address}")
            # An alert would be in the way of this.
            assert browser.run("return document.scripts.length") == 1
            assert browser.run("return document.querySelectorAll('img').length") == 0
        assert browser.complaints() == []
        assert [url for url in browser.requests() if not url.startswith(pages.url)] == []


def test_the_first_stop_of_the_tabulator_skips_to_the_content(
    pages: Client, engine: Engine
) -> None:
    keep(engine.store, shop("1"), "shop:1")
    with Browser() as browser:
        browser.open(f"{pages.url}/image?ref=shop:1")
        browser.type("body", KEYS["tab"])
        assert browser.run("return document.activeElement.className") == "skip"
        assert browser.run("return document.activeElement.getBoundingClientRect().left") >= 0


def test_a_narrow_window_does_not_scroll_sideways(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop("1"), "shop:1")
    with Browser(size=(500, 900)) as browser:
        for address in (
            "",
            "image?ref=shop:1",
            "find?ref=shop:1&q=lib",
            "waste?ref=shop:1",
            "file?ref=shop:1&path=app/serve",
        ):
            browser.open(f"{pages.url}/{address}")
            wide = browser.run(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, address
