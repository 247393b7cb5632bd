"""Verdicts, causes and remedies from curves, and how many samples are independent."""

import math

import numpy as np
import pytest

from histotile.training.diagnosis import Diagnosis, diagnose, independent_samples
from histotile.training.learning_curve import Point


def judged(
    train: list[float],
    val: list[float],
    strategy: str,
    running: list[float] | None = None,
    comparable: bool = True,
) -> Diagnosis:
    points = [
        Point(i, r, t, v, 0.9)
        for i, (t, v, r) in enumerate(zip(train, val, running or train, strict=True))
    ]
    best = min(points, key=lambda p: p.val_loss)
    section = {"finetune": "finetune", "retrain": "retrain"}.get(strategy)
    return diagnose(points, best, math.log(2), strategy, section, comparable)


@pytest.mark.parametrize(
    ("train", "val", "strategy", "verdict"),
    [
        ([0.69, 0.68], [0.69, 0.69], "finetune", "underfit"),
        ([0.5, 0.3, 0.1], [0.5, 0.35, 0.5], "finetune", "overfit"),
        ([0.5, 0.2, 0.21], [0.6, 0.45, 0.45], "finetune", "overfit"),
        ([0.6, 0.5, 0.4], [0.6, 0.5, 0.4], "finetune", "underfit"),
        ([0.6, 0.401, 0.4], [0.6, 0.401, 0.4], "finetune", "good fit"),
        ([0.5, 0.3, 0.29], [0.5, 0.33, 0.335], "finetune", "good fit"),
        ([0.5, 0.02, 0.01], [0.5, 0.02, 0.023], "finetune", "good fit"),
        ([0.5, 0.3, 0.1], [0.5, 0.35, 0.5], "retrain", "overfit"),
        ([0.6, 0.5, 0.4], [0.6, 0.5, 0.4], "retrain", "underfit"),
        ([0.5, 0.3, 0.1], [0.5, 0.32, 0.5], "linear_probe", "good fit"),
        ([0.69, 0.68], [0.69, 0.69], "early_probe", "underfit"),
        ([0.2, 0.1], [0.6, 0.45], "early_probe", "overfit"),
        ([0.02, 0.01], [0.03, 0.03], "linear_probe", "good fit"),
    ],
)
def test_diagnosis(train: list[float], val: list[float], strategy: str, verdict: str) -> None:
    found = judged(train, val, strategy)
    assert found.verdict == verdict
    assert bool(found.remedies) == (verdict != "good fit")


@pytest.mark.parametrize(
    ("train", "val", "verdict"),
    [
        ([0.03, 0.004], [0.03, 0.013], "overfit"),
        ([0.03, 0.012], [0.03, 0.0125], "good fit"),
        ([0.03, 0.0005], [0.03, 0.001], "good fit"),
    ],
)
def test_small_losses_are_judged_by_the_same_measure(
    train: list[float], val: list[float], verdict: str
) -> None:
    points = [Point(i, t, t, v, 0.9) for i, (t, v) in enumerate(zip(train, val, strict=True))]
    found = diagnose(points, points[-1], 0.03, "linear_probe")
    assert found.verdict == verdict
    larger = [Point(p.step, None, 20 * p.train_loss, 20 * p.val_loss, 0.9) for p in points]
    same = diagnose(larger, larger[-1], 0.6, "linear_probe")
    assert same.verdict == verdict and same.gap == pytest.approx(found.gap)


@pytest.mark.parametrize(
    ("train", "val", "running", "verdict", "remedy"),
    [
        ([0.6, 2.5, 1.9], [0.6, 2.4, 2.0], None, "underfit", "a lower rate in train.retrain"),
        ([0.6, 0.71, 0.75], [0.6, 0.7, 0.7], None, "underfit", "a lower rate in train.retrain"),
        ([0.7, 0.69, 0.69], [0.7, 0.69, 0.69], [0.7, 1.4, 0.7], "underfit", "a lower rate"),
        ([0.6, math.nan], [0.6, math.nan], None, "underfit", "a lower rate in train.retrain"),
        ([0.7, 0.3, 0.1], [0.7, 0.69, 0.9], None, "overfit", "check the labels"),
        ([0.7, 0.69, 0.69], [0.7, 0.69, 0.69], None, "underfit", "more train.epochs"),
        ([0.7, 1.5, 0.1], [0.7, 0.69, 0.5], None, "overfit", "more patients"),
        ([0.7, 0.65], [0.7, 0.66], [0.7, 0.8], "underfit", "lighter train.augment"),
        ([0.7, 0.35], [0.7, 0.36], [0.7, 0.6], "underfit", "lighter train.augment"),
    ],
)
def test_the_cause_comes_first_among_the_remedies(
    train: list[float], val: list[float], running: list[float] | None, verdict: str, remedy: str
) -> None:
    found = judged(train, val, "retrain", running)
    assert found.verdict == verdict
    assert found.remedies[0].startswith(remedy)
    assert len(set(found.remedies)) == len(found.remedies)


@pytest.mark.parametrize("train", [[0.7, 0.65], [0.7, 0.35]])
def test_what_drop_out_or_mixup_cost_is_not_held_against_augmentation(train: list[float]) -> None:
    val, running = [loss + 0.01 for loss in train], [0.7, train[-1] + 0.25]
    for comparable in (True, False):
        found = judged(train, val, "retrain", running, comparable)
        assert (found.remedies[:1] == ("lighter train.augment",)) == comparable
        assert ("too heavy" in found.reason) == (comparable and train[-1] < 0.5)


def test_remedies_of_a_tail_are_those_of_the_recipe_that_it_learns_by() -> None:
    curve = [Point(0, None, 0.5, 0.5, 0.8), Point(1, 0.1, 0.1, 0.3, 0.9)]
    tail = diagnose(curve, curve[1], math.log(2), "early_probe", "finetune")
    assert tail.verdict == "overfit"
    assert any("train.finetune" in remedy for remedy in tail.remedies)
    assert "train.early_probe: truncate" in tail.remedies
    head = diagnose(curve, curve[1], math.log(2), "early_probe")
    assert not any("train.finetune" in remedy for remedy in head.remedies)
    rising = [*curve, Point(2, 4.0, 3.0, 3.0, 0.5)]
    leapt = diagnose(rising, rising[2], math.log(2), "early_probe", "finetune")
    assert leapt.remedies[0].startswith("a lower rate in train.finetune")


def test_independent_samples_lie_between_patients_and_tiles() -> None:
    strata = np.array([0, 0, 0, 0, 1, 1, -1])
    patients = np.array(list("aaabbbb"))
    assert independent_samples(strata, patients, None) == 3  # a: 0; b: 0 and 1
    assert independent_samples(strata, patients, 0.0) == 6
    assert independent_samples(strata, patients, 0.5) == pytest.approx(3 / 2 + 1 + 2 / 1.5)


def test_a_rising_loss_is_told_with_what_became_of_the_score() -> None:
    points = [Point(n, None, 0.5 - n / 5, v, s) for n, v, s in ((0, 0.5, 0.8), (1, 0.4, 0.85))]
    for score, word in ((0.9, "rather than wrong"), (0.7, "train.patience")):
        last = Point(2, None, 0.05, 0.9, score)
        found = diagnose([*points, last], last, math.log(2), "retrain", "retrain")
        assert found.verdict == "overfit" and word in found.reason
