"""The table: strategies, and places on its picture that agree with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.strategy.decision_table import (
    choose,
    depth_margin,
    early_stage,
    gain_margin,
    horizontal,
)
from histotile.strategy.entry import Estimate
from histotile.strategy.record import Similarity, StageScore

RATIO = st.floats(0.001, 1000)


def similarity(
    verdict: str, basis: str = "measured", scores: Sequence[float] = (0.9, 0.95, 0.8)
) -> Similarity:
    stages = [
        StageScore(
            stage=k,
            name=f"layer{k}",
            weights=k,
            score=Estimate(value=value),
            random_score=None,
            knn=None,
            logme=None,
        )
        for k, value in enumerate(scores, 1)
    ]
    values: dict[str, Any] = {"verdict": verdict, "basis": basis}
    return Similarity(
        **values,
        stages=stages,
        best_stage=1 + int(np.argmax(scores)),
        shortfall=Estimate(value=max(scores) - scores[-1]),
        gain=None,
        depth_sufficient=None,
        gain_sufficient=None,
        reasons=[],
    )


@pytest.mark.parametrize(
    ("counts_as", "verdict", "strategy", "stage"),
    [
        ("small", "similar", "linear_probe", 3),
        ("small", "different", "early_probe", 2),
        ("large", "similar", "finetune", 3),
        ("large", "different", "retrain", 3),
    ],
)
def test_four_strategies(counts_as: str, verdict: str, strategy: str, stage: int) -> None:
    found = choose(counts_as, similarity(verdict))
    assert (found.strategy, found.stage) == (strategy, stage)


@pytest.mark.parametrize("basis", ["saturated", "pathology"])
@pytest.mark.parametrize("counts_as", ["small", "large"])
def test_saturated_and_pathology_take_the_cheapest_strategy(counts_as: str, basis: str) -> None:
    assert choose(counts_as, similarity("similar", basis)).strategy == "linear_probe"


def test_early_probe_never_sits_on_the_last_stage() -> None:
    """Where experience says different although the last stage measures best."""
    found = choose("small", similarity("different", "prior", scores=(0.7, 0.8, 0.9)))
    assert (found.strategy, found.stage) == ("early_probe", 2)


def test_early_stage_is_the_best_before_the_last() -> None:
    assert early_stage(similarity("similar", scores=(0.7, 0.8, 0.9))) == 2
    assert early_stage(similarity("similar", scores=(0.7,))) == 1


@given(small=RATIO, part=st.floats(0.01, 1))
def test_place_on_the_size_axis_agrees_with_the_verdict(small: float, part: float) -> None:
    large = small * part  # thresholds of large are the higher ones
    x = float(horizontal(np.array([small]), np.array([large]))[0])
    assert np.isfinite(x)
    assert (x < 0) == (small < 1)
    assert (x >= 1) == (large >= 1)


@given(small=RATIO, part=st.floats(0.01, 1), growth=st.floats(1, 10))
def test_place_never_falls_as_a_cohort_grows(small: float, part: float, growth: float) -> None:
    ratios = np.array([small, small * growth])
    low, high = horizontal(ratios, ratios * part)
    assert high >= low - 1e-9


@given(
    shortfall=st.floats(0, 0.5),
    gain=st.floats(-1, 1),
    tolerance=st.floats(0.001, 0.1),
    least=st.floats(-1, 1),
)
def test_place_on_the_similarity_axis_agrees_with_the_rule(
    shortfall: float, gain: float, tolerance: float, least: float
) -> None:
    depth = float(depth_margin(np.array([shortfall]), tolerance)[0])
    useful = float(gain_margin(np.array([gain]), least)[0])
    assert -1 <= depth <= 1 and -1 <= useful <= 1
    assert (depth >= 0) == (shortfall <= tolerance)
    assert (useful >= 0) == (gain >= least)


def test_a_last_stage_that_is_best_has_nothing_to_answer_for() -> None:
    assert depth_margin(np.array([0.0]), 0.005).tolist() == [1.0]


@pytest.mark.parametrize("least", [-0.2, 0.0, 0.25])
def test_place_of_large_cohorts_rises_with_the_gain(least: float) -> None:
    gains = np.array([-5.0, least - 1, least - 0.01, least, (least + 1) / 2, 1.0])
    np.testing.assert_allclose(gain_margin(gains, least), [-1, -1, -0.01, 0, 0.5, 1], atol=1e-9)
