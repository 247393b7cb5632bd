"""What a reader must know of a decision: assumptions, thin evidence, near borders."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from histotile.config import Config, Decide
from histotile.strategy.decide import decide
from histotile.strategy.evidence import Evidence

Make = Callable[..., Evidence]
BORDERLINE = {"patients": 30, "tiles": 10, "own": (1.0, 1.6)}


def notes(evidence: Evidence, settings: Decide, config: Config, **rule: float) -> list[str]:
    similarity = settings.similarity.model_copy(update=rule)
    changed = settings.model_copy(update={"similarity": similarity})
    return decide(evidence, changed, config.train, {}, None).notes


@pytest.mark.parametrize(
    ("changes", "least", "says"),
    [
        ({}, -0.3, "counts as large, since its last stage gains 0."),
        ({}, 1.0, "over random weights, less than 1 (decide."),
        ({"random": ()}, -0.3, "counts as small, since nobody measured"),
        ({"domain": "pathology"}, -0.3, "borderline, which changes nothing here"),
    ],
)
def test_a_borderline_cohort_is_told_why_it_counts_as_it_does(
    make_evidence: Make,
    quick_settings: Decide,
    config: Config,
    changes: Any,
    least: float,
    says: str,
) -> None:
    cohort = make_evidence(**BORDERLINE | changes)
    found = notes(cohort, quick_settings, config, min_gain_borderline=least)
    assert says in found[0]


def test_other_sizes_hear_nothing_of_a_border(
    make_evidence: Make, quick_settings: Decide, config: Config
) -> None:
    for patients in (12, 80):
        found = notes(make_evidence(patients, 10), quick_settings, config)
        assert not any("borderline" in note for note in found)


def test_the_agreement_of_resamples_is_no_proof_of_foreign_features(
    make_evidence: Make, quick_settings: Decide, config: Config
) -> None:
    cohort = make_evidence(30, 10, own=(0.5, 0.3), random=(1.5, 1.0))
    told = "All resampled cohorts share the verdict that the features are foreign"
    found = notes(cohort, quick_settings, config, min_best_gain=-0.2)
    assert any(note.startswith(told) for note in found)
    assert not any(note.startswith(told) for note in notes(cohort, quick_settings, config))


def test_a_network_far_larger_than_those_measured_is_told_where_training_is_for_its_room(
    make_evidence: Make, quick_settings: Decide, config: Config
) -> None:
    cohort = make_evidence(30, 10)
    large = replace(cohort.stages[-1], weights=86_000_000)
    larger = replace(cohort, stages=(*cohort.stages[:-1], large))
    told = "this one has 86 million"
    assert any(told in note for note in notes(larger, quick_settings, config, head_skill=1.0))
    assert not any(told in note for note in notes(larger, quick_settings, config))
    small = notes(cohort, quick_settings, config, head_skill=1.0)
    assert not any("million weights" in note for note in small)
