"""Words of people for the few that the program knows; any other is refused."""

import doctest

import pytest

from histotile.errors import HistotileError
from histotile.io import vocabulary
from histotile.io.vocabulary import COLUMNS, ROLES, SIDES, TEST, TRAIN, side, yes


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(vocabulary).failed == 0


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (
            "test|Test|TEST|testing|Test set|test_set|test-set|TestSet|hold out|HoldOut|hold-out",
            TEST,
        ),
        ("held-out|external|External test set|external validation|ｔｅｓｔ|testing\u00a0set", TEST),
        ("train|Training|TRAIN SET|training_set||cv|cross-validation", TRAIN),
        ("validation|val|dev|tune|yes|1|0|tset|evaluation|other|none|-", None),
    ],
)
def test_sides(words: str, meant: str | None) -> None:
    assert {word: side(word) for word in words.split("|")} == dict.fromkeys(words.split("|"), meant)


@pytest.mark.parametrize("vocabulary_of", [COLUMNS, SIDES, ROLES])
def test_no_word_stands_for_two_things(vocabulary_of: dict[str, tuple[str, ...]]) -> None:
    from histotile.io.names import fold

    words = [fold(w) for entry, others in vocabulary_of.items() for w in {entry, *others}]
    assert len(words) == len(set(words))


def test_yes_and_no() -> None:
    assert [yes(word) for word in ("True", "YES", "1", "false", "no", "0")] == [True] * 3 + [
        False
    ] * 3
    with pytest.raises(HistotileError, match="neither"):
        yes("perhaps")
