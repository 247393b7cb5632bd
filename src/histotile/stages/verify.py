"""Hold the table's choice against the other strategies: regret, interval, verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from histotile.config import Verify
from histotile.errors import HistotileError
from histotile.io.atomic import write_text
from histotile.io.tables import read_footer, read_table
from histotile.strategy.leakage.follow import follow
from histotile.strategy.record import STRATEGIES
from histotile.strategy.verification.baselines import NAMES
from histotile.strategy.verification.comparison import Comparison
from histotile.strategy.verification.regret import verify
from histotile.tasks.registry import read_task
from histotile.tasks.task import Labels, Task, read_values


@dataclass(frozen=True)
class Inputs:
    """What `decide` wrote, and the folder of what `compare` wrote: fold, strategy."""

    decision: Path
    comparisons: Path


@dataclass(frozen=True)
class Outputs:
    """JSON of scores, regret and verdict."""

    verification: Path


def run(inputs: Inputs, outputs: Outputs, settings: Verify, accept: Mapping[str, str]) -> None:
    """Writes how much better another strategy would have been.

    Raises:
        HistotileError: `verify.budget` is off, nothing was compared, or the cohort leaks and that
            is not accepted (id -> reason).
    """
    if settings.budget == "off":
        raise HistotileError("verify.budget", "is off", "set it to probe or full")
    decided = follow(inputs.decision, accept)
    chosen = {fold.fold: fold.table_strategy for fold in decided.folds}
    wanted = {"linear_probe", "early_probe", *NAMES} | (
        {"finetune", "retrain"} if settings.budget == "full" else set()
    )
    found = [
        _comparison(path)
        for path in sorted(inputs.comparisons.glob("*/*.parquet"))
        if path.parent.name in chosen and path.stem in wanted
    ]
    if not found:
        remedy = "run `histotile compare` first"
        raise HistotileError(inputs.comparisons, "holds no comparison", remedy)
    result = verify(found, chosen, STRATEGIES, settings.budget, settings)
    write_text(outputs.verification, result.model_dump_json(indent=2) + "\n")
    click.echo(f"{result.headline}: {'; '.join(result.reasons)}")


def _comparison(path: Path) -> Comparison:
    footer, table = read_footer(path), read_table(path)
    if "strategy" not in footer:
        fact = "written by an earlier version of histotile"
        raise HistotileError(path, fact, "run `histotile compare` again")
    task = read_task(footer)
    slides = np.array(table["slide_id"].to_pylist(), dtype=np.str_)
    return Comparison(
        footer["fold"],
        footer["strategy"],
        _labels(task, table),
        np.array(table["patient_id"].to_pylist(), dtype=np.str_),
        read_values(task, table),
        float(footer["seconds"]),
        task,
        np.char.add(np.char.add(slides, " "), table["tile_id"].to_numpy().astype(np.str_)),
        bool(footer.get("gave_way", False)),
        bool(footer.get("trains_layers", footer["strategy"] in {"finetune", "retrain"})),
    )


def _labels(task: Task, table: Any) -> Labels:
    """Labels as the task numbers or measures them; texts where a column holds no such number."""
    column = table["label"]
    return task.labels(column.to_pylist()) if task.label_type == "string" else column.to_numpy()
