import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from histotile.evaluation.patient_bootstrap import average, measure
from histotile.stats.bootstrap import Measurement, draw_weights, interval


def binary(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1)


def test_draws_equal_resampling_the_tiles_themselves() -> None:
    rng = np.random.default_rng(0)
    patients, labels = rng.integers(0, 6, 400), rng.integers(0, 2, 400)
    scores = np.round(rng.random(400) * 0.7 + labels * 0.3, 2)
    weights = draw_weights([0] * 6, 20, seed=1)
    found = measure(labels, binary(scores), patients, weights)
    assert found["auroc"].value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    for row in range(20):
        rows = np.repeat(np.arange(400), weights[row][patients].astype(int))
        for name, metric in (("auroc", roc_auc_score), ("auprc", average_precision_score)):
            expected = metric(labels[rows], scores[rows])
            assert found[name].draws[row] == pytest.approx(expected, abs=1e-12)
        right = labels[rows] == (scores[rows] > 0.5)
        assert found["accuracy"].draws[row] == pytest.approx(right.mean(), abs=1e-12)


def test_three_classes_are_averaged_one_against_the_rest() -> None:
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 3, 200), rng.dirichlet([1, 1, 1], 200)
    found = measure(labels, scores, np.zeros(200, int), np.ones((2, 1)))
    expected = roc_auc_score(labels, scores, multi_class="ovr", average="macro")
    assert found["auroc"].value == pytest.approx(expected, abs=1e-12)
    assert found["auroc"].draws == pytest.approx([expected] * 2, abs=1e-12)
    assert "sensitivity" not in found


def test_one_class_is_undefined_not_a_crash() -> None:
    found = measure(np.ones(4, int), binary(np.linspace(0, 1, 4)), np.arange(4), np.ones((3, 4)))
    assert np.isnan(found["auroc"].value)
    assert np.isnan(found["auroc"].draws).all()
    assert interval(found["auroc"].draws, 0.95).undefined == 3
    assert interval(found["auroc"].draws, 0.95).lower is None
    none = measure(np.empty(0, int), np.empty((0, 3)), np.empty(0, int), np.ones((3, 4)))
    assert np.isnan(none["auroc"].value)


def test_undefined_resamples_are_counted_and_left_out() -> None:
    labels, patients = np.array([0, 1, 1]), np.array([0, 1, 2])
    weights = np.array([[1.0, 1, 1], [0, 2, 1], [2, 0, 1]])
    found = measure(labels, binary(np.array([0.2, 0.9, 0.1])), patients, weights)
    assert np.isnan(found["auroc"].draws).tolist() == [False, True, False]
    assert interval(found["auroc"].draws, 0.95).undefined == 1


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for trial in range(100):
        labels = np.repeat([0, 1], 40)
        scores = binary(1 / (1 + np.exp(-(rng.normal(size=80) + labels))))
        weights = draw_weights(labels.tolist(), 300, trial)
        found = interval(measure(labels, scores, np.arange(80), weights)["auroc"].draws, 0.95)
        assert found.lower is not None
        assert found.upper is not None
        covered += found.lower <= 0.7602 <= found.upper  # Phi(1 / sqrt(2))
    assert 88 <= covered <= 100


def test_interval_of_alike_tiles_is_that_of_patients_not_of_tiles() -> None:
    rng = np.random.default_rng(8)
    labels = np.repeat([0, 1], 10)
    patient_score = rng.normal(size=20) + labels
    many = np.repeat(np.arange(20), 500)
    tiles = binary(1 / (1 + np.exp(-patient_score[many])))
    weights = draw_weights(labels.tolist(), 400, 0)
    wide = interval(measure(labels[many], tiles, many, weights)["auroc"].draws, 0.95)
    assert wide.lower is not None
    assert wide.upper is not None
    assert wide.upper - wide.lower > 0.2


def test_average_and_difference_are_paired_by_resample() -> None:
    a = Measurement(0.9, np.array([0.8, 1.0, np.nan]))
    b = Measurement(0.7, np.array([0.6, 0.8, 0.5]))
    assert average([a, b]).value == pytest.approx(0.8)
    assert average([a, b]).draws[:2] == pytest.approx([0.7, 0.9])
    assert np.isnan(average([a, b]).draws[2])
    assert (a - b).draws[:2] == pytest.approx([0.2, 0.2])


def test_fifteen_thousand_tiles_two_thousand_resamples_are_quick() -> None:
    rng = np.random.default_rng(9)
    patients, labels = rng.integers(0, 100, 15_000), rng.integers(0, 2, 15_000)
    scores = binary(rng.random(15_000))
    weights = draw_weights([0] * 100, 2000, 0)
    start = time.process_time()
    measure(labels, scores, patients, weights)
    assert time.process_time() - start < 15
