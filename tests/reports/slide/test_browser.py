"""The pages in a real Chromium, opened from disk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from histotile.reports.cohort.page import render_cohort_page
from histotile.reports.facts import CohortFacts, SlideFacts, summarise_slide
from histotile.reports.slide.page import render_slide_page
from histotile.reports.wording import page_name

pytestmark = pytest.mark.slow
WIDTHS_PX = (390, 820, 1280, 1920)
NAMES = ["slide_1", '<script>document.title="ran"<!--', "שקופית 😐 50% #4?", "W" * 120]


@pytest.fixture
def folder(
    tmp_path: Path,
    make_slide: Callable[..., SlideFacts],
    make_quarantined: Callable[..., SlideFacts],
    make_empty: Callable[..., SlideFacts],
    make_cohort: Callable[..., CohortFacts],
) -> Path:
    """Pages as a run writes them."""
    slides = [*map(make_slide, NAMES), make_empty("pale"), make_quarantined("broken")]
    (tmp_path / "slides").mkdir()
    for facts in slides:
        path = tmp_path / unquote(page_name(facts.slide_id))
        path.write_text(render_slide_page(facts), encoding="utf-8")
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="400"/>'
    rows = [summarise_slide(facts) for facts in slides]
    cohort = make_cohort(slides=rows, pictures={"roc": svg}, curves={"0": svg}, has_patients=False)
    (tmp_path / "index.html").write_text(render_cohort_page(cohort), encoding="utf-8")
    return tmp_path


def show(browser: Any, page: Path, width_px: int) -> None:
    size = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": width_px < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


def list_pages(folder: Path) -> list[Path]:
    return [folder / "index.html", *sorted((folder / "slides").iterdir())]


def overflow_px(browser: Any) -> int:
    """How far the page reaches beyond the right edge of the screen or sheet."""
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(browser.execute_script(f"return {width}"))


def count_broken(browser: Any) -> int:
    """Pictures of the page that cannot be shown, those below the fold included."""
    script = """
        const load = (image) => { image.loading = "eager"; return image.decode(); };
        Promise.allSettled([...document.images].map(load))
          .then((all) => arguments[0](all.filter((one) => one.status === "rejected").length));"""
    return int(browser.execute_async_script(script))


def requested(browser: Any) -> set[str]:
    """Schemes of everything the page asked for."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return {
        event["params"]["request"]["url"].partition(":")[0]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }


@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_pages_fit_the_screen_and_log_nothing(browser: Any, folder: Path, width_px: int) -> None:
    for page in list_pages(folder):
        show(browser, page, width_px)
        assert overflow_px(browser) <= 0, page.name
        assert count_broken(browser) == 0
        assert browser.get_log("browser") == []
        assert browser.title != "ran"
    assert requested(browser) <= {"file", "data"}


def test_links_lead_to_every_slide_and_back(browser: Any, folder: Path) -> None:
    count = len(list((folder / "slides").iterdir()))
    for index in range(count):
        show(browser, folder / "index.html", 1280)
        link = browser.find_elements("css selector", "#slides tbody th a")[index]
        name = link.text
        link.click()
        assert browser.find_element("css selector", "h1").text == name
        browser.find_element("css selector", "header nav a").click()
        assert browser.find_element("css selector", "h1").text == "Demo"


def test_keyboard_reaches_the_content_first(browser: Any, folder: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, folder / "index.html", 1280)
    browser.find_element("css selector", "body").send_keys(Keys.TAB)
    skip = browser.switch_to.active_element
    assert skip.text == "Skip to content"
    skip.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "main"


def test_table_of_slides_stays_a_table_for_screen_readers_on_a_phone(
    browser: Any, folder: Path
) -> None:
    show(browser, folder / "index.html", 390)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [node["role"]["value"] for node in tree if not node["ignored"]]
    assert roles.count("rowheader") >= len(NAMES) + 2
    assert {"main", "banner", "contentinfo", "navigation", "table", "columnheader"} <= set(roles)


def test_printing_shows_what_is_folded_on_screen(browser: Any, folder: Path) -> None:
    show(browser, folder / "index.html", 1280)
    shown = "return document.querySelector('details pre').checkVisibility()"
    assert not browser.execute_script(shown)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script(shown)


def test_pages_fit_a_sheet_of_paper(browser: Any, folder: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    for page in list_pages(folder):
        show(browser, page, 718)  # A4 less margins of 1 cm at 96 px per inch
        assert overflow_px(browser) <= 0, page.name
