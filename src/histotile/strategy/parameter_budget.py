"""How many weights each strategy trains, and how many samples there are for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from histotile.strategy.record import STRATEGIES, Budget, Size, Strategy

if TYPE_CHECKING:
    from histotile.io.features import Stage

SAMPLES_PER_WEIGHT = 2  # the rule of thumb; it knows neither pre-training nor penalties


def effective_tiles(size: Size) -> float:
    """Effective tiles of all classes together."""
    return sum(c.effective for c in size.classes)


def head_weights(width: int, classes: int) -> int:
    """Weights and biases of a linear head, one row per class."""
    return (width + 1) * classes


def weigh_strategies(
    size: Size,
    stages: Sequence[Stage],
    early: int,
    variant: Literal["truncate", "retrain_tail"],
    chosen: Strategy,
) -> list[Budget]:
    """What each of the four strategies trains, freezes and drops.

    Args:
        size: Classes and their effective tiles.
        stages: Depths of the backbone, shallow to deep.
        early: Stage at which `early_probe` would cut.
        variant: Whether `early_probe` drops what lies above, or trains it.
        chosen: The strategy that is trained.
    """
    found = []
    for strategy in STRATEGIES:
        trained, frozen = _weights(strategy, stages, early, variant, len(size.classes))
        head = head_weights(_head_stage(strategy, stages, early, variant).width, len(size.classes))
        samples = effective_tiles(size)
        found.append(
            Budget(
                strategy=strategy,
                trained_weights=trained,
                frozen_weights=frozen,
                dropped_weights=stages[-1].weights + head - trained - frozen,
                effective_per_weight=samples / trained,
                allowed_weights=int(samples / SAMPLES_PER_WEIGHT),
                chosen=strategy == chosen,
            )
        )
    return found


def _weights(
    strategy: Strategy, stages: Sequence[Stage], early: int, variant: str, classes: int
) -> tuple[int, int]:
    """Trained and frozen weights."""
    head = head_weights(_head_stage(strategy, stages, early, variant).width, classes)
    whole = stages[-1].weights
    if strategy == "linear_probe":
        return head, whole
    if strategy == "early_probe":
        frozen = stages[early - 1].weights
        return head + (whole - frozen if variant == "retrain_tail" else 0), frozen
    return head + whole, 0


def _head_stage(strategy: Strategy, stages: Sequence[Stage], early: int, variant: str) -> Stage:
    truncated = strategy == "early_probe" and variant == "truncate"
    return stages[early - 1] if truncated else stages[-1]
