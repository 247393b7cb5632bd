"""The table of slides in a real Chromium: it sorts, filters and remembers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from histotile.reports.checklist.checklist import render_checklist
from histotile.reports.cohort.page import render_cohort_page
from histotile.reports.facts import CohortFacts, SlideFacts, SlideScore, summarise_slide
from histotile.reports.model_card.model_card import render_model_card
from histotile.reports.run_facts import RunFacts

pytestmark = pytest.mark.slow
HOSTILE = '<script>document.title="ran"</script>'
SHOWN = "return [...document.querySelectorAll('#slides-table tbody tr:not([hidden]) th')]"


@pytest.fixture
def folder(
    tmp_path: Path,
    make_slide: Callable[..., SlideFacts],
    make_quarantined: Callable[..., SlideFacts],
    make_cohort: Callable[..., CohortFacts],
    run: RunFacts,
    evaluated: dict[str, Any],
) -> Path:
    """The cohort page of six slides, with the card and the checklist beside it."""
    known = [
        ("s10", "P1", "North", "healthy", 0.91, "0"),
        ("s9", "P2", "South", "lesion", 0.75, "1"),
        ("s100", "P3", HOSTILE, "healthy", 0.08, "0"),
        ("שקופית 😐", "P4", "Île-de-France", "lesion", 0.5, "2"),
        ("s11", "P4", "North", "le\"s'ion", 0.3, "2"),
    ]
    rows = [
        summarise_slide(
            make_slide(
                slide_id,
                patient_id=patient,
                site=site,
                label=label,
                score=SlideScore({"lesion": score}, "lesion" if score > 0.4 else "healthy", fold),
            )
        )
        for slide_id, patient, site, label, score, fold in known
    ]
    rows = [*rows, summarise_slide(make_quarantined("broken"))]
    facts = replace(make_cohort(slides=rows, ledger=[], run=run), **evaluated)
    for name, html in (
        ("index.html", render_cohort_page(facts)),
        ("model_card.html", render_model_card(facts)),
        ("reporting_checklist.html", render_checklist(facts)),
    ):
        (tmp_path / name).write_text(html, encoding="utf-8")
    return tmp_path


@pytest.fixture
def page(browser: Any, folder: Path) -> Any:
    """The browser, on the cohort page, wide."""
    return show(browser, folder / "index.html", 1280)


def show(browser: Any, path: Path, width_px: int) -> Any:
    size = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": width_px < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())
    return browser


def shown(browser: Any) -> list[str]:
    names: list[str] = browser.execute_script(f"{SHOWN}.map(th => th.textContent.trim())")
    return names


def head(browser: Any, key: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, f"#slides-table th[data-key={key}]")


def count(browser: Any) -> str:
    return str(browser.find_element(By.CSS_SELECTOR, "#slides-filter output").text)


def menu(browser: Any, name: str) -> Select:
    return Select(browser.find_element(By.CSS_SELECTOR, f"#slides-filter select[name={name}]"))


def test_headers_sort_by_value_and_say_so(page: Any) -> None:
    score = head(page, "score").find_element(By.TAG_NAME, "button")
    score.click()
    assert shown(page) == ["s10", "s9", "שקופית 😐", "s11", "s100", "broken"]
    assert head(page, "score").get_attribute("aria-sort") == "descending"
    score.click()
    assert shown(page) == ["s100", "s11", "שקופית 😐", "s9", "s10", "broken"]
    assert head(page, "score").get_attribute("aria-sort") == "ascending"
    head(page, "slide").find_element(By.TAG_NAME, "button").click()
    assert shown(page) == ["broken", "s9", "s10", "s11", "s100", "שקופית 😐"]
    assert head(page, "score").get_attribute("aria-sort") is None


def test_keyboard_sorts(page: Any) -> None:
    head(page, "tiles").find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert head(page, "tiles").get_attribute("aria-sort") == "descending"
    assert shown(page)[-1] == "broken"  # not tiled: last either way
    page.switch_to.active_element.send_keys(Keys.SPACE)
    assert head(page, "tiles").get_attribute("aria-sort") == "ascending"
    assert shown(page)[-1] == "broken"


def test_words_find_slides_by_id_patient_site_and_label(page: Any) -> None:
    field = page.find_element(By.NAME, "words")
    for words, found in (
        ("north", ["s10", "s11"]),
        ("NORTH p4", ["s11"]),
        ("p4", ["שקופית 😐", "s11"]),
        ("שקופ", ["שקופית 😐"]),
        ("<script>", ["s100"]),
        ("île", ["שקופית 😐"]),
        ("nowhere", []),
    ):
        field.clear()
        field.send_keys(words)
        assert shown(page) == found, words
        assert count(page) == f"{len(found)} of 6 slides"
    page.find_element(By.NAME, "all").click()
    assert count(page) == "6 of 6 slides"


def test_menus_and_wrong_calls_filter_together(page: Any) -> None:
    menu(page, "label").select_by_visible_text("healthy")
    assert shown(page) == ["s10", "s100"]
    page.find_element(By.NAME, "wrong").click()
    assert shown(page) == ["s10"]
    menu(page, "label").select_by_visible_text("all")
    assert shown(page) == ["s10", "s11"]
    menu(page, "fold").select_by_visible_text("2")
    assert shown(page) == ["s11"]
    page.find_element(By.NAME, "all").click()
    menu(page, "verdict").select_by_visible_text("quarantined")
    assert shown(page) == ["broken"]
    options = [option.text for option in menu(page, "label").options]
    assert sorted(options) == sorted(["all", "none", "healthy", "le\"s'ion", "lesion"])


def test_sorting_keeps_what_is_filtered(page: Any) -> None:
    page.find_element(By.NAME, "words").send_keys("s1")
    head(page, "score").find_element(By.TAG_NAME, "button").click()
    assert shown(page) == ["s10", "s11", "s100"]


def test_the_way_back_from_a_slide_leads_to_the_same_view(page: Any, folder: Path) -> None:
    (folder / "slides").mkdir()
    (folder / "slides/s11.html").write_text("<h1>slide</h1>")
    page.find_element(By.NAME, "wrong").click()
    head(page, "score").find_element(By.TAG_NAME, "button").click()
    page.find_element(By.LINK_TEXT, "s11").click()
    assert page.find_element(By.TAG_NAME, "h1").text == "slide"
    page.back()
    assert shown(page) == ["s10", "s11"]
    assert head(page, "score").get_attribute("aria-sort") == "descending"


def test_a_menu_stands_in_for_headers_on_a_phone(browser: Any, folder: Path) -> None:
    page = show(browser, folder / "index.html", 390)
    assert head(page, "score").find_element(By.TAG_NAME, "button").get_attribute("tabindex") == "-1"
    menu(page, "order").select_by_visible_text("Score lesion, highest first")
    assert shown(page)[0] == "s10"
    assert head(page, "score").get_attribute("aria-sort") == "descending"
    menu(page, "order").select_by_visible_text("cohort order")
    assert shown(page)[0] == "s10" and shown(page)[1] == "s9"


def test_without_a_script_the_page_is_whole(browser: Any, folder: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    page = show(browser, folder / "index.html", 1280)
    assert not page.find_element(By.ID, "slides-filter").is_displayed()
    rows = page.find_elements(By.CSS_SELECTOR, "#slides-table tbody tr")
    assert len(rows) == 6 and all(row.is_displayed() for row in rows)
    assert not page.find_elements(By.CSS_SELECTOR, "button.sort")


@pytest.mark.parametrize("width_px", [390, 1210, 1230, 1920])
@pytest.mark.parametrize("name", ["index.html", "model_card.html", "reporting_checklist.html"])
def test_pages_fit_log_nothing_and_run_nothing_of_others(
    browser: Any, folder: Path, name: str, width_px: int
) -> None:
    page = show(browser, folder / name, width_px)
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.execute_script(f"return {width}") <= 0
    assert page.get_log("browser") == []
    assert page.title != "ran"


def test_folded_tables_sort_too(page: Any) -> None:
    page.execute_script("document.querySelector('#rejected details').open = true")
    table = page.find_element(By.CSS_SELECTOR, "#rejected details table")
    table.find_element(By.CSS_SELECTOR, "th[data-key=slide] button").click()
    rows = [row.text for row in table.find_elements(By.CSS_SELECTOR, "tbody th")]
    assert rows == ["s9", "s10", "s11", "s100", "שקופית 😐"]


def test_print_fits_a_sheet_and_says_what_is_filtered(browser: Any, folder: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    page = show(browser, folder / "index.html", 718)  # A4 less margins of 1 cm at 96 px per inch
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.execute_script(f"return {width}") <= 0
    page.execute_script("document.querySelector('[name=wrong]').click()")
    assert count(page) == "2 of 6 slides"
    assert not page.find_element(By.NAME, "words").is_displayed()
