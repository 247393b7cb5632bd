"""The best strategy against what needs no strategy."""

from dataclasses import replace

import numpy as np
import pytest

from histotile.config import Verify
from histotile.strategy.entry import Estimate
from histotile.strategy.verification.baselines import Gap
from histotile.strategy.verification.comparison import Comparison
from histotile.strategy.verification.regret import Verification, verify
from histotile.tasks.registry import make_task

SETTINGS = Verify(budget="full", margin=0.01, bootstraps=400, seed=0)
STRATEGIES = ("linear_probe", "early_probe")
FOLDS = ("fold0", "fold1", "fold2")
TASK = make_task(("healthy", "tumour"))


def compared(quality: dict[str, float]) -> list[Comparison]:
    """Each says `quality` x truth + noise that all share + a little of its own."""
    found = []
    for number, fold in enumerate(FOLDS):
        rng = np.random.default_rng(number)
        who = np.repeat(np.arange(20), 15)
        labels = rng.integers(0, 2, len(who))
        shared = rng.standard_normal(len(who)) + 0.5 * rng.standard_normal(20)[who]
        tiles = np.char.add(f"{fold} ", np.arange(len(who)).astype(np.str_))
        for name, strength in quality.items():
            own = 0.2 * rng.standard_normal(len(who))
            p = 1 / (1 + np.exp(-strength * (2 * labels - 1) - shared - own))
            patients = np.char.add(f"{fold} ", who.astype(np.str_))
            values = np.stack([1 - p, p], 1)
            found.append(Comparison(fold, name, labels, patients, values, 1.0, TASK, tiles))
    return found


def judge(comparisons: list[Comparison]) -> Verification:
    chosen = dict.fromkeys(FOLDS, "early_probe")
    return verify(comparisons, chosen, STRATEGIES, "full", SETTINGS)


def test_colour_as_good_as_the_best_strategy_is_in_reasons_and_headline() -> None:
    found = judge(compared({"linear_probe": 0.5, "early_probe": 0.9, "colour": 0.9}))
    (gap,) = found.gaps
    assert (gap.baseline, gap.strategy, gap.is_open) == ("colour", "early_probe", True)
    assert found.headline == "confirmed; colour alone may do as well"
    assert any("colour alone may do as well as early_probe" in reason for reason in found.reasons)


def test_a_certain_lead_is_told_as_a_number_alone() -> None:
    found = judge(compared({"linear_probe": 0.5, "early_probe": 0.9, "colour": 0.2}))
    (gap,) = found.gaps
    assert not gap.is_open and gap.difference.value > 0.1
    assert found.headline == "confirmed" and len(found.reasons) == 1


@pytest.mark.parametrize(
    ("probe", "told"), [(0.9, None), (0.5, "plain scikit-learn on the cached features does better")]
)
def test_a_head_may_equal_scikit_learn_but_not_be_worse(probe: float, told: str | None) -> None:
    found = judge(compared({"linear_probe": 0.2, "early_probe": probe, "sklearn": 0.9}))
    (gap,) = found.gaps
    assert gap.is_open == (told is not None)
    assert [told] * (told is not None) == [
        told for reason in found.reasons if told and told in reason
    ]
    assert ("scikit-learn" in found.headline) == (told is not None)
    assert ("does better" in found.headline) == (told is not None)


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.01, 0.02, "certainly better"),
        (-0.02, -0.01, "certainly worse"),
        (0.0001, 0.0002, "the interval holds zero: the baseline may do as well"),
        (-0.01, 0.02, "the interval holds zero: the baseline may do as well"),
        (None, None, "too few patients to tell"),
    ],
)
def test_a_gap_is_told_by_its_interval(low: float | None, high: float | None, told: str) -> None:
    difference = Estimate(value=0.0, low=low, high=high)
    gap = Gap(baseline="sklearn", strategy="linear_probe", difference=difference, tiles=1)
    assert gap.told == told


def test_a_training_that_scikit_learn_equals_is_told() -> None:
    comparisons = compared({"early_probe": 0.2, "linear_probe": 0.9, "sklearn": 0.9})
    trained = [
        replace(one, strategy="finetune") if one.strategy == "linear_probe" else one
        for one in comparisons
    ]
    chosen = dict.fromkeys(FOLDS, "early_probe")
    found = verify(trained, chosen, ("early_probe", "finetune"), "full", SETTINGS)
    assert any("scikit-learn on the cached features may do as well" in r for r in found.reasons)


def test_a_tail_that_learns_is_held_to_what_a_training_is() -> None:
    """It may equal neither scikit-learn, nor a head on cached features, without a word."""
    comparisons = [
        replace(one, trains_layers=one.strategy == "early_probe", seconds=seconds)
        for one, seconds in zip(
            compared({"linear_probe": 0.9, "early_probe": 0.905, "sklearn": 0.9}),
            [1.0, 100.0, 1.0] * 3,
            strict=True,
        )
    ]
    found = judge(comparisons)
    (gap,) = found.gaps
    assert (gap.strategy, gap.trains_layers, gap.is_open) == ("early_probe", True, True)
    assert [s.trains_layers for s in found.strategies] == [False, True]
    assert any("for 1/100 of the time" in reason for reason in found.reasons)
    headed = judge([replace(one, trains_layers=False) for one in comparisons])
    assert not headed.gaps[0].is_open
    assert not any("of the time" in reason for reason in headed.reasons)


def test_random_weights_are_paired_with_the_best_strategy_on_the_tiles_they_judged() -> None:
    """They judge a third of the tiles, in another order; there the strategy guesses."""
    quality = {"linear_probe": 0.5, "early_probe": 0.9, "random_weights": 0.9}
    comparisons = []
    for one in compared(quality):
        rows = np.random.default_rng(0).permutation(len(one.labels))[::3]
        if one.strategy == "random_weights":
            parts = {n: getattr(one, n)[rows] for n in ("labels", "patients", "values", "tiles")}
            one = replace(one, **parts)
        elif one.strategy == "early_probe":
            values = one.values.copy()
            values[rows] = 0.5
            one = replace(one, values=values)
        comparisons.append(one)
    (gap,) = judge(comparisons).gaps
    assert gap.tiles == 300
    assert gap.difference.value < -0.2 and gap.is_open


def test_a_fold_whose_tiles_random_weights_did_not_see_is_left_out() -> None:
    comparisons = compared({"linear_probe": 0.5, "early_probe": 0.9, "random_weights": 0.2})
    nothing = np.array([], np.int64)
    emptied = [
        replace(
            one, **{n: getattr(one, n)[nothing] for n in ("labels", "patients", "values", "tiles")}
        )
        if (one.strategy, one.fold) == ("random_weights", "fold0")
        else one
        for one in comparisons
    ]
    (gap,) = judge(emptied).gaps
    assert gap.tiles == 600


@pytest.mark.parametrize(("strength", "guesses"), [(-0.2, True), (0.9, False)])
def test_strategies_no_better_than_guessing_are_said_to_be(strength: float, guesses: bool) -> None:
    found = judge(compared({"linear_probe": -0.2, "early_probe": strength}))
    assert any("guessing" in reason for reason in found.reasons) == guesses
