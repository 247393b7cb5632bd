"""Colour alone: one model per fold, whatever the task, and why there is none."""

from typing import Any

import numpy as np
import pytest

from histotile.aggregation.aggregate import HOLDOUT, FoldSlide
from histotile.evaluation.colour_baseline import predict_from_colour
from histotile.evaluation.units import SlideTiles
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task

NUMBER = {"low": 0.0, "high": 1.0, "unit": ""}
TASKS = [
    make_task(("a", "b", "c")),
    make_task(("a", "b"), "multilabel"),
    make_task(("share",), "regression", NUMBER),
]


def cohort(task: Task) -> tuple[list[SlideTiles], dict[str, list[Any]]]:
    """Redder tiles are of the second class, bear the first label, have the greater number.

    Two folds test a slide each, both are taught by the same third; the fourth is of the fixed test
    set. Fold 2 has no slide to learn from.
    """
    rng = np.random.default_rng(0)
    slides = []
    for number, fold in enumerate(("0", "1", "none", HOLDOUT)):
        red = np.arange(40) % 2
        labels: Any = red
        if task.kind == "multilabel":
            labels = np.stack([red, np.arange(40) // 2 % 2], 1).astype(np.int8)
        elif task.kind == "regression":
            labels = red * 0.8 + 0.1
        colour = rng.normal(100, 5, (40, 6)).astype(np.float32)
        colour[:, 0] += 40 * red
        colour[0] = np.nan
        slide = FoldSlide(f"s{number}", f"p{number}", None, None, fold)
        values = np.zeros((40, len(task.names)), np.float32)
        slides.append(SlideTiles(slide, labels, colour, values, "annotation"))
    rows = [("0", "s0", "test"), ("0", "s2", "train"), ("1", "s1", "test"), ("1", "s2", "train")]
    rows += [("2", "s0", "test")]
    return slides, {
        name: [row[column] for row in rows]
        for column, name in enumerate(("fold", "slide_id", "role"))
    }


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_the_tasks_own_head_learns_from_colour(task: Task) -> None:
    slides, folds = cohort(task)
    found, skipped = predict_from_colour(slides, folds, task)
    assert list(skipped) == ["2"] and "fold 2" in skipped["2"]
    column = 0 if task.kind != "multiclass" else 1
    for tested in (0, 1, 3):
        assert np.isnan(found[tested][0]).all() and np.isfinite(found[tested][1:]).all()
        values = found[tested][1:, column]
        assert values[0::2].min() > values[1::2].max()  # rows 1, 3, ... of the slide are red
    assert np.isnan(found[2]).all()
    if task.kind == "multiclass":
        assert (found[0][1:, 2] == 0).all()  # a class without a training tile
