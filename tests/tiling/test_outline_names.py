"""What names of outlines mean."""

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.slides.annotations.read import Annotation
from histotile.tiling.outline_names import NoLabel, meaning, names_of_classes, suggest

CLASSES = ("healthy", "tumour")
SQUARE = shapely.box(0, 0, 1, 1)


@pytest.mark.parametrize(
    ("name", "groups", "expected"),
    [
        ("Tumor", (), "tumour"),
        ("HEALTHY ", (), "healthy"),
        ("Ignore*", (), NoLabel.IGNORED),
        ("Artefact * ", ("Tumor",), NoLabel.IGNORED),  # its own name decides first
        ("Region*", (), "healthy"),  # listed, so taken
        ("Grade 3", ("Tumor", "healthy"), "tumour"),
        ("Grade 3", ("Lesions", "Tumor"), "tumour"),
        ("Grade 3", ("Lesions",), NoLabel.UNLISTED),
        ("Necrosis", (), NoLabel.UNLISTED),
        ("*", (), NoLabel.IGNORED),
    ],
)
def test_the_nearest_listed_name_decides(
    name: str, groups: tuple[str, ...], expected: str | NoLabel
) -> None:
    known = names_of_classes(CLASSES, {"tumor": "tumour", "Region*": "healthy"})
    assert meaning(Annotation(name, SQUARE, groups=groups), known) == expected


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (CLASSES, {"Tumor": "tumour", "tumor ": "healthy"}),
        (CLASSES, {"Healthy": "tumour"}),
        (("grade 1", "Grade-1", "Grade_1"), {}),
        (CLASSES, {"1": "healthy", "1.0": "tumour"}),
    ],
)
def test_names_that_look_the_same_cannot_stand_for_different_classes(
    classes: tuple[str, ...], names: dict[str, str]
) -> None:
    with pytest.raises(HistotileError, match="look the same"):
        names_of_classes(classes, names)


def test_two_spellings_of_one_class_are_fine() -> None:
    known = names_of_classes(CLASSES, {"Tumor": "tumour", "TUMOR": "tumour", "Tumour": "tumour"})
    assert set(known.values()) == set(CLASSES)


@given(st.text(min_size=1))
def test_any_name_has_a_meaning(name: str) -> None:
    known = names_of_classes(CLASSES, {})
    found = meaning(Annotation(name, SQUARE), known)
    assert found in {*CLASSES, NoLabel.UNLISTED, NoLabel.IGNORED}


def test_near_names_are_suggested_and_far_ones_left_open() -> None:
    found = suggest(["Tumur", "Xyz", "Tumur"], CLASSES, {"cancer": "tumour"})
    assert found == {"Tumur": "tumour", "Xyz": None}


def test_what_denies_a_class_is_not_suggested_for_it() -> None:
    denied = ["Non-Tumor", "no tumor", "nontumor", "Tumor negative", "tumor-free", "Tumor-"]
    found = suggest([*denied, "Tumour 2"], ["healthy", "tumour"], {})
    assert found == {**dict.fromkeys(denied), "Tumour 2": "tumour"}
