"""Alarms on cohorts with planted leaks and without: two each; benchmarks/alarms.py has twenty."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from histotile.config import Config


@pytest.fixture(scope="module")
def benchmark(repository: Path) -> Any:
    spec = importlib.util.spec_from_file_location("alarms", repository / "benchmarks/alarms.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "plant",
    [
        "clean",
        "confounded site",
        "duplicated slides",
        "near-duplicate tiles",
        "colour shortcut",
        "confounded format",
    ],
)
def test_planted_leaks_ring_and_clean_cohorts_do_not(
    benchmark: Any, config: Config, plant: str, seed: int
) -> None:
    changes, wanted = benchmark.PLANTS[plant]
    found = benchmark.ring(config, changes, seed)
    assert benchmark.is_right(found["alarms"], wanted), found


def test_every_plant_is_tried_and_intervals_are_exact(benchmark: Any) -> None:
    assert len(benchmark.PLANTS) == 6
    assert benchmark.clopper_pearson(20, 20) == pytest.approx((0.8316, 1.0), abs=1e-4)
    assert benchmark.clopper_pearson(0, 20) == pytest.approx((0.0, 0.1684), abs=1e-4)
