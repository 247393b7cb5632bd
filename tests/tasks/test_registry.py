"""What was made for one task is not read as that of another."""

from typing import Any

import pytest

from histotile.errors import HistotileError
from histotile.io.tile_spec import TileSpec
from histotile.tasks.registry import check_task, check_values, make_task
from histotile.tasks.task import Task

CLASSES = make_task(("healthy", "tumour"))
LABELS = make_task(("healthy", "tumour"), "multilabel")
PERCENT = make_task(("size",), "regression", {"low": 0.0, "high": 100.0})
SHARE = make_task(("size",), "regression", {"low": 0.0, "high": 1.0})


@pytest.mark.parametrize(
    ("made", "task"), [(PERCENT, SHARE), (CLASSES, LABELS), (LABELS, CLASSES), (CLASSES, PERCENT)]
)
def test_values_of_another_task_are_refused_by_both_names(made: Task, task: Task) -> None:
    with pytest.raises(HistotileError) as refused:
        check_values("p.parquet", made.metadata(), task)
    assert str(made) in str(refused.value) and str(task) in str(refused.value)
    check_values("p.parquet", made.metadata(), made)


def test_what_only_training_hangs_on_makes_no_other_task() -> None:
    options: dict[str, Any] = {"low": 0.0, "high": 1.0, "is_bounded": True, "trained_by": "huber"}
    check_values("p.parquet", make_task(("size",), "regression", options).metadata(), SHARE)
    check_values("p.parquet", {"classes": ["a", "b"]}, CLASSES)  # of older make


def test_tables_of_older_make_count_as_classes() -> None:
    old = TileSpec("s", 64, 1.0, classes=("0", "1"))
    check_task("t.parquet", old, make_task(("0", "1")))
    for task in (SHARE, make_task(("0", "1"), "multilabel")):
        with pytest.raises(HistotileError, match="labelled for the task binary"):
            check_task("t.parquet", old, task)
