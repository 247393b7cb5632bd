"""The 2 x 2 table: size and similarity give a strategy, and a place on its picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histotile.strategy.record import Similarity, Strategy

Floats = NDArray[np.float64]
FAR = 0.05  # AUROC by which the last stage lies below the tolerance at the bottom of the picture
FARTHEST = 100.0  # a size axis ends where a threshold is missed or exceeded a hundredfold
KNOWN_OF_ALL = {
    "pathology": 1.0,
    "foreign": -1.0,
    "nothing": 0.0,
}  # place where no resample moves it
UNMEASURED = 0.25  # place above or below the middle where similarity was not measured


@dataclass(frozen=True)
class Choice:
    """What the table says: the strategy, and the stage under its head."""

    strategy: Strategy
    stage: int


def choose(counts_as: str, similarity: Similarity) -> Choice:
    """The strategy for a size ("small" or "large") and a similarity."""
    last = similarity.stages[-1].stage
    if similarity.basis in {"saturated", "pathology"}:
        return Choice("linear_probe", last)
    if similarity.basis == "foreign":
        return Choice("retrain", last)
    similar = similarity.verdict == "similar"
    if counts_as == "large" and similarity.basis != "nothing":  # it trains no more than a head
        strategy: Strategy = "finetune" if similar else "retrain"
        return Choice(strategy, last)
    if similar:
        return Choice("linear_probe", last)
    return Choice("early_probe", early_stage(similarity))


def early_stage(similarity: Similarity) -> int:
    """Where `early_probe` cuts: the best stage before the last one; the last one if it is alone."""
    last = similarity.stages[-1].stage
    if similarity.best_stage != last or len(similarity.stages) == 1:
        return similarity.best_stage
    scores = {s.stage: s.score.value for s in similarity.stages[:-1]}
    return max(scores, key=lambda stage: (scores[stage], stage))


def horizontal(small: Floats, large: Floats) -> Floats:
    """(B,) place on the size axis: below 0 small, 0 to 1 borderline, 1 or more large.

    Outside the borderline it grows with the logarithm of `size.ratios`, the part of a threshold
    that the scarcest class fills; inside with the ratio of both logarithms. It never falls as a
    ratio grows.
    """
    low = np.log(np.clip(small, 1 / FARTHEST, FARTHEST))
    high = np.log(np.clip(large, 1 / FARTHEST, FARTHEST))
    span = np.where(low > high, low - high, 1)
    place = np.where(high >= 0, 1 + high, np.clip(low / span, 0, 1))
    found: Floats = np.where(small < 1, low, place)
    return found


def depth_margin(shortfall: Floats, tolerance: float) -> Floats:
    """(B,) place of small cohorts on the similarity axis, -1 to 1: 0 or more is similar.

    1 where the last stage is the best, 0 at the tolerance, -1 where it is 0.05 below.
    """
    inside = (tolerance - shortfall) / max(tolerance, 1e-9)
    outside = (tolerance - shortfall) / FAR
    found: Floats = np.clip(np.where(shortfall <= tolerance, inside, outside), -1, 1)
    return found


def gain_margin(gain: Floats, min_gain: float) -> Floats:
    """(B,) place of large cohorts on the similarity axis, -1 to 1: 0 or more is similar.

    1 where the last stage leaves no error, 0 at the threshold, -1 where the gain is 1 below it.
    """
    scale = np.where(gain >= min_gain, max(1 - min_gain, 1e-9), 1.0)
    found: Floats = np.clip((gain - min_gain) / scale, -1, 1)
    return found


def unmeasured_vertical(similarity: Similarity) -> float | None:
    """The place on the similarity axis where no resample can move it; None where it can."""
    if similarity.basis in KNOWN_OF_ALL:
        return KNOWN_OF_ALL[similarity.basis]
    if similarity.basis == "prior":
        return UNMEASURED if similarity.verdict == "similar" else -UNMEASURED
    return None
