import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.stats.crossvalidation import divide, leave_site_out


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 4))
def test_no_patient_teaches_the_probe_that_tests_him(seed: int, each: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, each * classes, 200)
    labels = np.where(rng.random(200) < 0.3, rng.integers(0, classes, 200), patients % classes)
    plan = divide(labels, patients, classes, (5, 2), seed)
    if plan is None:
        return
    for r in range(plan.repeats):
        assert set(plan.test[r]) == set(range(plan.folds))
        for f in range(plan.folds):
            outside = plan.test[r] == f
            assert not set(patients[outside]) & set(patients[plan.train[r, f]])
            assert np.array_equal(plan.train[r, f], ~outside)


def test_folds_fall_to_the_patients_of_the_rarest_class() -> None:
    patients = np.repeat(np.arange(13), 4)
    labels = (patients < 3).astype(np.int64)
    plan = divide(labels, patients, 2, (5, 1), 0)
    assert plan is not None
    assert plan.folds == 3


@pytest.mark.parametrize("rare", [0, 1])
def test_one_patient_of_a_class_leaves_nothing_to_measure(rare: int) -> None:
    patients = np.repeat(np.arange(9), 4)
    labels = (patients < rare).astype(np.int64)
    assert divide(labels, patients, 2, (5, 1), 0) is None


def test_repeats_differ_and_a_seed_repeats_them() -> None:
    patients = np.repeat(np.arange(20), 3)
    labels = patients % 2
    first, second = (divide(labels, patients, 2, (4, 2), 7) for _ in range(2))
    assert first is not None
    assert second is not None
    assert np.array_equal(first.test, second.test)
    assert not np.array_equal(first.test[0], first.test[1])


def test_fewer_lessons_are_nested_keep_every_class_and_spare_the_tests() -> None:
    patients = np.repeat(np.arange(24), 5)
    labels = (patients % 8 == 0).astype(np.int64)
    plan = divide(labels, patients, 2, (3, 2), 0)
    assert plan is not None
    quarter, half, whole = (plan.thinned(share, 3) for share in (0.25, 0.5, 1.0))
    assert np.array_equal(whole.train, plan.train)
    assert np.array_equal(half.test, plan.test)
    assert (quarter.train <= half.train).all()
    assert (half.train <= plan.train).all()
    for r in range(2):
        for f in range(3):
            rows = quarter.train[r, f]
            assert set(labels[rows]) == {0, 1}
            share = len(set(patients[rows])) / len(set(patients[plan.train[r, f]]))
            assert 0.25 <= share <= 0.33


def test_a_site_is_tested_by_the_other_sites_other_patients() -> None:
    patients = np.array([0, 0, 1, 1, 2, 2, 3, 3, 0, 4, 4])
    sites = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2])
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1])
    plan = leave_site_out(labels, patients, sites, 2)
    assert plan is not None
    assert plan.folds == 2  # the third site shows one class alone
    assert plan.train[0, 0].tolist() == [False] * 4 + [True] * 4 + [False] + [True] * 2
    assert (plan.test[0, sites == 2] == -1).all()
    assert leave_site_out(labels, patients, np.zeros(11, np.int64), 2) is None
