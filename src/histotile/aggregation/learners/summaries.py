"""A slide as one vector, its tiles' features summed up, below a linear head."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.learners.bags import Answer, Bags, Learner
from histotile.errors import HistotileError
from histotile.stats.crossvalidation import Integers
from histotile.tasks.probe import Features, fit_probe
from histotile.tasks.task import Doubles, Task

Values = NDArray[np.floating[Any]]
Summary = Callable[[Values], Doubles]  # (N, D), N > 0 -> (D',)


def summaries(quantiles: Sequence[float]) -> Mapping[str, Summary]:
    """Methods by name: mean, highest, and these quantiles side by side, of each feature."""
    return {
        "mean_features": lambda tiles: np.asarray(tiles.mean(axis=0, dtype=np.float64)),
        "max_features": lambda tiles: np.asarray(tiles.max(axis=0), np.float64),
        "quantile_features": lambda tiles: np.quantile(
            tiles.astype(np.float32), quantiles, axis=0
        ).ravel(),
    }


def summed_up(bags: Bags, summary: Summary) -> Doubles:
    """(S, D') of all slides; NaN where a slide has no tile.

    Raises:
        HistotileError: A slide has features that are no finite numbers, or another number of them.
    """
    found: list[Doubles | None] = []
    for slide_id, tiles in zip(bags.slide_ids, bags.features, strict=True):
        vector = summary(tiles) if len(tiles) else None
        if vector is not None and not np.isfinite(vector).all():
            raise HistotileError(slide_id, "has features that are not finite", "embed it again")
        found.append(vector)
    widths = {len(vector) for vector in found if vector is not None}
    if len(widths) > 1:
        fact = f"slides have {' and '.join(map(str, sorted(widths)))} values each"
        raise HistotileError("features", fact, "embed all slides with one backbone")
    blank = np.full(next(iter(widths), 0), np.nan)
    return np.stack([blank if vector is None else vector for vector in found])


def linear_learner(bags: Bags, task: Task, vectors: Doubles) -> Learner:
    """A linear head of the task on one vector per slide; its strength by inner patient folds.

    Args:
        bags: The slides.
        task: What is learnt.
        vectors: (S, D).
    """

    def learn(taught: Integers, asked: Integers, seed: int) -> Answer:
        groups = bags.patients[taught].astype(str)
        lessons = Features(vectors[taught], bags.labels[taught], groups)
        head = fit_probe(task, lessons, True, seed).head
        return Answer(task.activate(head.logits(vectors[asked])))

    return learn
