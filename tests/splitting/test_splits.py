"""Folds: nobody in two roles, everybody judged once, every class taught in every fold."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from histotile.config import Split
from histotile.errors import HistotileError
from histotile.io.cohort import CohortSlide
from histotile.splitting.fold_table import check_folds
from histotile.splitting.splits import make_folds

CLASSES = ("healthy", "tumour", "necrosis")


def split(**changes: Any) -> Split:
    values = {
        "folds": 3,
        "val_fraction": 0.2,
        "test_patients": (),
        "preserve_sites": False,
        "seed": 0,
    }
    return Split.model_validate({**values, **changes})


def slide(number: int, patient: str, label: str | None, site: str | None = None) -> CohortSlide:
    return CohortSlide(f"s{number:03}", patient, Path(f"s{number}.svs"), label, None, site)


def cohort(patients: int, classes: int = 2, sites: int = 0) -> list[CohortSlide]:
    return [
        slide(
            2 * p + k, f"p{p:03}", CLASSES[p % classes], f"site{p // 2 % sites}" if sites else None
        )
        for p in range(patients)
        for k in range(2)
    ]


def roles(columns: dict[str, list[Any]], key: str) -> dict[int, dict[str, set[str]]]:
    found: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for fold, name, role in zip(columns["fold"], columns[key], columns["role"], strict=True):
        found[fold][name].add(role)
    return found


def assert_sound(
    columns: dict[str, list[Any]], folds: int, fixed: frozenset[str] = frozenset()
) -> None:
    check_folds(columns)
    assert set(columns["fold"]) == set(range(folds))
    by_patient = roles(columns, "patient_id")
    tests = Counter(p for fold in by_patient.values() for p, r in fold.items() if r == {"test"})
    for patient in by_patient[0]:
        assert tests[patient] == (folds if patient in fixed else 1)
    occurring = {
        label
        for label, p in zip(columns["label"], columns["patient_id"], strict=True)
        if p not in fixed
    }
    rows = list(zip(columns["fold"], columns["label"], columns["role"], strict=True))
    for fold in range(folds):
        for role in ("train", "val"):
            assert {label for f, label, r in rows if f == fold and r == role} == occurring


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[list[CohortSlide], int]:
    folds = draw(st.integers(2, 5))
    slides: list[CohortSlide] = []
    for name in CLASSES[: draw(st.integers(1, 3))]:
        for patient in range(draw(st.integers(max(folds, 4), 12))):
            for _ in range(draw(st.integers(1, 4))):
                slides.append(slide(len(slides), f"{name}-{patient}", name))
    return slides, folds


def _two_folds_of_a_rare_class() -> tuple[list[CohortSlide], int]:
    """Four patients of each rare class, one of whom has most of its slides: once not divided."""
    slides_of = {"healthy": (1, 1, 1, 1, 1, 1), "tumour": (1, 1, 1, 4), "necrosis": (1, 1, 1, 3)}
    slides: list[CohortSlide] = []
    for name, counts in slides_of.items():
        for patient, count in enumerate(counts):
            slides += [slide(len(slides) + k, f"{name}-{patient}", name) for k in range(count)]
    return slides, 2


@settings(max_examples=40, deadline=None)
@example(case=_two_folds_of_a_rare_class(), seed=0, val=0.5)
@given(case=cohorts(), seed=st.integers(0, 1000), val=st.floats(0.05, 0.5))
def test_folds_are_sound(case: tuple[list[CohortSlide], int], seed: int, val: float) -> None:
    slides, folds = case
    columns = make_folds(slides, split(folds=folds, seed=seed, val_fraction=val), CLASSES, True)
    assert len(columns["fold"]) == folds * len(slides)
    assert_sound(columns, folds)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), data=st.data())
def test_patients_of_several_classes_are_never_parted(seed: int, data: st.DataObject) -> None:
    slides = cohort(24)
    for patient in data.draw(st.sets(st.integers(0, 23), max_size=8)):
        slides.append(slide(len(slides), f"p{patient:03}", CLASSES[(patient + 1) % 2]))
    columns = make_folds(slides, split(folds=4, seed=seed), CLASSES, True)
    assert_sound(columns, 4)


def test_order_of_rows_does_not_matter_but_the_seed_does() -> None:
    slides = cohort(40)
    shuffled = random.Random(1).sample(slides, len(slides))
    first = make_folds(slides, split(), CLASSES, True)
    assert make_folds(shuffled, split(), CLASSES, True) == first
    assert make_folds(slides, split(seed=1), CLASSES, True) != first


def test_classes_are_balanced_over_folds() -> None:
    columns = make_folds(cohort(60), split(folds=5), CLASSES, True)
    rows = zip(columns["fold"], columns["label"], columns["role"], strict=True)
    tested = Counter((fold, label) for fold, label, role in rows if role == "test")
    assert set(tested.values()) == {12}
    rows = zip(columns["fold"], columns["label"], columns["role"], strict=True)
    validating = Counter((fold, label) for fold, label, role in rows if role == "val")
    assert set(validating.values()) == {10}  # a fifth of 24 patients with 2 slides each


def test_fixed_test_set_is_tested_in_every_fold_and_may_lack_labels() -> None:
    slides = [*cohort(20), slide(900, "new", None)]
    columns = make_folds(slides, split(test_patients=("p000", "new")), CLASSES, True)
    assert_sound(columns, 3, frozenset({"p000", "new"}))


@given(seed=st.integers(0, 50), sites=st.integers(4, 9))
@settings(max_examples=15, deadline=None)
def test_sites_are_never_in_two_folds(seed: int, sites: int) -> None:
    slides = cohort(36, sites=sites)
    columns = make_folds(slides, split(preserve_sites=True, seed=seed), CLASSES, True)
    assert_sound(columns, 3)
    for fold in roles(columns, "site").values():
        for seen in fold.values():
            assert "test" not in seen or seen == {"test"}


def test_patient_seen_at_two_sites_joins_them() -> None:
    slides = [*cohort(36, sites=6), slide(900, "p000", "healthy", "site5")]
    columns = make_folds(slides, split(preserve_sites=True), CLASSES, True)
    for fold in roles(columns, "site").values():
        assert ("test" in fold["site0"]) == ("test" in fold["site5"])


def test_site_errors() -> None:
    with pytest.raises(HistotileError, match="only 2 sites"):
        make_folds(cohort(36, sites=2), split(preserve_sites=True), CLASSES, True)
    with pytest.raises(HistotileError, match="without site: s900"):
        broken = [*cohort(36, sites=4), slide(900, "x", "healthy")]
        make_folds(broken, split(preserve_sites=True), CLASSES, True)
    with pytest.raises(HistotileError, match=r"inside and outside split.test_patients: site0"):
        fixed = split(preserve_sites=True, test_patients=("p000",))
        make_folds(cohort(36, sites=4), fixed, CLASSES, True)
    one_site = [slide(n, f"p{n}", CLASSES[n < 6], f"site{n // 6}") for n in range(24)]
    with pytest.raises(
        HistotileError, match=r"'tumour' lacks 2 patient.* \(seen in 1 sites: site0"
    ):
        make_folds(one_site, split(preserve_sites=True), CLASSES, True)


def test_too_few_patients_names_class_and_largest_number_of_folds() -> None:
    slides = [slide(n, f"p{n}", CLASSES[n < 4]) for n in range(30)]
    with pytest.raises(HistotileError, match=r"'tumour' has 4 patients[^']*set split.folds to 4"):
        make_folds(slides, split(folds=5), CLASSES, True)
    assert_sound(make_folds(slides, split(folds=4), CLASSES, True), 4)
    with pytest.raises(HistotileError, match=r"has 2 slides.*\n.*at least 3 slides"):
        make_folds(slides[2:], split(folds=2), CLASSES, False)


def test_rows_that_cannot_be_used_are_all_named() -> None:
    slides = [*cohort(12), slide(90, "x", None), slide(91, "y", "cyst")]
    with pytest.raises(HistotileError) as caught:
        make_folds(slides, split(test_patients=("nobody",)), CLASSES, True)
    text = str(caught.value)
    assert "s090" in text
    assert "'cyst' (slide s091)" in text
    assert "nobody" in text


@pytest.mark.timeout(60)
@pytest.mark.parametrize("sites", [0, 40])
def test_large_cohorts_take_seconds(sites: int) -> None:
    slides = cohort(2000, sites=sites)
    columns = make_folds(slides, split(folds=5, preserve_sites=sites > 0), CLASSES, True)
    assert_sound(columns, 5)


def test_slides_are_spread_evenly_among_patients_alike() -> None:
    slides = [
        slide(10 * p + k, f"p{p:02}", CLASSES[p % 2])
        for p in range(24)
        for k in range(1 + p // 2 % 6)
    ]
    columns = make_folds(slides, split(folds=4), CLASSES, True)
    rows = zip(columns["fold"], columns["label"], columns["role"], strict=True)
    tested = Counter((fold, label) for fold, label, role in rows if role == "test")
    assert max(tested.values()) - min(tested.values()) <= 2


def test_a_test_patient_spelt_otherwise_is_named() -> None:
    slides = [slide(n, str(n), CLASSES[n % 2]) for n in range(12)]
    with pytest.raises(HistotileError, match=r"'3.0', who has no slide: did you mean '3'"):
        make_folds(slides, split(test_patients=("3.0",)), CLASSES, True)


def group(number: int, labels: tuple[str, ...], side: str | None = None) -> CohortSlide:
    """A group of ready-made tiles."""
    name = f"g{number:02}"
    label = labels[0] if len(labels) == 1 else None
    return CohortSlide(name, name, Path(f"{name}.png"), label, labels=labels, split=side)


def test_groups_of_tiles_count_for_every_class_they_hold() -> None:
    mixed = [group(n, CLASSES[:2]) for n in range(9)]
    columns = make_folds(mixed, split(), CLASSES[:2], True)
    assert_sound(columns, 3)
    assert set(columns["label"]) == {None}
    rare = [*mixed, *(group(n, ("necrosis",)) for n in range(9, 13))]
    columns = make_folds(rare, split(folds=2), CLASSES, True)
    rows = list(zip(columns["slide_id"], columns["fold"], columns["role"], strict=True))
    for fold in range(2):  # the rare class is taught, watched and tested in both
        assert {r for s, f, r in rows if f == fold and s >= "g09"} == {"train", "val", "test"}
    with pytest.raises(HistotileError, match=r"class 'necrosis' has 2 groups of tiles"):
        make_folds(rare[:-2], split(), CLASSES, False)


def test_the_sources_own_test_set_is_tested_in_every_fold() -> None:
    slides = [group(n, CLASSES[:2], "test" if n < 3 else "train") for n in range(12)]
    columns = make_folds(slides, split(), CLASSES[:2], True)
    assert_sound(columns, 3, frozenset({"g00", "g01", "g02"}))


def test_a_patient_on_both_sides_of_the_split_is_named() -> None:
    slides = cohort(12)
    slides[0] = replace(slides[0], split="test")
    with pytest.raises(HistotileError, match="both sides of the split: 'p000'"):
        make_folds(slides, split(), CLASSES, True)
