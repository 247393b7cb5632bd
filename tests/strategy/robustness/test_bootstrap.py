"""Resampled cohorts: every class stays, the bootstrap surrounds the position, sums are one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histotile.config import Decide
from histotile.strategy.decision_table import depth_margin, gain_margin
from histotile.strategy.effective_sample_size import group_tiles
from histotile.strategy.evidence import Evidence
from histotile.strategy.feature_similarity import judge
from histotile.strategy.robustness.bootstrap import frequencies, place, resample_patients

Make = Callable[..., Evidence]


@settings(deadline=None)
@given(
    counts=arrays(
        np.int64, st.tuples(st.integers(1, 15), st.integers(2, 4)), elements=st.integers(0, 3)
    )
)
def test_resamples_keep_size_and_classes(counts: Any) -> None:
    weights = resample_patients(counts, 10, 0)
    shows = counts > 0
    assert weights.shape[1] == len(counts)
    assert np.all(weights.sum(1) == shows.any(1).sum()), "as many patients as have tiles"
    assert np.all(weights[:, ~shows.any(1)] == 0)
    assert np.all((weights @ shows > 0) == shows.any(0)), "no class vanishes, none appears"


def test_resamples_keep_the_mix_of_patients_and_the_seed() -> None:
    counts = np.array([[5, 0]] * 8 + [[0, 5]] * 6 + [[2, 2]])
    weights = resample_patients(counts, 200, 3)
    assert len(weights) == 200
    assert np.all(weights[:, :8].sum(1) == 8)
    assert np.all(weights[:, 8:14].sum(1) == 6)
    assert weights[:, :8].std() > 0.5
    np.testing.assert_array_equal(weights, resample_patients(counts, 200, 3))


def test_a_single_patient_of_a_class_is_always_drawn() -> None:
    counts = np.array([[5, 0]] * 4 + [[0, 5]])
    weights = resample_patients(counts, 30, 0)
    assert len(weights) == 30
    assert np.all(weights[:, 4] > 0)


def test_the_cohort_as_it_is_lies_within_its_cloud(
    make_evidence: Make, quick_settings: Decide
) -> None:
    evidence = make_evidence(24, 15, own=(1.0, 0.9), random=(0.7, 0.7))
    groups, judgement = group_tiles(evidence), judge(evidence, quick_settings, True, "large")
    assert judgement.similarity.basis == "measured"
    (centre,) = place(groups, judgement, np.ones((1, 24)), quick_settings)
    weights = resample_patients(evidence.counts, 60, 0)
    bootstrap = place(groups, judgement, weights, quick_settings)
    assert len(bootstrap) == 60
    xs, ys = np.array([(p.x, p.y) for p in bootstrap]).T
    assert xs.min() <= centre.x <= xs.max()
    assert ys.min() <= centre.y <= ys.max()
    assert xs.std() > 0
    assert ys.std() > 0
    shares = frequencies(bootstrap)
    assert sum(shares.values()) == pytest.approx(1)
    assert {p.strategy for p in bootstrap} == {s for s, share in shares.items() if share}


def at_the_edge(make_evidence: Make, settings: Decide, **profile: Any) -> tuple[Evidence, Decide]:
    """A cohort whose resamples are now small, now large."""
    evidence = make_evidence(30, 12, likeness=0.3, **profile)
    sizes = group_tiles(evidence).sizes(resample_patients(evidence.counts, 60, 0), 0.3)
    middle = float(np.median(sizes.effective.min(1)))
    rule = settings.size.model_copy(update={"small_neff": middle, "large_neff": 1.5 * middle})
    return evidence, settings.model_copy(update={"size": rule})


@pytest.mark.parametrize("counts_as", ["small", "large"])
@pytest.mark.parametrize(
    ("own", "random", "strategies"),
    [
        ((1.0, 1.4), (0.2, 0.2), {"linear_probe", "finetune"}),
        ((1.4, 0.2), (0.2, 0.2), {"early_probe", "finetune"}),
        ((1.0, 1.4), (3.0, 0.2), {"linear_probe", "retrain"}),
        ((1.4, 0.2), (3.0, 0.2), {"early_probe", "retrain"}),
    ],
)
def test_each_resample_answers_the_question_of_its_own_size(
    make_evidence: Make,
    quick_settings: Decide,
    counts_as: str,
    own: Any,
    random: Any,
    strategies: set[str],
) -> None:
    evidence, rules = at_the_edge(make_evidence, quick_settings, own=own, random=random)
    judgement = judge(evidence, rules, True, counts_as)
    assert judgement.similarity.basis == "measured"
    bootstrap = place(
        group_tiles(evidence), judgement, resample_patients(evidence.counts, 60, 0), rules
    )
    assert {p.strategy for p in bootstrap} == strategies
    for point in bootstrap:
        assert (point.x >= 0) == (point.strategy in {"finetune", "retrain"})
        assert (point.y >= 0) == (point.strategy in {"linear_probe", "finetune"})


def test_resamples_whose_best_stage_leaves_room_are_retrained_and_the_others_are_not(
    make_evidence: Make, quick_settings: Decide
) -> None:
    evidence = make_evidence(30, 12, likeness=0.3, own=(1.0, 1.0), random=(0.2, 0.2))
    sure = {"max_interval": 1.0}
    weights = resample_patients(evidence.counts, 60, 0)
    judgement = judge(evidence, quick_settings, True, "small")
    last, lead, _ = judgement.resample(weights)
    best = np.maximum(last, last - lead)
    sure["head_skill"] = 2 * float(np.median(best)) - 1
    rule = quick_settings.similarity.model_copy(update=sure)
    rules = quick_settings.model_copy(update={"similarity": rule})
    judgement = judge(evidence, rules, True, "small")
    bootstrap = place(group_tiles(evidence), judgement, weights, rules)
    roomy = 2 * best - 1 < rule.head_skill
    assert 0.3 < roomy.mean() < 0.7
    assert [p.strategy == "retrain" for p in bootstrap] == roomy.tolist()
    assert [p.y < -1 for p in bootstrap] == roomy.tolist()


def test_heights_of_large_resamples_are_gains_and_of_small_ones_depths(
    make_evidence: Make, quick_settings: Decide
) -> None:
    evidence, rules = at_the_edge(make_evidence, quick_settings, own=(1.2, 1.1), random=(0.9, 0.2))
    certain = rules.similarity.model_copy(update={"max_interval": 1.0})
    rules = rules.model_copy(update={"similarity": certain})
    judgement = judge(evidence, rules, True, "small")
    weights = resample_patients(evidence.counts, 60, 0)
    _, lead, gain = judgement.resample(weights)
    depth = depth_margin(lead, rules.similarity.stage_tolerance)
    useful = gain_margin(gain, rules.similarity.min_gain)
    bootstrap = place(group_tiles(evidence), judgement, weights, rules)
    expected = [useful[b] if point.x >= 0 else depth[b] for b, point in enumerate(bootstrap)]
    assert [point.y for point in bootstrap] == pytest.approx(expected)
    assert np.abs(depth - useful).min() > 0, "the two could be told apart"


@pytest.mark.parametrize(("random", "large"), [((0.2, 0.2), "finetune"), ((2.0, 0.2), "retrain")])
def test_what_a_small_cohort_leaves_to_experience_its_large_resamples_measure(
    make_evidence: Make, quick_settings: Decide, random: Any, large: str
) -> None:
    evidence, rules = at_the_edge(make_evidence, quick_settings, own=(1.4, 0.9), random=random)
    doubtful = rules.similarity.model_copy(update={"min_patients": 31})
    rules = rules.model_copy(update={"similarity": doubtful})
    judgement = judge(evidence, rules, True, "small")
    assert judgement.similarity.basis == "prior"
    bootstrap = place(
        group_tiles(evidence), judgement, resample_patients(evidence.counts, 300, 0), rules
    )
    assert {p.strategy for p in bootstrap} == {"early_probe", large}
    assert len({p.y for p in bootstrap if p.x < 0}) == 1
    assert len({p.y for p in bootstrap if p.x >= 0}) > 1


def test_no_bootstrap_has_no_shares() -> None:
    assert set(frequencies([]).values()) == {0.0}
