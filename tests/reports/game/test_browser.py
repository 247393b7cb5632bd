"""The guess game in a real Chromium: by keys and by clicks, to the tables at its end."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from histotile.reports.game.page import Card, Mode, render_game

pytestmark = pytest.mark.slow
TRUTH = "return card().label"


@pytest.fixture
def game(browser: Any, tmp_path: Path) -> Any:
    """Two modes of six pictures; the model is right on all easy ones, and has seen no hard one."""

    def mode(name: str, has_model: bool) -> Mode:
        found = []
        for number in range(6):
            path = tmp_path / f"{name}{number}.png"
            Image.new("RGB", (16, 12), (40 * number, 80, 90)).save(path)
            label = ("Z", "A", "B")[number % 3]
            found.append(Card(path, label, label if has_model else None))
        return Mode(name, "Z", found)

    page = tmp_path / "game.html"
    page.write_text(render_game([mode("easy", True), mode("hard", False)], 6, seed=0), "utf-8")
    browser.get(page.as_uri())
    return browser


def part(browser: Any, name: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, f'[data-part="{name}"]')


def test_a_person_plays_by_keys_and_the_score_of_the_model_runs_beside(game: Any) -> None:
    body = game.find_element(By.TAG_NAME, "body")
    for turn in range(1, 7):
        truth = game.execute_script(TRUTH)
        said = truth if turn % 2 else {"Z": "A", "A": "B", "B": "Z"}[truth]
        body.send_keys(said.lower())
        body.send_keys("a")  # a second guess does not count
        assert part(game, "person").text == f"{(turn + 1) // 2} of {turn}"
        assert part(game, "model").text == f"{turn} of {turn}"
        assert f"The model says {truth}." in part(game, "told").text
        game.switch_to.active_element.send_keys(Keys.ENTER)
    tables = game.find_elements(By.TAG_NAME, "table")
    assert [t.find_element(By.TAG_NAME, "caption").text for t in tables] == [
        "You: 3 of 6 right",
        "The model: 6 of 6 right",
    ]
    hits = [[int(cell.text) for cell in t.find_elements(By.CLASS_NAME, "hit")] for t in tables]
    assert (sum(hits[0]), hits[1]) == (3, [2, 2, 2])
    part(game, "again").click()
    assert part(game, "person").text == "0 of 0"
    assert [entry for entry in game.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_modes_and_guesses_take_clicks_and_a_missing_model_is_told(game: Any) -> None:
    easy, hard = part(game, "modes").find_elements(By.TAG_NAME, "button")
    assert easy.get_attribute("aria-pressed") == "true"
    hard.click()
    assert hard.get_attribute("aria-pressed") == "true"
    truth = game.execute_script(TRUTH)
    buttons = part(game, "labels").find_elements(By.TAG_NAME, "button")
    next(button for button in buttons if button.text.startswith(f"{truth} ")).click()
    assert part(game, "told").text == f"Right: {truth}."
    assert part(game, "model").text == "no guesses"
    shown = part(game, "unknown").get_attribute("src")
    part(game, "next").click()
    assert part(game, "unknown").get_attribute("src") != shown
    assert part(game, "turn").text == "Picture 2 of 6"
