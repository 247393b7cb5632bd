import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    recall_score,
    roc_auc_score,
)
from sklearn.metrics import roc_curve as sklearn_roc_curve

from histotile.evaluation.metrics import auprc, auprc_of, call_metrics, confusion, roc_curve
from histotile.stats.auroc import auroc, auroc_of
from histotile.stats.histograms import histograms, score_bins


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60),
    st.sampled_from([1.0, 0.1, 1e-7]),
)
def test_ranking_equals_sklearn_with_ties(pairs: list[tuple[bool, int]], scale: float) -> None:
    positive = np.array([p for p, _ in pairs])
    scores = np.array([s for _, s in pairs]) * scale
    if positive.all() or not positive.any():
        assert np.isnan(auroc(positive, scores))
        assert np.isnan(auprc(positive, scores))
    else:
        assert auroc(positive, scores) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
        expected = average_precision_score(positive, scores)
        assert auprc(positive, scores) == pytest.approx(expected, abs=1e-12)


def test_ranking_equals_sklearn_on_many_scores_in_float32() -> None:
    rng = np.random.default_rng(1)
    positive = rng.random(20_000) < 0.3
    scores = (rng.normal(size=20_000) + positive).astype(np.float32)
    assert auroc(positive, scores) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    expected = average_precision_score(positive, scores)
    assert auprc(positive, scores) == pytest.approx(expected, abs=1e-12)


def test_weighted_histograms_equal_sklearn_with_sample_weights() -> None:
    rng = np.random.default_rng(2)
    positive, groups = rng.random(300) < 0.4, rng.integers(0, 7, 300)
    scores, weights = rng.integers(0, 20, 300) / 20, rng.integers(0, 4, (5, 7))
    bins, n = score_bins(scores)
    pos = weights @ histograms(bins[positive], n, groups[positive], 7)
    neg = weights @ histograms(bins[~positive], n, groups[~positive], 7)
    for row in range(5):
        w = weights[row][groups]
        expected = roc_auc_score(positive, scores, sample_weight=w)
        assert auroc_of(pos, neg)[row] == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(positive, scores, sample_weight=w)
        assert auprc_of(pos, neg)[row] == pytest.approx(expected, abs=1e-12)


def test_bins_keep_order_mass_and_the_value() -> None:
    rng = np.random.default_rng(3)
    scores, positive = rng.normal(size=30_000), rng.random(30_000) < 0.5
    scores[positive] += 1
    bins, n = score_bins(scores, 500)
    assert n == 500
    assert (np.diff(bins[np.argsort(scores)]) >= 0).all()
    assert np.bincount(bins, minlength=n).max() <= 61
    assert auroc(positive, bins.astype(float)) == pytest.approx(auroc(positive, scores), abs=1e-3)
    heavy = np.concatenate([np.zeros(900), np.arange(1, 101)])
    bins, n = score_bins(heavy, 50)
    assert bins.max() < n
    assert (bins[:900] == 0).all()


def test_roc_curve_passes_through_the_points_of_sklearn() -> None:
    rng = np.random.default_rng(4)
    positive, scores = rng.random(100) < 0.5, rng.integers(0, 10, 100)
    fpr, tpr = roc_curve(positive, scores.astype(float))
    expected = sklearn_roc_curve(positive, scores, drop_intermediate=False)
    assert np.allclose(fpr, expected[0])
    assert np.allclose(tpr, expected[1])


@pytest.mark.parametrize("n_classes", [2, 4])
def test_calls_equal_sklearn(n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    labels, preds = rng.integers(0, n_classes, (2, 200))
    counts = confusion(labels, preds, n_classes)[0]
    found = call_metrics(counts)
    assert (counts == confusion_matrix(labels, preds)).all()
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, preds), abs=1e-12)
    expected = balanced_accuracy_score(labels, preds)
    assert found["balanced_accuracy"] == pytest.approx(expected, abs=1e-12)
    if n_classes == 2:
        assert found["sensitivity"] == pytest.approx(recall_score(labels, preds), abs=1e-12)
        expected = recall_score(labels, preds, pos_label=0)
        assert found["specificity"] == pytest.approx(expected, abs=1e-12)


def test_calls_leave_absent_classes_out_and_are_undefined_for_one_class() -> None:
    found = call_metrics(np.array([[3.0, 1, 0], [0, 0, 0], [0, 0, 2]]))
    assert found["balanced_accuracy"] == pytest.approx((0.75 + 1) / 2)
    single = call_metrics(np.array([[0.0, 0], [1, 3]]))
    assert np.isnan(single["balanced_accuracy"])
    assert np.isnan(single["specificity"])
    assert single["sensitivity"] == 0.75
    assert np.isnan(call_metrics(np.zeros((2, 2)))["accuracy"])


def test_confusion_by_group_sums_to_the_whole() -> None:
    rng = np.random.default_rng(5)
    labels, preds, groups = rng.integers(0, 3, (3, 100))
    parts = confusion(labels, preds, 3, groups, 5)
    assert parts.shape == (5, 3, 3)
    assert (parts.sum(axis=0) == confusion(labels, preds, 3)[0]).all()
    assert parts[4].sum() == 0
