"""How firm a decision is: the same decision over resampled patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histotile.stats.bootstrap import draw_weights
from histotile.strategy.decision_table import (
    KNOWN_OF_ALL,
    choose,
    depth_margin,
    gain_margin,
    horizontal,
    room_margin,
    unmeasured_vertical,
)
from histotile.strategy.effective_sample_size import ratios
from histotile.strategy.record import STRATEGIES, Point, Strategy

if TYPE_CHECKING:
    from histotile.config import Decide
    from histotile.strategy.effective_sample_size import Groups
    from histotile.strategy.feature_similarity import Judgement

LEAST_STRATUM = 5  # patients of rarer mixes of classes are drawn together
EDGE = 0.05  # how far left of the border a borderline cohort is shown that counts as small
TRIES = 20  # draws per wanted resample before one gives up on those that lack a class


def place(
    groups: Groups, judgement: Judgement, weights: NDArray[np.float64], settings: Decide
) -> list[Point]:
    """Where cohorts made of the same patients stand on the table, and what it says to them.

    Nothing is fitted again: sizes and scores of left-out patients are weighed anew, and each
    resample answers the question of its own size, unless its best stage leaves room. A similarity
    that rests on experience is the same for all small ones; foreign features and backbones
    pre-trained on pathology are the same for all. Resamples without a score are left out.

    Args:
        groups: Tiles by patient and class.
        judgement: Similarity and the scores behind it.
        weights: (B, P) how often each patient counts.
        settings: Thresholds.
    """
    small, large = ratios(groups.sizes(weights, settings.size.icc_prior), settings.size)
    similarity = judgement.similarity
    probed = judgement.resample(weights)
    is_good = probed[2] >= settings.similarity.min_gain_borderline  # False where unmeasured
    is_large = (small >= 1) & ((large >= 1) | is_good)
    y = _heights(judgement, probed, is_large, settings)
    x = horizontal(small, large)
    # The border between the halves: below the band for similar features, above it for others.
    x = np.where(~is_large & (y >= 0), np.minimum(x, -EDGE), x)
    found = []
    for b in range(len(x)):
        if np.isnan(y[b]):
            continue
        verdict = "similar" if y[b] >= 0 else "different"
        there = similarity.model_copy(update={"verdict": verdict})
        if similarity.basis not in KNOWN_OF_ALL:
            known = "saturated" if np.isposinf(y[b]) else "measured"
            there = there.model_copy(update={"basis": "room" if y[b] < -1 else known})
        strategy = choose("large" if is_large[b] else "small", there).strategy
        height = float(np.clip(y[b], -2, 1))
        found.append(Point(x=float(x[b]), y=height, strategy=strategy))
    return found


def _heights(
    judgement: Judgement,
    probed: tuple[NDArray[np.float64], ...],
    is_large: NDArray[np.bool_],
    settings: Decide,
) -> NDArray[np.float64]:
    """(B,) place on the similarity axis, infinite if saturated."""
    similarity, rule = judgement.similarity, settings.similarity
    assumed = unmeasured_vertical(similarity)
    if assumed is not None and (judgement.plan is None or similarity.basis in KNOWN_OF_ALL):
        return np.full(len(is_large), assumed)
    last, lead, gain = probed
    depth = depth_margin(lead, rule.stage_tolerance)
    useful = np.where(np.isnan(lead), np.nan, 1.0)  # without random weights: similar
    if similarity.gain is not None:
        useful = gain_margin(gain, rule.min_gain)
    saturated = last >= rule.saturated
    y = np.where(saturated, np.inf, np.where(is_large, useful, depth))
    if assumed is not None:
        y = np.where(is_large, y, assumed)  # doubts are for small cohorts
    room = room_margin(last + np.maximum(-lead, 0), similarity.chance, rule.head_skill)
    return np.where(np.isnan(room) | saturated, y, room)


def resample_patients(counts: NDArray[np.int64], bootstraps: int, seed: int) -> NDArray[np.float64]:
    """(B, P) how often each patient is drawn, with replacement.

    Patients who show the same classes are drawn among themselves; resamples that lack a class are
    drawn again. Fewer than asked for, or none, where a class is too rare for that.

    Args:
        counts: (P, C) tiles per patient and class.
        bootstraps: Resamples wanted.
        seed: Of the draws.
    """
    generator = np.random.default_rng(seed)
    shows = counts > 0
    present = shows.any(1)
    strata, needed = _strata(shows[present]), shows[:, shows.any(0)]
    found = np.empty((0, len(counts)))
    for _ in range(TRIES):
        drawn = np.zeros((bootstraps, len(counts)))
        drawn[:, present] = draw_weights(strata, bootstraps, generator)
        whole = ((drawn > 0).astype(int) @ needed > 0).all(1)
        found = np.concatenate([found, drawn[whole]])[:bootstraps]
        if len(found) == bootstraps:
            break
    return found


def _strata(shows: NDArray[np.bool_]) -> list[tuple[bool, ...]]:
    """The classes that each patient shows; () for all whose mix is rare."""
    mixes = [tuple(mix.tolist()) for mix in shows]
    often = Counter(mixes)
    return [mix if often[mix] >= LEAST_STRATUM else () for mix in mixes]


def frequencies(bootstrap: Sequence[Point]) -> dict[Strategy, float]:
    """Share of the bootstrap per strategy; all zero without a bootstrap."""
    counts = Counter(point.strategy for point in bootstrap)
    return {s: counts[s] / max(len(bootstrap), 1) for s in STRATEGIES}
