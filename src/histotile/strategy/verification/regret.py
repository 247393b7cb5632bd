"""Whether the table chose well: every strategy in the same nested cross-validation; the regret.

The folds are the workflow's own: whatever is learnt from data (the decision, the stage, the
strength of the head, when to stop) is learnt from a fold's training and validation patients, and
judged on its test patients.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from histotile import __version__
from histotile.config import Verify
from histotile.errors import HistotileError
from histotile.io.tables import RESEARCH_USE
from histotile.strategy.entry import Entry, Estimate
from histotile.strategy.similarity_rule import estimate
from histotile.strategy.verification.baselines import NAMES, RANDOM_WEIGHTS, Gap, gaps, tell_gaps
from histotile.strategy.verification.comparison import Comparison, Scores, resample

AGAIN = "run `histotile compare` for every strategy again"
CLOSE = 0.005  # AUROC: less is not worth the time
TABLE = "table"  # the strategy that the table chose in each fold


class StrategyScore(Entry):
    """How a strategy did on the patients it had not seen."""

    strategy: str
    score: Estimate = Field(description="The task's score per fold, mean over folds")
    folds: dict[str, float | None]
    seconds: float
    trains_layers: bool = Field(default=False, description="Or fits a head on cached features")


class Verification(Entry):
    """The table's choice against the other strategies."""

    histotile: str
    research_use: str
    budget: Literal["probe", "full"]
    verdict: Literal["confirmed", "not contradicted", "contradicted", "not checked"]
    chosen: dict[str, str] = Field(description="Fold -> strategy the table chose there")
    strategies: list[StrategyScore]
    baselines: list[StrategyScore]
    table: StrategyScore | None
    rival: str | None = Field(description="The best strategy other than the table's choice")
    regret: Estimate | None = Field(
        description="Rival minus table's choice; its positive part is the regret"
    )
    selector_regret: float | None = Field(
        description="Regret against a selector that chooses on other patients (bootstrap bias "
        "correction): free of the optimism of the best of several"
    )
    margin: float
    gaps: list[Gap] = Field(description="The best strategy against each baseline")
    reasons: list[str]
    score_name: str = Field(default="tile AUROC", description="What strategies are judged by")
    chance: float = Field(default=0.5, description="That score of guessing")

    @property
    def headline(self) -> str:
        """The verdict, and the baselines that do better or may do as well as the best strategy."""
        told: list[str] = [self.verdict]
        for behind, verb in ((True, "does better"), (False, "may do as well")):
            gaps = [gap for gap in self.gaps if gap.is_open and gap.is_behind == behind]
            names = " and ".join(NAMES.get(gap.baseline, gap.baseline) for gap in gaps)
            told += [f"{names} {verb}"] if names else []
        return "; ".join(told)


def verify(
    comparisons: Sequence[Comparison],
    chosen: Mapping[str, str],
    strategies: Sequence[str],
    budget: Literal["probe", "full"],
    settings: Verify,
) -> Verification:
    """Scores of all strategies, the regret of the table's choice with its interval, and a verdict.

    Args:
        comparisons: One per fold and strategy; the tiles of a fold always in the same order.
        chosen: Fold -> strategy the table chose from that fold's own training patients.
        strategies: Names that are strategies of the table; other comparisons are baselines.
        budget: Which strategies were compared.
        settings: Margin, resamples, seed.

    Raises:
        HistotileError: A strategy lacks a fold, or saw other tiles than the rest.
    """
    table = _by_strategy(comparisons)
    present = [strategy for strategy in strategies if strategy in table]
    resamples = _scores(table, settings)
    baselines = [name for name in table if name not in strategies]
    best = max(present, key=lambda name: resamples[name].value, default=None)
    against = gaps(table, best, baselines, settings) if best else []
    facts = {
        "histotile": __version__,
        "research_use": RESEARCH_USE,
        "budget": budget,
        "chosen": dict(chosen),
        "strategies": [_strategy_score(c, table[c], resamples[c]) for c in present],
        "baselines": [_strategy_score(c, table[c], resamples[c]) for c in baselines],
        "margin": settings.margin,
        "gaps": against,
        "score_name": comparisons[0].task.score_name,
        "chance": comparisons[0].task.chance,
    }
    beside = tell_gaps(against, resamples[best] if best else None, comparisons[0].task.chance)
    beside += tell_gave_way(table)
    missing = sorted(set(chosen.values()) - set(present))
    if missing or len(present) < 2:
        reason = f"the table chose {', '.join(missing)}, which budget `{budget}` does not train"
        reason = reason if missing else "there is no other strategy to compare with"
        nothing = {"table": None, "rival": None, "regret": None, "selector_regret": None}
        return Verification(verdict="not checked", reasons=[reason, *beside], **facts, **nothing)
    own = {fold: table[strategy][fold] for fold, strategy in chosen.items()}
    resamples[TABLE] = resample(own, settings)
    found = _judge(facts, own, present, resamples, settings)
    cheap = tell_cheaper(found.strategies)
    return found.model_copy(update={"reasons": [*found.reasons, *beside, *cheap]})


def _judge(
    facts: dict[str, object],
    own: Mapping[str, Comparison],
    present: Sequence[str],
    resamples: Mapping[str, Scores],
    settings: Verify,
) -> Verification:
    choice = resamples[TABLE]
    same = {comparison.strategy for comparison in own.values()}
    others = [strategy for strategy in present if same != {strategy}]
    rival = max(others, key=lambda strategy: resamples[strategy].value)
    value = resamples[rival].value - choice.value
    regret = estimate(value, resamples[rival].inside - choice.inside)
    verdict, reason = _verdict(regret, rival, settings.margin)
    return Verification.model_validate(
        facts
        | {
            "verdict": verdict,
            "table": _strategy_score(TABLE, own, choice),
            "rival": rival,
            "regret": regret,
            "selector_regret": _selector_regret([resamples[c] for c in present], choice),
            "reasons": [reason],
        }
    )


def tell_gave_way(table: Mapping[str, Mapping[str, Comparison]]) -> list[str]:
    """Sentences on strategies whose score is that of a probe, in some folds or all."""
    found = []
    for strategy, of_strategy in table.items():
        folds = [fold for fold, comparison in of_strategy.items() if comparison.gave_way]
        if folds:
            found.append(
                f"{strategy} never bettered the probe that it began with in {len(folds)} of "
                f"{len(of_strategy)} folds; its score there is that of the early stages' probe"
            )
    return found


def tell_cheaper(strategies: Sequence[StrategyScore]) -> list[str]:
    """Whether a head on cached features does as well as training layers, in a part of the time."""
    heads = [s for s in strategies if not s.trains_layers]
    layers = [s for s in strategies if s.trains_layers]
    if not heads or not layers:
        return []
    head, layer = (max(some, key=lambda s: s.score.value) for some in (heads, layers))
    lead = layer.score.value - head.score.value
    if lead > CLOSE or head.seconds >= layer.seconds:
        return []
    near = f"within {CLOSE:g} of" if lead > 0 else "no worse than"
    times = layer.seconds / max(head.seconds, 1e-3)
    return [
        f"{head.strategy} is {near} {layer.strategy} ({-lead:+.3f}) for 1/{times:.0f} of the time "
        "(on features that embed had cached)"
    ]


def _verdict(regret: Estimate, rival: str, margin: float) -> tuple[str, str]:
    if regret.low is None or regret.high is None:
        return "not contradicted", "too few patients for an interval of the regret"
    value, low, high = (round(v, 3) + 0.0 for v in (regret.value, regret.low, regret.high))
    span = f"{rival} minus the table's choice: {value:+.3f}, 95 % {low:+.3f} to {high:+.3f}"
    if regret.high < margin:
        return "confirmed", f"{span}: no other strategy tried is better by {margin:g} or more"
    if regret.low > margin:
        return "contradicted", f"{span}: use train.strategy: {rival}"
    return "not contradicted", f"{span}: the data cannot tell them apart by {margin:g}"


def _selector_regret(strategies: Sequence[Scores], choice: Scores) -> float | None:
    """Mean, over resamples, of left-out score of the best strategy inside minus the table's."""
    inside = np.stack([c.inside for c in strategies])
    outside = np.stack([c.outside for c in strategies])
    picked = outside[inside.argmax(axis=0), np.arange(inside.shape[1])]
    differences = picked - choice.outside
    differences = differences[np.isfinite(differences)]
    return float(differences.mean()) if len(differences) else None


def _by_strategy(comparisons: Sequence[Comparison]) -> dict[str, dict[str, Comparison]]:
    table: dict[str, dict[str, Comparison]] = {}
    for comparison in comparisons:
        table.setdefault(comparison.strategy, {})[comparison.fold] = comparison
    folds = {fold for of_strategy in table.values() for fold in of_strategy}
    whole = [r for r in comparisons if r.strategy != RANDOM_WEIGHTS]  # that judges a sample
    first = {r.fold: r for r in reversed(whole)}
    for strategy, of_strategy in table.items():
        lacking = sorted(folds - set(of_strategy))
        if lacking:
            raise HistotileError(strategy, f"lacks {', '.join(lacking)}", AGAIN)
        for fold, r in of_strategy.items() if strategy != RANDOM_WEIGHTS else ():
            same = np.array_equal(r.patients, first[fold].patients)
            if not (same and np.array_equal(r.labels, first[fold].labels)):
                fact = f"{fold} judged other tiles than {first[fold].strategy}"
                raise HistotileError(strategy, fact, AGAIN)
    return table


def _scores(table: Mapping[str, Mapping[str, Comparison]], settings: Verify) -> dict[str, Scores]:
    return {strategy: resample(of_strategy, settings) for strategy, of_strategy in table.items()}


def _strategy_score(name: str, own: Mapping[str, Comparison], scores: Scores) -> StrategyScore:
    return StrategyScore(
        strategy=name,
        score=estimate(scores.value, scores.inside),
        folds=scores.folds,
        seconds=sum(r.seconds for r in own.values()),
        trains_layers=any(r.trains_layers for r in own.values()),
    )
