import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from histotile.stats.crossvalidation import divide
from histotile.strategy.probing.transferability import knn, log_evidence, neighbours


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_neighbours_are_never_of_the_same_patient(seed: int, patients: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((60, 4)).astype(np.float32)
    owner = rng.integers(0, patients, 60)
    found = neighbours(points, owner)
    known = found >= 0
    assert (owner[found] != owner[:, None])[known].all()
    others = np.array([np.count_nonzero(owner != p) for p in owner])
    assert np.array_equal(known.sum(1), np.minimum(others, 20))


def test_neighbours_are_the_likest_by_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    points = rng.standard_normal((50, 6)).astype(np.float32)
    owner = np.arange(50) // 2
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    likeness = unit @ unit.T
    likeness[owner[:, None] == owner] = -2
    monkeypatch.setattr("histotile.strategy.probing.transferability.ROWS", 7)
    assert np.array_equal(neighbours(points, owner, 5), np.argsort(-likeness, 1)[:, :5])


def test_own_patient_alone_tells_nothing() -> None:
    rng = np.random.default_rng(2)
    patients = np.repeat(np.arange(40), 10)
    points = rng.standard_normal((40, 16))[patients] + 0.01 * rng.standard_normal((400, 16))
    labels = rng.permutation(40)[patients] % 2
    plan = divide(labels, patients, 2, (5, 1), 0)
    assert plan is not None
    assert knn(points.astype(np.float32), plan) < 0.7  # own tiles would give 1.0
    told = points.copy()
    told[:, :4] += 6.0 * labels[:, None]
    assert knn((told - told.mean(0)).astype(np.float32), plan) > 0.95


@pytest.mark.parametrize("signal", [0.0, 0.3, 2.0])
def test_log_evidence_is_the_maximum_found_by_brute_force(signal: float) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 40)
    points = rng.standard_normal((40, 3)) + signal * labels[:, None]
    points -= points.mean(0)
    target = labels - labels.mean()

    def missing(logs: np.ndarray) -> float:
        a, b = np.exp(logs)
        covariance = np.eye(40) / b + points @ points.T / a
        return -float(multivariate_normal.logpdf(target, np.zeros(40), covariance))

    starts = [np.array([a, b]) for a in (0.0, 4.0) for b in (0.0, 2.0)]
    bounds = [(-8, 20), (-8, 20)]
    best = min(minimize(missing, start, bounds=bounds).fun for start in starts)
    assert log_evidence(points, labels, 2) == pytest.approx(-best / 40, abs=2e-3)


def test_log_evidence_orders_informative_features_over_noise() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 300)
    noise = rng.standard_normal((300, 20))
    found = []
    for signal in (0.0, 0.5, 1.0, 2.0):
        points = noise + signal * rng.standard_normal((3, 20))[labels]
        found.append(log_evidence(points - points.mean(0), labels, 3))
    assert found == sorted(found)
    assert found[-1] > found[0] + 0.2
