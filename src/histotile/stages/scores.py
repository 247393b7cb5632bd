"""Rows of the table of slide scores, as the pages take them."""

from collections.abc import Mapping
from pathlib import Path

from histotile.aggregation.learners.record import Learning, read_learning
from histotile.reports.facts import SlideScore
from histotile.tasks.task import Layer, Task


def read_score(row: Mapping[str, str], task: Task) -> SlideScore:
    """The score in a row of aggregate/slides.csv; what it has no columns for is left out.

    A number is its own pred, and none is named beside it.
    """
    classes = task.names

    def by_class(prefix: str) -> dict[str, float]:
        texts = {name: row.get(f"{prefix}_{name}") for name in classes}
        return {name: float(text) for name, text in texts.items() if text}

    low, high = by_class("low"), by_class("high")
    return SlideScore(
        scores=dict.fromkeys(classes) | by_class("score"),
        pred=None if task.kind == "regression" else row["pred"] or None,
        fold=row["fold"] or None,
        intervals={name: (low[name], high[name]) for name in low if name in high},
        calibrated=by_class("calibrated"),
        offsets=by_class("offset"),
    )


def find_learning(results: Path) -> Learning | None:
    """How slides were learnt, in a folder of results; None where tiles are pooled."""
    path = results / "learn_slides/learning.json"
    return read_learning(path) if path.is_file() else None


def spelt(label: str | None, task: Task) -> str | None:
    """A label of the cohort file in the one spelling that preds have."""
    if task.is_exclusive or label is None:
        return label
    return task.texts(task.labels([label]))[0]


def scale_of(task: Task) -> Layer | None:
    """The scale of the number that a regression gives; None: classes have probabilities."""
    return task.layer(task.names[0]) if task.kind == "regression" else None
