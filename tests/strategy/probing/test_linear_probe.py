import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from histotile.stats import auroc
from histotile.stats.crossvalidation import divide
from histotile.stats.linear_head import lesson_weights
from histotile.stats.logistic import STRENGTHS, fit_path
from histotile.strategy.probing import linear_probe


def drawn(
    tiles: int, width: int, classes: int, signal: float, seed: int
) -> tuple[NDArray[np.float16], NDArray[np.int64], NDArray[np.int64]]:
    """Features of patients who differ, labels, patients."""
    rng = np.random.default_rng(seed)
    patients, labels = rng.integers(0, 30, tiles), rng.integers(0, classes, tiles)
    latent = rng.standard_normal((tiles, 20)) * np.linspace(2, 0.3, 20)
    latent += signal * rng.standard_normal((classes, 20))[labels]
    latent += 0.5 * rng.standard_normal((30, 20))[patients]
    mixed = latent @ rng.standard_normal((20, width)) / 4
    noisy = mixed + 0.3 * rng.standard_normal((tiles, width))
    return np.maximum(noisy, 0).astype(np.float16), labels, patients


@pytest.mark.parametrize(
    ("classes", "width", "signal"), [(2, 30, 1.0), (2, 500, 0.3), (4, 80, 0.6)]
)
def test_fits_are_those_of_scikit_learn(classes: int, width: int, signal: float) -> None:
    features, labels, _ = drawn(600, width, classes, signal, 1)
    points = linear_probe.components(features, 0)
    targets = np.stack([labels == c for c in auroc.judged_classes(classes)])
    teaches = np.stack([np.arange(600) % 5 > 0, np.arange(600) % 3 > 0])
    weights = lesson_weights(labels, teaches)
    paths = fit_path(points, targets, weights, STRENGTHS)
    for strength, found in zip(STRENGTHS, paths, strict=True):
        for rows, slopes in zip(teaches, found, strict=True):
            model = LogisticRegression(
                C=1 / (strength * rows.sum()), class_weight="balanced", tol=1e-9, max_iter=9999
            ).fit(points[rows].astype(float), labels[rows])
            wanted = model.predict_proba(points.astype(float))
            logits = points.astype(float) @ slopes[:, :-1].T + slopes[:, -1]
            if classes == 2:
                logits = np.hstack([np.zeros_like(logits), logits])
            np.testing.assert_allclose(softmax(logits, axis=1), wanted, atol=1e-3)


def test_a_separable_and_an_empty_task_end(recwarn: pytest.WarningsRecorder) -> None:
    points = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    targets = points.T > 0
    weights = np.stack([np.full(40, 1 / 40), (points[:, 0] > 0) / 20]).astype(np.float32)
    for found in fit_path(points, targets, weights, (1.0, 1e-4)):
        assert np.isfinite(found).all()
    assert found[0, 0, 0] > 5
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


@pytest.mark.parametrize("width", [40, 700])
def test_components_hold_the_variance_and_are_uncorrelated(width: int) -> None:
    features, _, _ = drawn(500, width, 2, 1.0, 2)
    features[:, 3] = 7  # a dead feature
    points = linear_probe.components(features, 0)
    values = features.astype(float) - features.astype(float).mean(0)
    values /= np.where(values.std(0) < 1e-6, 1, values.std(0))
    best = np.linalg.eigvalsh(values.T @ values / 500)[::-1][: linear_probe.MOST_COMPONENTS]
    assert points.shape == (500, min(width, linear_probe.MOST_COMPONENTS))
    assert points.astype(float).var(0).sum() >= 0.99 * best.sum()
    leading = np.corrcoef(points[:, :20].T)
    np.testing.assert_allclose(leading, np.eye(20), atol=1e-3)
    assert np.array_equal(points, linear_probe.components(features, 0))


def test_no_patient_has_a_say_in_his_own_logits() -> None:
    features, labels, patients = drawn(400, 30, 2, 0.7, 3)
    plan = divide(labels, patients, 2, (4, 1), 0)
    assert plan is not None
    points = linear_probe.components(features, 0)
    before = linear_probe.hold_out(points, plan)
    fold = plan.test[0] == 0
    turned = plan.labels.copy()
    turned[fold] = 1 - turned[fold]
    after = linear_probe.hold_out(points, type(plan)(turned, patients, 2, plan.test, plan.train))
    same = before.strengths[0, 0] == after.strengths[0, 0]
    if same:  # the strength comes from other folds, whose teachers have changed
        np.testing.assert_allclose(before.logits[0, fold], after.logits[0, fold], atol=1e-4)
    assert not np.allclose(before.logits[0, ~fold], after.logits[0, ~fold], atol=0.1)


def test_the_strength_of_a_fold_is_chosen_by_the_others() -> None:
    found = np.zeros((len(STRENGTHS), 1, 3))
    found[0, 0] = [0.9, 0.5, 0.5]  # wins fold 0 alone
    found[1, 0] = [0.5, 0.6, 0.6]
    assert linear_probe.best_of_others(found)[0].tolist() == [1, 0, 0]
    assert linear_probe.best_of_others(np.full_like(found, np.nan)).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("classes", [2, 5])
def test_scores_tell_signal_from_noise_on_patients_left_out(classes: int) -> None:
    features, labels, patients = drawn(600, 60, classes, 1.0, 4)
    plan = divide(labels, patients, classes, (5, 2), 0)
    assert plan is not None
    assert linear_probe.hold_out(linear_probe.components(features, 0), plan).scores()[0] > 0.85
    noise = np.random.default_rng(0).standard_normal((600, 60)).astype(np.float16)
    assert linear_probe.hold_out(linear_probe.components(noise, 0), plan).scores()[
        0
    ] == pytest.approx(0.5, abs=0.06)
