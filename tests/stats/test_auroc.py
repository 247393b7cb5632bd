import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from histotile.stats import auroc, bootstrap
from histotile.stats.crossvalidation import divide


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.integers(2, 60), st.integers(1, 8))
def test_weighted_auroc_is_that_of_scikit_learn(seed: int, tiles: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, tiles).astype(np.float32)  # many ties
    positive = rng.random(tiles) < 0.5
    patients = rng.integers(0, 6, tiles)
    weights = rng.integers(0, 4, (5, 6)).astype(float)
    found = auroc.aurocs(scores, positive, patients, weights)
    for value, row in zip(found, weights, strict=True):
        own = row[patients]
        if own[positive].sum() == 0 or own[~positive].sum() == 0:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(roc_auc_score(positive, scores, sample_weight=own))


def test_a_table_cut_into_parts_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.random(50), rng.random(50) < 0.4
    patients, weights = rng.integers(0, 9, 50), rng.random((23, 9))
    whole = auroc.aurocs(scores, positive, patients, weights)
    monkeypatch.setattr(auroc, "CELLS", 200)
    assert np.array_equal(whole, auroc.aurocs(scores, positive, patients, weights))


def test_scores_are_means_over_folds_not_of_pooled_folds() -> None:
    patients = np.repeat(np.arange(20), 4)
    labels = patients % 2
    plan = divide(labels, patients, 2, (4, 2), 0)
    assert plan is not None
    shift = 100.0 * plan.test  # folds on different scales
    logits = (labels + shift)[:, :, None]
    assert auroc.scores(plan, logits, bootstrap.every_patient(patients))[0] == 1.0


def test_classes_a_fold_lacks_are_left_out_of_its_mean() -> None:
    patients = np.arange(30)
    labels = np.arange(30) % 3
    plan = divide(labels, patients, 3, (2, 1), 0)
    assert plan is not None
    rng = np.random.default_rng(0)
    logits = rng.random((1, 30, 3))
    weights = np.ones((1, 30))
    weights[0, labels == 2] = 0
    rows = [np.flatnonzero((plan.test[0] == f) & (labels < 2)) for f in range(2)]
    wanted = [
        np.mean([roc_auc_score(labels[r] == c, logits[0, r, c]) for c in (0, 1)]) for r in rows
    ]
    assert auroc.scores(plan, logits, weights)[0] == pytest.approx(np.mean(wanted))
    weights[0, labels == 1] = 0
    assert np.isnan(auroc.scores(plan, logits, weights)[0])


def test_resamples_draw_as_many_patients_as_there_are() -> None:
    weights = bootstrap.resamples(np.array([1, 1, 4, 6]), 500, 0)
    assert weights.shape == (500, 7)
    assert (weights.sum(1) == 3).all()
    assert weights[:, [0, 2, 3, 5]].sum() == 0
    assert weights[:, 1].mean() == pytest.approx(1, abs=0.15)
