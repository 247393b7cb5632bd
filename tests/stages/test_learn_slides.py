"""Slides learnt from files: features, held-out predictions, a fold table; and scored by it."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.config import Aggregate, LearnSlides
from histotile.config.yaml_file import read_config
from histotile.errors import HistotileError
from histotile.io.features import FeatureFile, Stage
from histotile.io.tables import prediction_schema, read_table, write_table
from histotile.splitting.fold_table import write_folds
from histotile.stages import aggregate, learn_slides
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task

TASK = make_task(("healthy", "tumour"))
SLIDES = 24


def how(method: str) -> Aggregate:
    return Aggregate(method=method, top_k=3, quantile=0.9, calls="learnt", bootstraps=0)


@pytest.fixture
def quick(repository: Path) -> LearnSlides:
    """Section `learn_slides`, small."""
    found = read_config(repository / "config" / "config.yaml").learn_slides
    few = found.attention.model_copy(
        update={"hidden": 32, "epochs": 6, "min_steps": 250, "seeds": 1}
    )
    return found.model_copy(
        update={
            "attention": few,
            "bootstraps": 100,
            "folds": 2,
            "candidates": ("mean", "attention"),
        }
    )


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Features in which tumours differ, and predictions that know nothing."""
    folds: list[tuple[Any, ...]] = []
    for row in range(SLIDES):
        generator = np.random.default_rng(row)
        name, label = f"s{row}", TASK.names[row % 2]
        features = generator.normal(size=(20, 8)).astype(np.float16)
        features[:4, 0] += 8 * (row % 2)
        places = np.stack([np.arange(20) * 100, np.zeros(20)], 1).astype(np.int32)
        ids, stages = np.arange(20, dtype=np.int32) + 5, (Stage(1, "last", 8, 10),)
        file = FeatureFile(features, (), places, ids, None, stages, {"backbone": {}})
        file.write(tmp_path / "embed" / f"{name}.h5")
        columns: dict[str, Any] = {"tile_id": ids, "x": places[:, 0], "y": places[:, 1]}
        columns |= dict.fromkeys(TASK.columns, np.full(20, 0.5, np.float32))
        columns |= {"distance": np.full(20, 0.1), "familiarity": ["familiar"] * 20}
        footer = {"models": ["m"], **TASK.metadata()}
        path = tmp_path / "predict" / f"{name}.parquet"
        write_table(path, columns, prediction_schema(TASK.columns), footer)
        roles = ("test", "train") if row // 2 % 2 else ("train", "test")
        roles = ("val", "test") if row in (0, 1) else roles
        folds += [(fold, name, f"p{row}", None, label, role) for fold, role in enumerate(roles)]
    names = ("fold", "slide_id", "patient_id", "site", "label", "role")
    rows = [
        (*row[:5], "val" if row[1] in ("s2", "s3") and row[5] == "train" else row[5])
        for row in folds
    ]
    write_folds(
        tmp_path / "folds.csv", dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    )
    return tmp_path


def learn(desk: Path, method: str, settings: LearnSlides, **given: Any) -> learn_slides.Outputs:
    folder = desk / "learn_slides"
    outputs = learn_slides.Outputs(
        folder / "scores.csv", folder / "learning.json", folder / "attention"
    )
    places = {"features": desk / "embed", "predictions": desk / "predict"} | given
    inputs = learn_slides.Inputs(desk / "folds.csv", **places)
    learn_slides.run(inputs, outputs, settings, how(method), TASK, 1)
    return outputs


def scored(desk: Path, outputs: learn_slides.Outputs, task: Task = TASK) -> list[dict[str, str]]:
    inputs = aggregate.Inputs(desk / "predict", desk / "folds.csv", learnt=outputs.scores)
    written = aggregate.Outputs(desk / "slides.csv", desk / "patients.csv")
    aggregate.run(inputs, written, how("auto"), task)
    with (desk / "slides.csv").open() as handle:
        return list(csv.DictReader(handle))


def test_auto_learns_scores_and_tells_where_it_looked(desk: Path, quick: LearnSlides) -> None:
    outputs = learn(desk, "auto", quick)
    record = json.loads(outputs.learning.read_text())
    assert set(record["chosen"].values()) == {"attention"}
    assert record["own"]["value"] > 0.9
    assert record["rival"] == "mean"
    rows = scored(desk, outputs)
    right = [row["pred"] == row["label"] for row in rows]
    assert np.mean(right) > 0.9
    assert all(row["low_tumour"] == "" for row in rows)
    assert {row["offset_tumour"] for row in rows} != {"0.0"}
    table = read_table(outputs.attention / "s1.parquet")
    assert table["tile_id"].to_pylist() == list(range(5, 25))
    assert table["x"].to_pylist()[1] == 100
    assert sum(table["attention"].to_pylist()[:4]) > 0.5
    # Another method leaves nothing of it behind.
    assert not list(learn(desk, "mean_features", quick).attention.iterdir())


def test_what_cannot_be_learnt_or_scored_is_said(desk: Path, quick: LearnSlides) -> None:
    with pytest.raises(HistotileError, match="top_k pools tiles"):
        learn(desk, "top_k", quick)
    with pytest.raises(HistotileError, match="has nothing to read"):
        learn(desk, "attention", quick, features=None)
    with pytest.raises(HistotileError, match="has nothing to read"):
        learn(desk, "auto", quick, predictions=None)
    outputs = learn(desk, "mean_features", quick, predictions=None)
    with pytest.raises(HistotileError, match="no columns score_c"):
        scored(desk, outputs, make_task(("healthy", "tumour", "c")))
    inputs = aggregate.Inputs(desk / "predict", desk / "folds.csv")
    with pytest.raises(HistotileError, match="learns the slides of a fold table"):
        aggregate.run(inputs, aggregate.Outputs(desk / "x.csv"), how("attention"), TASK)


def test_labels_of_another_task_are_refused(desk: Path, quick: LearnSlides) -> None:
    inputs = learn_slides.Inputs(desk / "folds.csv", desk / "embed")
    outputs = learn_slides.Outputs(desk / "a.csv", desk / "b.json", desk / "c")
    with pytest.raises(HistotileError, match="none of the task"):
        learn_slides.run(inputs, outputs, quick, how("attention"), make_task(("a", "b")), 1)
