import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.stats.cramers_v import corrected_v
from histotile.strategy.leakage.confounding import (
    associate,
    bin_scales,
    compare_stain,
    patient_labels,
    patient_traits,
)


def one_hot(numbers: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    return np.eye(count)[numbers]


def test_v_and_p_against_scipy_on_a_known_table() -> None:
    from scipy.stats.contingency import association

    table = np.array([[14, 5], [4, 17]])
    sites = np.repeat([0, 0, 1, 1], table.ravel())
    labels = np.repeat([0, 1, 0, 1], table.ravel())
    found = associate(one_hot(sites, 2), ("north", "south"), one_hot(labels, 2), 0)
    assert found is not None and np.array_equal(found.table, table)
    plain = association(table, method="cramer")
    n = table.sum()
    wanted = np.sqrt((plain**2 - 1 / (n - 1)) / (1 - 1 / (n - 1)))
    assert found.v == pytest.approx(wanted)
    assert 0.0002 <= found.p < 0.01


def test_a_trait_that_tells_the_label_has_v_1_and_an_independent_one_0() -> None:
    labels = np.arange(24) % 2
    told = associate(one_hot(labels, 2), "ab", one_hot(labels, 2), 0)
    assert told is not None and told.v == pytest.approx(1) and told.p < 0.001
    even = associate(one_hot(np.arange(24) // 2 % 2, 2), "ab", one_hot(labels, 2), 0)
    assert even is not None and even.v == 0 and even.p == 1


def test_few_patients_are_never_certain() -> None:
    labels = np.array([0, 0, 1, 1])
    found = associate(one_hot(labels, 2), "ab", one_hot(labels, 2), 0)
    assert found is not None and found.v > 0.9 and found.p > 0.2


def test_p_is_honest_over_independent_cohorts() -> None:
    rng = np.random.default_rng(0)
    below = 0
    for _ in range(150):
        sites, labels = rng.integers(0, 3, 20), rng.integers(0, 2, 20)
        found = associate(one_hot(sites, 3), "abc", one_hot(labels, 2), 1)
        below += found is not None and found.p < 0.1
    assert below <= 26  # 15 expected; 26 is the 99.8 % point


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 4), st.integers(2, 4))
def test_order_of_patients_and_names_changes_nothing_but_the_draw(
    seed: int, kinds: int, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    traits, labels = rng.random((12, kinds)), rng.random((12, classes))
    first = associate(traits, range(kinds), labels, 0)  # type: ignore[arg-type]
    order = rng.permutation(12)
    second = associate(3 * traits[order], range(kinds), labels[order], 0)  # type: ignore[arg-type]
    assert first is not None and second is not None
    assert 0 <= first.v <= 1 and 0 < first.p <= 1
    assert first.v == pytest.approx(second.v) and np.allclose(first.table, second.table)
    assert first.table.sum() == pytest.approx(12)


def test_nothing_can_go_together_with_one_trait_or_one_label() -> None:
    labels = one_hot(np.arange(8) % 2, 2)
    assert associate(one_hot(np.zeros(8, np.int64), 2), "ab", labels, 0) is None
    assert associate(labels, "ab", one_hot(np.zeros(8, np.int64), 2), 0) is None
    unknown = np.zeros((8, 2))
    assert associate(unknown, "ab", labels, 0) is None


def test_patients_of_unknown_trait_are_left_out() -> None:
    labels = np.arange(20) % 2
    traits = one_hot(labels, 2)
    traits[:4] = 0
    found = associate(traits, "ab", one_hot(labels, 2), 0)
    assert found is not None and found.table.sum() == 16


def test_correction_takes_away_what_chance_gives() -> None:
    assert corrected_v(1 / 19, (2, 2), 20) == 0
    assert corrected_v(1.0, (2, 2), 20) == pytest.approx(1)
    assert corrected_v(0.5, (2, 2), 2) == 0


def test_a_patient_is_what_they_show_beside_background() -> None:
    counts = np.array([[50, 0, 0], [40, 1, 0], [90, 3, 5], [0, 0, 0], [0, 2, 0]])
    found = patient_labels(counts)
    assert found.argmax(axis=1)[[0, 1, 2, 4]].tolist() == [0, 1, 2, 1]
    assert not found[3].any()


def test_shares_stand_in_where_all_patients_show_the_same() -> None:
    found = patient_labels(np.array([[30, 10], [10, 30]]))
    assert found.tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_traits_are_shared_by_tiles_and_unknown_ones_ignored() -> None:
    found = patient_traits(np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, -1, 1]), (3, 2))
    assert np.allclose(found, np.array([[2 / 3, 1 / 3], [0, 0], [0, 1]]))


def test_scales_are_binned_within_scanners_and_by_quarters() -> None:
    few = bin_scales({"a": 0.2500, "b": 0.2525, "c": 0.5, "d": 0.499})
    assert few["a"] == few["b"] != few["c"] == few["d"]
    many = bin_scales({str(k): 0.2 * 1.2**k for k in range(12)})
    assert len(set(many.values())) == 4 and many["0"] == many["2"] != many["3"]
    assert bin_scales({}) == {}


def stained(
    shift: float, patients: int = 20, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Ten tiles of each patient; odd patients are diseased, half of their tiles lesions."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), 10)
    labels = np.where((owner % 2 == 1) & (np.arange(len(owner)) % 2 == 1), 1, 0)
    own = 8 * rng.standard_normal((patients, 3))[owner]
    colour = 180 + own + 10 * rng.standard_normal((len(owner), 3))
    colour -= 40 * (labels == 1)[:, None] + shift * (owner % 2 == 1)[:, None]
    counts = np.zeros((patients, 2), np.int64)
    np.add.at(counts, (owner, labels), 1)
    return np.hstack([colour, colour]).astype(np.float32), labels, owner, counts


def test_stain_is_compared_in_background_alone() -> None:
    dark_lesions = compare_stain(*stained(0.0), 0)
    assert dark_lesions is not None and dark_lesions.p > 0.01
    assert (dark_lesions.healthy, dark_lesions.diseased) == (10, 10)
    shifted = compare_stain(*stained(40.0), 0)
    assert shifted is not None and shifted.p < 0.001 and shifted.auroc > 0.95


def test_p_of_a_stain_shift_is_honest_and_its_auroc_not_optimistic() -> None:
    found = [compare_stain(*stained(0.0, seed=seed), 0) for seed in range(60)]
    assert sum(f is not None and f.p < 0.1 for f in found) <= 13  # 6 expected
    assert np.median([f.auroc for f in found if f]) < 0.65


def test_stain_cannot_be_compared_with_too_few_patients() -> None:
    assert compare_stain(*stained(40.0, patients=8), 0) is None
    colour, labels, owner, counts = stained(40.0)
    labels = np.where(owner % 2 == 1, 1, 0)  # diseased patients show no background
    assert compare_stain(colour, labels, owner, counts, 0) is None
    colour[:] = np.nan
    assert compare_stain(colour, labels, owner, counts, 0) is None


def test_equal_colour_everywhere_is_no_shift() -> None:
    colour, labels, owner, counts = stained(0.0)
    found = compare_stain(np.full_like(colour, 200), labels, owner, counts, 0)
    assert found is not None and found.p == 1 and found.auroc == 0.5
