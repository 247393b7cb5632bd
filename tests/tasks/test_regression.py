"""Numbers: what texts mean, what is lost, what is learnt."""

import numpy as np
import pytest
import torch

from histotile.tasks.groups import group_labels
from histotile.tasks.probe import Features, fit_probe
from histotile.tasks.registry import make_task, read_task
from histotile.tasks.regression import Regression
from histotile.tasks.task import score

PERCENT = {"low": 0.0, "high": 100.0, "unit": "%"}
TASK = Regression(("marked nuclei",), **PERCENT)  # type: ignore[arg-type]


def test_texts_mean_numbers_of_the_range() -> None:
    found = TASK.labels(["12.5", "12,5", "100", "0", None, "", "101", "nan", "high", "1e1"])
    np.testing.assert_allclose(found, [12.5, 12.5, 100, 0, *[np.nan] * 5, 10])
    assert TASK.foreign(["5", "101", "-1", "nan", "inf", "high", "", None]) == sorted(
        ["101", "-1", "nan", "inf", "high"]
    )
    assert TASK.texts(np.array([12.5, np.nan, 1 / 3])) == ["12.5", None, "0.333333"]


@pytest.mark.parametrize("high", [1234567.0, 2 / 3, 0.1234567, 1e-7])
def test_the_ends_of_the_range_survive_being_written(high: float) -> None:
    task = make_task(("size",), "regression", {"low": 0.0, "high": high})
    ends = np.array([0.0, high])
    np.testing.assert_array_equal(task.labels(task.texts(ends)), ends)


def test_a_number_that_may_be_two_is_refused() -> None:
    task = make_task(("size",), "regression", {"low": 0.0, "high": 2000.0})
    assert task.foreign(["1,250", "1.250", "1,25", "1250", "0,250"]) == ["1,250"]
    signed = make_task(("size",), "regression", {"low": -2000.0, "high": 2000.0})
    assert signed.foreign(["-1,250", "+1,250", "-1,25", "-0,250"]) == ["+1,250", "-1,250"]
    narrow = make_task(("size",), "regression", {"low": 0.0, "high": 100.0})
    assert narrow.foreign(["1,250"]) == [], "1250 is beyond the range"


def test_strata_part_the_range_and_say_its_unit() -> None:
    assert len(TASK.strata) == 10
    assert TASK.strata[-1] == "90 to 100 %"
    assert TASK.stratum(np.array([0, 9.99, 10, 100, np.nan])).tolist() == [0, 0, 1, 9, -1]


def test_a_number_that_never_changes_cannot_be_learnt() -> None:
    assert TASK.lacking(np.array([5.0, 5.0, np.nan])) == ["with another number than 5 %"]
    assert TASK.lacking(np.array([np.nan]))
    assert not TASK.lacking(np.array([5.0, 6.0]))


@pytest.mark.parametrize("trained_by", ["huber", "mean_absolute", "mean_square"])
@pytest.mark.parametrize("is_bounded", [False, True])
def test_loss_error_and_blind_error_agree(trained_by: str, is_bounded: bool) -> None:
    options = {**PERCENT, "trained_by": trained_by, "is_bounded": is_bounded}
    task = make_task(TASK.names, "regression", options)
    rng = np.random.default_rng(0)
    labels, logits = rng.uniform(0, 100, 50), rng.normal(0.4, 0.3, (50, 1))
    loss = float(task.loss(torch.tensor(logits), torch.tensor(labels), None))
    assert loss == pytest.approx(task.error(logits, labels))
    levels = np.linspace(-3, 3, 601) if is_bounded else np.linspace(0, 1, 601)
    least = min(task.error(np.full((50, 1), level), labels) for level in levels)
    assert task.blind_error(labels) == pytest.approx(least, rel=0.05)
    assert task.blind_error(labels) >= least - 1e-4
    values = task.activate(logits)
    assert not is_bounded or ((values > 0) & (values < 100)).all()


@pytest.mark.parametrize("is_bounded", [False, True])
def test_a_probe_learns_numbers_in_their_unit(is_bounded: bool) -> None:
    task = make_task(TASK.names, "regression", {**PERCENT, "is_bounded": is_bounded})
    rng = np.random.default_rng(0)
    truth = rng.uniform(5, 95, 400)
    values = np.outer(truth / 50, rng.normal(size=8)) + rng.normal(0, 0.1, (400, 8))
    groups = np.array([f"p{n % 20}" for n in range(400)])
    probe = fit_probe(task, Features(values[:300], truth[:300], groups[:300]), True, 0)
    found = task.activate(probe.head.logits(values[300:]))
    assert probe.losses  # strengths were compared on left-out patients
    assert (score(task, found, truth[300:]) or 0) > 0.98
    assert np.abs(found[:, 0] - truth[300:]).mean() < 6
    assert task.preds(np.array([[12.3456], [np.nan]])) == ["12.35", None]


def test_groups_part_numbers_between_patients_and_labels_by_the_rarest() -> None:
    numbers = np.array([1.0, 1, 1, 2, 2, 3])
    names, groups = group_labels(TASK, numbers, np.array([0, 0, 1, 1, 2, 3]))
    assert set(groups.tolist()) == {0, 1}
    assert names[0].startswith("marked nuclei up to")
    several = make_task(("a", "b"), "multilabel")
    flags = several.labels(["a", "a", "a;b", "none", None])
    names, groups = group_labels(several, flags, np.arange(5))
    assert names == ("without b", "with b")
    assert groups.tolist() == [0, 0, 1, 0, -1]


def test_metadata_gives_the_task_back() -> None:
    given = make_task(TASK.names, "regression", {**PERCENT, "trained_by": "mean_square"})
    again = read_task(given.metadata())
    assert again.metadata() == given.metadata()
    assert again == TASK
    assert again != make_task(TASK.names, "regression", {**PERCENT, "high": 1.0})
