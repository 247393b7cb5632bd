"""Decisions on cohorts whose right strategy is known, and on cohorts that lack something."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.config import Config, Decide
from histotile.errors import HistotileError
from histotile.strategy.decide import decide
from histotile.strategy.evidence import Evidence
from histotile.strategy.leakage.checks import AlarmFiles
from histotile.strategy.record import Decision, read_decision

Make = Callable[..., Evidence]
Run = Callable[..., Decision]
DEEP = {"own": (1.0, 1.5)}  # the last stage is best
SHALLOW = {"own": (1.5, 0.2)}  # the last stage has lost what the first one saw
RANDOM_BETTER = {"random": (1.9, 0.2)}  # than any stage of both


@pytest.fixture(scope="module")
def run(config: Config, quick_settings: Decide) -> Run:
    def decided(evidence: Evidence, folds: Any = (), **train: Any) -> Decision:
        settings = config.train.model_copy(update=train)
        return decide(evidence, quick_settings, settings, dict(folds), AlarmFiles())

    return decided


@pytest.mark.parametrize(
    ("patients", "profile", "strategy", "stage"),
    [
        (12, DEEP, "linear_probe", 2),
        (12, SHALLOW, "early_probe", 1),
        (80, DEEP, "finetune", 2),
        (12, DEEP | RANDOM_BETTER, "linear_probe", 2),
        (12, SHALLOW | RANDOM_BETTER, "early_probe", 1),
        (80, SHALLOW, "finetune", 2),  # late layers can be mended
        (80, DEEP | RANDOM_BETTER, "retrain", 2),
        (80, SHALLOW | RANDOM_BETTER, "retrain", 2),
    ],
)
def test_known_strategies(
    tmp_path: Path,
    make_evidence: Make,
    run: Run,
    patients: int,
    profile: Any,
    strategy: str,
    stage: int,
) -> None:
    """Small cohorts ask for depth alone, large ones for gain alone."""
    everyone = set(range(patients))
    folds = {"0": everyone - {0, 1}, "1": everyone - {2, 3}}
    found = run(make_evidence(patients, 20, **profile), folds)
    assert (found.strategy, found.stages, found.last_stage) == (strategy, [stage], 2)
    assert found.similarity.basis == "measured"
    assert [(f.fold, f.strategy, f.stages) for f in found.folds] == [
        ("0", strategy, [stage]),
        ("1", strategy, [stage]),
    ]
    assert (found.position.x < 0) == (patients == 12)
    assert (found.position.y > 0) == (strategy in {"linear_probe", "finetune"})
    assert (found.similarity.verdict == "similar") == (strategy in {"linear_probe", "finetune"})
    assert max(found.frequencies, key=lambda s: found.frequencies[s]) == strategy
    assert not found.forced
    assert found.table_strategy == strategy
    assert found.counterfactuals
    assert all(one.split("-> ")[-1] != f"{strategy}." for one in found.counterfactuals)
    path = tmp_path / "decision.json"
    path.write_text(found.model_dump_json())
    assert read_decision(path) == found


def test_saturated_takes_the_cheapest_strategy(make_evidence: Make, run: Run) -> None:
    found = run(make_evidence(80, 15, own=(3.0, 5.0)))
    assert (found.strategy, found.similarity.basis) == ("linear_probe", "saturated")
    assert found.size.verdict == "large"
    assert found.position.y == 1
    assert found.frequencies["linear_probe"] == 1


def test_pathology_prefers_a_linear_head(make_evidence: Make, run: Run) -> None:
    found = run(make_evidence(80, 15, domain="pathology", **SHALLOW))
    assert (found.strategy, found.stages) == ("linear_probe", [2])
    assert found.similarity.basis == "pathology"
    assert found.position.y == 1


def test_few_patients_decide_by_experience(make_evidence: Make, run: Run) -> None:
    found = run(make_evidence(4, 20, **SHALLOW))
    assert (found.similarity.basis, found.size.icc_source) == ("prior", "prior")
    assert (found.strategy, found.stages) == ("early_probe", [1])
    assert found.position.y < 0
    text = " ".join(found.notes)
    assert "experience" in text
    assert "Few patients" in text
    assert "ICC" in text


@pytest.mark.parametrize("strategy", ["linear_probe", "early_probe", "finetune", "retrain"])
def test_forced_strategies(make_evidence: Make, run: Run, strategy: str) -> None:
    folds = {"0": range(10)}
    found = run(
        make_evidence(12, 10, own=(1.0, 1.2, 1.8), random=(0.3,) * 3), folds, strategy=strategy
    )
    assert found.forced
    assert found.strategy == found.folds[0].strategy == strategy
    early = [2, 3]  # no other is near the last one: the next best stands beside it
    assert found.stages == found.folds[0].stages == (early if strategy == "early_probe" else [3])
    assert found.table_strategy == "linear_probe"
    assert any("the table says linear_probe" in note for note in found.notes) == (
        strategy != "linear_probe"
    )
    assert [b.strategy for b in found.budget if b.chosen] == [strategy]


def test_experience_asks_early_stages_even_if_the_last_one_measures_best(
    make_evidence: Make, run: Run
) -> None:
    found = run(make_evidence(7, 20, own=(0.6, 1.3)))
    assert (found.similarity.verdict, found.similarity.basis) == ("different", "prior")
    assert found.similarity.best_stage == 2
    assert (found.strategy, found.stages) == ("early_probe", [1, 2])


def test_three_classes_not_all_in_every_patient(make_evidence: Make, run: Run) -> None:
    evidence = make_evidence(
        45,
        8,
        own=(0.5, 1.5),
        classes=("stroma", "tumour", "fat"),
        shows=lambda p, c: c == 0 or p % 3 == c,
    )
    found = run(evidence, {"0": range(40)})
    assert [c.patients for c in found.size.classes] == [45, 15, 15]
    assert found.similarity.basis == "measured"
    assert found.strategy == "linear_probe"
    assert found.budget[0].trained_weights == 13 * 3


@pytest.mark.parametrize("patients_of_last", [0, 1])
def test_a_class_of_one_patient_or_none_does_not_stop(
    make_evidence: Make, run: Run, patients_of_last: int
) -> None:
    evidence = make_evidence(
        12,
        8,
        classes=("stroma", "tumour", "fat"),
        shows=lambda p, c: c < 2 or p < patients_of_last,
    )
    found = run(evidence, {"0": range(6), "1": range(6, 12)})
    assert found.size.verdict == "small"
    assert found.similarity.basis == "prior"
    assert any("fat" in note for note in found.notes)
    assert len(found.bootstrap) > 0


def test_unknown_patients_are_said_to_be(make_evidence: Make, run: Run) -> None:
    evidence = make_evidence(60, 1, has_patients=False, shows=lambda p, c: p % 2 == c)
    found = run(evidence)
    assert not found.has_patients
    assert "upper bound" in found.notes[0]


@pytest.mark.parametrize("profile", [DEEP, SHALLOW])
def test_without_baseline_large_cohorts_are_fine_tuned(
    make_evidence: Make, run: Run, profile: Any
) -> None:
    found = run(make_evidence(80, 15, random=(), **profile))
    assert found.similarity.gain is None
    assert (found.strategy, found.similarity.basis) == ("finetune", "measured")
    assert found.frequencies["finetune"] == 1


def test_a_backbone_of_one_stage(make_evidence: Make, run: Run) -> None:
    found = run(make_evidence(12, 10, own=(1.0,), random=(1.5,)), strategy="early_probe")
    assert found.stages == [1]


def test_folds_see_their_own_patients_alone(make_evidence: Make, run: Run) -> None:
    """What the fold's test patients show has no say in the fold's decision."""
    evidence = make_evidence(40, 10, **DEEP)
    spoiled = np.array(evidence.features[1])
    outside = evidence.patients >= 30
    spoiled[outside] = np.random.default_rng(0).normal(size=spoiled[outside].shape)
    folds = {"0": range(30)}
    clean = run(evidence, folds)
    dirty = run(replace(evidence, features=(evidence.features[0], spoiled)), folds)
    assert clean.folds == dirty.folds
    assert clean.similarity != dirty.similarity


def test_decisions_repeat_but_for_time(make_evidence: Make, run: Run) -> None:
    evidence = make_evidence(12, 10)
    first, second = (run(evidence).model_dump(exclude={"created", "seconds"}) for _ in range(2))
    assert first == second


def test_alarms_stand_in_the_record(
    make_evidence: Make, config: Config, quick_settings: Decide
) -> None:
    evidence = make_evidence(40, 8, shows=lambda p, c: p % 2 == c)
    leaky = replace(evidence, sites=evidence.labels)
    found = decide(leaky, quick_settings, config.train, {}, AlarmFiles())
    assert "site_label" in {alarm.name for alarm in found.alarms}


def test_no_labelled_tile_is_an_error(make_evidence: Make, run: Run) -> None:
    evidence = make_evidence(6, 5)
    with pytest.raises(HistotileError, match="no labelled tile"):
        run(evidence.where([]))
