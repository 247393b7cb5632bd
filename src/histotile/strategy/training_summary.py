"""What is frozen and how the rest learns, as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from histotile.strategy.parameter_budget import SAMPLES_PER_WEIGHT, effective_tiles, head_weights
from histotile.strategy.record import Budget, Size

if TYPE_CHECKING:
    from histotile.config import Recipe, Train
    from histotile.io.features import Stage


def describe_training(
    budget: Budget, seen: Sequence[int], stages: Sequence[Stage], size: Size, train: Train
) -> list[str]:
    """Sentences about the chosen strategy.

    Args:
        budget: Its weights.
        seen: Stages under the head; with `retrain_tail` the first is the last frozen one.
        stages: Depths of the backbone, shallow to deep.
        size: Classes and their effective tiles.
        train: Recipes.
    """
    tail = budget.strategy == "early_probe" and train.trains_layers("early_probe")
    width = stages[-1].width if tail else sum(stages[number - 1].width for number in seen)
    weights = head_weights(width, len(size.classes))
    deepest = stages[seen[0 if tail else -1] - 1]
    if budget.strategy in {"linear_probe", "early_probe"}:
        found = _frozen(budget, deepest, tail)
    else:
        found = ["Nothing is frozen."]
    if tail:
        found.append(
            f"A linear head ({weights:,} weights) is fitted first, then it and the stages above "
            f"{deepest.name} learn together: {budget.trained_weights:,} weights; "
            f"{_rates(train.finetune)}."
        )
    elif budget.strategy in {"linear_probe", "early_probe"}:
        found.append(
            f"A linear head on {width:,} features of {_named(seen)} ({weights:,} weights) learns; "
            "its L2 penalty is chosen by cross-validation within the training patients."
        )
    else:
        found += _all_layers(budget, weights, train)
    return found + _penalty(size, weights)


def _named(seen: Sequence[int]) -> str:
    *most, last = map(str, seen)
    return f"stages {', '.join(most)} and {last}" if most else f"stage {last}"


def _frozen(budget: Budget, stage: Stage, tail: bool) -> list[str]:
    found = [
        f"Frozen: everything up to stage {stage.number} ({stage.name}), "
        f"{budget.frozen_weights:,} weights; batch norm keeps its statistics."
    ]
    if budget.dropped_weights > 0 and not tail:
        found.append(f"Dropped: the stages above it, {budget.dropped_weights:,} weights.")
    return found


def _all_layers(budget: Budget, head: int, train: Train) -> list[str]:
    if budget.strategy == "finetune" and train.finetune.lora_rank:
        return [
            f"A linear head ({head:,} weights) is fitted first; then it and additions of rank "
            f"{train.finetune.lora_rank} to the attention projections learn: "
            f"{_rates(train.finetune)}. They are far fewer than the {budget.trained_weights:,} "
            "weights counted here; all others stay as they are."
        ]
    if budget.strategy == "finetune":
        return [
            f"A linear head ({head:,} weights) is fitted first, so that it does not distort the "
            f"layers below; then all {budget.trained_weights:,} weights learn: "
            f"{_rates(train.finetune)}.",
            "Batch norm keeps its statistics.",
        ]
    return [
        "The statistics of batch norm are estimated anew on the training tiles; then all "
        f"{budget.trained_weights:,} weights learn: {_rates(train.retrain)}."
    ]


def _rates(recipe: Recipe) -> str:
    name = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}[recipe.optimizer]
    peak = recipe.sgd_lr if recipe.optimizer == "sgd" else recipe.adamw_lr
    rates = f"{name} with a peak learning rate of {peak or '0.001 (0.0003 without batch norm)'}"
    if recipe.layer_decay == 1:
        return f"{rates}, the same for all layers"
    return f"{rates}; each layer at {recipe.layer_decay:g} times the rate of the one above it"


def _penalty(size: Size, head: int) -> list[str]:
    samples = effective_tiles(size)
    if samples >= SAMPLES_PER_WEIGHT * head:
        return []
    return [
        f"{samples:.0f} effective tiles for the {head:,} weights of the head are fewer than "
        f"{SAMPLES_PER_WEIGHT} each: the head needs its L2 penalty."
    ]
