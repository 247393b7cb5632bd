"""Weights of the strategies: what is trained, frozen and dropped adds up."""

from collections.abc import Callable
from typing import Literal

import pytest

from histotile.config import Config
from histotile.io.features import Stage
from histotile.strategy.effective_sample_size import group_tiles, measure_size
from histotile.strategy.evidence import Evidence
from histotile.strategy.parameter_budget import effective_tiles, head_weights, weigh_strategies
from histotile.strategy.training_summary import describe_training

STAGES = (Stage(1, "layer1", 8, 100), Stage(2, "layer2", 16, 700), Stage(3, "pool", 32, 5000))


@pytest.mark.parametrize("variant", ["truncate", "retrain_tail"])
def test_weights_add_up(
    make_evidence: Callable[..., Evidence],
    config: Config,
    variant: Literal["truncate", "retrain_tail"],
) -> None:
    evidence = make_evidence(12, 10)
    size = measure_size(group_tiles(evidence), evidence.classes, config.decide.size)
    strategies = {
        b.strategy: b for b in weigh_strategies(size, STAGES, [2], variant, "linear_probe")
    }
    fixed, early = strategies["linear_probe"], strategies["early_probe"]
    assert head_weights(32, 2) == 66
    assert (fixed.trained_weights, fixed.frozen_weights, fixed.dropped_weights) == (66, 5000, 0)
    if variant == "truncate":
        assert (early.trained_weights, early.frozen_weights) == (34, 700)
        assert early.dropped_weights == 4300
    else:
        assert (early.trained_weights, early.frozen_weights) == (4366, 700)
        assert early.dropped_weights == 0
    for name in ("finetune", "retrain"):
        assert (strategies[name].trained_weights, strategies[name].frozen_weights) == (5066, 0)
    assert [b.strategy for b in strategies.values() if b.chosen] == ["linear_probe"]
    assert fixed.allowed_weights == int(effective_tiles(size) / 2)
    assert fixed.effective_per_weight == pytest.approx(effective_tiles(size) / 66)


def test_training_names_rates_weights_and_the_penalty(
    make_evidence: Callable[..., Evidence], config: Config
) -> None:
    evidence = make_evidence(12, 10)
    size = measure_size(group_tiles(evidence), evidence.classes, config.decide.size)
    wide = (*STAGES[:2], Stage(3, "pool", 2048, 5000))
    texts = {}
    for budget in weigh_strategies(size, wide, [2], "truncate", "retrain"):
        stages = [2] if budget.strategy == "early_probe" else [3]
        lines = describe_training(budget, stages, wide, size, config.train)
        texts[budget.strategy] = " ".join(lines)
    assert "AdamW with a peak learning rate of 0.001 (0.0003" in texts["finetune"]
    assert "0.75 times" in texts["finetune"]
    assert "0.001" in texts["retrain"]
    assert "Dropped: the stages above it, 4,300 weights" in texts["early_probe"]
    assert "needs its L2 penalty" in texts["linear_probe"]
    assert "needs its L2 penalty" not in texts["early_probe"]
