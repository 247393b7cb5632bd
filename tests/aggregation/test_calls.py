import numpy as np
import pytest

from histotile.aggregation.calls import fold_offsets, shifted, shifted_by_fold
from histotile.stats.auroc import auroc
from histotile.tasks.registry import make_task


def balanced(labels: np.ndarray, preds: np.ndarray) -> float:
    return float(np.mean([(preds == labels)[labels == c].mean() for c in np.unique(labels)]))


def skewed(count: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that rank well, while some classes score far higher than others, and their labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    logits = generator.normal(size=(count, classes)) + 2.0 * np.eye(classes)[labels]
    logits += np.linspace(-3, 3, classes)
    return 1 / (1 + np.exp(-logits)), labels


@pytest.mark.parametrize("classes", [2, 6])
def test_calls_become_as_good_as_ranks_on_slides_no_fold_learnt_from(classes: int) -> None:
    scores, labels = skewed(240, classes, 0)
    if classes == 2:
        scores[:, 0] = 1 - scores[:, 1]
    task = make_task([str(c) for c in range(classes)])
    folds = [str(row // classes % 3) for row in range(240)]
    offsets = fold_offsets(scores, labels, folds, np.arange(240), task)
    called = shifted_by_fold(scores, folds, offsets)
    before, after = balanced(labels, scores.argmax(1)), balanced(labels, called.argmax(1))
    assert after > before + 0.15
    if classes == 2:  # an offset alone changes no rank within a fold
        rows = np.array(folds) == "0"
        truth = labels[rows] == 1
        assert auroc(truth, called[rows, 1]) == auroc(truth, scores[rows, 1])


def test_the_labels_of_a_fold_never_change_its_own_offsets() -> None:
    scores, labels = skewed(120, 3, 1)
    task = make_task(("a", "b", "c"))
    folds = [str(row // 3 % 2) for row in range(120)]
    before = fold_offsets(scores, labels, folds, np.arange(120), task)
    tested = np.array(folds) == "0"
    labels[tested] = labels[tested][::-1]
    after = fold_offsets(scores, labels, folds, np.arange(120), task)
    np.testing.assert_array_equal(before["0"], after["0"])
    assert not np.array_equal(before["1"], after["1"])


def test_the_fixed_test_set_learns_from_all_folds_and_teaches_none() -> None:
    scores, labels = skewed(90, 3, 2)
    task = make_task(("a", "b", "c"))
    folds = ["holdout" if row < 30 else str(row // 3 % 2) for row in range(90)]
    found = fold_offsets(scores, labels, folds, np.arange(90), task)
    alone = fold_offsets(scores[30:], labels[30:], ["1"] * 60 + [], np.arange(60), task)
    assert found["holdout"].any()
    assert not alone["1"].any()  # no other fold's patients
    labels[:30] = 0
    np.testing.assert_array_equal(
        found["0"], fold_offsets(scores, labels, folds, np.arange(90), task)["0"]
    )


def test_labels_get_thresholds_and_few_patients_or_numbers_get_none() -> None:
    generator = np.random.default_rng(3)
    flags = generator.integers(0, 2, size=(120, 2)).astype(np.int8)
    logits = 3.0 * flags + generator.normal(size=(120, 2)) - [4.0, -2.0]
    scores = 1 / (1 + np.exp(-logits))
    task = make_task(("x", "y"), "multilabel")
    folds = [str(row % 3) for row in range(120)]
    offsets = fold_offsets(scores, flags, folds, np.arange(120), task)
    called = shifted_by_fold(scores, folds, offsets) >= 0.5
    assert (called == flags).mean() > ((scores >= 0.5) == flags).mean() + 0.15
    few = fold_offsets(scores, flags, folds, np.arange(120) % 4, task)
    assert not any(offset.any() for offset in few.values())
    number = make_task(("n",), "regression")
    values, truth = scores[:, :1], scores[:, 0]
    found = fold_offsets(values, truth, folds, np.arange(120), number)
    assert not any(offset.any() for offset in found.values())


def test_scores_that_rank_backwards_keep_their_calls_and_nan_stays() -> None:
    scores, labels = skewed(120, 2, 4)
    scores[:, 0] = 1 - scores[:, 1]
    task = make_task(("a", "b"))
    folds = [str(row // 2 % 2) for row in range(120)]
    found = fold_offsets(scores, 1 - labels, folds, np.arange(120), task)
    assert not any(offset.any() for offset in found.values())
    assert np.isnan(shifted(np.array([[np.nan, np.nan]]), np.array([1.0, -1.0]))).all()


def test_folds_scored_by_other_methods_teach_no_offsets() -> None:
    scores, labels = skewed(180, 3, 5)
    task = make_task(("a", "b", "c"))
    folds = [str(row // 3 % 3) for row in range(180)]
    args = (scores, labels, folds, np.arange(180), task)
    mixed = fold_offsets(*args, {"0": "mean", "1": "attention", "2": "attention"})
    assert not mixed["0"].any()
    other = np.array(folds) != "0"
    alone = [fold for fold in folds if fold != "0"]
    expected = fold_offsets(scores[other], labels[other], alone, np.arange(180)[other], task)
    np.testing.assert_allclose(mixed["1"], expected["1"])
