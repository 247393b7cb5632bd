"""Learn slides of the features or held-out predictions of their tiles, fold by fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import pyarrow as pa

from histotile.aggregation.aggregate import FoldSlide, fold_slides
from histotile.aggregation.learners.bags import Bags
from histotile.aggregation.learners.learn import Learnt, learn_slides
from histotile.config import Aggregate, LearnSlides
from histotile.config.results import reads_features
from histotile.errors import HistotileError
from histotile.io.atomic import write_text
from histotile.io.features import map_features, read_places
from histotile.io.tables import write_table
from histotile.io.text.csv_file import write_columns
from histotile.splitting.fold_table import read_folds
from histotile.stages.aggregate import read_tiles
from histotile.tasks.task import Task

SEVERAL = "several"  # methods, whose mean is a score
ATTENTION = pa.schema(
    [
        ("tile_id", pa.int32()),
        ("x", pa.int32()),  # level-0 px
        ("y", pa.int32()),
        ("attention", pa.float32()),  # sums to 1 over the tiles of a slide
    ]
)


@dataclass(frozen=True)
class Inputs:
    """What slides are learnt of.

    Attributes:
        folds: Fold table, with the labels of slides.
        features: Folder of feature files; None: no method asks for them.
        predictions: Folder of held-out predictions; None: no method asks for them.
    """

    folds: Path
    features: Path | None = None
    predictions: Path | None = None


@dataclass(frozen=True)
class Outputs:
    """What was learnt.

    Attributes:
        scores: CSV of slide_id, method and score_<class>, of slides that some fold tests.
        learning: JSON of methods, choices and their regret.
        attention: Folder of {slide_id}.parquet, of slides that `attention` scores.
    """

    scores: Path
    learning: Path
    attention: Path


def run(
    inputs: Inputs,
    outputs: Outputs,
    settings: LearnSlides,
    aggregate: Aggregate,
    task: Task,
    threads: int,
) -> None:
    """Writes scores, record and attention.

    Raises:
        HistotileError: The method pools tiles; labels are none of the task; what a method reads
            was not given.
    """
    if not aggregate.is_learnt:
        fact = f"{aggregate.method} pools tiles and learns nothing of slides"
        raise HistotileError("aggregate.method", fact, "name a method that learns, or auto")
    table = read_folds(inputs.folds)
    slides = fold_slides(table)
    if foreign := task.foreign(slide.label for slide in slides):
        fact = f"slides have labels that are none of the task {task}: {', '.join(foreign)}"
        raise HistotileError(inputs.folds, fact, "mend the cohort file, or `classes`")
    bags = _bags(inputs, slides, settings.methods(aggregate), settings, task)
    if threads and "attention" in settings.methods(aggregate):
        import torch

        torch.set_num_threads(threads)
    learnt = learn_slides(bags, table, task, aggregate, settings)
    _write_attention(inputs, outputs.attention, learnt, bags)
    known = np.asarray(np.isfinite(learnt.values).all(axis=1))
    scored = [slide for slide, k in zip(slides, known, strict=True) if k]
    columns: dict[str, list[Any]] = {"slide_id": [slide.slide_id for slide in scored]}
    columns["method"] = [_method(slide, learnt.record.chosen) for slide in scored]
    scores = learnt.values[known].T.tolist()
    named = zip(task.names, scores, strict=True)
    write_columns(outputs.scores, columns | {f"score_{name}": values for name, values in named})
    write_text(outputs.learning, learnt.record.model_dump_json(indent=2) + "\n")
    own = learnt.record.own
    reached = "" if own.value is None else f"; {learnt.record.score_name} {own.value:.3f}"
    blank = int((~bags.labelled(task)).sum())
    taught = f"; {blank} without a label teach nothing" if blank else ""
    click.echo(f"{len(scored)} of {len(bags)} slides have a learnt score{reached}{taught}")


def _method(slide: FoldSlide, chosen: Mapping[str, str]) -> str:
    """What scored a slide: of the fixed test set `several` where folds chose differently."""
    methods = {chosen[slide.fold]} if slide.fold in chosen else set(chosen.values())
    return methods.pop() if len(methods) == 1 else SEVERAL


def _bags(
    inputs: Inputs,
    slides: Sequence[FoldSlide],
    methods: Sequence[str],
    settings: LearnSlides,
    task: Task,
) -> Bags:
    of_features = [m for m in methods if reads_features(m)]
    of_tiles = [m for m in methods if not reads_features(m)]
    for folder, asking, option in (
        (inputs.features, of_features, "--features"),
        (inputs.predictions, of_tiles, "--predictions"),
    ):
        if asking and folder is None:
            raise HistotileError(", ".join(asking), "has nothing to read", f"give {option}")
    names = [slide.slide_id for slide in slides]
    _, patients = np.unique([slide.patient_id for slide in slides], return_inverse=True)
    features, tiles = [], []
    if inputs.features and of_features:
        features = [map_features(inputs.features / f"{n}.h5", settings.stage) for n in names]
    if inputs.predictions and of_tiles:
        tiles = [read_tiles(inputs.predictions, name, task) for name in names]
    labels = task.labels(slide.label for slide in slides)
    return Bags(names, patients.astype(np.int64), labels, features, tiles)


def _write_attention(inputs: Inputs, folder: Path, learnt: Learnt, bags: Bags) -> None:
    """All tables of the folder, or what was there before."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as place:
        made = Path(place) / folder.name
        made.mkdir()
        for row, weights in learnt.attention.items():
            assert inputs.features is not None, "attention reads features"
            name = bags.slide_ids[row]
            ids, places = read_places(inputs.features / f"{name}.h5")
            columns = {"tile_id": ids, "x": places[:, 0], "y": places[:, 1], "attention": weights}
            write_table(made / f"{name}.parquet", columns, ATTENTION, {"slide_id": name})
        if folder.is_dir():
            folder.rename(Path(place) / "before")
        made.rename(folder)
