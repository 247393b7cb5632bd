import time
from typing import Any

import numpy as np
import pytest

from histotile.config import Evaluate
from histotile.evaluation.figures.confidence_bands import (
    MOST_RESAMPLES,
    Band,
    drawn_curves,
    mean_bands,
)
from histotile.evaluation.figures.roc_pr import GRID, fold_curves, precision_on_grid, roc_on_grid
from histotile.evaluation.metrics import precision_recall, roc_curve
from histotile.evaluation.units import Units
from histotile.stats.auroc import auroc
from histotile.stats.bootstrap import draw_weights

SETTINGS = Evaluate(bootstraps=300, confidence=0.95, seed=0)
FOLDS = ["0", "1", "2"]


def cohort(patients: int, tiles: int, n_classes: int = 2, seed: int = 0) -> tuple[Units, Any]:
    """Tiles of patients who differ, and the weights of 300 resamples of them."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), tiles)
    kinds, folds = np.arange(patients) % n_classes, (np.arange(patients) // n_classes) % 3
    labels = kinds[owner]
    shift = rng.normal(size=(patients, n_classes))[owner]
    raw = rng.normal(size=(len(owner), n_classes)) + shift + 1.5 * np.eye(n_classes)[labels]
    scores = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    units = Units("tile", labels, owner, owner, folds[owner].astype(str), {"network": scores})
    strata = list(zip(folds.tolist(), kinds.tolist(), strict=True))
    return units, draw_weights(strata, SETTINGS.bootstraps, SETTINGS.seed)


def ends(band: Band) -> tuple[np.ndarray, np.ndarray]:
    assert band.lower is not None
    assert band.upper is not None
    assert band.reason is None
    return band.lower, band.upper


def mean_curve(units: Units, kind: str) -> np.ndarray:
    rates = [c.rates for c in fold_curves(units, FOLDS) if c.kind == kind]
    return np.asarray(np.mean(rates, axis=0))


def test_resamples_equal_literally_repeated_units() -> None:
    rng = np.random.default_rng(3)
    patients, positive = rng.integers(0, 6, 80), rng.random(80) < 0.3
    scores = np.round(rng.random(80) * 0.7 + positive * 0.3, 1).astype(np.float64)  # with ties
    weights = draw_weights([0] * 6, 20, seed=1)
    found = drawn_curves(positive, scores, patients, weights)
    for b, weight in enumerate(weights):
        rows = np.repeat(np.arange(80), weight[patients].astype(int))
        roc = roc_on_grid(*roc_curve(positive[rows], scores[rows]))
        pr = precision_on_grid(*precision_recall(positive[rows], scores[rows]))
        np.testing.assert_array_equal(found[0, b], roc)
        np.testing.assert_array_equal(found[1, b], pr)
        area = np.trapezoid(found[0, b], GRID)
        assert area == pytest.approx(auroc(positive[rows], scores[rows]), abs=0.01)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_undrawn_cohort_gives_the_mean_curve_itself(n_classes: int) -> None:
    units, weights = cohort(18, 20, n_classes)
    (fold,) = (units.of_fold(f) for f in ["1"])
    curves = fold_curves(units, ["1"])
    classes = [1] if n_classes == 2 else range(n_classes)
    once = np.ones((1, weights.shape[1]))
    network = fold.scores["network"]
    each = [drawn_curves(fold.labels == c, network[:, c], fold.patients, once) for c in classes]
    roc, pr = np.mean(each, axis=0)[:, 0]
    np.testing.assert_array_equal(roc, curves[0].rates)
    np.testing.assert_array_equal(pr, curves[1].rates)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_band_holds_the_mean_curve_and_narrows_with_more_patients(
    n_classes: int, seed: int
) -> None:
    widths = {}
    for patients in (36, 360):
        units, weights = cohort(patients, 15, n_classes, seed)
        for band in mean_bands(units, FOLDS, weights, SETTINGS):
            lower, upper = ends(band)
            mean = mean_curve(units, band.kind)
            assert (lower <= mean + 1e-12).all()
            assert (mean <= upper + 1e-12).all()
            assert lower.min() >= 0
            assert upper.max() <= 1
            widths[band.kind, patients] = (upper - lower).mean()
    for kind in ("roc", "pr"):
        assert widths[kind, 360] < 0.6 * widths[kind, 36]


def test_band_is_of_patients_not_of_tiles() -> None:
    units, weights = cohort(18, 10)
    many = np.repeat(np.arange(len(units.labels)), 5)
    places = units.slides[many], units.patients[many], units.folds[many]
    scores = {"network": units.scores["network"][many]}
    alike = Units("tile", units.labels[many], *places, scores)
    for few, more in zip(
        mean_bands(units, FOLDS, weights, SETTINGS),
        mean_bands(alike, FOLDS, weights, SETTINGS),
        strict=True,
    ):
        np.testing.assert_allclose(ends(few), ends(more))


def test_resamples_are_the_first_of_the_metrics_and_averaged_within() -> None:
    units, weights = cohort(18, 20)
    roc, _ = mean_bands(units, FOLDS, weights, SETTINGS)
    assert roc.resamples == MOST_RESAMPLES == 200
    draws = []
    for fold in FOLDS:
        own = units.of_fold(fold)
        scores = own.scores["network"][:, 1]
        draws.append(drawn_curves(own.labels == 1, scores, own.patients, weights[:200])[0])
    lower, upper = np.quantile(np.mean(draws, axis=0), [0.025, 0.975], axis=0)
    mean = mean_curve(units, "roc")
    np.testing.assert_allclose(ends(roc), [np.minimum(lower, mean), np.maximum(upper, mean)])
    inside = (lower <= mean) & (mean <= upper)
    assert inside.mean() > 0.95  # the percentiles alone nearly always hold the curve
    fewer, _ = mean_bands(units, FOLDS, weights[:50], SETTINGS)
    assert fewer.resamples == 50


def test_no_band_says_why() -> None:
    lone, weights = cohort(6, 20)  # one patient per fold and label
    reasons = [(b.lower, b.reason) for b in mean_bands(lone, FOLDS, weights, SETTINGS)]
    assert reasons == [(None, "one patient per fold and label")] * 2
    units, weights = cohort(18, 5)
    perfect = {"network": np.eye(2)[units.labels]}
    places = units.slides, units.patients, units.folds
    sure = Units("tile", units.labels, *places, perfect)
    reasons = [(b.upper, b.reason) for b in mean_bands(sure, FOLDS, weights, SETTINGS)]
    assert reasons == [(None, "all resamples agree")] * 2
    gone = weights * (np.arange(18) % 2)  # the other class is never drawn
    reasons = [(b.upper, b.reason) for b in mean_bands(units, FOLDS, gone, SETTINGS)]
    assert reasons == [(None, "no resample has both classes")] * 2
    one_class = Units("tile", units.labels * 0, *places, perfect)
    assert mean_bands(one_class, FOLDS, weights, SETTINGS) == []


def test_undefined_resamples_are_left_out() -> None:
    units, weights = cohort(18, 10)
    gone = weights.copy()
    gone[::2] *= np.arange(18) % 2
    (found, _) = mean_bands(units, FOLDS, gone[:200], SETTINGS)
    (expected, _) = mean_bands(units, FOLDS, gone[1:200:2], SETTINGS)
    np.testing.assert_array_equal(ends(found), ends(expected))


def test_demo_sized_cohort_is_quick() -> None:
    units, _ = cohort(24, 565)
    weights = draw_weights([0] * 24, 2000, 0)
    start = time.process_time()
    mean_bands(units, FOLDS, weights, SETTINGS)
    assert time.process_time() - start < 1.5
