from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from histotile.config import Decide
from histotile.stats.bootstrap import every_patient, resamples
from histotile.strategy.decision_table import choose
from histotile.strategy.evidence import Evidence
from histotile.strategy.feature_similarity import judge
from histotile.strategy.similarity_rule import gain

MakeEvidence = Callable[..., Evidence]
SIZES = ("small", "large")


def with_rule(settings: Decide, **rule: float) -> Decide:
    changed = settings.similarity.model_copy(update=rule)
    return settings.model_copy(update={"similarity": changed})


@pytest.mark.parametrize("size", SIZES)
def test_a_good_last_stage_with_gain_is_similar(
    make_evidence: MakeEvidence, quick_settings: Decide, size: str
) -> None:
    evidence = make_evidence(own=(0.3, 0.8, 1.6), random=(0.3, 0.3, 0.3))
    record = judge(evidence, quick_settings, False, size).similarity
    assert (record.verdict, record.basis) == ("similar", "measured")
    assert record.best_stage == 3
    assert record.shortfall.value == 0
    assert record.depth_sufficient
    assert record.gain_sufficient
    assert record.gain is not None
    assert record.gain.low is not None
    assert record.gain.low <= record.gain.value <= (record.gain.high or 0)
    for stage in record.stages:
        assert stage.score.low is not None
        assert stage.score.low <= stage.score.value <= (stage.score.high or 0)
        assert stage.knn is not None
        assert stage.logme is not None
    assert [s.knn for s in record.stages] == sorted(s.knn or 0 for s in record.stages)


@pytest.mark.parametrize(("size", "verdict"), [("small", "different"), ("large", "similar")])
def test_a_last_stage_below_the_best_is_different_for_small_cohorts_alone(
    make_evidence: MakeEvidence, quick_settings: Decide, size: str, verdict: str
) -> None:
    evidence = make_evidence(own=(0.5, 1.6, 0.8), random=(0.2,) * 3)
    found = judge(evidence, quick_settings, True, size)
    record = found.similarity
    assert (record.verdict, record.basis, record.best_stage) == (verdict, "measured", 2)
    assert record.depth_sufficient is False
    assert record.gain_sufficient
    assert record.shortfall.low is not None
    assert 0 < record.shortfall.low <= record.shortfall.value
    assert record.early_stages == [2]
    assert all(stage.knn is None and stage.logme is None for stage in record.stages)


@pytest.mark.parametrize(("size", "verdict"), [("small", "similar"), ("large", "different")])
def test_no_gain_over_random_weights_is_different_for_large_cohorts_alone(
    make_evidence: MakeEvidence, quick_settings: Decide, size: str, verdict: str
) -> None:
    evidence = make_evidence(own=(0.8, 1.2), random=(2.2, 0.1))
    record = judge(evidence, quick_settings, True, size).similarity
    assert (record.verdict, record.basis, record.best_stage) == (verdict, "measured", 2)
    assert record.depth_sufficient
    assert record.gain_sufficient is False
    assert record.gain is not None and record.gain.value < 0
    assert "below -1" in record.reasons[1]


def test_gain_is_that_of_the_last_stage(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    """Gentle steps set out from the last stage, however good an early one is."""
    evidence = make_evidence(own=(0.3, 1.6, 0.2), random=(0.2, 0.2, 1.2))
    record = judge(evidence, quick_settings, True, "large").similarity
    last, random = record.stages[2].score.value, record.stages[2].random_score
    assert random is not None and record.gain is not None
    assert last < random.value < record.stages[1].score.value
    assert record.gain.value == pytest.approx((last - random.value) / (1 - random.value))
    assert record.verdict == "different"
    assert f"last stage {last:.3f}" in record.reasons[1]


@pytest.mark.parametrize(("aside", "verdict"), [(-0.02, "similar"), (0.02, "different")])
def test_the_threshold_of_gain_turns_the_verdict_of_large_cohorts(
    make_evidence: MakeEvidence, quick_settings: Decide, aside: float, verdict: str
) -> None:
    evidence = make_evidence(own=(0.8, 1.2), random=(2.2, 0.1))
    gained = judge(evidence, quick_settings, True, "large").similarity.gain
    assert gained is not None and gained.value < 0
    settings = with_rule(quick_settings, min_gain=gained.value + aside)
    assert judge(evidence, settings, True, "large").similarity.verdict == verdict


@pytest.mark.parametrize(
    ("size", "own", "verdict"),
    [
        ("small", (0.8, 1.2), "similar"),
        ("small", (1.6, 0.3), "different"),
        ("large", (0.8, 1.2), "similar"),
        ("large", (1.6, 0.3), "similar"),
    ],
)
def test_without_random_weights_large_cohorts_count_as_similar(
    make_evidence: MakeEvidence, quick_settings: Decide, size: str, own: Any, verdict: str
) -> None:
    found = judge(make_evidence(own=own, random=()), quick_settings, True, size)
    record = found.similarity
    assert (record.verdict, record.basis) == (verdict, "measured")
    assert record.gain is None
    assert record.gain_sufficient is None
    assert any("unmeasured" in reason for reason in record.reasons)
    assert found.plan is not None
    assert np.isnan(found.resample(every_patient(found.plan.patients))[2]).all()


def test_too_few_patients_leave_it_to_experience(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    few = make_evidence(patients=7, own=(0.5, 1.3))
    record = judge(few, quick_settings, True, "small").similarity
    assert (record.verdict, record.basis, record.best_stage) == ("different", "prior", 2)
    assert any("7 patients, fewer than 10" in reason for reason in record.reasons)
    assert record.depth_sufficient and record.gain_sufficient, "told though it does not decide"


def test_a_wide_interval_that_holds_zero_is_undecided(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    near = make_evidence(patients=12, tiles=6, own=(0.8, 0.8), likeness=0.6)
    strict = with_rule(quick_settings, max_interval=0.01)
    record = judge(near, strict, True, "small").similarity
    assert record.basis == "prior"
    assert any("wider than 0.01" in reason for reason in record.reasons)
    clear = make_evidence(patients=12, own=(0.1, 1.6))
    assert judge(clear, strict, True, "small").similarity.basis == "measured"


def test_doubts_about_depth_are_none_of_a_large_cohort(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    near = make_evidence(patients=12, tiles=6, own=(1.2, 1.2), random=(0.1, 0.1), likeness=0.4)
    strict = with_rule(quick_settings, max_interval=0.01, min_patients=20)
    asked_small = judge(near, strict, True, "small").similarity
    assert (asked_small.verdict, asked_small.basis) == ("different", "prior")
    assert sum("Undecided" in reason for reason in asked_small.reasons) == 2
    record = judge(near, strict, True, "large").similarity
    assert (record.verdict, record.basis) == ("similar", "measured")
    assert not any("Undecided" in reason for reason in record.reasons)


@pytest.mark.parametrize("size", SIZES)
def test_pathology_backbones_are_similar_whatever_is_measured(
    make_evidence: MakeEvidence, quick_settings: Decide, size: str
) -> None:
    poor = make_evidence(own=(1.6, 0.3), random=(1.9, 1.0), domain="pathology")
    record = judge(poor, quick_settings, True, size).similarity
    assert (record.verdict, record.basis) == ("similar", "pathology")
    assert record.depth_sufficient is False
    assert record.gain_sufficient is False


@pytest.mark.parametrize(("size", "verdict"), [("small", "different"), ("large", "similar")])
def test_nothing_to_gain_is_saturated_only_if_the_last_stage_keeps_up(
    make_evidence: MakeEvidence, quick_settings: Decide, size: str, verdict: str
) -> None:
    easy = make_evidence(own=(4.0, 5.0), random=(5.0, 4.0))
    assert judge(easy, quick_settings, True, size).similarity.basis == "saturated"
    early = make_evidence(own=(5.0, 1.0), random=(0.2, 0.2))
    record = judge(early, quick_settings, True, size).similarity
    assert (record.verdict, record.basis, record.best_stage) == (verdict, "measured", 1)


@pytest.mark.parametrize("patients", [1, 2])
def test_what_cannot_be_measured_is_said_and_falls_to_experience(
    make_evidence: MakeEvidence, quick_settings: Decide, patients: int
) -> None:
    apart = make_evidence(patients=patients, shows=lambda p, c: p == c or p > 1 or c == 0)
    found = judge(apart, quick_settings, False, "small")
    record = found.similarity
    assert found.plan is None
    assert (record.verdict, record.basis) == ("different", "prior")
    assert "cannot be measured" in record.reasons[0]
    assert record.best_stage == record.stages[-1].stage
    assert record.depth_sufficient is None
    assert [s.score.low for s in record.stages] == [None, None]
    assert all(np.isnan(part).all() for part in found.resample(np.ones((3, patients))))


def test_one_stage_needs_none_beside_it(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    evidence = make_evidence(own=(1.2,), random=(0.2,))
    record = judge(evidence, quick_settings, True, "small").similarity
    assert record.depth_sufficient
    assert record.shortfall.high == 0


def test_resamples_of_all_patients_once_give_the_record(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    evidence = make_evidence(own=(1.2, 0.9), random=(0.5, 0.2), classes=("a", "b", "c"))
    found = judge(evidence, quick_settings, False, "large")
    last, lead, lift = found.resample(every_patient(evidence.patients))
    record = found.similarity
    assert record.gain is not None
    assert last[0] == pytest.approx(record.stages[-1].score.value)
    assert lead[0] == pytest.approx(-record.shortfall.value)
    assert lead[0] < 0, "so that the gain of the best stage is not that of the last"
    assert lift[0] == pytest.approx(record.gain.value)
    drawn = found.resample(resamples(evidence.patients, 40, 1))
    assert np.std(drawn[0]) > 0


def test_a_seed_repeats_everything(make_evidence: MakeEvidence, quick_settings: Decide) -> None:
    evidence = make_evidence(width=500, patients=12, tiles=8)
    first, second = (judge(evidence, quick_settings, False, "small").similarity for _ in "ab")
    assert first.model_dump_json() == second.model_dump_json()


def test_gain_is_the_share_of_what_is_left_to_do() -> None:
    assert gain(np.array([0.9]), np.array([0.8]))[0] == pytest.approx(0.5)
    assert gain(np.array([0.7]), np.array([0.8]))[0] == pytest.approx(-0.5)
    assert np.isfinite(gain(np.array([1.0]), np.array([1.0]))).all()


@pytest.mark.parametrize(("least", "half"), [(1e9, "small"), (-1e9, "large")])
def test_borderline_goes_by_the_gain_of_the_last_stage(
    make_evidence: Callable[..., Evidence], quick_settings: Decide, least: float, half: str
) -> None:
    rule = quick_settings.similarity.model_copy(update={"min_gain_borderline": least})
    settings = quick_settings.model_copy(update={"similarity": rule})
    for own in ((1.4, 0.2), (1.0, 1.4)):  # the last stage is no good, or the best
        evidence = make_evidence(30, 12, own=own)
        found = judge(evidence, settings, True, "borderline")
        there = judge(evidence, settings, True, half)
        assert found.counts_as == half
        assert found.similarity == there.similarity
        assert judge(evidence, settings, True, "small").counts_as == "small"


def test_borderline_without_random_weights_counts_as_small(
    make_evidence: Callable[..., Evidence], quick_settings: Decide
) -> None:
    assert judge(make_evidence(random=()), quick_settings, True, "borderline").counts_as == "small"


@pytest.mark.parametrize("size", ["small", "borderline", "large"])
def test_features_that_random_weights_beat_at_every_depth_are_foreign(
    make_evidence: Callable[..., Evidence], quick_settings: Decide, size: str
) -> None:
    rule = quick_settings.similarity.model_copy(update={"min_best_gain": -0.2})
    settings = quick_settings.model_copy(update={"similarity": rule})
    foreign = judge(make_evidence(own=(0.2, 0.3), random=(1.5, 0.3)), settings, True, size)
    assert foreign.similarity.basis == "foreign"
    assert choose(foreign.counts_as, foreign.similarity).strategy == "retrain"
    kept = judge(make_evidence(own=(1.6, 0.3), random=(1.5, 0.3)), settings, True, size)
    assert kept.similarity.basis != "foreign", "an early stage is worth keeping"


def test_foreign_takes_certainty(
    make_evidence: Callable[..., Evidence], quick_settings: Decide
) -> None:
    rule = quick_settings.similarity.model_copy(update={"min_best_gain": 0.9})
    settings = quick_settings.model_copy(update={"similarity": rule})
    found = judge(make_evidence(own=(1.0, 1.0), random=(1.0, 1.0)), settings, True, "large")
    assert found.similarity.best_gain is not None
    assert found.similarity.best_gain.value < 0.9 and (found.similarity.best_gain.high or 1) > 0
    assert found.similarity.basis == "measured"


@pytest.mark.parametrize("size", SIZES)
def test_a_backbone_whose_stages_leave_room_is_retrained_at_any_size(
    make_evidence: MakeEvidence, quick_settings: Decide, size: str
) -> None:
    evidence = make_evidence(own=(0.5, 0.6), random=(0.1, 0.1))
    found = judge(evidence, with_rule(quick_settings, head_skill=0.6), True, size)
    best = max(stage.score.value for stage in found.similarity.stages)
    assert 0.6 < best < 0.8
    assert (found.similarity.verdict, found.similarity.basis) == ("different", "room")
    assert choose(found.counts_as, found.similarity).strategy == "retrain"
    assert f"{2 * best - 1:.2f} of the way" in " ".join(found.similarity.reasons)
    lax = judge(evidence, with_rule(quick_settings, head_skill=2 * best - 1.01), True, size)
    assert lax.similarity.basis != "room"
