"""Whether the labels can be told at all: the verdict that nothing learnable was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from histotile.strategy.entry import Estimate
from histotile.strategy.record import Similarity

if TYPE_CHECKING:
    from histotile.stats.crossvalidation import Floats
    from histotile.strategy.similarity_rule import Profile

REFIT = (
    1.25  # resamples fit nothing again; so much wider is what they leave (benchmarks/nothing.py)
)
MOST_TIMES = 100  # patients as many times over: more is no advice


def why_nothing(profile: Profile) -> tuple[str, float] | None:
    """The sentence that says so, and what guessing may reach.

    None where something was learnt, or could not be measured.

    All stages of the backbone and colour alone are judged together, see `guessed`. Random weights
    that do better than these and than guessing have learnt something, too.
    """
    if profile.own is None or profile.colour is None:
        return None
    scores = np.column_stack([profile.own, profile.colour])
    limit = guessed(scores, profile.fewest, profile.chance)
    top = float(scores[0].max())
    if limit is None or top > limit:
        return None
    if profile.twin is not None and float(profile.twin[0].max()) > top:
        by_random = guessed(profile.twin, profile.fewest, profile.chance)
        if by_random is None or float(profile.twin[0].max()) > by_random:
            return None
    best = max((stage.score for stage in profile.stages), key=lambda score: score.value)
    sentence = (
        f"Nothing learnable was measured: the best stage reaches {profile.score_name} "
        f"{told(best)}, colour alone {float(scores[0, -1]):.3f}; by guessing, the best of "
        f"{scores.shape[1]} such scores may reach {limit:.3f} on this cohort."
    )
    return sentence, limit


def guessed(scores: Floats, fewest: int, chance: float) -> float | None:
    """What the best of K scores may reach by guessing; None: too few resamples for it.

    That is as far above chance as the best of them lies above itself in 97.5 % of resamples of
    patients, and no less than the best of them where every 95 % interval holds chance. Resamples of
    n patients of the scarcest class spread too little, by the root of (n - 1) / n.

    Args:
        scores: (B + 1, K) AUROC; the first row is the cohort, the others resamples of it.
        fewest: Patients of the scarcest class.
        chance: The score of guessing.
    """
    resamples = scores[1:][np.isfinite(scores[1:]).all(1)]
    if len(resamples) < max(2, len(scores) / 2):
        return None
    spread = float(np.percentile((resamples - scores[0]).max(1), 97.5))
    few = max(2, fewest)
    limit: float = chance + max(spread, 0.0) * REFIT * (few / (few - 1)) ** 0.5
    top = float(scores[0].max())
    holds = bool((np.percentile(resamples, 2.5, axis=0) <= chance).all())
    return max(limit, top) if holds else limit


def told(score: Estimate) -> str:
    """The number with its interval."""
    if score.low is None or score.high is None:
        return f"{score.value:.3f}"
    return f"{score.value:.3f} (95 % {score.low:.3f} to {score.high:.3f})"


def ways_out(similarity: Similarity, tile: str) -> list[str]:
    """What may make something learnable, as sentences.

    Args:
        similarity: Scores of the stages.
        tile: Side and scale of the tiles, in words.
    """
    found = [
        _more_patients(similarity),
        f"Tiles of another size or scale (now {tile}: tile.tile_px, tile.mpp): what tells the "
        "classes may be smaller than a pixel or larger than a tile.",
        "Other labels: outlines instead of the slide's label for every tile, or classes that "
        "tiles can show at all.",
    ]
    return [
        *found,
        "Another backbone, e.g. one pre-trained on pathology. Only frozen features were measured, "
        "and all layers together may learn what these lack: that is what `auto` tries. "
        "train.strategy: early_probe shows a score in seconds.",
    ]


def _more_patients(similarity: Similarity) -> str:
    """By how many patients guessing would reach less than the best stage did."""
    best = max((stage.score for stage in similarity.stages), key=lambda score: score.value)
    lead, reach = best.value - similarity.chance, (similarity.guessed or 1.0) - similarity.chance
    times = (reach / lead) ** 2 if lead > 0 else MOST_TIMES
    if times >= MOST_TIMES:
        return (
            f"More patients only if the truth is better than what was measured (best stage "
            f"{told(best)}): at this score they would show no more than chance."
        )
    return (
        f"More than {max(times, 1.0):.1f} times as many patients: what guessing may reach shrinks "
        f"with their square root, and would then lie below the best stage ({told(best)}), if its "
        "score stayed the same."
    )
