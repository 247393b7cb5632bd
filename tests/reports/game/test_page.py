"""The guess game's cards: as many of each label, no hostile text, clear errors."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from histotile.errors import HistotileError
from histotile.reports.game.page import Card, Mode, deal, render_game


def cards(folder: Path, counts: dict[str, int], guessed: int = 0) -> list[Card]:
    found: list[Card] = []
    for label, count in counts.items():
        for number in range(count):
            path = folder / f"{len(found)}.png"
            Image.new("L", (8, 6), 7 * len(found)).save(path)
            found.append(Card(path, label, label if number < guessed else None))
    return found


def decks(html: str) -> list[dict[str, object]]:
    found = re.search(r'<script type="application/json" id="decks">(.*?)</script>', html, re.S)
    assert found is not None
    loaded: list[dict[str, object]] = json.loads(found[1])
    return loaded


def test_labels_are_dealt_evenly_and_those_with_a_guess_first(tmp_path: Path) -> None:
    mode = Mode("easy", "Z", cards(tmp_path, {"Z": 9, "A": 9, "B": 2}, guessed=4))
    dealt = deal(mode, 10, seed=0).cards
    assert Counter(card.label for card in dealt) == {"A": 4, "B": 2, "Z": 4}
    assert all(card.guess for card in dealt)
    assert deal(mode, 10, seed=0) == deal(mode, 10, seed=0) != deal(mode, 10, seed=1)
    assert len(deal(mode, 100, seed=0).cards) == 20


def test_the_page_holds_its_pictures_and_other_healthy_ones(tmp_path: Path) -> None:
    mode = Mode("hard", "Z", cards(tmp_path, {"Z": 9, "A": 3}, guessed=1))
    (deck,) = decks(render_game([mode], 6, seed=0))
    assert deck["labels"] == ["A", "Z"] and deck["name"] == "hard"
    assert isinstance(deck["cards"], list) and isinstance(deck["healthy"], list)
    assert {card["guess"] for card in deck["cards"]} == {"A", "Z", None}
    shown = {card["picture"] for card in deck["cards"]}
    assert len(deck["healthy"]) == 6 and not shown & set(deck["healthy"])
    assert all(uri.startswith("data:image/png;base64,") for uri in shown)


def test_labels_from_outside_cannot_end_the_data(tmp_path: Path) -> None:
    hostile = "</script><script>document.title='ran'</script>"
    mode = Mode(hostile, "Z", cards(tmp_path, {"Z": 2, hostile: 2}))
    html = render_game([mode], 4, seed=0)
    assert hostile not in html
    (deck,) = decks(html)
    assert deck["labels"] == [hostile, "Z"]


@pytest.mark.parametrize(
    ("counts", "fact"),
    [
        ({"A": 2, "B": 2}, "labels: A, B"),
        ({"Z": 3}, "has no two labels"),
        ({"Z": 1} | {f"c{n}": 1 for n in range(9)}, "has 10 labels"),
    ],
)
def test_cohorts_that_cannot_be_guessed_are_refused(
    tmp_path: Path, counts: dict[str, int], fact: str
) -> None:
    with pytest.raises(HistotileError, match=fact):
        render_game([Mode("easy", "Z", cards(tmp_path, counts))], 4, seed=0)


def test_a_picture_that_cannot_be_shown_is_named(tmp_path: Path) -> None:
    found = cards(tmp_path, {"Z": 2, "A": 2})
    found[0].picture.write_bytes(b"II*\0 a TIFF")
    found[2].picture.unlink()
    for broken in (found[0], found[2]):
        whole = [card for card in found if card in (broken, found[1], found[3])]
        with pytest.raises(HistotileError, match=broken.picture.name):
            render_game([Mode("easy", "Z", whole)], 4, seed=0)
