"""Each task on drawn tiles with known truth: what it reaches on patients it has not seen."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def tasks(repository: Path) -> ModuleType:
    """The stages of a task one after the other, as the benchmark runs them."""
    spec = importlib.util.spec_from_file_location("tasks", repository / "benchmarks/tasks.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def reached(tasks: ModuleType, name: str, folder: Path, metric: str) -> tuple[float, float]:
    """The score of the network, and that of colour alone."""
    folder.mkdir()
    known: dict[tuple[str, str], dict[str, Any]] = tasks.scores(tasks.run(name, folder))
    own, colour = known["network", metric], known["colour", metric]
    assert float(own["lower"]) <= float(own["value"]) <= float(own["upper"])
    return float(own["value"]), float(colour["value"])


@pytest.mark.slow
def test_several_labels_are_told_on_unseen_patients(tasks: ModuleType, tmp_path: Path) -> None:
    own, colour = reached(tasks, "multilabel", tmp_path / "m", "auroc")
    assert own >= 0.95
    assert own > colour + 0.05


@pytest.mark.slow
def test_a_number_is_ranked_on_unseen_patients(tasks: ModuleType, tmp_path: Path) -> None:
    own, colour = reached(tasks, "regression", tmp_path / "r", "spearman")
    assert own >= 0.9
    assert own > colour + 0.05


@pytest.mark.slow
def test_two_classes_score_alike_as_binary_and_as_multiclass(
    tasks: ModuleType, tmp_path: Path
) -> None:
    one = reached(tasks, "binary", tmp_path / "b", "auroc")[0]
    other = reached(tasks, "multiclass", tmp_path / "c", "auroc")[0]
    assert abs(one - other) <= 0.005
    assert one > 0.95
