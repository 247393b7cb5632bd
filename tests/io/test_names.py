"""Names that look the same to a person share their fold; really different ones do not."""

import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.io import names
from histotile.io.names import alike, choose, fold, nearest, show

NAMES = st.text(st.characters(codec="utf-8", max_codepoint=0x24FF), min_size=1, max_size=8)
PLAIN = st.from_regex(r"[A-Za-z]{1,3}[0-9]{1,3}", fullmatch=True)
SEPARATORS = ["", " ", "-", "_", ".", "\u00a0", "\u2013", " - ", "\u200b"]


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(names).failed == 0


@given(NAMES)
def test_case_and_composition_change_nothing(name: str) -> None:
    for other in (name.upper(), name.lower(), name.swapcase()):
        assert fold(other) == fold(name)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold(unicodedata.normalize(form, name)) == fold(name)


@given(NAMES, st.sampled_from(["\u200b", "\ufeff", "\u00ad", "\u200e"]), st.integers(0, 8))
def test_what_cannot_be_seen_changes_nothing(name: str, mark: str, place: int) -> None:
    assert fold(name[:place] + mark + name[place:]) == fold(name)


@given(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.integers(0, 999), st.data())
def test_separators_between_letters_and_digits_change_nothing(
    letters: str, number: int, data: st.DataObject
) -> None:
    spelt = {f"{letters}{data.draw(st.sampled_from(SEPARATORS))}{number:03}" for _ in range(3)}
    assert {fold(name) for name in spelt} == {fold(f"{letters}{number:03}")}


@given(st.integers(0, 10**14))
def test_a_whole_number_is_one_however_a_spreadsheet_writes_it(number: int) -> None:
    spellings = [str(number), f"{number}.0", f"{number},0", f"{number}.00", f"{number:,}"]
    spellings.append(f"{number:,}".replace(",", "."))
    if number:
        spellings.append(f"{number:.16E}".replace(".", ",") if number % 2 else f"{number:.15e}")
    assert {fold(name) for name in spellings} == {str(number)}


@given(st.sets(st.integers(0, 10**6), min_size=2, max_size=9), st.integers(1, 6))
def test_different_numbers_and_paddings_stay_apart(numbers: set[int], width: int) -> None:
    ids = {f"{n:0{width}}" for n in numbers} | {f"{n:0{width + 1}}" for n in numbers}
    assert not alike(ids)
    assert not alike(f"P{name}" for name in ids)


@given(st.lists(PLAIN, min_size=1, max_size=12))
def test_groups_hold_what_was_given_and_each_name_once(given_names: list[str]) -> None:
    groups = alike(given_names)
    held = [name for group in groups for name in group]
    assert len(held) == len(set(held))
    assert set(held) <= set(given_names)
    assert all(
        len({fold(n) for n in g}) < len(g) or "0" in "".join(g) or "1" in "".join(g) for g in groups
    )


@pytest.mark.parametrize(
    "spellings",
    [
        ("12", "12.0", "12,0", "12.00", "1.2E+01", " 12 ", "１２", "12\u200b"),
        ("P-01", "P 01", "P_01", "P01", "p01", "P\u00a001", "P–01", "P.01", "PO1"),
        ("Müller", "Mu\u0308ller", "MULLER", "müller"),
        ("St. Mary's", "St Mary’s", "ST MARY'S"),
        ("Tumour", "tumour", "TUMOUR ", "tum our", "тumour", "tumοur"),
        ("Straße", "STRASSE"),
        ("СОСНА", "сосна"),
        ("TCGA-02-0001", "TCGA 02 0001", "tcga_02_0001"),
        ("P10", "P1O", "Pl0", "PI0"),
        ("İzmir", "Izmir", "ızmır"),
        ("5 %", "5%"),
        ("001", "'001", '="001"', '"001"', "#001", "(001)"),
        ("Smith, John", "Smith John", "smith,john"),
        ("St Mary's", "St Marys"),
        ("1/2", "1-2", "1 2", "1:2"),
        ("P(12)", "P12", "P/12", "P~12", "[P12]"),
        ("Müller", "MÃ¼ller"),
    ],
)
def test_spellings_of_one_name_are_alike(spellings: tuple[str, ...]) -> None:
    assert alike(["quite another", *spellings]) == [spellings]


@pytest.mark.parametrize(
    "ids",
    [
        ("001", "01", "1", "0", "-1", "10", "100", "1000"),
        ("P1", "P01", "P001", "P11", "P2"),
        ("1-2", "12", "1.2", "1-20", "-12"),
        ("1.1", "1.10", "11", "110"),
        ("ER+", "ER-", "ER"),
        ("HER2+", "HER2-", "HER2"),
        ("N0", "N1", "N+"),
        ("A", "B", "AB", "A+B"),
        ("grade I", "grade II", "grade 1"),
        ("north", "south", "north 1", "north 2"),
        ("肿瘤 1", "肿瘤 2", "かき", "がき"),
        ("ТКАНЬ", "ОПУХОЛЬ"),
        ("001", "1", "NA", "nan", "None", "1.5", "01", "true", "P 1", "P,2", "é", "0", "-1", "1e3"),
        ("<5", ">5", "5"),
    ],
)
def test_different_names_stay_apart(ids: tuple[str, ...]) -> None:
    assert alike(ids) == []


def test_groups_join_over_several_spellings() -> None:
    """A capital L is no 1, yet each of these is a spelling of one of the others."""
    assert [set(group) for group in alike(["VOL1", "vo11", "vol1"])] == [{"VOL1", "vo11", "vol1"}]


def test_words_of_a_vocabulary_are_chosen_by_their_spellings() -> None:
    words = {"test": ("testing", "hold-out"), "train": ()}
    assert [choose(w, words) for w in ("TEST ", "Testing", "hold out", "HoldOut", "train")] == [
        *["test"] * 4,
        "train",
    ]
    assert choose("validation", words) is None
    assert choose("", words) is None


def test_the_nearest_word_is_suggested() -> None:
    columns = ("slide_id", "path", "label")
    assert nearest("slideid", columns) == "slide_id"
    assert nearest("Lable", columns) == "label"
    assert nearest("zzz", columns) is None


def test_names_that_print_alike_are_shown_apart() -> None:
    first, second = show(["é", "e\u0301"])
    assert first != second
    assert show(["P1"]) == ["'P1'"]
