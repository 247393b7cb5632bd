"""The 2 x 2 table: size and similarity give a strategy, and a place on its picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histotile.strategy.record import Similarity, Strategy

Floats = NDArray[np.float64]
FAR = 0.05  # AUROC from the middle of the picture to its top or bottom
FARTHEST = 100.0  # a size axis ends where a threshold is missed or exceeded a hundredfold
KNOWN_OF_ALL = {
    "pathology": 1.0,
    "foreign": -1.5,
    "nothing": 0.0,
}  # place where no resample moves it
UNMEASURED = 0.25  # place above or below the middle where similarity was not measured


@dataclass(frozen=True)
class Choice:
    """What the table says: the strategy, and the stages under its head, shallow to deep."""

    strategy: Strategy
    stages: tuple[int, ...]


def choose(counts_as: str, similarity: Similarity) -> Choice:
    """The strategy for a size ("small" or "large") and a similarity."""
    last = (similarity.stages[-1].stage,)
    if similarity.basis in {"saturated", "pathology"}:
        return Choice("linear_probe", last)
    similar = similarity.verdict == "similar"
    if similarity.is_start_only or (similarity.basis == "nothing" and not similar):
        return Choice("retrain", last)  # no head is enough, whatever the size
    if counts_as == "large" and similarity.basis != "nothing":
        strategy: Strategy = "finetune" if similar else "retrain"
        return Choice(strategy, last)
    if similar:
        return Choice("linear_probe", last)
    return Choice("early_probe", tuple(similarity.early_stages))


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


def depth_margin(lead: Floats, tolerance: float) -> Floats:
    """(B,) place of small cohorts on the similarity axis, -1 to 1: 0 or more is similar.

    0 where the last stage leads the best earlier one by the tolerance, 1 where by 0.05 more, -1
    where by 0.05 less.
    """
    found: Floats = np.clip((lead - tolerance) / FAR, -1, 1)
    return found


def gain_margin(gain: Floats, min_gain: float) -> Floats:
    """(B,) place of large cohorts on the similarity axis, -1 to 1: 0 or more is similar.

    1 where the last stage leaves no error, 0 at the threshold, -1 where the gain is 1 below it.
    """
    scale = np.where(gain >= min_gain, max(1 - min_gain, 1e-9), 1.0)
    found: Floats = np.clip((gain - min_gain) / scale, -1, 1)
    return found


def room_margin(best: Floats, chance: float, enough: float) -> Floats:
    """(B,) place where no head is enough, -1 to -2, of scores of the best stage; NaN if one is.

    -1 where its skill all but suffices, -2 where it guesses.
    """
    skill = (best - chance) / (1 - chance)
    share = np.clip(1 - skill / max(enough, 1e-9), 0, 1)
    found: Floats = np.where(skill < enough, -1 - np.maximum(share, 1e-3), np.nan)
    return found


def unmeasured_vertical(similarity: Similarity) -> float | None:
    """The place on the similarity axis where no resample can move it; None where it can."""
    if similarity.basis in KNOWN_OF_ALL:
        return KNOWN_OF_ALL[similarity.basis]
    if similarity.basis == "prior":
        return UNMEASURED if similarity.verdict == "similar" else -UNMEASURED
    return None
