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
# Rows: backbone; columns: H&E, in-situ hybridisation. Leaf pictures differ from both.
STRATEGIES = {
    ("histology", FEW, 0.0): "early_probe",  # a head on the last two stages: none worse
    ("histology", FEW, 1.0): "early_probe",
    ("histology", MANY, 0.0): "finetune",
    ("histology", MANY, 1.0): "retrain",
    ("natural", FEW, 0.0): "retrain",
    ("natural", FEW, 1.0): "retrain",
    ("natural", MANY, 0.0): "retrain",
    ("natural", MANY, 1.0): "retrain",
}
QUICK = [("histology", FEW, 0.0), ("histology", FEW, 1.0)]


@cache
def known_truth() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "known_truth.py"
    spec = importlib.util.spec_from_file_location("known_truth", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def decided(backbone: str, patients: int, shift: float) -> Decision:
    """The decision with the shipped thresholds."""
    known = known_truth()
    evidence = known.evidence_of(known.draw(2 * patients, shift, 0), known.shipped(backbone))
    quick = known.settings().decide.model_copy(update={"repeats": 1, "bootstraps": 60})
    decision: Decision = decide(evidence, quick, known.settings().train, {}, None)
    return decision


@pytest.mark.parametrize(("backbone", "patients", "shift"), QUICK)
def test_few_patients_get_their_strategy(backbone: str, patients: int, shift: float) -> None:
    decision = decided(backbone, patients, shift)
    assert decision.strategy == STRATEGIES[backbone, patients, shift]
    assert decision.similarity.basis == "measured"
    assert decision.size.icc_source == "measured"


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "patients", "shift"), STRATEGIES)
def test_four_cohorts_and_two_backbones_get_the_strategies(
    backbone: str, patients: int, shift: float
) -> None:
    decision = decided(backbone, patients, shift)
    assert decision.strategy == STRATEGIES[backbone, patients, shift], decision.similarity.reasons
    assert decision.frequencies[decision.strategy] >= 0.5
    # A network of leaf pictures hardly tells the tissues, and in other stains random weights see
    # more than any of its stages.
    basis = {
        ("natural", FEW, 0.0): {"weak"},
        ("natural", MANY, 0.0): {"weak"},
        ("natural", FEW, 1.0): {"foreign"},
        ("natural", MANY, 1.0): {"foreign"},
    }
    assert decision.similarity.basis in basis.get((backbone, patients, shift), {"measured"})
