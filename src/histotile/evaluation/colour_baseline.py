"""What colour alone achieves: the baseline beside every result of the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.aggregate import HOLDOUT
from histotile.evaluation.units import UNLABELLED, SlideTiles
from histotile.stats.linear_head import LinearHead, fit_heads, lesson_weights
from histotile.tasks.task import Task

Floats = NDArray[np.float32]
_Model = tuple[NDArray[np.int64], LinearHead]  # the classes it saw, and its head

ENOUGH = 200_000  # tiles a model of seven weights per class can learn from; more add time only


def predict_from_colour(
    slides: Sequence[SlideTiles], folds: Mapping[str, Sequence[Any]], task: Task
) -> tuple[list[Floats], dict[str, str]]:
    """Tile probabilities of a logistic regression on mean and SD of red, green and blue.

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
    trained: dict[str, set[str]] = {}
    for fold, slide_id, role in zip(folds["fold"], folds["slide_id"], folds["role"], strict=True):
        chosen = trained.setdefault(str(fold), set())
        if role == "train":
            chosen.add(slide_id)
    models: dict[str, _Model] = {}
    skipped = {}
    for fold, slide_ids in trained.items():
        colour, labels = _training_tiles(slides, slide_ids)
        if len(np.unique(labels)) > 1:
            models[fold] = _fit(colour, labels)
        else:
            skipped[fold] = f"fold {fold} has no two classes among its training tiles"
    return [_predict(tiles, models, task) for tiles in slides], skipped


def _training_tiles(
    slides: Sequence[SlideTiles], slide_ids: set[str]
) -> tuple[Floats, NDArray[np.int64]]:
    chosen = [tiles for tiles in slides if tiles.slide.slide_id in slide_ids]
    if not chosen:
        return np.empty((0, 6), dtype=np.float32), np.empty(0, dtype=np.int64)
    colour = np.concatenate([tiles.colour[tiles.labels != UNLABELLED] for tiles in chosen])
    labels = np.concatenate([tiles.labels[tiles.labels != UNLABELLED] for tiles in chosen])
    finite = np.isfinite(colour).all(axis=1)
    step = max(1, -(-int(finite.sum()) // ENOUGH))
    return colour[finite][::step], labels[finite][::step]


def _fit(colour: Floats, labels: NDArray[np.int64]) -> _Model:
    """L2 penalty 1 in units of the sum of losses."""
    classes, codes = np.unique(labels, return_inverse=True)
    weights = lesson_weights(codes, np.ones((1, len(codes)), np.bool_))
    ((head,),) = fit_heads(colour, codes, weights, (1 / len(codes),))
    return classes, head


def _predict(tiles: SlideTiles, models: Mapping[str, _Model], task: Task) -> Floats:
    fold = tiles.slide.fold
    chosen = list(models.values()) if fold == HOLDOUT else [models[fold]] if fold in models else []
    probabilities = np.full((len(tiles.labels), len(task.names)), np.nan, dtype=np.float32)
    finite = np.isfinite(tiles.colour).all(axis=1)
    if chosen and finite.any():
        each = [_probabilities(m, tiles.colour[finite], task) for m in chosen]
        probabilities[finite] = np.mean(each, axis=0)
    return probabilities


def _probabilities(model: _Model, colour: Floats, task: Task) -> Floats:
    """(N, C): a class the model never saw has probability 0."""
    classes, head = model
    logits = np.full((len(colour), len(task.names)), -np.inf)
    logits[:, classes] = head.logits(colour)
    return task.activate(logits).astype(np.float32)
