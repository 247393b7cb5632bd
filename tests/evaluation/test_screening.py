from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from histotile.config import Evaluate
from histotile.evaluation.metrics import sensitivity_at_of, set_aside_of
from histotile.evaluation.screening import screening_rows
from histotile.evaluation.units import Units
from histotile.stats.bootstrap import draw_weights

SETTINGS = Evaluate(bootstraps=200, confidence=0.95, seed=0)
ASIDE = "set_aside_at_full_sensitivity"


def slides(labels: list[int], scores: list[float], folds: list[str]) -> Units:
    p = np.array(scores)
    own = np.arange(len(labels))
    guesses = {"network": np.stack([1 - p, p], axis=1)}
    return Units("slide", np.array(labels), own, own, np.array(folds), guesses)


def rows_of(units: Units, folds: list[str]) -> dict[tuple[str, str], dict[str, Any]]:
    strata = list(zip(units.folds.tolist(), units.labels.tolist(), strict=True))
    weights = draw_weights(strata, SETTINGS.bootstraps, SETTINGS.seed)
    rows = screening_rows(units, folds, weights, SETTINGS)
    return {(row["fold"], row["metric"]): row for row in rows}


@hypothesis.settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=2, max_size=40),
    st.sampled_from([0.5, 0.9, 0.95, 1.0]),
)
def test_figures_are_those_of_the_best_threshold(
    units: list[tuple[bool, int]], specificity: float
) -> None:
    positive, scores = np.array([u[0] for u in units]), np.array([u[1] for u in units])
    ill = np.bincount(scores[positive], minlength=13).astype(float)
    well = np.bincount(scores[~positive], minlength=13).astype(float)
    found = float(sensitivity_at_of(ill, well, specificity))
    aside = float(set_aside_of(ill, well))
    if positive.all() or not positive.any():
        assert np.isnan(found) and np.isnan(aside)
        return
    false, true, _ = roc_curve(positive, scores, drop_intermediate=False)
    assert found == pytest.approx(true[false <= 1 - specificity + 1e-9].max())
    assert aside == pytest.approx((scores < scores[positive].min()).mean())


def test_figures_are_of_each_fold_and_averaged_whatever_their_scales() -> None:
    labels = [0, 0, 0, 1, 1, 1] * 2
    scores = [0.1, 0.2, 0.5, 0.4, 0.8, 0.9, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    found = rows_of(slides(labels, scores, ["0"] * 6 + ["1"] * 6), ["0", "1"])
    assert found["0", "sensitivity_at_specificity_0.90"]["value"] == pytest.approx(2 / 3)
    assert found["1", "sensitivity_at_specificity_0.90"]["value"] == 1
    mean = found["mean", "sensitivity_at_specificity_0.90"]
    assert mean["value"] == pytest.approx(5 / 6)
    assert mean["lower"] < mean["value"] <= mean["upper"]
    assert "optimistic" in mean["note"]
    assert found["0", ASIDE]["value"] == pytest.approx(2 / 6)
    assert found["mean", ASIDE]["value"] == pytest.approx((2 / 6 + 3 / 6) / 2)
    assert "0 of 6 positives missed, yet up to 50% (3/6) might be" in found["mean", ASIDE]["note"]
    assert "up to 100% (3/3)" in found["0", ASIDE]["note"]
    assert {row["level"] for row in found.values()} == {"slide"}


def test_fold_of_one_class_says_so_and_is_left_out() -> None:
    units = slides([0, 1, 1, 1], [0.1, 0.9, 0.8, 0.7], ["0", "0", "1", "1"])
    found = rows_of(units, ["0", "1"])
    alone = found["1", ASIDE]
    assert alone["value"] is alone["lower"] is None
    assert alone["note"] == "2 positive among 2 slide(s)"
    assert found["mean", ASIDE]["value"] == found["0", ASIDE]["value"] == 0.5
    assert "without fold 1 (2 positive among 2 slide(s))" in found["mean", ASIDE]["note"]
    nothing = rows_of(units.where(units.labels > 1), ["0", "1"])
    assert nothing["mean", ASIDE]["note"].startswith("in no fold: no labelled slide")


def test_evaluation_screens_slides_and_patients_and_the_fixed_test_set(
    evaluated: Callable[..., dict[str, Any]],
) -> None:
    rows = evaluated(fixed=4)["screening"]
    assert {row["level"] for row in rows} == {"slide", "patient"}
    assert {row["fold"] for row in rows} == {"mean", "0", "1", "2", "holdout"}
    assert len(rows) == 2 * 5 * 3
    assert evaluated(three=True)["screening"] == []
