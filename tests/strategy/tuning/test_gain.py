"""Whether the best trial is worth it, with planted differences."""

import numpy as np
import pytest

from histotile.strategy.entry import Estimate
from histotile.strategy.tuning.gain import judge, measure_gain, patient_weights
from histotile.strategy.tuning.measure import weighted_scores
from histotile.strategy.tuning.record import Gain, Repeat, Trial
from histotile.tasks.registry import make_task


def trial(score: float | None, gave_way: int = 0) -> Trial:
    reason = "the loss was nan" if score is None else None
    return Trial(
        settings={},
        score=score,
        folds=[score, score],
        gave_way=gave_way,
        reason=reason,
        seconds=1,
        processor_seconds=1,
    )


def gain(low: float | None, high: float | None, chosen: float | None = 0.0005) -> Gain:
    difference = Estimate(value=0.01, low=low, high=high)
    return Gain(
        difference=difference,
        low_of_chosen=chosen,
        in_force=0.8,
        best=0.81,
        spread=None,
        difference_spread=None,
    )


def test_the_interval_covers_patients_and_repeats() -> None:
    rng = np.random.default_rng(0)
    patients = rng.normal(0.0, 0.02, 501)  # the same patients in all repeats
    in_force = np.full((3, 501), 0.8)
    best = in_force + np.array([[0.05], [0.06], [0.04]]) + patients
    best[:, 0] = [0.85, 0.86, 0.84]
    found = measure_gain(in_force, best, (20, 6), 0)
    assert found.difference.value == pytest.approx(0.05)
    assert found.difference.low is not None and found.difference.high is not None
    assert 0.06 < found.difference.high - found.difference.low < 0.11  # 4 x 0.02, and seeds
    assert found.spread == pytest.approx(0, abs=1e-9)
    assert found.difference_spread == pytest.approx(0.01)
    assert found.low_of_chosen is not None and found.low_of_chosen < found.difference.low
    few = measure_gain(in_force, best, (20, 2), 0)
    assert few.low_of_chosen is not None and few.low_of_chosen > found.low_of_chosen
    alone = measure_gain(in_force[:1], best[:1], (20, 6), 0)
    assert alone.spread is None and alone.difference_spread is None


def test_differences_between_seeds_widen_the_interval_beyond_patients() -> None:
    in_force = np.full((3, 501), 0.8)
    best = in_force + np.array([[0.2], [-0.1], [-0.05]])
    found = measure_gain(in_force, best, (20, 6), 0).difference
    assert found.low is not None and found.low < 0 < found.value


def test_scores_count_each_patient_as_often_as_it_was_drawn() -> None:
    task = make_task(("healthy", "tumour"))
    said = {
        "prob_healthy": np.array([0.9, 0.1, 0.1, 0.9]),
        "prob_tumour": np.array([0.1, 0.9, 0.9, 0.1]),
        "label": np.array([0, 1, 0, 1]),
        "patient_id": np.array(["a", "a", "c", "c"]),
    }
    weights = np.array([[1.0, 1, 1], [2, 5, 0], [0, 5, 2], [0, 1, 0]])
    found = weighted_scores(task, [said], ["a", "b", "c"], weights)
    assert found[:3].tolist() == pytest.approx([0.5, 1.0, 0.0])
    assert np.isnan(found[3])
    drawn = patient_weights(5, 20, 0)
    assert drawn.shape == (21, 5) and (drawn[0] == 1).all() and (drawn.sum(1) == 5).all()


def test_scores_of_numbers_and_of_several_labels_are_weighted_alike() -> None:
    number = make_task(("nuclei",), "regression")
    patients = np.array(["a", "a", "b", "b"])
    said = {number.columns[0]: np.array([0.1, 0.2, 0.3, 0.4]), "patient_id": patients}
    said["label"] = np.array([0.2, 0.1, 0.3, 0.4])
    weights = np.array([[1.0, 1], [3, 0], [0, 3]])
    found = weighted_scores(number, [said, said], ["a", "b"], weights)
    assert found.tolist() == pytest.approx([0.8, -1.0, 1.0])
    several = make_task(("one", "two"), "multilabel")
    said = {name: np.array([0.1, 0.9, 0.9, 0.1]) for name in several.columns}
    said |= {"patient_id": patients, "label": np.array([[0, 0], [1, 1], [0, 0], [1, 1]])}
    found = weighted_scores(several, [said], ["a", "b"], weights)
    assert found.tolist() == pytest.approx([0.5, 1.0, 0.0])


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ((0.001, 0.02, 0.0005), "worth it"),
        ((0.001, 0.02, -0.001), "perhaps"),
        ((-0.001, 0.02, -0.003), "not worth it"),
        ((0.0, 0.0, 0.0), "not worth it"),
        ((None, None, None), "not known"),
    ],
)
def test_a_gain_is_worth_it_if_it_is_above_zero_the_choice_allowed_for(
    ends: tuple[float | None, float | None, float | None], verdict: str
) -> None:
    repeats = [Repeat(in_force=trial(0.8), best=trial(0.81))]
    assert judge([trial(0.8), trial(0.85)], 1, repeats, gain(*ends))[0] == verdict


def test_what_the_numbers_hide_is_said() -> None:
    repeats = [Repeat(in_force=trial(0.8, gave_way=2), best=trial(0.81, gave_way=1))]
    reasons = judge([trial(0.8), trial(0.85)], 1, repeats, gain(0.001, 0.02))[1]
    assert any("3 of 4 trainings" in reason and "probe" in reason for reason in reasons)
    assert any("+0.050, which flatters" in reason for reason in reasons)
    worse = judge([trial(0.8), trial(0.7)], 1, repeats, gain(-0.01, 0.02))[1]
    assert any("no trial of the search had a better score" in reason for reason in worse)


def test_a_search_without_another_trial_compared_nothing() -> None:
    verdict, reasons = judge([trial(0.8)], None, [], None)
    assert verdict == "not known" and "max_hours" in reasons[0]


def test_failures_leave_the_question_open_and_are_named() -> None:
    failed = [Repeat(in_force=trial(None), best=trial(0.8))]
    verdict, reasons = judge([trial(None), trial(0.8)], 1, failed, None)
    assert verdict == "not known" and "nothing to compare with: the loss was nan" in reasons[0]
    failed = [Repeat(in_force=trial(0.8), best=trial(None))]
    verdict, reasons = judge([trial(0.8), trial(0.9)], 1, failed, None)
    assert verdict == "not known" and "a training of the comparison failed" in reasons[0]
    assert judge([trial(0.8), trial(None)], None, [], None)[0] == "not worth it"
