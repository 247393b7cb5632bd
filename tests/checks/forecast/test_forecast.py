"""From a few measurements to a whole run."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from histotile.checks.forecast.bench import Points
from histotile.checks.forecast.cost import Cost
from histotile.checks.forecast.forecast import Forecast, _note, _tried
from histotile.checks.forecast.sample import Seen
from histotile.checks.forecast.stages import Work, stages_of
from histotile.checks.forecast.training_cost import (
    CACHE_BYTES,
    SPARE,
    tiles_passed,
    trained_strategy,
    trains_layers,
)
from histotile.checks.forecast.wording import amount, duration, tell_forecast
from histotile.cli import cli
from histotile.config import Config
from histotile.config.yaml_file import read_config
from histotile.io.cohort import CohortSlide

FLAT = "backbone triage split aggregate evaluate export report"
GROWING = "tile embed decide train predict"
OF_SLIDES = "inspect mask heatmap report-slide"


@pytest.fixture
def config(repository: Path) -> Config:
    return read_config(repository / "config/config.yaml")


def points() -> Points:
    found: Points = {name: [(1, Cost(2.0, 2.0, 100.0, 10.0))] for name in FLAT.split()}
    found |= {name: [(1, Cost(1.0, 1.0, 150.0, 50.0))] * 3 for name in OF_SLIDES.split()}
    growing = [(10.0, Cost(1.1, 1.0, 200.0, 20.0)), (110.0, Cost(2.1, 2.0, 210.0, 120.0))]
    found |= {name: list(growing) for name in GROWING.split()}
    found["baseline"] = [(30.0, Cost(1.3, 1.0, 200.0)), (330.0, Cost(4.3, 2.0, 210.0))]
    found["baseline tiles"] = [(10.0, growing[0][1]), (110.0, growing[1][1])]
    found["compare"] = [(10.0, Cost(3.0, 3.0, 300.0, 50.0)), (5.0, Cost(3.0, 3.0, 300.0, 8.0))]
    return found


def test_stages_of_slides_count_slides_and_tiles(config: Config) -> None:
    work = Work(slides=100, usable=90, tiles=5000, taught=1000.0, labelled=4000.0)
    stages = {stage.name: stage for stage in stages_of(points(), work, config)}
    assert stages["inspect"].cpu_s == 100 and stages["heatmap"].jobs == 90
    assert stages["embed"].cpu_s == pytest.approx(100 * 1.0 + 5000 * 0.01)
    assert stages["embed"].disk == pytest.approx(100 * 10 + 5000 * 1.0)
    assert stages["train"].jobs == config.split.folds and stages["train"].bound
    assert stages["compare"].jobs == 4 * config.split.folds


def test_statistics_are_taken_of_some_tiles_and_features_of_all(config: Config) -> None:
    baseline = config.baseline.model_copy(update={"max_tiles": 4000})
    mine = config.model_copy(update={"baseline": baseline})
    for labelled, passes in ((3000.0, 3000 + 512), (200.0, 2 * 200)):
        work = Work(100, 90, 5000, taught=1000.0, labelled=labelled)
        stages = {stage.name: stage for stage in stages_of(points(), work, mine)}
        assert stages["baseline"].cpu_s == pytest.approx(1.0 + 0.01 * passes)
        assert stages["baseline"].disk == pytest.approx(10 + labelled)


def test_tables_grow_with_their_rows(config: Config) -> None:
    work = Work(slides=100, usable=90, tiles=5000, taught=1000.0, labelled=4000.0)
    stages = {stage.name: stage for stage in stages_of(points(), work, config)}
    assert stages["triage"].disk == 100 * 10 and stages["triage"].cpu_s == 2.0
    assert stages["split"].disk == 100 * 10 * config.split.folds


def test_slides_of_all_sizes_and_classes_are_tried() -> None:
    def seen(tiles: int, label: str) -> Seen:
        places = np.zeros(tiles, np.int32)
        return Seen(
            CohortSlide(f"s{tiles}", "p", Path("x")), 0.5, (places, places), (label,) * tiles
        )

    every = [seen(n, "b" if n in {1, 9} else "a") for n in range(1, 10)]
    assert [one.tiles for one in _tried(every)] == [2, 5, 9]
    assert [one.tiles for one in _tried([seen(n, "a") for n in range(1, 10)])] == [2, 5, 8]
    assert [one.tiles for one in _tried([seen(3, "a")])] == [3]


def test_training_is_a_bound_with_something_in_hand(config: Config) -> None:
    work = Work(100, 90, 5000, taught=1000.0, labelled=4000.0)
    stages = {stage.name: stage for stage in stages_of(points(), work, config)}
    folds = config.split.folds
    taught = 1000.0 * (folds - 1) / folds
    assert stages["train"].cpu_s == pytest.approx(SPARE * folds * (1.0 + 0.01 * taught))
    comparison = 50.0 + 8.0 * (1000.0 / folds - 5.0)  # bytes: a file, and each tile it tests
    assert stages["compare"].disk == pytest.approx(4 * folds * comparison)


@pytest.mark.parametrize("strategy", ["finetune", "retrain"])
def test_training_all_layers_is_forecast_to_its_last_epoch(config: Config, strategy: str) -> None:
    mine = config.model_copy(
        update={"train": config.train.model_copy(update={"strategy": strategy, "epochs": 40})}
    )
    found = points() | {"layers": [(100, Cost(9, 9, 900, 50)), (200, Cost(14, 9, 950, 50))]}
    taught = 10_000.0  # so many that `epochs` decides
    stages = {s.name: s for s in stages_of(found, Work(50, 50, 20_000, taught, taught), mine)}
    passes = 40 * taught * (config.split.folds - 1)
    assert stages["train"].cpu_s > SPARE * 0.05 * passes
    assert stages["train"].cpu_s == pytest.approx(SPARE * 0.05 * passes, rel=0.05)
    assert 950 < stages["train"].memory_mb <= 950 + CACHE_BYTES / 1e6
    assert stages["compare"].cpu_s < stages["train"].cpu_s and not _note(mine)


def test_a_tail_that_verify_compares_is_forecast_as_a_training(config: Config) -> None:
    train = config.train.model_copy(update={"early_probe": "retrain_tail"})
    verify = config.verify.model_copy(update={"budget": "probe"})
    mine = config.model_copy(update={"train": train, "verify": verify})
    assert trained_strategy(mine) == "early_probe" and not trains_layers(mine)
    found = points() | {"layers": [(100, Cost(9, 9, 900, 50)), (200, Cost(14, 9, 950, 50))]}
    work = Work(50, 50, 20_000, 10_000.0, 10_000.0)
    of_tail, of_heads = (
        next(s for s in stages_of(found, work, each) if s.name == "compare")
        for each in (mine, config.model_copy(update={"verify": verify}))
    )
    assert of_tail.cpu_s > 5 * of_heads.cpu_s and of_tail.jobs == of_heads.jobs
    full = verify.model_copy(update={"budget": "full"})
    named = config.train.model_copy(update={"strategy": "early_probe"})
    assert not trains_layers(config.model_copy(update={"train": named, "verify": full}))


def test_small_cohorts_take_the_passes_that_fill_their_steps(config: Config) -> None:
    steps, size = config.train.min_steps, config.train.at_once
    assert tiles_passed(size * 4, 1, config) >= steps * size
    assert trained_strategy(config) is None and "not included" in _note(config)


def test_without_verification_nothing_is_compared(config: Config) -> None:
    verify = config.verify.model_copy(update={"budget": "off"})
    work = Work(10, 10, 500, 100.0, 400.0)
    names = [
        s.name for s in stages_of(points(), work, config.model_copy(update={"verify": verify}))
    ]
    assert not {"compare", "verify"} & set(names) and "train" in names


def test_a_forecast_is_told_with_its_sums(config: Config) -> None:
    work = Work(10, 10, 500, 100.0, 400.0)
    found = Forecast(10, 10, 500, 10, tuple(stages_of(points(), work, config)))
    text = "\n".join(tell_forecast(found, 2))
    assert "500 tiles" in text and "<= " in text and duration(found.cpu_s) in text
    assert found.to_json()["disk"] == found.disk
    assert (duration(40), duration(600), duration(7200)) == ("40 s", "10 min", "2.0 h")
    assert (amount(2e3), amount(3e6), amount(4e9)) == ("2 kB", "3.0 MB", "4.0 GB")


@pytest.mark.slow
def test_every_stage_is_tried_on_a_small_cohort(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {
        "cohort": "slides.csv",
        "results": "results",
        "backbone": {"name": "auto", "weights": "shipped:histology"},
        "tile": {"mpp": 0.5, "tile_px": 96, "stride_px": 96},
        "split": {"folds": 2},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(settings))
    runner = CliRunner()
    few = {"synthesize": {"slides": 8, "patients": 8, "side_px": 1024, "sites": 2}}
    Path("few.yaml").write_text(yaml.safe_dump(few))
    made = runner.invoke(cli, ["--config", "few.yaml", "synthesize", "."])
    assert made.exit_code == 0, made.output
    done = runner.invoke(cli, ["--config", "mine.yaml", "check", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["forecast"]
    assert found["slides"] == 8 and found["tiles"] > 8
    assert all(stage["cpu_s"] > 0 for stage in found["stages"])
    assert np.isfinite(found["disk"]) and not Path("results").exists()
