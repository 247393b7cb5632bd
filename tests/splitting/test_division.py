"""Divisions are found wherever there are any, and what is lacking is the least that helps."""

from itertools import product
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.splitting.division import Kinds, choose_part, divide, lacking

Has = NDArray[np.int64]  # (patients, classes)


def is_sound(has: Has, group_of: tuple[int, ...], fold_of: tuple[int, ...], folds: int) -> bool:
    """Whether every fold tests somebody and leaves a part to train on and one to validate on."""
    fold = np.array(fold_of)[list(group_of)]
    return all(
        (fold == k).any() and any_part(has[fold != k], np.asarray(has.any(axis=0)))
        for k in range(folds)
    )


def any_part(has: Has, occurring: NDArray[np.bool_]) -> bool:
    return any(
        np.array_equal(has[np.array(part) == 1].any(axis=0), occurring)
        and np.array_equal(has[np.array(part) == 0].any(axis=0), occurring)
        for part in product((0, 1), repeat=len(has))
    )


def by_force(has: Has, group_of: tuple[int, ...], folds: int) -> bool:
    """Whether any division of so few groups is sound: all are looked at."""
    groups = max(group_of) + 1
    return any(
        is_sound(has, group_of, fold_of, folds)
        for fold_of in product(range(folds), repeat=groups)
        if set(fold_of) == set(range(folds))
    )


def kinds_of(has: Has, group_of: tuple[int, ...]) -> Kinds:
    sets, set_of = np.unique(has, axis=0, return_inverse=True)
    held = np.zeros((max(group_of) + 1, len(sets)), np.int64)
    np.add.at(held, (np.array(group_of), set_of.ravel()), 1)
    rows, copies = np.unique(held, axis=0, return_counts=True)
    return Kinds(copies, rows, sets, rows @ sets)


@st.composite
def patients(draw: st.DrawFn) -> tuple[Has, tuple[int, ...]]:
    """Up to 7 patients of up to 3 classes, alone or at up to 5 sites."""
    classes = draw(st.integers(1, 3))
    row = st.lists(st.integers(0, 1), min_size=classes, max_size=classes).filter(any)
    rows = draw(st.lists(row, min_size=3, max_size=7))
    has = np.array(rows, np.int64)
    has = has[:, has.any(axis=0)]
    if draw(st.booleans()):
        return has, tuple(range(len(has)))
    sites = draw(st.integers(2, 5))
    drawn = draw(st.lists(st.integers(0, sites - 1), min_size=len(has), max_size=len(has)))
    names = {site: number for number, site in enumerate(dict.fromkeys(drawn))}
    return has, tuple(names[site] for site in drawn)


@settings(max_examples=60)
@given(case=patients(), folds=st.integers(2, 3))
def test_a_division_is_found_where_there_is_one(
    case: tuple[Has, tuple[int, ...]], folds: int
) -> None:
    has, group_of = case
    kinds = kinds_of(has, group_of)
    found = divide(kinds, folds)
    assert (found is not None) == by_force(has, group_of, folds)
    if found is not None:
        assert np.array_equal(found.sum(axis=1), kinds.copies)


@settings(max_examples=40)
@given(case=patients(), folds=st.integers(2, 3))
def test_what_is_lacking_is_the_least_that_helps(
    case: tuple[Has, tuple[int, ...]], folds: int
) -> None:
    has, group_of = case
    missing = lacking(kinds_of(has, group_of), folds)

    def with_more(more: Any) -> Kinds:
        added = np.repeat(np.eye(has.shape[1], dtype=np.int64), more, axis=0)
        sites = max(group_of) + 1
        own = tuple(range(sites, sites + len(added)))
        return kinds_of(np.vstack([has, added]), (*group_of, *own))

    assert divide(with_more(missing), folds) is not None
    if missing.sum():
        fewer = missing.copy()
        fewer[int(np.argmax(missing))] -= 1
        assert divide(with_more(fewer), folds) is None


@given(st.lists(st.integers(2, 60), min_size=1, max_size=4), st.floats(0.05, 0.6, allow_nan=False))
def test_parts_hold_the_fraction_of_every_class(counts: list[int], fraction: float) -> None:
    part = choose_part(np.eye(len(counts), dtype=np.int64), np.array(counts), fraction)
    assert part is not None
    for taken, count in zip(part.tolist(), counts, strict=True):
        assert 1 <= taken <= count - 1
        assert abs(taken - fraction * count) <= 1


def test_every_fold_tests_every_class_where_it_can() -> None:
    sets = np.eye(3, dtype=np.int64)
    found = divide(Kinds(np.array([50, 10, 5]), sets, sets, sets), 5)
    assert found is not None
    assert (found.T @ sets).tolist() == [[10, 2, 1]] * 5


def test_patients_who_are_not_parted_by_one_class_are_by_another() -> None:
    """Two patients hold both classes; each part needs one of them: no third would do."""
    both = np.array([[1, 1], [1, 1], [1, 1]])
    assert divide(kinds_of(both, (0, 1, 2)), 3) is not None
    assert divide(kinds_of(both[:2], (0, 1)), 2) is None
