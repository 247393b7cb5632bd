"""Effective sizes: planted likeness is found, and n_eff obeys its bounds."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histotile.config import Config, Decide
from histotile.strategy.effective_sample_size import Groups, group_tiles, measure_size, ratios
from histotile.strategy.evidence import Evidence

Make = Callable[..., Evidence]


def plain_groups(counts: Any) -> Groups:
    """Groups whose likeness cannot be measured, so that the prior given is used."""
    nothing = np.zeros(0, np.int64)
    return Groups(nothing, nothing, np.zeros(0), np.zeros((0, 1)), np.zeros((0, 1)), counts)


COUNTS = arrays(
    np.int64,
    st.tuples(st.integers(1, 12), st.integers(2, 4)),
    elements=st.integers(0, 500),
)


@pytest.mark.parametrize("planted", [0.05, 0.2, 0.5, 0.8])
def test_planted_likeness_is_found(make_evidence: Make, config: Config, planted: float) -> None:
    found = [
        measure_size(
            group_tiles(make_evidence(80, 15, own=(distance,), likeness=planted)),
            ("healthy", "tumour"),
            config.decide.size,
        )
        for distance in (0.0, 3.0)
    ]
    assert [s.icc_source for s in found] == ["measured"] * 2
    assert found[0].icc == pytest.approx(planted, abs=0.06)
    assert found[1].icc == pytest.approx(found[0].icc, abs=0.02), "classes are no likeness"


def test_unequal_groups_do_not_bias_likeness(make_evidence: Make, config: Config) -> None:
    whole = make_evidence(120, 40, own=(1.0,), likeness=0.3)
    rng = np.random.default_rng(0)
    share = rng.uniform(0.05, 1, 120)[whole.patients]
    kept = rng.uniform(size=len(share)) < share
    values, labels = whole.features[0][kept], whole.labels[kept]

    fewer = replace(
        whole, features=(values,), labels=labels, patients=whole.patients[kept], random=()
    )
    icc = group_tiles(fewer).sizes(np.ones((1, 120)), 0.3).icc[0]
    assert icc == pytest.approx(0.3, abs=0.06)


@given(counts=COUNTS, rho=st.floats(0.02, 1))
def test_effective_tiles_lie_between_patients_and_tiles(counts: Any, rho: float) -> None:
    sizes = plain_groups(counts).sizes(np.ones((1, len(counts))), rho)
    patients = (counts > 0).sum(0)
    assert np.all(sizes.patients[0] == patients)
    assert np.all(sizes.effective[0] <= counts.sum(0) + 1e-9)
    assert np.all(sizes.effective[0] >= patients - 1e-9)
    assert np.all(sizes.effective[0] <= patients / rho + 1e-9)


@given(counts=COUNTS, rho=st.floats(0.02, 0.99))
def test_more_tiles_of_the_same_patients_reach_patients_over_rho(counts: Any, rho: float) -> None:
    ones = np.ones((1, len(counts)))
    now = plain_groups(counts).sizes(ones, rho).effective[0]
    more = plain_groups(counts * 2).sizes(ones, rho).effective[0]
    most = plain_groups(counts * 10**9).sizes(ones, rho).effective[0]
    assert np.all(now <= more + 1e-9)
    np.testing.assert_allclose(most, (counts > 0).sum(0) / rho, rtol=1e-4)


@given(counts=COUNTS, rho=st.floats(0.02, 1), times=st.integers(1, 5))
def test_a_patient_drawn_twice_counts_twice(counts: Any, rho: float, times: int) -> None:
    once = plain_groups(counts).sizes(np.ones((1, len(counts))), rho)
    often = plain_groups(counts).sizes(np.full((1, len(counts)), times), rho)
    np.testing.assert_allclose(often.effective, times * once.effective)
    np.testing.assert_allclose(often.patients, times * once.patients)


@settings(deadline=None, max_examples=10)
@given(copies=st.integers(2, 4))
def test_copies_of_tiles_add_next_to_nothing(make_evidence: Make, copies: int) -> None:
    """Exact copies are no evidence: with copied features and counts n_eff barely moves."""

    one = make_evidence(40, 20, own=(1.0,), likeness=0.4)
    rows = np.tile(np.arange(len(one.labels)), copies)
    many = replace(
        one,
        features=(one.features[0][rows],),
        labels=one.labels[rows],
        patients=one.patients[rows],
        counts=one.counts * copies,
    )
    sizes = [group_tiles(e).sizes(np.ones((1, 40)), 0.3).effective[0] for e in (one, many)]
    np.testing.assert_allclose(sizes[1], sizes[0], rtol=0.05)


def test_resampling_weighs_groups_as_copying_patients_does(make_evidence: Make) -> None:
    evidence = make_evidence(12, 10, own=(1.0,), likeness=0.3)
    groups = group_tiles(evidence)
    drawn = np.array([0, 0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8])
    weights = np.bincount(drawn, minlength=12)[None]
    parts = [np.flatnonzero(groups.patients == p) for p in drawn]
    rows = np.concatenate(parts)
    copied = Groups(
        patients=np.repeat(np.arange(12), [len(p) for p in parts]),
        labels=groups.labels[rows],
        tiles=groups.tiles[rows],
        means=groups.means[rows],
        scatter=groups.scatter[rows],
        counts=groups.counts[drawn],
    )
    weighed, apart = groups.sizes(weights, 0.3), copied.sizes(np.ones((1, 12)), 0.3)
    np.testing.assert_allclose(weighed.icc, apart.icc)
    np.testing.assert_allclose(weighed.effective, apart.effective)


def test_few_patients_leave_likeness_to_the_prior(make_evidence: Make, config: Config) -> None:
    rule = config.decide.size
    size = measure_size(group_tiles(make_evidence(4, 30)), ("healthy", "tumour"), rule)
    assert (size.icc_source, size.icc) == ("prior", rule.icc_prior)
    single = make_evidence(300, 1, shows=lambda p, c: p % 2 == c)
    size = measure_size(group_tiles(single), ("healthy", "tumour"), rule)
    assert size.icc_source == "prior", "one tile a patient says nothing about likeness"
    assert [c.effective for c in size.classes] == [150, 150]


@pytest.mark.parametrize(
    ("patients", "verdict"), [(10, "small"), (25, "borderline"), (60, "large")]
)
def test_verdict_follows_the_scarcest_class(
    make_evidence: Make, quick_settings: Decide, patients: int, verdict: str
) -> None:
    def shows(patient: int, label: int) -> bool:
        return label == 0 or patient < patients

    evidence = make_evidence(80, 40, own=(1.0,), shows=shows)
    size = measure_size(group_tiles(evidence), evidence.classes, quick_settings.size)
    assert size.verdict == verdict
    assert [c.patients for c in size.classes] == [80, patients]
    assert len(size.reasons) == 2
    assert size.reasons[0].startswith("healthy is large")


def test_verdict_and_ratios_agree_at_the_thresholds(config: Config) -> None:
    rule = config.decide.size
    at = np.array([[1] * 2] * rule.large_patients) * 10**6
    sizes = plain_groups(at).sizes(np.ones((1, len(at))), rule.large_patients / rule.large_neff)
    small, large = ratios(sizes, rule)
    assert large[0] == pytest.approx(1, abs=1e-4)
    assert small[0] > 1


def test_200_resamples_of_5000_tiles_take_less_than_a_second(make_evidence: Make) -> None:
    groups = group_tiles(make_evidence(100, 25, own=(1.0,)))
    weights = np.random.default_rng(0).multinomial(100, np.full(100, 0.01), size=200)
    start = time.process_time()
    groups.sizes(weights, 0.3)
    assert time.process_time() - start < 1
