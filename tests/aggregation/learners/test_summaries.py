from collections.abc import Callable

import numpy as np
import pytest

from histotile.aggregation.learners.bags import Bags
from histotile.aggregation.learners.summaries import linear_learner, summaries, summed_up
from histotile.errors import HistotileError
from histotile.tasks.registry import make_task
from histotile.tasks.task import Task, score

Plant = Callable[..., tuple[Bags, list[np.ndarray]]]


def test_values_worked_out_by_hand() -> None:
    tiles = np.array([[0, 4], [2, 0], [4, 2]], np.float16)
    found = summaries((0.5, 1.0))
    np.testing.assert_allclose(found["mean_features"](tiles), [2, 2])
    np.testing.assert_allclose(found["max_features"](tiles), [4, 4])
    np.testing.assert_allclose(found["quantile_features"](tiles), [2, 2, 4, 4])


@pytest.mark.parametrize("method", ["mean_features", "quantile_features"])
def test_a_linear_head_learns_every_task(task: Task, planted: Plant, method: str) -> None:
    bags, _ = planted(task, 80, 0.3)
    vectors = summed_up(bags, summaries((0.25, 0.5, 0.9))[method])
    rows = np.arange(80)
    answer = linear_learner(bags, task, vectors)(rows[:60], rows[60:], 0)
    assert (score(task, answer.values, bags.labels[60:]) or 0) > 0.8


def test_features_that_are_not_finite_or_differ_in_number_are_refused() -> None:
    labels = make_task(("a", "b")).labels(["a", "b"])
    good, bad = np.zeros((3, 4), np.float16), np.full((2, 4), np.inf, np.float16)
    mean = summaries((0.5,))["mean_features"]
    with pytest.raises(HistotileError, match="has features that are not finite"):
        summed_up(Bags(["s", "t"], np.arange(2), labels, [good, bad]), mean)
    with pytest.raises(HistotileError, match="3 and 4 values"):
        summed_up(Bags(["s", "t"], np.arange(2), labels, [good, good[:, :3]]), mean)
    empty = summed_up(Bags(["s", "t"], np.arange(2), labels, [good, good[:0]]), mean)
    assert np.isnan(empty[1]).all()
    assert np.isfinite(empty[0]).all()
