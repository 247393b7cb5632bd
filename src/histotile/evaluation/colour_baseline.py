"""What colour alone achieves: the baseline beside every result of the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import HOLDOUT
from histotile.evaluation.units import SlideTiles, has_label
from histotile.stats.linear_head import LinearHead
from histotile.tasks.probe import Features
from histotile.tasks.task import Task

Floats = NDArray[np.float32]

ENOUGH = 200_000  # tiles a model of seven weights per class can learn from; more add time only


class _Model:
    """The task's own head on mean and SD of red, green and blue, with an L2 penalty of 1.

    That is in units of the sum of losses. Exclusive classes that the tiles do not show have no
    part in it, and probability 0.
    """

    def __init__(self, seen: Features, task: Task) -> None:
        self.task = task
        self.shown: NDArray[np.int64] = np.arange(task.outputs)
        if task.is_exclusive:
            self.shown, codes = np.unique(seen.labels, return_inverse=True)
            seen = Features(seen.values, codes, seen.groups)
        strength = 1 / len(seen.labels)
        self.head: LinearHead = task.fit(seen, True, (strength,))[strength]

    def values(self, colour: Floats) -> NDArray[np.floating]:
        """(N, C) of the task."""
        logits = np.full((len(colour), self.task.outputs), -np.inf)
        logits[:, self.shown] = self.head.logits(colour)
        values = self.task.activate(logits)
        return values.astype(np.float32) if self.task.is_exclusive else values


def predict_from_colour(
    slides: Sequence[SlideTiles], folds: Mapping[str, Sequence[Any]], task: Task
) -> tuple[list[Floats], dict[str, str]]:
    """What the task's own head says of tiles by mean and SD of their red, green and blue.

    One model per fold, trained on the labelled tiles of its training slides (role `train`), with
    standardised features, L2 penalty 1 and balanced class weights; it predicts the slides its fold
    tests. Slides of the fixed test set get the mean of all folds' models.

    Args:
        slides: The cohort.
        folds: Fold table, columns as in `tables.FOLDS`.
        task: What was learnt.

    Returns:
        (N, C) per slide, NaN where no model tests it; and fold -> why it has no model.
    """
    taught: dict[str, set[str]] = {}
    for fold, slide_id, role in zip(folds["fold"], folds["slide_id"], folds["role"], strict=True):
        chosen = taught.setdefault(str(fold), set())
        if role == "train":
            chosen.add(slide_id)
    models: dict[str, _Model] = {}
    skipped = {}
    for fold, slide_ids in taught.items():
        seen = _training_tiles([t for t in slides if t.slide.slide_id in slide_ids], task)
        lacking = _lacking(seen, task)
        if seen is None or lacking:
            skipped[fold] = f"fold {fold} {lacking}"
        else:
            models[fold] = _Model(seen, task)
    return [_predict(tiles, models, task) for tiles in slides], skipped


def _training_tiles(slides: Sequence[SlideTiles], task: Task) -> Features | None:
    """Labelled tiles of known colour, or every so many of them; None without a slide."""
    if not slides:
        return None
    usable = [has_label(t.labels, task) & np.isfinite(t.colour).all(axis=1) for t in slides]
    colour = np.concatenate([t.colour[k] for t, k in zip(slides, usable, strict=True)])
    labels = np.concatenate([t.labels[k] for t, k in zip(slides, usable, strict=True)])
    step = max(1, -(-len(colour) // ENOUGH))
    return Features(colour[::step], labels[::step], np.zeros(len(colour[::step]), np.str_))


def _lacking(seen: Features | None, task: Task) -> str:
    """Why these tiles teach nothing; empty if they do."""
    if task.is_exclusive:
        enough = seen is not None and len(np.unique(seen.labels)) > 1
        return "" if enough else "has no two classes among its training tiles"
    if seen is None:
        return "lacks training tiles"
    lacking = task.lacking(seen.labels)
    return f"lacks training tiles ({', '.join(lacking)})" if lacking else ""


def _predict(tiles: SlideTiles, models: Mapping[str, _Model], task: Task) -> Floats:
    chosen = [model for fold, model in models.items() if tiles.slide.fold in (fold, HOLDOUT)]
    values = np.full((len(tiles.labels), len(task.names)), np.nan, dtype=np.float32)
    finite = np.isfinite(tiles.colour).all(axis=1)
    if chosen and finite.any():
        values[finite] = np.mean([model.values(tiles.colour[finite]) for model in chosen], axis=0)
    return values
