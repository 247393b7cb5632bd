"""What each strategy costs by forecast: processor hours here, GPU hours elsewhere; and a budget."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histotile.data.selection import read_labels
from histotile.io import tables
from histotile.strategy.context import Cost, LeftOut
from histotile.strategy.decision_table import Choice
from histotile.strategy.record import STRATEGIES, Similarity, Strategy

if TYPE_CHECKING:
    from histotile.config import Train
    from histotile.io.features import Stage
    from histotile.tasks.task import Task

# Of benchmarks/training_cost.csv, one thread: a tile's way forward through PyTorch, in those of the
# engine that made the features; and a tile learnt from (forward, backward, step), in those.
TORCH = {"openvino": 1.4, "onnxruntime": 1.4, "torch": 1.0}
LEARNT = 3.2
READING_S = 0.003  # processor seconds to read, decode and augment a tile
HEAD_S = (
    1e-6  # processor seconds per tile and feature of a linear head, with its choice of strength
)
START_S = 10.0  # processor seconds of a fold's job besides
GPU_TIMES = 50  # processor cores that a GPU of the class of an NVIDIA T4 replaces: assumed
# Mean regret above the table's own (95 %) if a strategy is applied everywhere, AUROC; as
# `python benchmarks/transfer.py --draw` prints it.
REGRET: dict[Strategy, tuple[float, float, float]] = {
    "retrain": (0.000, 0.000, 0.000),
    "early_probe": (0.018, 0.002, 0.037),
    "finetune": (0.020, 0.006, 0.033),
    "linear_probe": (0.047, 0.025, 0.072),
}
MEASURED_ON = "18 settings of real tiles at 96 and 224 px, networks of up to 2.2 million weights"


@dataclass(frozen=True)
class Effort:
    """What a forecast rests on.

    Attributes:
        forward_s: Seconds of a tile's way through the backbone, as `embed` measured it.
        engine: What ran it there.
        device: On what, "cpu" or a GPU.
        drawn: Of each fold, the tiles it learns from and those it validates on.
    """

    forward_s: float
    engine: str
    device: str
    drawn: Sequence[tuple[int, int]]

    def told(self) -> str:
        """The assumptions in a sentence."""
        return (
            f"Forecast from what embed measured ({1 / self.forward_s:.1f} tiles/s by {self.engine} "
            f"on {self.device}, as busy as it then was) for all {len(self.drawn)} folds to their "
            "last planned epoch; training may stop earlier. Assumed: a tile learnt from costs "
            f"{LEARNT:g} ways forward, PyTorch {TORCH.get(self.engine, 1.0):g} times this engine, "
            f"a GPU {GPU_TIMES} processor cores; features are cached already."
        )


@dataclass(frozen=True)
class DecisionContext:
    """What a decision needs to know beyond the evidence."""

    left_out: LeftOut = field(default_factory=LeftOut)
    effort: Effort | None = None

    def facts(self, costs: Mapping[Strategy, Cost], most: float | None) -> dict[str, Any]:
        """For the record, with costs and the budget (h)."""
        basis = self.effort.told() if self.effort else None
        known = {"costs": costs, "cost_basis": basis, "max_hours": most}
        return {"left_out": self.left_out, **known}


def read_effort(
    timings: Iterable[Path], tiles: Path, folds: Iterable[Mapping[str, Any]], task: Task, most: int
) -> Effort | None:
    """What a forecast rests on; None where `embed` left no measurement.

    Args:
        timings: What `embed` measured, one file a slide.
        tiles: Folder of tile tables, {slide_id}.parquet.
        folds: Rows with the columns `tables.FOLDS`.
        task: What is learnt.
        most: Most tiles that training draws from each slide and stratum.
    """
    facts = [json.loads(path.read_text(encoding="utf-8")) for path in timings if path.is_file()]
    facts = [fact for fact in facts if fact.get("tiles") and fact.get("seconds")]
    if not facts:
        return None
    seconds = sum(fact["seconds"] * fact.get("computing_share", 1.0) for fact in facts)
    drawn: dict[str, list[int]] = {}
    known: dict[str, int] = {}
    for row in folds:
        of_fold = drawn.setdefault(str(row["fold"]), [0, 0])
        if row["role"] in {"train", "val"}:
            slide = str(row["slide_id"])
            if slide not in known:
                table = tables.read_table(tiles / f"{slide}.parquet", ["label", "excluded"])
                known[slide] = sum(min(len(rows), most) for rows in read_labels(table, task)[1])
            of_fold[row["role"] == "val"] += known[slide]
    return Effort(
        forward_s=seconds / sum(fact["tiles"] for fact in facts),
        engine=str(facts[0].get("engine", "torch")),
        device=str(facts[0].get("device", "cpu")),
        drawn=[(taught, validated) for taught, validated in drawn.values()],
    )


def forecast(
    effort: Effort | None, stages: Sequence[Stage], early: Sequence[int], train: Train
) -> dict[Strategy, Cost]:
    """Hours of training all folds by each strategy; empty without measured effort."""
    if effort is None:
        return {}
    return {s: _cost(s, effort, stages, early, train) for s in STRATEGIES}


def _cost(
    strategy: Strategy, effort: Effort, stages: Sequence[Stage], early: Sequence[int], train: Train
) -> Cost:
    from histotile.training.optimizer import plan

    trains = train.trains_layers(strategy)
    cuts = strategy == "early_probe" and not trains
    width = sum(stages[n - 1].width for n in early) if cuts else stages[-1].width
    heads = sum(START_S + HEAD_S * taught * width for taught, _ in effort.drawn)
    if not trains:
        return Cost(hours=heads / 3600, gpu_hours=heads / 3600)
    ways, read = 0.0, 0.0  # forward; tiles read
    for taught, validated in effort.drawn:
        course = plan(max(taught, 1), train)
        ways += LEARNT * course.epochs * taught + course.rounds * validated
        read += course.epochs * taught + course.rounds * validated
    network = ways * effort.forward_s * TORCH.get(effort.engine, 1.0)
    on_gpu = effort.device != "cpu"
    here = network * GPU_TIMES if on_gpu else network
    there = network if on_gpu else network / GPU_TIMES
    rest = heads + READING_S * read
    return Cost(hours=(here + rest) / 3600, gpu_hours=there / 3600)


def affordable(costs: Mapping[Strategy, Cost], most: float | None) -> set[Strategy]:
    """The strategies within a budget (h); the cheapest one where none is; all without a budget."""
    if most is None or not costs:
        return set(STRATEGIES)
    fits = {strategy for strategy, cost in costs.items() if cost.hours <= most}
    return fits or {min(costs, key=lambda strategy: costs[strategy].hours)}


def within(wanted: Strategy, allowed: Collection[Strategy], similarity: Similarity) -> Strategy:
    """The strategy, or the next best of those allowed.

    That is the head which the depth of this cohort's features asks for, if it is allowed; else the
    one of least regret wherever it was measured.
    """
    head: Strategy = "linear_probe" if similarity.depth_sufficient else "early_probe"
    for strategy in (wanted, head):
        if strategy in allowed:
            return strategy
    return min(allowed, key=lambda other: REGRET[other][0])


def settle(
    choice: Choice, similarity: Similarity, train: Train, allowed: Collection[Strategy]
) -> tuple[Strategy, Sequence[int]]:
    """What is trained, and the stages under the head; what the user sets needs no allowance."""
    if train.strategy == "auto" and choice.strategy in allowed:
        return choice.strategy, choice.stages
    named = train.strategy
    strategy = within(choice.strategy, allowed, similarity) if named == "auto" else named
    if strategy == "early_probe":
        return "early_probe", similarity.early_stages
    return strategy, [similarity.stages[-1].stage]


def tell_budget(
    choice: Choice, training: Mapping[str, Any], costs: Mapping[Strategy, Cost], most: float | None
) -> list[str]:
    """Sentences on what the budget changes, and its price in regret.

    Args:
        choice: What the table says.
        training: `strategy` that is trained, and whether it is `forced`, set by the user.
        costs: Of each strategy.
        most: The budget (h); None: there is none.
    """
    wanted, trained = choice.strategy, training["strategy"]
    if most is None:
        return []
    if not costs:
        return ["decide.max_hours is not obeyed: embed left no timing to forecast from."]
    found = []
    if costs[wanted].hours > most and wanted != trained and not training["forced"]:
        mean, low, high = REGRET[trained]
        found.append(
            f"{wanted}, which the table says, would take {costs[wanted].hours:.2g} processor "
            f"hours, more than decide.max_hours ({most:g}): {trained} takes its place "
            f"({costs[trained].hours:.2g} hours). Applied everywhere it cost {mean:.3f} AUROC more "
            f"regret than the table ({low:.3f} to {high:.3f}, {MEASURED_ON})."
        )
    if costs[trained].hours > most:
        found.append(
            f"{trained} exceeds decide.max_hours ({most:g}), too, by forecast "
            f"({costs[trained].hours:.2g} processor hours)."
        )
    return found
