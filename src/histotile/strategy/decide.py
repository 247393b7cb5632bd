"""The decision: which strategy of transfer learning, and everything behind it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from histotile import __version__
from histotile.errors import HistotileError
from histotile.io.tables import RESEARCH_USE
from histotile.strategy.cost import DecisionContext, affordable, forecast, settle, tell_budget
from histotile.strategy.decision_table import Choice, choose
from histotile.strategy.effective_sample_size import Groups, group_tiles, measure_size
from histotile.strategy.feature_similarity import judge
from histotile.strategy.leakage.checks import AlarmFiles, find_alarms
from histotile.strategy.parameter_budget import weigh_strategies
from histotile.strategy.record import (
    STRATEGIES,
    Alarm,
    Baseline,
    Decision,
    FoldDecision,
    Point,
    Similarity,
    Size,
    Strategy,
)
from histotile.strategy.robustness.baselines import measure
from histotile.strategy.robustness.bootstrap import frequencies, place, resample_patients
from histotile.strategy.robustness.caveats import shortcut_notes, take_notes
from histotile.strategy.robustness.counterfactuals import find_counterfactuals
from histotile.strategy.training_summary import describe_training

if TYPE_CHECKING:
    from histotile.config import Decide, Train
    from histotile.strategy.evidence import Evidence
    from histotile.strategy.feature_similarity import Judgement


def decide(
    evidence: Evidence,
    settings: Decide,
    train: Train,
    folds: Mapping[str, Collection[int]],
    files: AlarmFiles | None,
    context: DecisionContext | None = None,
) -> Decision:
    """The strategy for a cohort and for each of its folds, with all that speaks for it.

    Args:
        evidence: Labelled tiles and their features; none of the fixed test set.
        settings: Thresholds, resamples, seed.
        train: Recipes, and the strategy if it is not `auto`.
        folds: Name -> numbers of the patients who train or validate in that fold.
        files: What alarms need to know of the slides beyond the evidence; None: none are sought.
        context: What the evidence lacks, and what training costs.

    Raises:
        HistotileError: There is no labelled tile, or none in some fold.
    """
    start = time.perf_counter()
    _check(evidence, "the cohort")
    groups = group_tiles(evidence)
    size = measure_size(groups, evidence.classes, settings.size)
    judgement = judge(evidence, settings, quick=False, size=size.verdict)
    size = size.model_copy(update={"counts_as": judgement.counts_as})
    choice = choose(judgement.counts_as, judgement.similarity)
    context = context or DecisionContext()
    costs = forecast(context.effort, evidence.stages, judgement.similarity.early_stages, train)
    allowed = affordable(costs, settings.max_hours)
    training = _training(evidence, size, judgement.similarity, (choice, allowed), train)
    bootstrap = _resampled(evidence, groups, judgement, settings)
    baselines = measure(evidence, settings, judgement)
    similarity = judgement.similarity
    return Decision(
        **_identity(evidence),
        **context.facts(costs, settings.max_hours),
        **training,
        size=size,
        similarity=similarity,
        counterfactuals=find_counterfactuals(size, similarity, settings, _tile(evidence)),
        baselines=baselines,
        alarms=_alarms(evidence, files, baselines, similarity, settings),
        stop=settings.alarms.stop,
        position=_position(groups, judgement, settings, choice),
        bootstrap=bootstrap,
        frequencies=frequencies(bootstrap),
        folds=[
            decide_fold(name, evidence.where(patients), settings, train, allowed)
            for name, patients in folds.items()
        ],
        thresholds=_thresholds(settings),
        notes=[
            *tell_budget(choice, training, costs, settings.max_hours),
            *take_notes(evidence, size, similarity, choice, train, settings),
            *_file_notes(evidence, files, settings),
        ],
        seconds=round(time.perf_counter() - start, 2),
    )


def decide_fold(
    name: str,
    evidence: Evidence,
    settings: Decide,
    train: Train,
    allowed: Collection[Strategy] = STRATEGIES,
) -> FoldDecision:
    """The strategy from the patients of one fold; one repeat of the probes, no resamples."""
    _check(evidence, f"fold {name}")
    size = measure_size(group_tiles(evidence), evidence.classes, settings.size)
    judgement = judge(evidence, settings, quick=True, size=size.verdict)
    similarity = judgement.similarity
    choice = choose(judgement.counts_as, similarity)
    strategy, stages = settle(choice, similarity, train, allowed)
    return FoldDecision(
        fold=name,
        strategy=strategy,
        stages=list(stages),
        table_strategy=choice.strategy,
        early_stages=similarity.early_stages,
        basis=similarity.basis,
    )


def _identity(evidence: Evidence) -> dict[str, Any]:
    """What was decided about, by what, when."""
    return {
        "histotile": __version__,
        "research_use": RESEARCH_USE,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "classes": list(evidence.classes),
        "backbone": str(evidence.facts["backbone"]),
        "backbone_id": str(evidence.facts["backbone_id"]),
        "tiles": len(evidence.labels),
        "labelled_tiles": int(evidence.counts.sum()),
        "patients": int(np.count_nonzero(evidence.counts.sum(1))),
        "has_patients": bool(evidence.facts["has_patients"]),
        "last_stage": evidence.stages[-1].number,
    }


def _training(
    evidence: Evidence,
    size: Size,
    similarity: Similarity,
    chosen_from: tuple[Choice, Collection[Strategy]],
    train: Train,
) -> dict[str, Any]:
    """The strategy, of the table's choice and those allowed; what it means for the weights."""
    choice, allowed = chosen_from
    strategy, stages = settle(choice, similarity, train, allowed)
    early = similarity.early_stages
    budget = weigh_strategies(size, evidence.stages, early, train.early_probe, strategy)
    (chosen,) = (b for b in budget if b.chosen)
    return {
        "strategy": strategy,
        "stages": list(stages),
        "table_strategy": choice.strategy,
        "forced": train.strategy != "auto",
        "budget": budget,
        "training": describe_training(chosen, stages, evidence.stages, size, train),
    }


def _alarms(
    evidence: Evidence,
    files: AlarmFiles | None,
    baselines: Sequence[Baseline],
    similarity: Similarity,
    settings: Decide,
) -> list[Alarm]:
    if files is None:
        return []
    return find_alarms(evidence, files, baselines, similarity, settings.alarms, settings.seed)


def _file_notes(evidence: Evidence, files: AlarmFiles | None, settings: Decide) -> list[str]:
    if files is None:
        return shortcut_notes(evidence, {}, settings)
    return [*shortcut_notes(evidence, files.traits(), settings), *files.notes()]


def _position(groups: Groups, judgement: Judgement, settings: Decide, choice: Choice) -> Point:
    found = place(groups, judgement, np.ones((1, len(groups.counts))), settings)
    return found[0].model_copy(update={"strategy": choice.strategy})


def _tile(evidence: Evidence) -> str:
    return str(evidence.facts.get("tile", "unknown"))


def _resampled(
    evidence: Evidence, groups: Groups, judgement: Judgement, settings: Decide
) -> list[Point]:
    """The bootstrap; empty where nothing learnable was measured, and no resample could disagree."""
    if judgement.similarity.basis == "nothing":
        return []
    weights = resample_patients(evidence.counts, settings.bootstraps, settings.seed)
    return place(groups, judgement, weights, settings)


def _thresholds(settings: Decide) -> dict[str, float | str]:
    sections = {"size": settings.size, "similarity": settings.similarity}
    return {
        f"{name}.{key}": value
        for name, section in sections.items()
        for key, value in section.model_dump().items()
    }


def _check(evidence: Evidence, where: str) -> None:
    if not len(evidence.labels):
        raise HistotileError(
            "decide", f"no labelled tile in {where}", "annotate slides, or set tile.labels"
        )
