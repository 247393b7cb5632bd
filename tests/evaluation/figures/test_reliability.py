from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve

from histotile.config import Evaluate
from histotile.evaluation.figures.reliability import draw_reliability, reliability, wilson
from histotile.evaluation.units import Units
from histotile.stats.bootstrap import draw_weights

SETTINGS = Evaluate(bootstraps=200, confidence=0.95, seed=0)


def tiles(p: np.ndarray, labels: np.ndarray, patients: np.ndarray, fold: str = "0") -> Units:
    guesses = {"network": np.stack([1 - p, p], axis=1)}
    folds = np.full(len(p), fold)
    return Units("tile", labels, patients, patients, folds, guesses)


def test_bins_are_those_of_sklearn_with_intervals_round_the_rates() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(3000)
    labels = (rng.random(3000) < p).astype(int)
    units = tiles(p, labels, np.arange(3000) % 30)
    found = reliability(units, ["0"], draw_weights([0] * 30, 200, 0), SETTINGS)
    assert found is not None
    rate, score = calibration_curve(labels, p, n_bins=15, strategy="quantile")
    np.testing.assert_allclose(found.rate, rate)
    np.testing.assert_allclose(found.score, score)
    assert (found.n == 200).all()
    assert ((found.lower <= found.rate) & (found.rate <= found.upper)).all()
    assert ((found.lower <= found.score) & (found.score <= found.upper)).sum() >= 12
    assert found.histogram.sum() == 3000


def test_bin_of_one_outcome_is_as_sure_as_its_patients_are_many() -> None:
    p, labels = np.linspace(0, 0.01, 600), np.zeros(600, dtype=int)
    units = tiles(p, labels, np.arange(600) % 10)
    found = reliability(units, ["0"], draw_weights([0] * 10, 200, 0), SETTINGS)
    assert found is not None
    assert (found.rate == 0).all()
    expected = wilson(0, 10, 0.95)
    assert found.upper == pytest.approx([expected[1]] * 15)
    assert found.lower == pytest.approx([0] * 15)


@pytest.mark.parametrize(("events", "n"), [(0, 10), (3, 10), (40, 40), (1, 1)])
def test_wilson_is_that_of_scipy(events: int, n: int) -> None:
    expected = binomtest(events, n).proportion_ci(0.9, method="wilson")
    assert wilson(events / n, n, 0.9) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_fixed_test_set_is_left_out_and_nothing_is_none() -> None:
    p, labels = np.linspace(0, 1, 20), np.arange(20) % 2
    units = tiles(p, labels, np.arange(20), fold="holdout")
    assert reliability(units, ["0"], np.ones((5, 20)), SETTINGS) is None


def test_picture_tells_class_error_and_counts() -> None:
    p = np.linspace(0, 1, 60)
    units = tiles(p, (p > 0.4).astype(int), np.arange(60) % 6)
    found = reliability(units, ["0"], draw_weights([0] * 6, 100, 0), SETTINGS)
    assert found is not None
    row = {"level": "tile", "metric": "ece", "fold": "mean"}
    rows = [{**row, "value": 0.123, "lower": 0.1, "upper": 0.2}]
    name = 'a$b$ <script>"x"</script>'
    svg = draw_reliability([found], rows, name)
    text = " ".join(ElementTree.fromstring(svg).itertext())
    assert "<script" not in svg
    for word in ("ECE 0.123 [0.100, 0.200]", f"Score of {name[:23]}…", "Share that is", "Tiles"):
        assert word in text
    assert svg == draw_reliability([found], rows, name)
    assert "Share that is right" in draw_reliability([found], [], None)
    assert "No labelled tile has a score" in draw_reliability([], [], None)
