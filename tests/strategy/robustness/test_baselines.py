from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from histotile.config import Decide
from histotile.strategy.evidence import Evidence
from histotile.strategy.feature_similarity import judge
from histotile.strategy.record import Baseline
from histotile.strategy.robustness.baselines import measure, site_probe

MakeEvidence = Callable[..., Evidence]


def baselines_of(evidence: Evidence, settings: Decide) -> dict[str, Baseline]:
    found = measure(evidence, settings, judge(evidence, settings, True, "small"))
    return {baseline.name: baseline for baseline in found}


def with_site_cue(evidence: Evidence, strength: float) -> Evidence:
    """Features that carry the site of their slide."""
    assert evidence.sites is not None
    cue = strength * np.eye(evidence.features[-1].shape[1])[-1 - evidence.sites]
    return replace(
        evidence, features=tuple((f + cue).astype(np.float16) for f in evidence.features)
    )


def test_a_clean_cohort_shows_no_colour_no_site(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    found = baselines_of(make_evidence(), quick_settings)
    assert list(found) == [
        "colour", "random weights", "learning curve", "site", "robustness", "leave-site-out",
    ]  # fmt: skip
    assert found["colour"].score.value == pytest.approx(0.5, abs=0.05)
    assert "above it" in found["colour"].meaning
    assert found["site"].score.value < 0.65
    assert found["robustness"].score.value > 0.6
    assert found["leave-site-out"].score.value > 0.75
    for baseline in found.values():
        assert baseline.score.low is not None
        assert baseline.score.low <= baseline.score.value <= (baseline.score.high or 0)


def test_colour_that_tells_all_is_seen_even_where_some_is_unknown(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    evidence = make_evidence()
    colour = evidence.colour + 80 * evidence.labels[:, None].astype(np.float32)
    colour[::50, 2] = np.nan
    baseline = baselines_of(replace(evidence, colour=colour), quick_settings)["colour"]
    assert baseline.score.value > 0.95
    assert "nothing certain" in baseline.meaning


def test_random_weights_show_their_best_stage(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    evidence = make_evidence(random=(1.2, 0.2))
    found = baselines_of(evidence, quick_settings)["random weights"]
    assert "(1, layer1)" in found.meaning
    assert found.score.value > 0.7
    assert "random weights" not in baselines_of(replace(evidence, random=()), quick_settings)


def test_features_that_know_the_site_are_seen(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    clean = make_evidence(own=(1.0, 1.0))
    marked = baselines_of(with_site_cue(clean, 4.0), quick_settings)
    assert marked["site"].score.value > 0.95
    assert marked["robustness"].score.value < 0.3


def test_sites_of_one_patient_cannot_be_probed(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    evidence = make_evidence(patients=12)
    lonely = replace(evidence, sites=np.minimum(evidence.patients, 1))
    assert site_probe(lonely, quick_settings) is None
    assert site_probe(replace(evidence, sites=None), quick_settings) is None
    names = baselines_of(replace(evidence, sites=None), quick_settings)
    assert not {"site", "robustness", "leave-site-out"} & set(names)


def test_sites_that_show_one_class_each_cannot_be_left_out(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    apart = make_evidence(shows=lambda p, c: p % 2 == c)
    found = baselines_of(replace(apart, sites=apart.patients % 2), quick_settings)
    assert "leave-site-out" not in found
    assert "site" in found


def test_the_learning_curve_tells_a_climb_from_a_plateau(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    easy = baselines_of(make_evidence(patients=40, own=(0.5, 3.0)), quick_settings)
    assert "no longer climbing" in easy["learning curve"].meaning
    hard = make_evidence(patients=40, tiles=3, own=(0.5, 2.0), width=150)
    assert "data-limited" in baselines_of(hard, quick_settings)["learning curve"].meaning


def test_without_patients_enough_there_is_little_to_say(
    make_evidence: MakeEvidence, quick_settings: Decide
) -> None:
    single = make_evidence(patients=2, shows=lambda p, c: p == c)
    assert set(baselines_of(single, quick_settings)) <= {"robustness"}
