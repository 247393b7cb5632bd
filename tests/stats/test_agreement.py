"""Agreement of numbers, against SciPy and scikit-learn on resamples written out."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from histotile.stats.agreement import absolute_errors, r_squared, spearmans


@pytest.fixture
def made() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, 60).astype(float)  # with ties
    guesses = np.round(truth + rng.normal(0, 2, 60))
    patients = np.repeat(np.arange(12), 5)
    weights = np.stack([np.ones(12), *(rng.multinomial(12, np.ones(12) / 12) for _ in range(4))])
    return guesses, truth, patients, weights


def test_resamples_score_as_if_written_out(made: tuple[np.ndarray, ...]) -> None:
    guesses, truth, patients, weights = made
    for b, weight in enumerate(weights):
        rows = np.repeat(np.arange(60), weight[patients].astype(int))
        wanted = (
            spearmanr(guesses[rows], truth[rows]).statistic,
            r2_score(truth[rows], guesses[rows]),
            mean_absolute_error(truth[rows], guesses[rows]),
        )
        measures = (spearmans, r_squared, absolute_errors)
        found = [float(measure(guesses, truth, patients, weights)[b]) for measure in measures]
        assert found == pytest.approx(wanted, abs=1e-9)


def test_many_tiles_are_ranked_in_bins_to_the_third_digit() -> None:
    rng = np.random.default_rng(1)
    truth = rng.gamma(1.0, 1.0, 30_000).round(2)  # skewed, with ties
    guesses = truth + rng.normal(0, 1, len(truth))
    patients = rng.integers(0, 40, len(truth))
    weights = np.stack([np.ones(40), *(rng.multinomial(40, np.ones(40) / 40) for _ in range(3))])
    found = spearmans(guesses, truth, patients, weights)
    for value, weight in zip(found, weights, strict=True):
        rows = np.repeat(np.arange(len(truth)), weight[patients].astype(int))
        assert value == pytest.approx(spearmanr(guesses[rows], truth[rows]).statistic, abs=1e-3)
    assert np.isnan(spearmans(guesses, truth * 0, patients, weights)).all()


def test_what_is_constant_has_no_correlation(made: tuple[np.ndarray, ...]) -> None:
    guesses, truth, patients, weights = made
    assert np.isnan(spearmans(guesses, truth * 0 + 3, patients, weights)).all()
    assert np.isnan(spearmans(guesses * 0 + 0.1, truth, patients, weights)).all()
    assert np.isnan(r_squared(guesses, truth * 0 + 0.3, patients, weights)).all()
    assert np.isnan(absolute_errors(guesses, truth, patients, weights * 0)).all()
