import time

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from histotile.stats.bootstrap import draw_weights
from histotile.stats.calibration import calibrate, confidences, equal_mass_bins


def binary(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def slope_of(p: np.ndarray, labels: np.ndarray) -> float:
    logits = np.log(p / (1 - p))[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(logits, labels)
    return float(model.coef_[0, 0])


def test_values_are_those_of_sklearn() -> None:
    rng = np.random.default_rng(0)
    p = sigmoid(rng.normal(size=600) * 2)
    labels = (rng.random(600) < sigmoid(np.log(p / (1 - p)) * 0.6 - 0.4)).astype(int)
    found = calibrate(labels, binary(p), np.arange(600) % 7, np.ones((2, 7)))
    values = {name: m.value for name, m in found.items()}
    assert values["brier"] == pytest.approx(brier_score_loss(labels, p), abs=1e-12)
    assert values["nll"] == pytest.approx(log_loss(labels, p), abs=1e-12)
    assert values["calibration_slope"] == pytest.approx(slope_of(p, labels), abs=1e-4)
    rate, mean = calibration_curve(labels, p, n_bins=15, strategy="quantile")
    assert values["ece"] == pytest.approx(np.abs(rate - mean).mean(), abs=1e-12)
    shifted = sigmoid(np.log(p / (1 - p)) + values["calibration_intercept"])
    assert shifted.mean() == pytest.approx(labels.mean(), abs=1e-9)
    for measurement in found.values():
        assert measurement.draws == pytest.approx([measurement.value] * 2, abs=2e-3)


def test_draws_equal_resampling_the_units_themselves() -> None:
    rng = np.random.default_rng(1)
    p = sigmoid(rng.normal(size=120)).round(3)
    labels = (rng.random(120) < p).astype(int)
    patients = rng.integers(0, 6, 120)
    weights = draw_weights([0] * 6, 10, seed=2)
    found = calibrate(labels, binary(p), patients, weights)
    for row in range(10):
        rows = np.repeat(np.arange(120), weights[row][patients].astype(int))
        again = {
            "brier": brier_score_loss(labels[rows], p[rows]),
            "nll": log_loss(labels[rows], p[rows]),
            "calibration_slope": slope_of(p[rows], labels[rows]),
        }
        for name, expected in again.items():
            assert found[name].draws[row] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("stretch", "shift", "slope", "intercept"), [(1, 0, 1, 0), (2, 0, 0.5, 0), (1, 1.5, 1, -1.5)]
)
def test_slope_and_intercept_undo_what_was_done_to_true_probabilities(
    stretch: float, shift: float, slope: float, intercept: float
) -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=40_000)
    labels = (rng.random(40_000) < sigmoid(logits)).astype(int)
    p = sigmoid(logits * stretch + shift)
    found = calibrate(labels, binary(p), np.arange(40_000) % 40, np.ones((1, 40)))
    assert found["calibration_slope"].value == pytest.approx(slope, abs=0.04)
    assert found["calibration_intercept"].value == pytest.approx(intercept, abs=0.05)
    if stretch == 1 and shift == 0:
        assert found["ece"].value < 0.02
    else:
        assert found["ece"].value > 0.05


def test_fits_of_resamples_are_right_where_labels_are_nearly_separated() -> None:
    rng = np.random.default_rng(4)
    labels = (rng.random(6000) < 0.07).astype(int)
    p = sigmoid(rng.normal(size=6000) * 1.5 + np.where(labels == 1, 2, -4))
    patients = rng.integers(0, 12, 6000)
    weights = draw_weights([0] * 12, 8, seed=2)
    found = calibrate(labels, binary(p), patients, weights)["calibration_slope"]
    for row in range(8):
        rows = np.repeat(np.arange(6000), weights[row][patients].astype(int))
        expected = slope_of(np.clip(p[rows], 1e-6, 1 - 1e-6), labels[rows])
        assert found.draws[row] == pytest.approx(expected, rel=0.02)
    assert found.value == pytest.approx(slope_of(np.clip(p, 1e-6, 1 - 1e-6), labels), rel=1e-3)


def test_separated_labels_have_no_slope_but_the_rest() -> None:
    p = np.linspace(0.05, 0.95, 20)
    for labels in (p > 0.5, p < 0.5):
        found = calibrate(labels.astype(int), binary(p), np.arange(20), np.ones((3, 20)))
        assert np.isnan(found["calibration_slope"].value)
        assert np.isnan(found["calibration_slope"].draws).all()
        for name in ("ece", "brier", "nll", "calibration_intercept"):
            assert np.isfinite(found[name].value)
    alike = calibrate(np.array([0, 1]), binary(np.full(2, 0.5)), np.arange(2), np.ones((1, 2)))
    assert np.isnan(alike["calibration_slope"].value)


def test_one_class_or_nothing_is_undefined_not_a_crash() -> None:
    certain = calibrate(np.ones(6, int), binary(np.ones(6)), np.arange(6), np.ones((2, 6)))
    assert certain["brier"].value == certain["ece"].value == 0
    assert np.isnan(certain["calibration_intercept"].value)
    none = calibrate(np.empty(0, int), np.empty((0, 2)), np.empty(0, int), np.ones((2, 4)))
    assert all(np.isnan(m.value) and np.isnan(m.draws).all() for m in none.values())
    wrong = calibrate(np.zeros(6, int), binary(np.ones(6)), np.arange(6), np.ones((2, 6)))
    assert wrong["nll"].value == pytest.approx(-np.log(1e-6))


def test_more_classes_are_judged_by_the_class_of_the_highest_score() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.4, 0.5, 0.1]])
    p, event = confidences(np.array([0, 1, 1]), scores)
    assert p.tolist() == [0.7, 0.6, 0.5]
    assert event.tolist() == [True, False, True]
    p, event = confidences(np.array([0, 1]), scores[:2, :2])
    assert p.tolist() == [0.2, 0.3]
    assert event.tolist() == [False, True]


@hypothesis.settings(deadline=None)
@given(st.lists(st.floats(0, 1).map(lambda p: round(p, 2)), max_size=200))
def test_bins_ascend_are_dense_and_hold_alike_many(scores: list[float]) -> None:
    p = np.array(scores)
    bins = equal_mass_bins(p)
    assert bins.shape == p.shape
    assert (np.diff(bins[np.argsort(p)]) >= 0).all()
    assert (np.unique(bins) == np.arange(bins.max(initial=-1) + 1)).all()
    assert bins.max(initial=0) < max(1, min(15, len(p) // 5))
    for value in np.unique(p):
        assert len(np.unique(bins[p == value])) == 1
    _, most = np.unique(p, return_counts=True)
    share = len(p) / max(1, min(15, len(p) // 5))
    assert (np.bincount(bins) <= share + most.max(initial=0) + 1).all()


def test_fifteen_thousand_tiles_two_thousand_resamples_are_quick() -> None:
    rng = np.random.default_rng(9)
    patients, p = rng.integers(0, 100, 15_000), rng.random(15_000)
    labels = (rng.random(15_000) < p).astype(int)
    weights = draw_weights([0] * 100, 2000, 0)
    start = time.process_time()
    calibrate(labels, binary(p), patients, weights)
    assert time.process_time() - start < 3
