"""The table: strategies, and places on its picture that agree with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.strategy.decision_table import choose, depth_margin, gain_margin, horizontal
from histotile.strategy.entry import Estimate
from histotile.strategy.probing.depth import early_stages
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
        early_stages=early_stages(stages, 0.03),
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
    assert (found.strategy, found.stages) == (strategy, (stage,))


@pytest.mark.parametrize("basis", ["saturated", "pathology"])
@pytest.mark.parametrize("counts_as", ["small", "large"])
def test_saturated_and_pathology_take_the_cheapest_strategy(counts_as: str, basis: str) -> None:
    assert choose(counts_as, similarity("similar", basis)).strategy == "linear_probe"


def test_early_probe_never_sits_on_the_last_stage_alone() -> None:
    """Where experience says different although the last stage measures best."""
    found = choose("small", similarity("different", "prior", scores=(0.7, 0.8, 0.9)))
    assert (found.strategy, found.stages) == ("early_probe", (2, 3))


@pytest.mark.parametrize(
    ("scores", "stages"),
    [
        ((0.7, 0.8, 0.9), [2, 3]),  # none is near the last one
        ((0.7,), [1]),
        ((0.9, 0.95, 0.8), [2]),
        ((0.9, 0.91, 0.92, 0.8), [2, 3]),  # no more than two
        ((0.8, 0.93, 0.7, 0.91), [2, 4]),
    ],
)
def test_early_probe_sees_the_best_stages(scores: Sequence[float], stages: list[int]) -> None:
    assert similarity("different", scores=scores).early_stages == stages


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
    lead=st.floats(-0.5, 0.5),
    gain=st.floats(-1, 1),
    tolerance=st.floats(0.001, 0.1),
    least=st.floats(-1, 1),
)
def test_place_on_the_similarity_axis_agrees_with_the_rule(
    lead: float, gain: float, tolerance: float, least: float
) -> None:
    depth = float(depth_margin(np.array([lead]), tolerance)[0])
    useful = float(gain_margin(np.array([gain]), least)[0])
    assert -1 <= depth <= 1 and -1 <= useful <= 1
    assert (depth >= 0) == (lead >= tolerance)
    assert (useful >= 0) == (gain >= least)


def test_a_last_stage_far_ahead_of_the_others_stands_at_the_top() -> None:
    assert depth_margin(np.array([0.08, 0.03, -0.02]), 0.03).round(9).tolist() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize("least", [-0.2, 0.0, 0.25])
def test_place_of_large_cohorts_rises_with_the_gain(least: float) -> None:
    gains = np.array([-5.0, least - 1, least - 0.01, least, (least + 1) / 2, 1.0])
    np.testing.assert_allclose(gain_margin(gains, least), [-1, -1, -0.01, 0, 0.5, 1], atol=1e-9)
