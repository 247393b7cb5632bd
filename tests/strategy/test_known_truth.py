"""Cohorts whose right strategy is known, through real backbones, probes and sizes, get it.

`benchmarks/sweep.py` measured what is right by training all four strategies.
"""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from histotile.strategy.decide import decide
from histotile.strategy.record import Decision

FEW, MANY = 12, 60  # patients of each class
H_AND_E, IN_SITU = 0.0, 1.0  # stains; leaf pictures differ from both
# What the four cells say of the histology backbone, if a head may be enough.
CELLS = {
    (FEW, H_AND_E): "early_probe",  # a head on the last two stages: none worse
    (FEW, IN_SITU): "early_probe",
    (MANY, H_AND_E): "finetune",
    (MANY, IN_SITU): "retrain",
}


@cache
def known_truth() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "known_truth.py"
    spec = importlib.util.spec_from_file_location("known_truth", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def decided(backbone: str, patients: int, shift: float, **changes: float) -> Decision:
    """The decision with the shipped thresholds, or `head_skill`; `tumour_share`: of the cohort."""
    known = known_truth()
    enough = changes.pop("head_skill", known.settings().decide.similarity.head_skill)
    evidence = known.evidence_of(
        known.draw(2 * patients, shift, 0, **changes), known.shipped(backbone)
    )
    rule = known.settings().decide.similarity.model_copy(update={"head_skill": enough})
    quick = {"repeats": 1, "bootstraps": 60, "similarity": rule}
    settings = known.settings().decide.model_copy(update=quick)
    decision: Decision = decide(evidence, settings, known.settings().train, {}, None)
    return decision


def test_few_patients_whose_features_leave_room_are_retrained() -> None:
    decision = decided("histology", FEW, H_AND_E)
    assert (decision.strategy, decision.similarity.basis) == ("retrain", "room")
    assert decision.size.icc_source == "measured"


def test_few_patients_whose_features_are_enough_get_a_head() -> None:
    decision = decided("histology", FEW, H_AND_E, tumour_share=0.9)
    assert (decision.strategy, decision.similarity.basis) == ("linear_probe", "saturated")


@pytest.mark.parametrize("shift", [H_AND_E, IN_SITU])
def test_few_patients_get_their_cell_if_a_head_may_be_enough(shift: float) -> None:
    decision = decided("histology", FEW, shift, head_skill=0.0)
    assert (decision.strategy, decision.similarity.basis) == (CELLS[FEW, shift], "measured")


@pytest.mark.slow
@pytest.mark.parametrize("shift", [H_AND_E, IN_SITU])
def test_many_patients_get_their_cell_if_a_head_may_be_enough(shift: float) -> None:
    decision = decided("histology", MANY, shift, head_skill=0.0)
    assert (decision.strategy, decision.similarity.basis) == (CELLS[MANY, shift], "measured")


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["histology", "natural"])
@pytest.mark.parametrize("patients", [FEW, MANY])
@pytest.mark.parametrize("shift", [H_AND_E, IN_SITU])
def test_all_these_cohorts_are_retrained(backbone: str, patients: int, shift: float) -> None:
    decision = decided(backbone, patients, shift)
    assert decision.strategy == "retrain", decision.similarity.reasons
    assert decision.frequencies["retrain"] >= 0.5
    # In other stains random weights see more than any stage of a network of leaf pictures.
    foreign = (backbone, shift) == ("natural", IN_SITU)
    assert decision.similarity.basis == ("foreign" if foreign else "room")
