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
    early: Sequence[int],
    variant: Literal["truncate", "retrain_tail"],
    chosen: Strategy,
) -> list[Budget]:
    """What each of the four strategies trains, freezes and drops.

    Args:
        size: Classes and their effective tiles.
        stages: Depths of the backbone, shallow to deep.
        early: Stages under the head of `early_probe`.
        variant: Whether `early_probe` drops what lies above, or trains it.
        chosen: The strategy that is trained.
    """
    found = []
    for strategy in STRATEGIES:
        trained, frozen = _weights(strategy, stages, early, variant, len(size.classes))
        head = head_weights(_width(strategy, stages, early, variant), len(size.classes))
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
    strategy: Strategy, stages: Sequence[Stage], early: Sequence[int], variant: str, classes: int
) -> tuple[int, int]:
    """Trained and frozen weights."""
    head = head_weights(_width(strategy, stages, early, variant), classes)
    whole = stages[-1].weights
    if strategy == "linear_probe":
        return head, whole
    if strategy == "early_probe":
        if variant == "retrain_tail":
            frozen = stages[early[0] - 1].weights
            return head + whole - frozen, frozen
        return head, stages[early[-1] - 1].weights
    return head + whole, 0


def _width(strategy: Strategy, stages: Sequence[Stage], early: Sequence[int], variant: str) -> int:
    """Of the features that the head sees."""
    if strategy == "early_probe" and variant == "truncate":
        return sum(stages[number - 1].width for number in early)
    return stages[-1].width
