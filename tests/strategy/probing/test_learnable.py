"""That nothing learnable was measured: said of cohorts without signal, and of no others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from histotile.config import Config, Decide
from histotile.strategy.decide import decide
from histotile.strategy.evidence import Evidence
from histotile.strategy.probing.learnable import guessed
from histotile.strategy.record import Decision

Make = Callable[..., Evidence]
NO_SIGNAL = {"own": (0.0, 0.0), "random": (0.0, 0.0)}


@pytest.fixture
def run(config: Config, quick_settings: Decide) -> Callable[..., Decision]:
    def decided(evidence: Evidence, folds: Any = (), **train: Any) -> Decision:
        settings = config.train.model_copy(update=train)
        return decide(evidence, quick_settings, settings, dict(folds), None)

    return decided


@pytest.mark.parametrize("patients", [6, 20, 80])
def test_a_cohort_without_signal_gets_the_verdict_and_what_may_learn_all_the_same(
    make_evidence: Make, run: Callable[..., Decision], patients: int
) -> None:
    found = run(make_evidence(patients, 20, likeness=0.0, **NO_SIGNAL), {"0": range(patients - 2)})
    assert found.similarity.basis == "nothing"
    assert found.strategy == "retrain"  # whatever the size: frozen features have nothing
    assert found.bootstrap == [] and not any(found.frequencies.values())
    assert found.position.y == 0
    assert found.folds[0].basis == "nothing" and found.folds[0].strategy == "retrain"
    assert "nothing speaks for" in found.chosen_by
    text = " ".join(found.counterfactuals)
    for way in ("patients", "tile_px", "labels", "backbone"):
        assert way in text
    assert "early_probe shows a score in seconds" in text


def test_pathology_backbones_are_not_believed_either(
    make_evidence: Make, run: Callable[..., Decision]
) -> None:
    found = run(make_evidence(20, 20, likeness=0.0, domain="pathology", **NO_SIGNAL))
    assert (found.similarity.basis, found.strategy) == ("nothing", "linear_probe")


@pytest.mark.parametrize("who", ["colour", "random", "one stage"])
def test_whatever_tells_the_classes_is_something(
    make_evidence: Make, run: Callable[..., Decision], who: str
) -> None:
    signal = {"random": {"random": (1.5, 0.0)}, "one stage": {"own": (1.5, 0.0)}}
    evidence = make_evidence(20, 12, **(NO_SIGNAL | signal.get(who, {})))
    if who == "colour":
        evidence = replace(evidence, colour=evidence.colour + 40 * evidence.labels[:, None])
    assert run(evidence).similarity.basis != "nothing"


def test_too_few_patients_to_measure_are_not_called_unlearnable(
    make_evidence: Make, run: Callable[..., Decision]
) -> None:
    found = run(make_evidence(12, 8, shows=lambda p, c: c == 0 or p == 0, **NO_SIGNAL))
    assert found.similarity.basis == "prior"


def test_a_forced_strategy_is_kept_and_the_verdict_too(
    make_evidence: Make, run: Callable[..., Decision]
) -> None:
    found = run(make_evidence(20, 20, likeness=0.0, **NO_SIGNAL), strategy="retrain")
    assert (found.strategy, found.similarity.basis) == ("retrain", "nothing")
    assert found.chosen_by == "set by hand"


def test_the_best_of_many_guesses_reaches_more() -> None:
    rng = np.random.default_rng(0)
    scores = np.full((401, 6), 0.56)
    scores[1:] += rng.normal(0, 0.05, (400, 6))
    one, many = guessed(scores[:, :1], 20, 0.5), guessed(scores, 20, 0.5)
    few = guessed(scores, 3, 0.5)
    assert one is not None and many is not None and few is not None
    assert 0.5 < one < many < few


def test_without_resamples_nothing_is_said() -> None:
    scores = np.full((41, 2), np.nan)
    scores[0] = 0.5
    assert guessed(scores, 10, 0.5) is None
