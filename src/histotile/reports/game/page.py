"""The page of the guess game: a healthy picture on the left, the unknown one on the right."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from histotile.errors import HistotileError
from histotile.reports.images import data_uri
from histotile.reports.rendering import render
from histotile.reports.scripts import read_script

HEALTHY = 8  # pictures of healthy tissue to compare with
MOST_LABELS = 9  # there are as many keys


@dataclass(frozen=True)
class Card:
    """A picture to guess.

    Args:
        picture: The image file.
        label: The truth.
        guess: What a model said that had not seen it; None: nothing is known of it.
    """

    picture: Path
    label: str
    guess: str | None = None


@dataclass(frozen=True)
class Mode:
    """The pictures of one cohort, e.g. easy ones.

    Args:
        name: On its button.
        healthy: The label of the pictures on the left.
        cards: In any order; the page shuffles them.
    """

    name: str
    healthy: str
    cards: Sequence[Card]

    @property
    def labels(self) -> list[str]:
        """Those to choose from, the healthy one last."""
        found = sorted({card.label for card in self.cards} - {self.healthy})
        return [*found, self.healthy]


def deal(mode: Mode, rounds: int, seed: int) -> Mode:
    """A mode of so many cards, as evenly of all labels as there are; those with a guess first.

    Args:
        mode: All cards.
        rounds: Cards wanted.
        seed: Of the draw.
    """
    rng = np.random.default_rng(seed)
    shuffled = [mode.cards[n] for n in rng.permutation(len(mode.cards))]
    shuffled.sort(key=lambda card: card.guess is None)  # stable
    piles = [[card for card in shuffled if card.label == label] for label in mode.labels]
    turns = max(map(len, piles))
    dealt = [pile[turn] for turn in range(turns) for pile in piles if turn < len(pile)]
    return Mode(mode.name, mode.healthy, dealt[:rounds])


def render_game(modes: Sequence[Mode], rounds: int, seed: int) -> str:
    """One self-contained HTML page.

    Args:
        modes: One or several, of different names.
        rounds: Pictures of each.
        seed: Of the draw.

    Raises:
        HistotileError: A picture cannot be read, or a cohort has no picture of healthy tissue.
    """
    decks = [_deck(mode, rounds, seed) for mode in modes]
    text = json.dumps(decks, ensure_ascii=False).replace("<", "\\u003c")
    script = read_script("game.js", "game")
    return render(
        "game.html",
        title="Guess game",
        deck_json=Markup(text),  # no < in it: it cannot end its element
        script=script,
        has_model=any(card.guess is not None for mode in modes for card in mode.cards),
    )


def _deck(mode: Mode, rounds: int, seed: int) -> dict[str, object]:
    healthy = [card for card in mode.cards if card.label == mode.healthy]
    if not healthy or len(mode.labels) < 2:
        known = ", ".join(sorted({card.label for card in mode.cards}))
        fact = f"has no two labels, one of them {mode.healthy!r} (labels: {known})"
        raise HistotileError(mode.name, fact, "name the one of healthy tissue: --healthy")
    if len(mode.labels) > MOST_LABELS:
        fact = f"has {len(mode.labels)} labels"
        raise HistotileError(mode.name, fact, f"give a cohort of {MOST_LABELS} classes at most")
    dealt = deal(mode, rounds, seed).cards
    shown = {card.picture for card in dealt}
    rest = [card for card in healthy if card.picture not in shown] or healthy
    return {
        "name": mode.name,
        "labels": mode.labels,
        "healthy": [_picture(card.picture) for card in rest[:HEALTHY]],
        "cards": [
            {"picture": _picture(c.picture), "label": c.label, "guess": c.guess} for c in dealt
        ],
    }


def _picture(path: Path) -> str:
    try:
        return data_uri(path.read_bytes())
    except (OSError, ValueError) as error:
        remedy = "give PNG or JPEG files that are there"
        raise HistotileError(path, f"cannot be shown ({error})", remedy) from error
