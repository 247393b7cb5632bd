"""From scores of stages to similar or different, with the reasons as sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from histotile.stats.auroc import CHANCE
from histotile.stats.bootstrap import interval
from histotile.stats.crossvalidation import Floats
from histotile.strategy.entry import Estimate
from histotile.strategy.probing.depth import Depth, depth_reason, early_stages, measure_depth
from histotile.strategy.probing.learnable import why_nothing
from histotile.strategy.record import Basis, Similarity, StageScore

if TYPE_CHECKING:
    from histotile.config import SimilarityRule
    from histotile.strategy.evidence import Evidence

Verdict = Literal["similar", "different"]
CLASSES_BY = "AUROC"  # what tells classes


@dataclass(frozen=True)
class Profile:
    """Scores of K stages; the first of B + 1 rows is the cohort, the others resamples of it.

    Args:
        stages: For the record, shallow to deep.
        fewest: Patients of the class that has fewest.
        own: (B + 1, K) AUROC; None: could not be measured.
        twin: (B + 1, K) AUROC of random weights; None: there are none.
        colour: (B + 1,) AUROC of colour alone; None: could not be measured.
        score_name: What stands in for AUROC, where there are no classes.
        chance: That score of guessing.
    """

    stages: list[StageScore]
    fewest: int
    own: Floats | None
    twin: Floats | None
    colour: Floats | None = None
    score_name: str = CLASSES_BY
    chance: float = CHANCE


def counted(size: str, gain: float | None, rule: SimilarityRule) -> str:
    """The half of the table a cohort is in: "small" or "large".

    A borderline cohort can train all layers, but not from far: it counts as large where its last
    stage is a good starting point, else as small.
    """
    if size != "borderline":
        return size
    return "large" if gain is not None and gain >= rule.min_gain_borderline else "small"


def similarity_of(
    profile: Profile, evidence: Evidence, rule: SimilarityRule, size: str
) -> tuple[Similarity, str]:
    """The verdict, and what the size counts as.

    A small cohort can only choose where to put its head: the question is whether an earlier stage
    comes near the last one. A large one trains all layers, which can improve late ones: the
    question is whether the last stage is a good starting point for fine-tuning.

    `best_stage` is the one with the best mean score, the deeper one of equals. Where nothing was
    measured it is the last stage: nothing speaks for an earlier one.
    """
    last = len(profile.stages) - 1
    if profile.own is None:
        depth = Depth(last, None, Estimate(value=0.0), 0.0, rule.stage_tolerance, (0.0, 0.0))
        reasons = [
            f"Similarity cannot be measured: some class has {_patients(profile.fewest)}, and "
            "probes need two or more to leave one out."
        ]
        lift, useful, kept = None, None, None
    else:
        depth = measure_depth(profile.own, rule.stage_tolerance)
        lift = None if profile.twin is None else _gain(profile.own, profile.twin, last)
        kept = None if profile.twin is None else _gain(profile.own, profile.twin, depth.best)
        useful = None if lift is None else lift.value >= rule.min_gain
        reasons = [
            depth_reason(profile.stages, depth, evidence.score_name),
            _gain_reason(profile, lift, rule.min_gain),
        ]
    counts_as = counted(size, None if lift is None else lift.value, rule)
    asked = depth.sufficient if counts_as == "small" else useful is not False
    doubts = _doubts(profile, depth, rule) if counts_as == "small" else []
    verdict, basis, why = _decide(depth, kept, asked, doubts, evidence, rule)
    if nothing := why_nothing(profile):
        verdict, basis, why = _of_domain(evidence), "nothing", [nothing[0]]
    measured = profile.own is not None
    similarity = Similarity(
        verdict=verdict,
        basis=basis,
        stages=profile.stages,
        best_stage=profile.stages[depth.best].stage,
        early_stages=early_stages(profile.stages, rule.stage_tolerance),
        shortfall=depth.shortfall,
        gain=lift,
        best_gain=kept,
        depth_sufficient=depth.sufficient if measured else None,
        gain_sufficient=useful,
        reasons=[*reasons, *why],
        guessed=nothing[1] if nothing else None,
        score_name=evidence.score_name,
        chance=evidence.chance,
    )
    return similarity, counts_as


def _decide(
    depth: Depth,
    kept: Estimate | None,
    asked: bool,
    doubts: list[str],
    evidence: Evidence,
    rule: SimilarityRule,
) -> tuple[Verdict, Basis, list[str]]:
    if evidence.domain == "pathology":
        why = "The backbone was pre-trained on pathology: its features count as similar."
        return "similar", "pathology", [why]
    if depth.last is None:
        return _without_measure([])
    if depth.last >= rule.saturated:
        why = (
            f"{evidence.score_name} {depth.last:.3f} of the last stage reaches "
            f"{rule.saturated:g}: nothing is left to gain, so the features count as similar."
        )
        return "similar", "saturated", [why]
    if kept is not None and kept.value < rule.min_best_gain and (kept.high or 0.0) < 0:
        why = (
            "Random weights do better than any stage of the backbone (gain of the best one "
            f"{kept.value:.2f}, below {rule.min_best_gain:g}; its 95 % interval ends at "
            f"{kept.high:.2f}): its features are foreign to this tissue."
        )
        return "different", "foreign", [why]
    top = depth.last + depth.shortfall.value
    skill = (top - evidence.chance) / (1 - evidence.chance)
    if skill < rule.head_skill:
        why = (
            f"{evidence.score_name} {top:.3f} of the best stage is {skill:.2f} of the way from "
            f"guessing to perfect, less than {rule.head_skill:g}: it leaves room. On real tiles "
            "that left room, training all layers was better than a head on average, so they learn."
        )
        return "different", "room", [why]
    if doubts:
        return _without_measure(doubts)
    return ("similar" if asked else "different"), "measured", []


def _of_domain(evidence: Evidence) -> Verdict:
    """What experience says of the features."""
    return "similar" if evidence.domain == "pathology" else "different"


def _doubts(profile: Profile, depth: Depth, rule: SimilarityRule) -> list[str]:
    found = []
    if profile.fewest < rule.min_patients:
        found.append(
            f"Undecided by measurement: some class has {_patients(profile.fewest)}, fewer than "
            f"{rule.min_patients}."
        )
    low, high = depth.apart
    if high - low > rule.max_interval and low < 0 < high:
        found.append(
            "Undecided by measurement: the 95 % interval of last minus best earlier stage "
            f"({low:+.3f} to {high:+.3f}) is wider than {rule.max_interval:g} and holds zero."
        )
    return found


def _without_measure(doubts: list[str]) -> tuple[Verdict, Basis, list[str]]:
    why = (
        "So experience decides: a backbone pre-trained on photographs counts as different from "
        "tissue."
    )
    return "different", "prior", [*doubts, why]


def gain(last: Floats, random: Floats) -> Floats:
    """(a - r) / (1 - r): what share of the errors of random weights the last stage takes away.

    -1: it makes twice as many.
    """
    return (last - random) / np.maximum(1 - random, 1e-3)


def _gain(own: Floats, twin: Floats, stage: int) -> Estimate:
    """A stage over best random stage; the interval keeps that one as it is on the cohort."""
    values = gain(own[:, stage], twin[:, int(np.nanargmax(twin[0]))])
    return estimate(float(values[0]), values[1:])


def estimate(value: float, resampled: Floats) -> Estimate:
    """A value with its 95 % percentile interval; without one if most resamples say nothing."""
    found = interval(resampled, 0.95)
    if len(resampled) - found.undefined < max(2, len(resampled) / 2):
        return Estimate(value=value)
    return Estimate(value=value, low=found.lower, high=found.upper)


def _gain_reason(profile: Profile, lift: Estimate | None, least: float) -> str:
    if profile.twin is None or lift is None:
        return "The gain over random weights is unmeasured: no features of random weights at hand."
    best = int(np.nanargmax(profile.twin[0]))
    top = profile.stages[-1].score.value
    compared = "at least" if lift.value >= least else "below"
    return (
        f"Random weights reach {profile.score_name} {profile.twin[0, best]:.3f} (stage "
        f"{profile.stages[best].stage}), the backbone's last stage {top:.3f}: a gain of "
        f"{lift.value:.2f}, {compared} {least:g}."
    )


def _patients(count: int) -> str:
    return f"{count} patient" if count == 1 else f"{count} patients"
