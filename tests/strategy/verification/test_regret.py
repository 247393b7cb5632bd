"""Verdicts on cohorts whose best strategy is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from histotile.config import Verify
from histotile.errors import HistotileError
from histotile.strategy.verification.comparison import Comparison
from histotile.strategy.verification.regret import StrategyScore, Verification, tell_cheaper, verify
from histotile.tasks.registry import make_task

SETTINGS = Verify(budget="full", margin=0.01, bootstraps=400, seed=0)
STRATEGIES = ("linear_probe", "early_probe", "finetune", "retrain")
TASK = make_task(("healthy", "tumour"))
FOLDS = ("fold0", "fold1", "fold2")


def compare(
    quality: dict[str, float], patients: int = 20, seed: int = 0, noise: float = 0.1
) -> list[Comparison]:
    """Binary strategies whose logits are `quality` x truth + noise of tile and patient."""
    found = []
    for number, fold in enumerate(FOLDS):
        rng = np.random.default_rng([seed, number])
        who = np.repeat(np.arange(patients), 20)
        labels = rng.integers(0, 2, len(who))
        shared = rng.standard_normal(len(who)) + 0.5 * rng.standard_normal(patients)[who]
        for strategy, strength in quality.items():
            logits = strength * (2 * labels - 1) + shared + noise * rng.standard_normal(len(who))
            p = 1 / (1 + np.exp(-logits))
            names = np.array([f"{fold}_{w}" for w in who])
            found.append(
                Comparison(fold, strategy, labels, names, np.stack([1 - p, p], 1), 1.0, TASK)
            )
    return found


def judge(quality: dict[str, float], chosen: str, **options: Any) -> Verification:
    table = dict.fromkeys(FOLDS, chosen)
    return verify(compare(quality, **options), table, STRATEGIES, "full", SETTINGS)


def test_a_much_better_rival_contradicts_the_table() -> None:
    found = judge({"linear_probe": 0.2, "early_probe": 1.2}, "linear_probe")
    assert found.verdict == "contradicted" and found.rival == "early_probe"
    assert found.regret is not None and found.regret.low is not None
    assert found.regret.low > 0.01
    assert "early_probe" in found.reasons[0]


def test_the_clearly_best_strategy_is_confirmed() -> None:
    found = judge({"linear_probe": 1.2, "early_probe": 0.2}, "linear_probe")
    assert found.verdict == "confirmed"
    assert found.regret is not None and found.regret.value < 0


def test_strategies_that_cannot_be_told_apart_do_not_contradict() -> None:
    found = judge({"linear_probe": 0.5, "early_probe": 0.52}, "linear_probe", patients=6, noise=2.0)
    assert found.verdict == "not contradicted"


def test_the_honest_selector_corrects_the_optimism_of_the_best_of_many() -> None:
    """Four strategies of equal worth, drawn apart by noise: the best looks better than it is."""
    naive, honest = [], []
    for seed in range(12):
        comparisons = []
        for number, strategy in enumerate(STRATEGIES):
            for r in compare({strategy: 0.4}, patients=6, seed=seed):
                rng = np.random.default_rng([seed, number, int(r.fold[-1])])
                noise = rng.standard_normal(6)[np.unique(r.patients, return_inverse=True)[1]]
                logit = np.log(r.values[:, 1] / r.values[:, 0])
                p = 1 / (1 + np.exp(-logit - (2 * r.labels - 1) * 0.4 * noise))
                both = np.stack([1 - p, p], 1)
                comparisons.append(
                    Comparison(r.fold, strategy, r.labels, r.patients, both, 0.0, TASK)
                )
        found = verify(
            comparisons, dict.fromkeys(FOLDS, "linear_probe"), STRATEGIES, "full", SETTINGS
        )
        assert found.regret is not None and found.selector_regret is not None
        naive.append(max(0.0, found.regret.value))
        honest.append(found.selector_regret)
    assert np.mean(honest) < np.mean(naive)


def test_a_choice_outside_the_budget_is_not_checked_and_says_why() -> None:
    found = judge({"linear_probe": 0.5, "early_probe": 0.6}, "finetune")
    assert found.verdict == "not checked" and "finetune" in found.reasons[0]


def test_strategies_of_equal_scores_confirm_the_choice() -> None:
    twins = [
        Comparison(r.fold, strategy, r.labels, r.patients, r.values, 1.0, TASK)
        for r in compare({"linear_probe": 9.0})
        for strategy in ("linear_probe", "early_probe")
    ]
    found = verify(twins, dict.fromkeys(FOLDS, "linear_probe"), STRATEGIES, "probe", SETTINGS)
    assert (found.verdict, found.rival) == ("confirmed", "early_probe")
    assert found.regret is not None and found.regret.value == 0


def test_baselines_stand_beside_the_strategies_and_never_rival_them() -> None:
    found = judge({"linear_probe": 0.4, "early_probe": 0.3, "colour": 2.0}, "linear_probe")
    assert [c.strategy for c in found.baselines] == ["colour"]
    assert found.rival == "early_probe"


def test_the_table_may_choose_another_strategy_in_every_fold() -> None:
    comparisons = compare({"linear_probe": 0.4, "early_probe": 1.0})
    chosen = {"fold0": "linear_probe", "fold1": "early_probe", "fold2": "early_probe"}
    found = verify(comparisons, chosen, STRATEGIES, "full", SETTINGS)
    assert found.table is not None
    of = {c.strategy: c.folds for c in found.strategies}
    assert found.table.folds == {f: of[strategy][f] for f, strategy in chosen.items()}


def test_missing_folds_and_other_tiles_are_refused() -> None:
    comparisons = compare({"linear_probe": 0.4, "early_probe": 1.0})
    with pytest.raises(HistotileError, match="lacks fold2"):
        verify(comparisons[:-1], dict.fromkeys(FOLDS, "linear_probe"), STRATEGIES, "full", SETTINGS)
    other = comparisons[-1]
    wrong = replace(other, labels=1 - other.labels)
    with pytest.raises(HistotileError, match="other tiles"):
        verify(
            [*comparisons[:-1], wrong],
            dict.fromkeys(FOLDS, "linear_probe"),
            STRATEGIES,
            "full",
            SETTINGS,
        )


def test_several_classes_and_a_record_that_survives_json() -> None:
    rng = np.random.default_rng(0)
    comparisons = []
    for fold in FOLDS:
        labels = rng.integers(0, 3, 300)
        patients = np.repeat([f"{fold}_{n}" for n in range(10)], 30)
        for strategy, strength in (("linear_probe", 1.0), ("early_probe", 0.3)):
            logits = rng.standard_normal((300, 3)) + strength * np.eye(3)[labels]
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            comparisons.append(
                Comparison(fold, strategy, labels, patients, p, 1.0, make_task("abc"))
            )
    found = verify(comparisons, dict.fromkeys(FOLDS, "linear_probe"), STRATEGIES, "probe", SETTINGS)
    assert found.verdict == "confirmed"
    assert Verification.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("head", "seconds", "told"),
    [(0.9, 10.0, "no worse than"), (0.847, 10.0, "within"), (0.84, 10.0, ""), (0.9, 900.0, "")],
)
def test_a_head_as_good_as_trained_layers_is_told_with_its_share_of_the_time(
    head: float, seconds: float, told: str
) -> None:
    def row(strategy: str, value: float, seconds: float) -> StrategyScore:
        score = {"value": value}
        return StrategyScore.model_validate(
            {
                **{"strategy": strategy, "score": score, "folds": {}, "seconds": seconds},
                "trains_layers": strategy in ("finetune", "retrain"),
            }
        )

    rows = [row("linear_probe", 0.7, 5.0), row("early_probe", head, seconds)]
    rows += [row("finetune", 0.85, 400.0), row("retrain", 0.8, 400.0)]
    found = tell_cheaper(rows)
    assert len(found) == bool(told)
    if told:
        assert told in found[0] and "early_probe" in found[0] and "1/40 of the time" in found[0]
    assert not tell_cheaper(rows[:2])


def test_a_training_that_gave_way_to_a_probe_is_told() -> None:
    said = compare({"early_probe": 0.6, "finetune": 0.6})
    first = [replace(r, gave_way=r.strategy == "finetune" and r.fold == FOLDS[0]) for r in said]
    chosen = dict.fromkeys(FOLDS, "early_probe")
    (told,) = [
        reason
        for reason in verify(first, chosen, STRATEGIES, "full", SETTINGS).reasons
        if "never bettered" in reason
    ]
    assert told.startswith("finetune") and f"1 of {len(FOLDS)} folds" in told
    honest = verify(said, chosen, STRATEGIES, "full", SETTINGS)
    assert not any("never bettered" in reason for reason in honest.reasons)
