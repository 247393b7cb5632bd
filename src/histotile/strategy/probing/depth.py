"""How the last stage of a backbone stands beside the earlier ones: where a head should sit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from histotile.stats.crossvalidation import Floats
from histotile.strategy.entry import Estimate
from histotile.strategy.record import StageScore

MOST_STAGES = 2  # under one head
ALONE = 1.0  # lead of a last stage that has no rival


@dataclass(frozen=True)
class Depth:
    """The last stage against the best one, and against its rival, the best earlier stage."""

    best: int
    last: float | None  # score of the last stage; None: could not be measured
    shortfall: Estimate
    lead: float  # last stage minus rival
    tolerance: float
    apart: tuple[float, float]  # interval of the lead

    @property
    def sufficient(self) -> bool:
        """S1: the last stage needs none of the earlier ones beside it."""
        return self.lead >= self.tolerance


def measure_depth(own: Floats, tolerance: float) -> Depth:
    """From (B + 1, K) AUROC of K stages; the first row is the cohort, the others resamples."""
    scores = np.nan_to_num(own[0], nan=-1.0)
    last = len(scores) - 1
    best = last - int(np.argmax(scores[::-1]))
    if last == 0:
        none = Estimate(value=0.0, low=0.0, high=0.0)
        return Depth(0, float(scores[0]), none, ALONE, tolerance, (ALONE, ALONE))
    rival = last - 1 - int(np.argmax(scores[:-1][::-1]))
    ahead = own[1:, rival] - own[1:, last]
    ahead = ahead[np.isfinite(ahead)]
    short = float(scores[best] - scores[last])
    found = partial(Depth, best, float(scores[last]))
    lead = float(scores[last] - scores[rival])
    if len(ahead) < 2:
        return found(Estimate(value=short), lead, tolerance, (-np.inf, np.inf))
    low, high = (float(end) for end in np.percentile(ahead, [2.5, 97.5]))
    floor = 0.0 if best == last else low  # no stage lies below itself
    interval = Estimate(value=short, low=floor, high=max(high, 0.0, floor))
    return found(interval, lead, tolerance, (-high, -low))


def early_stages(stages: Sequence[StageScore], tolerance: float) -> list[int]:
    """What the head of `early_probe` sees: the best stages, at most two, an early one among them.

    Stages within the tolerance of the best one know different things, and their heads together
    more than any alone. The last one alone, if there is no other.

    Example:
        Stages 1 to 5 of AUROC 0.71, 0.75, 0.88, 0.92 and 0.91, tolerance 0.03: stages 4 and 5.
    """
    ranked = sorted(stages, key=lambda s: (s.score.value, s.stage), reverse=True)
    near = [s.stage for s in ranked if s.score.value >= ranked[0].score.value - tolerance]
    chosen = near[:MOST_STAGES]
    if chosen == [stages[-1].stage] and len(ranked) > 1:
        chosen.append(ranked[1].stage)
    return sorted(chosen)


def depth_reason(stages: Sequence[StageScore], depth: Depth, score: str) -> str:
    """The comparison as a sentence."""
    last = stages[-1]
    if len(stages) == 1:
        return f"The backbone has one stage ({last.name}, {score} {last.score.value:.3f})."
    rival = max(stages[:-1], key=lambda stage: stage.score.value)
    needed = "it needs none beside it" if depth.sufficient else "a head on both may know more"
    return (
        f"The last stage ({last.name}) reaches {score} {last.score.value:.3f}, the best earlier "
        f"one ({rival.stage}, {rival.name}) {rival.score.value:.3f}: {depth.lead:+.3f}, "
        f"{'no less than' if depth.sufficient else 'less than'} {depth.tolerance:g}: {needed}."
    )
