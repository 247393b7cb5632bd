from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from histotile.aggregation.aggregate import PredictedTiles
from histotile.aggregation.learners.bags import Bags
from histotile.aggregation.learners.learn import learn_slides
from histotile.config import Aggregate, LearnSlides
from histotile.errors import HistotileError
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task, score

Plant = Callable[..., tuple[Bags, list[np.ndarray]]]


def how(method: str) -> Aggregate:
    return Aggregate(method=method, top_k=5, quantile=0.9, calls="highest", bootstraps=0)


def fold_table(bags: Bags, folds: int, holdout: int = 0) -> dict[str, Sequence[Any]]:
    """Three patients by turns; the first of them are tested in all folds."""
    rows = []
    for fold in range(folds):
        for slide_id, patient in zip(bags.slide_ids, bags.patients, strict=True):
            role = "test" if patient < holdout or patient // 3 % folds == fold else "train"
            role = "val" if role == "train" and patient // 3 % folds == (fold + 1) % folds else role
            rows.append((fold, slide_id, role))
    return {name: [row[i] for row in rows] for i, name in enumerate(("fold", "slide_id", "role"))}


def test_every_slide_is_predicted_by_folds_that_never_saw_its_patient(
    task: Task, planted: Plant, learning: LearnSlides
) -> None:
    bags, _ = planted(task, 60, 0.3)
    found = learn_slides(bags, fold_table(bags, 3), task, how("mean_features"), learning)
    assert np.isfinite(found.values).all()
    assert found.record.methods[0].score.value == pytest.approx(found.record.own.value)
    assert (found.record.own.value or 0) > 0.7
    assert found.record.rival is None
    # The labels of a fold's own test patients change none of its values.
    other = bags.labels.copy()
    tested = bags.patients // 3 % 3 == 0
    other[tested] = bags.labels[tested][::-1]
    changed = Bags(bags.slide_ids, bags.patients, other, bags.features)
    again = learn_slides(changed, fold_table(bags, 3), task, how("mean_features"), learning)
    np.testing.assert_array_equal(found.values[tested], again.values[tested])
    assert not np.array_equal(found.values[~tested], again.values[~tested])


def test_a_fixed_test_set_gets_the_mean_of_all_folds_and_stands_apart(
    planted: Plant, learning: LearnSlides
) -> None:
    task = make_task(("a", "b"))
    bags, _ = planted(task, 60, 0.3)
    both = learn_slides(bags, fold_table(bags, 2, 6), task, how("mean_features"), learning)
    assert np.isfinite(both.values).all()
    other = bags.labels.copy()
    other[bags.patients < 6] = 1 - other[bags.patients < 6]
    changed = Bags(bags.slide_ids, bags.patients, other, bags.features)
    again = learn_slides(changed, fold_table(bags, 2, 6), task, how("mean_features"), learning)
    assert both.record.own == again.record.own


def test_slides_without_tiles_or_label_are_left_out(planted: Plant, learning: LearnSlides) -> None:
    task = make_task(("a", "b"))
    bags, _ = planted(task, 60, 0.3)
    labels = bags.labels.copy()
    labels[0] = -1
    features = [tiles[:0] if row == 1 else tiles for row, tiles in enumerate(bags.features)]
    holed = Bags(bags.slide_ids, bags.patients, labels, features)
    found = learn_slides(holed, fold_table(bags, 3), task, how("max_features"), learning)
    assert np.isfinite(found.values[0]).all()
    assert np.isnan(found.values[1]).all()
    assert np.isfinite(found.values[2:]).all()
    nobody = Bags(bags.slide_ids, bags.patients, np.zeros_like(labels), bags.features)
    with pytest.raises(HistotileError, match="fold 0: no slide that teaches it has tiles and is b"):
        learn_slides(nobody, fold_table(bags, 3), task, how("mean_features"), learning)


def test_auto_takes_the_best_or_the_simplest_near_it(planted: Plant, learning: LearnSlides) -> None:
    task = make_task(("a", "b"))
    bags, _ = planted(task, 80, 0.04)
    tiles = [
        PredictedTiles(np.arange(9), np.zeros(9, int), np.full((9, 2), 0.5, np.float32))
        for _ in bags.slide_ids
    ]
    blind = Bags(bags.slide_ids, bags.patients, bags.labels, bags.features, tiles)
    few = learning.model_copy(update={"candidates": ("mean", "mean_features", "max_features")})
    found = learn_slides(blind, fold_table(bags, 2), task, how("auto"), few)
    assert set(found.record.chosen.values()) == {"max_features"}
    assert found.record.rival == "mean_features"
    regret = found.record.regret
    assert regret is not None and regret.value is not None and regret.low is not None
    assert regret.low <= regret.value <= (regret.high or 0) < 0
    scores = {one.method: one.inner["0"] for one in found.record.methods}
    assert scores["mean"] == 0.5
    wide = few.model_copy(update={"margin": 1.0})
    simple = learn_slides(blind, fold_table(bags, 2), task, how("auto"), wide)
    assert set(simple.record.chosen.values()) == {"mean"}


def test_attention_comes_back_by_slide(planted: Plant, learning: LearnSlides) -> None:
    task = make_task(("a", "b"))
    bags, _ = planted(task, 40, 0.2)
    quick = learning.attention.model_copy(update={"epochs": 2, "min_steps": 1})
    settings = learning.model_copy(update={"attention": quick})
    found = learn_slides(bags, fold_table(bags, 2), task, how("attention"), settings)
    assert set(found.attention) == set(range(40))
    for row, weights in found.attention.items():
        assert len(weights) == len(bags.features[row])
        assert weights.sum() == pytest.approx(1, abs=1e-4)
    assert score(task, found.values, bags.labels) is not None
