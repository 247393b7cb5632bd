"""Labels and numbers by every strategy: learnt, kept, predicted, compared."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from histotile.config import Backbone, Train
from histotile.errors import HistotileError
from histotile.inference.checkpoint import load
from histotile.inference.ensemble import Ensemble
from histotile.inference.predict import predict_slide
from histotile.io import tables
from histotile.strategy.verification.train_alternatives import compare
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task
from histotile.training.job import FoldSlide, Run
from histotile.training.train_fold import train_fold

SEVERAL = make_task(("healthy", "tumour"), "multilabel", {"smoothing": 0.05, "focal_gamma": 1.0})
PERCENT = make_task(
    ("coarseness",), "regression", {"low": 0, "high": 100, "unit": "%", "is_bounded": True}
)
NUMBERS = {"healthy": "75", "tumour": "25"}  # coarse and fine texture in the tables of the tests


@pytest.fixture(params=[SEVERAL, PERCENT], ids=["multilabel", "regression"])
def task(request: pytest.FixtureRequest) -> Task:
    found: Task = request.param
    return found


@pytest.fixture
def labelled(own_fold: list[FoldSlide], task: Task) -> list[FoldSlide]:
    """The fold, its tables labelled for the task."""
    for slide in own_fold:
        table, footer = tables.read_table(slide.tiles), tables.read_footer(slide.tiles)
        columns = {name: table[name].to_pylist() for name in table.column_names}
        if task is PERCENT:
            columns["label"] = [NUMBERS[text] for text in columns["label"]]
        tables.write_table(slide.tiles, columns, tables.TILES, footer | task.metadata())
    return own_fold


@pytest.mark.parametrize("strategy", ["linear_probe", "finetune"])
def test_it_is_learnt_kept_and_predicted(
    task: Task,
    labelled: list[FoldSlide],
    tmp_path: Path,
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
    make_ensemble: Callable[..., Ensemble],
    strategy: str,
) -> None:
    settings = make_settings(strategy=strategy, rate=1e-2, epochs=10)
    summary = train_fold(tmp_path / "m", labelled, task, tiny_backbone, settings, Run())
    assert summary["task"] == task.kind
    model = load(tmp_path / "m" / "model.ckpt")
    assert model.task.metadata() == task.metadata()
    found = predict_slide(labelled[6].tiles, make_ensemble(model))
    values = found.columns[task.columns[0]]
    is_coarse = found.columns["x"] < 256
    assert (
        values[is_coarse].mean() > values[~is_coarse].mean() + 0.1 * task.layer(task.names[0]).high
    )
    if task is PERCENT:
        assert ((values >= 0) & (values <= 100)).all()


def test_it_is_compared_by_its_own_score(
    task: Task,
    labelled: list[FoldSlide],
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
) -> None:
    tested = [
        FoldSlide(s.slide_id, s.patient_id, "test", s.tiles, s.features) for s in labelled[5:]
    ]
    val = FoldSlide(labelled[4].slide_id, "p4", "val", labelled[4].tiles, labelled[4].features)
    slides = [*labelled[:4], val, *tested]
    said = compare(slides, task, tiny_backbone, make_settings(), ("linear_probe", ()))
    values = np.stack([said[name] for name in task.columns], axis=1)
    _, patients = np.unique(said["patient_id"], return_inverse=True)
    (score,) = task.scores(values, said["label"], patients, np.ones((1, patients.max() + 1)))
    assert score > task.chance + 0.2


def test_tables_of_another_task_are_refused_by_name(
    task: Task,
    labelled: list[FoldSlide],
    tmp_path: Path,
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
) -> None:
    classes = make_task(("healthy", "tumour"))
    with pytest.raises(HistotileError, match=f"labelled for the task {task.kind}"):
        train_fold(tmp_path / "m", labelled, classes, tiny_backbone, make_settings(), Run())
