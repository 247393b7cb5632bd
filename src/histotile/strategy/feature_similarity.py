"""Whether features transfer as they are: the vertical axis of the table.

Two questions to probes on left-out patients. S1, for small cohorts: does the last stage do, or does
an earlier one come near it or surpass it? S2, for large ones: is the last stage a good
starting point, compared with the same network with random weights, or only an initialisation?
Borderline cohorts are asked S2 if the gain of their last stage is high enough, else S1. Where
random weights beat every stage, the features are foreign, and neither answer counts.
The best of several stages (and the best random stage) is chosen on the same patients that score it,
which flatters it a little. Intervals come from resampled patients, in pairs: both sides judged by
the same patients, nothing fitted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from histotile.stats import bootstrap
from histotile.stats.crossvalidation import Floats, Plan, divide, patients_per_class
from histotile.stats.logistic import Single
from histotile.strategy.probing import transferability
from histotile.strategy.probing.depth import ALONE
from histotile.strategy.probing.linear_probe import components
from histotile.strategy.probing.task_probe import Held, hold_out_task
from histotile.strategy.record import Similarity, StageScore
from histotile.strategy.similarity_rule import Profile, estimate, gain, similarity_of

if TYPE_CHECKING:
    from histotile.config import Decide
    from histotile.strategy.evidence import Evidence


@dataclass(frozen=True)
class Judgement:
    """Similarity and what it rests on.

    Args:
        similarity: For the record.
        counts_as: The half of the table whose question was asked, "small" or "large".
        plan: The folds; None where a class has fewer than two patients: nothing was measured.
        stages: Logits of left-out patients per stage, shallow to deep.
        random: The same with random weights; may be empty.
        colour: The same of colour alone; None where nothing was measured.
    """

    similarity: Similarity
    counts_as: str
    plan: Plan | None
    stages: tuple[Held, ...]
    random: tuple[Held, ...]
    colour: Held | None

    def resample(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """What the rule would compare in other cohorts made of the same patients.

        The best stage is chosen anew in each, as it would have been.

        Args:
            weights: (B, P) how often each patient counts.

        Returns:
            (B,) score of the last stage; last stage minus best earlier stage; gain of the last
            stage over random weights. NaN where it could not be measured.
        """
        nothing = np.full(len(weights), np.nan)
        if self.plan is None:
            return nothing, nothing, nothing
        found = np.stack([stage.scores(weights) for stage in self.stages], axis=1)
        last = found[:, -1]
        alone = found.shape[1] == 1
        lead = np.full(len(last), ALONE) if alone else last - found[:, :-1].max(1)
        if not self.random:
            return last, lead, nothing
        twin = np.stack([stage.scores(weights) for stage in self.random], axis=1)
        return last, lead, gain(last, twin.max(1))


def judge(evidence: Evidence, settings: Decide, quick: bool, size: str) -> Judgement:
    """The verdict on similarity, with scores of all stages.

    Args:
        evidence: Sampled tiles and their features.
        settings: Rule, folds, repeats, resamples, seed.
        quick: One repeat of the folds, and none of the scores that only inform.
        size: `small`, `borderline` or `large`: which question decides.
    """
    count = len(evidence.classes)
    times = (settings.folds, 1 if quick else settings.repeats)
    plan = divide(evidence.labels, evidence.patients, count, times, settings.seed)
    fewest = min(patients_per_class(evidence.labels, evidence.patients, count))
    if plan is None:
        return _unmeasured(evidence, settings, fewest, size)
    weights = np.concatenate(
        [
            bootstrap.every_patient(evidence.patients),
            bootstrap.resamples(evidence.patients, settings.bootstraps, settings.seed),
        ]
    )
    stages, known = [], []
    for features in evidence.features:
        points = components(features, settings.seed)
        stages.append(hold_out_task(points, plan, evidence))
        known.append((None, None) if quick else _informing(points, plan))
    own = np.stack([stage.scores(weights) for stage in stages], axis=1)
    if not np.isfinite(own[0]).all():  # no fold holds all it takes
        return _unmeasured(evidence, settings, fewest, size)
    random = tuple(
        hold_out_task(components(f, settings.seed), plan, evidence) for f in evidence.random
    )
    twin = np.stack([stage.scores(weights) for stage in random], axis=1) if random else None
    colour = hold_out_task(_colour(evidence), plan, evidence)
    table = _table(evidence, own, twin, known)
    judged_by = evidence.score_name, evidence.chance
    profile = Profile(table, fewest, own, twin, colour.scores(weights), *judged_by)
    verdict = similarity_of(profile, evidence, settings.similarity, size)
    return Judgement(*verdict, plan, tuple(stages), random, colour)


def _colour(evidence: Evidence) -> Single:
    """A tile whose colour is unknown counts as one of mean colour."""
    known = np.isfinite(evidence.colour)
    means = np.where(known, evidence.colour, 0).sum(0) / np.maximum(known.sum(0), 1)
    return components(np.where(known, evidence.colour, means), seed=0)  # too narrow to sketch


def _informing(points: Single, plan: Plan) -> tuple[float, float]:
    return transferability.knn(points, plan), transferability.log_evidence(
        points, plan.labels, plan.classes
    )


def _table(
    evidence: Evidence,
    own: Floats,
    twin: Floats | None,
    known: Sequence[tuple[float | None, float | None]],
) -> list[StageScore]:
    return [
        StageScore(
            stage=stage.number,
            name=stage.name,
            weights=stage.weights,
            score=estimate(float(own[0, k]), own[1:, k]),
            random_score=None if twin is None else estimate(float(twin[0, k]), twin[1:, k]),
            knn=known[k][0],
            logme=known[k][1],
        )
        for k, stage in enumerate(evidence.stages)
    ]


def _unmeasured(evidence: Evidence, settings: Decide, fewest: int, size: str) -> Judgement:
    """Chance, without an interval, stands for scores that could not be measured."""
    chance = np.full((1, len(evidence.stages)), evidence.chance)
    stages = _table(evidence, chance, None, [(None, None)] * len(evidence.stages))
    profile = Profile(stages, fewest, None, None)
    verdict = similarity_of(profile, evidence, settings.similarity, size)
    return Judgement(*verdict, None, (), (), None)
