"""Limits from patients left out: what they let through, what they stop, and what they claim."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from histotile.trust.fitting import ENOUGH, FALSE_ALARMS, Sample, fit_taught, slide_means
from histotile.trust.taught import Taught

Make = Callable[..., Sample]


def distances(taught: Taught, sample: Sample) -> np.ndarray:
    return slide_means(taught.features, sample.features, sample.slides)[1] / taught.slide.features


def fitted(sample: Sample) -> Taught:
    taught = fit_taught(sample, [0.25, 0.5])
    assert taught is not None
    return taught


def test_of_enough_patients_a_hundredth_of_new_slides_may_be_foreign(make_sample: Make) -> None:
    taught = fitted(make_sample(150))
    assert (taught.false_alarms, taught.margin, taught.patients) == (FALSE_ALARMS, 1.0, 150)
    new = distances(taught, make_sample(400, seed=1))
    assert np.mean(new > 1) <= 0.03  # of 600 slides; 0.01 is expected at most
    assert np.mean(new > taught.slide.unusual) <= 0.08  # of which 0.05 is expected


@pytest.mark.parametrize("patients", [3, 8, 20])
def test_of_few_patients_the_rate_of_false_alarms_is_unknown(
    make_sample: Make, patients: int
) -> None:
    sample = make_sample(patients)
    taught = fitted(sample)
    assert (taught.false_alarms, taught.patients) == (None, patients)
    assert taught.margin >= min(1.5, 1 + 5 / patients)
    assert taught.slide.unusual == pytest.approx(1 / taught.margin)
    assert np.mean(distances(taught, make_sample(100, seed=1)) > 1) < 0.1


def test_fewer_patients_leave_a_wider_margin(make_sample: Make) -> None:
    few, more, most = (fitted(make_sample(patients)).margin for patients in (3, 8, 80))
    assert min(few, more) >= 1.5
    assert 1.05 < most < 1.4


@pytest.mark.parametrize("patients", [8, 150])
def test_other_slides_are_foreign(make_sample: Make, patients: int) -> None:
    taught = fitted(make_sample(patients))
    assert distances(taught, make_sample(20, seed=1, shift=12.0)).min() > 1


def test_limits_come_from_patients_left_out(make_sample: Make) -> None:
    """Measured against a cloud that holds them, they lie closer than others do."""
    sample = make_sample(6)
    taught = fitted(sample)
    assert distances(taught, sample).max() < 1 / taught.margin


def test_patients_that_the_network_learnt_from_claim_no_rate(make_sample: Make) -> None:
    sample = make_sample(150)
    mixed = replace(sample, learnt=sample.patients < 140)
    taught = fitted(mixed)
    assert taught.false_alarms is None
    assert taught.margin > 1
    enough = fitted(replace(sample, learnt=sample.patients >= ENOUGH))
    assert (enough.false_alarms, enough.patients) == (FALSE_ALARMS, ENOUGH)


def test_one_patient_tells_nothing(make_sample: Make) -> None:
    assert fit_taught(make_sample(1), []) is None


def test_without_looks_the_features_tell_alone(make_sample: Make) -> None:
    taught = fitted(replace(make_sample(8), looks=None))
    assert taught.looks is None
    assert taught.slide.looks is None


def test_json_gives_it_back(make_sample: Make) -> None:
    taught = fitted(make_sample(8))
    again = Taught.from_json(json.loads(json.dumps(taught.to_json())))
    assert again is not None
    assert (again.slide, again.tile, again.mpps) == (taught.slide, taught.tile, (0.25, 0.5))
    assert Taught.from_json({"version": 0}) is None  # numbers of another meaning are not used
