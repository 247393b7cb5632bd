"""What strategies cost by forecast, and a budget that is obeyed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.config import Config, Decide
from histotile.io import tables
from histotile.strategy.context import Cost
from histotile.strategy.cost import (
    GPU_TIMES,
    LEARNT,
    DecisionContext,
    Effort,
    affordable,
    forecast,
    read_effort,
    tell_budget,
    within,
)
from histotile.strategy.decide import decide
from histotile.strategy.decision_table import Choice
from histotile.strategy.evidence import Evidence
from histotile.strategy.record import STRATEGIES, Decision, Strategy
from histotile.tasks.registry import make_task

Make = Callable[..., Evidence]
EFFORT = Effort(0.02, "torch", "cpu", [(1000, 200)] * 3)


def decided(evidence: Evidence, settings: Decide, config: Config, most: float | None) -> Decision:
    budget = settings.model_copy(update={"max_hours": most})
    folds = {"0": range(70), "1": range(10, 80)}
    return decide(evidence, budget, config.train, folds, None, DecisionContext(effort=EFFORT))


def test_heads_cost_minutes_and_layers_what_their_passes_take(
    make_evidence: Make, config: Config
) -> None:
    stages = make_evidence(6, 5).stages
    train = config.train.model_copy(update={"epochs": 20, "min_steps": 0, "batch_size": 50})
    costs = forecast(EFFORT, stages, [1], train)
    assert costs["linear_probe"].hours < 0.02
    forward = 3 * (20 * 1000 * LEARNT + 20 * 200) * 0.02 / 3600  # folds x (learnt, validated)
    assert costs["finetune"].hours == pytest.approx(forward, rel=0.25)
    assert costs["finetune"].hours > forward
    assert costs["finetune"].gpu_hours == pytest.approx(forward / GPU_TIMES)
    twice = forecast(EFFORT, stages, [1], train.model_copy(update={"epochs": 40}))
    assert twice["retrain"].hours > 1.9 * costs["retrain"].hours
    tail = forecast(EFFORT, stages, [1], train.model_copy(update={"early_probe": "retrain_tail"}))
    assert tail["early_probe"].hours == pytest.approx(costs["finetune"].hours, rel=0.01)


def test_features_made_on_a_gpu_give_its_hours(make_evidence: Make, config: Config) -> None:
    stages = make_evidence(6, 5).stages
    here = forecast(EFFORT, stages, [1], config.train)["finetune"]
    there = Effort(0.02 / GPU_TIMES, "torch", "cuda", EFFORT.drawn)
    found = forecast(there, stages, [1], config.train)["finetune"]
    assert found.hours == pytest.approx(here.hours)
    assert found.gpu_hours == pytest.approx(here.gpu_hours)


@pytest.mark.parametrize(
    ("own", "head", "price"),
    [((1.5, 1.0), "early_probe", "0.018 AUROC"), ((1.0, 1.5), "linear_probe", "0.047 AUROC")],
)
def test_the_budget_takes_the_next_best_that_fits(
    make_evidence: Make,
    quick_settings: Decide,
    config: Config,
    own: tuple[float, float],
    head: str,
    price: str,
) -> None:
    evidence = make_evidence(80, 20, own=own)
    free = decided(evidence, quick_settings, config, None)
    assert (free.strategy, free.table_strategy) == ("finetune", "finetune")
    assert not any("max_hours" in note for note in free.notes)
    hours = free.costs["finetune"].hours
    roomy = decided(evidence, quick_settings, config, 1.1 * hours)
    assert roomy.strategy == "finetune"
    tight = decided(evidence, quick_settings, config, 0.5 * hours)
    assert (tight.strategy, tight.table_strategy) == (head, "finetune")
    last = [tight.last_stage]
    assert tight.stages == (tight.similarity.early_stages if head == "early_probe" else last)
    assert not tight.forced
    assert {(f.strategy, f.table_strategy) for f in tight.folds} == {(head, "finetune")}
    assert [b.strategy for b in tight.budget if b.chosen] == [head]
    assert tight.chosen_by == "within decide.max_hours; the table says finetune"
    (note,) = [note for note in tight.notes if "max_hours" in note]
    assert price in note


def test_a_budget_below_everything_takes_the_cheapest_and_says_so(
    make_evidence: Make, quick_settings: Decide, config: Config
) -> None:
    found = decided(make_evidence(80, 20), quick_settings, config, 1e-6)
    cheapest = min(found.costs, key=lambda s: found.costs[s].hours)
    assert found.strategy == cheapest
    assert any("exceeds decide.max_hours" in note for note in found.notes)


def test_what_the_user_sets_is_kept_and_its_excess_told(
    make_evidence: Make, quick_settings: Decide, config: Config
) -> None:
    forced = config.model_copy(
        update={"train": config.train.model_copy(update={"strategy": "retrain"})}
    )
    found = decided(make_evidence(80, 20), quick_settings, forced, 0.01)
    assert found.strategy == "retrain"
    assert any(note.startswith("retrain exceeds") for note in found.notes)


def test_a_budget_without_timings_is_said_not_to_hold(
    make_evidence: Make, quick_settings: Decide, config: Config
) -> None:
    budget = quick_settings.model_copy(update={"max_hours": 0.01})
    found = decide(make_evidence(80, 20), budget, config.train, {}, None)
    assert found.strategy == "finetune" and not found.costs
    assert any("not obeyed" in note for note in found.notes)


def test_the_one_of_least_regret_replaces_what_is_not_allowed(
    make_evidence: Make, quick_settings: Decide, config: Config
) -> None:
    similarity = decided(make_evidence(80, 20), quick_settings, config, None).similarity
    assert similarity.depth_sufficient
    assert within("retrain", {"linear_probe", "early_probe"}, similarity) == "linear_probe"
    assert within("retrain", STRATEGIES, similarity) == "retrain"
    assert within("linear_probe", {"finetune", "retrain"}, similarity) == "retrain"
    assert affordable({}, 1.0) == set(STRATEGIES)
    choice = Choice("retrain", (1,))
    assert tell_budget(choice, {"strategy": "retrain", "forced": False}, {}, None) == []


def test_a_strategy_set_by_hand_takes_no_other_s_place() -> None:
    """The budget did not choose it, so that no price is told; its own excess is."""
    hours: dict[Strategy, float] = {"finetune": 9.0, "linear_probe": 1.0}
    costs = {strategy: Cost(hours=h, gpu_hours=h) for strategy, h in hours.items()}
    choice, by_hand = Choice("finetune", (1,)), {"strategy": "linear_probe", "forced": True}
    assert tell_budget(choice, by_hand, costs, 2.0) == []
    (instead,) = tell_budget(choice, by_hand | {"forced": False}, costs, 2.0)
    assert "takes its place" in instead
    (excess,) = tell_budget(choice, {"strategy": "finetune", "forced": True}, costs, 2.0)
    assert "exceeds" in excess


def test_effort_comes_from_timings_and_tables(tmp_path: Path) -> None:
    labels = ["healthy"] * 30 + ["tumour"] * 5 + [None] * 4
    excluded: list[Any] = ["pen"] * 10 + [None] * 29
    columns: dict[str, Any] = {n: np.zeros(39) for n in tables.TILES.names}
    columns |= {n: [None] * 39 for n in ("file", "checksum")}
    columns |= {n: np.zeros(39, bool) for n in ("blur", "pen", "fold")}
    columns |= {n: np.zeros(39, np.int32) for n in ("tile_id", "x", "y")}
    columns |= {"label": labels, "excluded": excluded}
    for slide in "abc":
        tables.write_table(tmp_path / f"{slide}.parquet", columns, tables.TILES, {})
    timing = tmp_path / "a.timing.json"
    facts = {"tiles": 40, "seconds": 5.0, "computing_share": 0.8, "engine": "openvino"}
    timing.write_text(json.dumps(facts | {"device": "cpu"}))
    (tmp_path / "b.timing.json").write_text(json.dumps({"tiles": 0, "seconds": 1.0}))
    roles = {"a": "train", "b": "val", "c": "test"}
    folds = [{"fold": "fold0", "slide_id": s, "role": r} for s, r in roles.items()]
    task = make_task(("healthy", "tumour"))
    files = [timing, tmp_path / "b.timing.json", tmp_path / "none.timing.json"]
    found = read_effort(files, tmp_path, folds, task, 12)
    assert found is not None and found.forward_s == pytest.approx(0.1)
    assert (found.engine, found.device, found.drawn) == ("openvino", "cpu", [(17, 17)])
    assert read_effort([], tmp_path, folds, task, 12) is None
