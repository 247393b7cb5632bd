"""Results side by side: what differs, what the scores are, what a reader must know."""

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from histotile.cli import cli
from histotile.errors import HistotileError
from histotile.stages import runs


def write_run(folder: Path, lr: float, auroc: float | None, folds: int = 2) -> None:
    settings = {"finetune": {"sgd_lr": lr}, "seed": 0}
    for fold in range(folds):
        model = {
            "model_id": f"{folder.name}{fold}",
            "strategy": "finetune",
            "settings": settings,
            "backbone": {"name": "resnet18"},
            "seconds": 10.4,
            "diagnosis": {"verdict": "good fit"},
        }
        path = folder / f"train/fold{fold}/summary.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(model))
    if auroc is not None:
        row: dict[str, Any] = {"level": "tile", "model": "network", "fold": "mean"}
        row |= {"metric": "auroc", "value": auroc, "lower": auroc - 0.1, "upper": auroc + 0.1}
        others = [{**row, "model": "colour", "value": 0.5}, {**row, "fold": "0", "value": 0.1}]
        found = {"folds": ["0", "1"], "settings": {"evaluate": {"seed": 1}}}
        path = folder / "evaluate/evaluation.json"
        path.parent.mkdir()
        path.write_text(json.dumps(found | {"metrics": [*others, row]}))


def test_runs_stand_side_by_side_with_what_differs(tmp_path: Path) -> None:
    write_run(tmp_path / "a/results", 0.003, 0.8)
    write_run(tmp_path / "b", 0.03, 0.7)
    table = tmp_path / "runs.csv"
    done = CliRunner().invoke(cli, ["runs", str(tmp_path), "-o", str(table)])
    assert done.exit_code == 0, done.output
    head, one, two = done.output.splitlines()
    assert "train.finetune.sgd_lr" in head and "seed" not in head
    assert "auroc 0.800 (0.700 to 0.900)" in one and "0.003" in one
    assert "auroc 0.700 (0.600 to 0.800)" in two and " 21 " in two
    rows = list(csv.DictReader(table.open(newline="")))
    assert [row["run"] for row in rows] == ["a/results", "b"]
    assert [row["tile_value"] for row in rows] == ["0.8", "0.7"]
    assert rows[0]["slide_value"] == ""
    assert rows[0]["models"] != rows[1]["models"] and rows[0]["settings"] != rows[1]["settings"]
    runs.run(tmp_path, runs.Outputs(tmp_path / "runs.json"))
    found = json.loads((tmp_path / "runs.json").read_text())["runs"]
    assert found[1]["train.finetune.sgd_lr"] == 0.03


def test_a_single_run_is_named_after_its_folder(tmp_path: Path) -> None:
    write_run(tmp_path / "mine", 0.003, 0.8)
    assert runs.run(tmp_path / "mine", runs.Outputs(None)).splitlines()[1].startswith("mine ")


def test_scores_that_are_not_of_these_models_are_marked(tmp_path: Path) -> None:
    write_run(tmp_path / "fewer", 0.003, 0.8, folds=1)
    write_run(tmp_path / "later", 0.003, 0.8)
    write_run(tmp_path / "none", 0.003, None)
    write_run(tmp_path / "mixed", 0.003, 0.8)
    for name in ("fewer", "mixed"):
        os.utime(tmp_path / name / "evaluate/evaluation.json", (4e9, 4e9))
    os.utime(tmp_path / "later/train/fold0/summary.json", (4e9, 4e9))
    path = tmp_path / "mixed/train/fold1/summary.json"
    path.write_text(path.read_text().replace("0.003", "0.03"))
    runs.run(tmp_path, runs.Outputs(tmp_path / "runs.json"))
    found = json.loads((tmp_path / "runs.json").read_text())["runs"]
    assert {row["run"]: row["note"] for row in found} == {
        "fewer": "scores are of 2 folds, and 1 are trained",
        "later": "trained again since it was evaluated",
        "none": "not evaluated",
        "mixed": "its folds were trained with different settings (train.finetune.sgd_lr)",
    }
    assert {row["train.finetune.sgd_lr"] for row in found if row["run"] == "mixed"} == {
        "0.003 | 0.03"
    }


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_tasks_and_stages_that_differ_are_columns(tmp_path: Path) -> None:
    for name, kind, options, stages in (
        ("a", "multilabel", {"smoothing": 0.1}, [[2], [3]]),
        ("b", "multilabel", {"smoothing": 0.2}, [[2], [2]]),
        ("c", "binary", None, [[2], [2]]),
    ):
        write_run(tmp_path / name, 0.003, 0.8)
        for fold in (0, 1):
            path = tmp_path / name / f"train/fold{fold}/summary.json"
            told = {"task_options": options} if options else {}
            change(path, task=kind, stages=stages[fold], **told)
        os.utime(tmp_path / name / "evaluate/evaluation.json", (4e9, 4e9))
    runs.run(tmp_path, runs.Outputs(tmp_path / "runs.json"))
    found = json.loads((tmp_path / "runs.json").read_text())["runs"]
    assert [row["task.kind"] for row in found] == ["multilabel", "multilabel", "binary"]
    assert [row["task.options.smoothing"] for row in found] == [0.1, 0.2, None]
    assert [row["stages"] for row in found] == ["[2] | [3]", "[2]", "[2]"]
    assert len({row["settings"] for row in found}) == 3
    assert {row["note"] for row in found} == {""}  # stages are decided fold by fold


def test_folds_of_the_same_stages_in_another_number_differ(tmp_path: Path) -> None:
    for name, stages in (("a", [[2], [3], [2]]), ("b", [[2], [3], [3]])):
        write_run(tmp_path / name, 0.003, 0.8)
        more = tmp_path / name / "train/fold2"
        shutil.copytree(tmp_path / name / "train/fold0", more)
        for fold in (0, 1, 2):
            change(tmp_path / name / f"train/fold{fold}/summary.json", stages=stages[fold])
    runs.run(tmp_path, runs.Outputs(tmp_path / "runs.json"))
    found = json.loads((tmp_path / "runs.json").read_text())["runs"]
    assert [row["stages"] for row in found] == ["[2] | [3] | [2]", "[2] | [3] | [3]"]
    assert len({row["settings"] for row in found}) == 2


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match="lies below it"):
        runs.run(tmp_path, runs.Outputs(None))
    write_run(tmp_path / "a", 0.003, 0.8)
    with pytest.raises(HistotileError, match="is neither"):
        runs.run(tmp_path, runs.Outputs(tmp_path / "runs.xlsx"))
    (tmp_path / "a/train/fold0/summary.json").write_text("{")
    with pytest.raises(HistotileError, match="cannot be read"):
        runs.run(tmp_path, runs.Outputs(None))
