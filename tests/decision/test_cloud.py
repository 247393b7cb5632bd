"""Resampled cohorts: every class stays, the cloud surrounds the position, sums are one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histotile.config import Decide
from histotile.decision.cloud import frequencies, place, resample_patients
from histotile.decision.evidence import Evidence
from histotile.decision.similarity import judge
from histotile.decision.size import group_tiles

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
    groups, judgement = group_tiles(evidence), judge(evidence, quick_settings, quick=True)
    assert judgement.similarity.basis == "measured"
    (centre,) = place(groups, judgement, np.ones((1, 24)), quick_settings)
    weights = resample_patients(evidence.counts, 60, 0)
    cloud = place(groups, judgement, weights, quick_settings)
    assert len(cloud) == 60
    xs, ys = np.array([(p.x, p.y) for p in cloud]).T
    assert xs.min() <= centre.x <= xs.max()
    assert ys.min() <= centre.y <= ys.max()
    assert xs.std() > 0
    assert ys.std() > 0
    shares = frequencies(cloud)
    assert sum(shares.values()) == pytest.approx(1)
    assert {p.strategy for p in cloud} == {s for s, share in shares.items() if share}


def test_no_cloud_has_no_shares() -> None:
    assert set(frequencies([]).values()) == {0.0}
