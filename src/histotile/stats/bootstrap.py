"""Resamples of patients, the unit of independence: tiles of one patient are alike.

A resample is a row of weights, how often each patient counts; nothing is fitted or sorted again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Measurement:
    """The value of a metric on the cohort as it is, and on each resample of it; NaN: undefined."""

    value: float
    draws: NDArray[np.float64]

    def __sub__(self, other: "Measurement") -> "Measurement":
        """The paired difference: both were measured on the same resamples."""
        return Measurement(self.value - other.value, self.draws - other.draws)


@dataclass(frozen=True)
class Interval:
    """A percentile interval; None where no resample defines the metric. `undefined` counts them."""

    lower: float | None
    upper: float | None
    undefined: int


def draw_weights(strata: Sequence[Any], resamples: int, seed: Any) -> NDArray[np.float64]:
    """(resamples, G): how often each of G patients occurs in each resample.

    Patients are drawn with replacement within their stratum (label and fold, say), so every
    resample holds as many of each as the cohort does.

    Args:
        strata: Of each patient.
        resamples: How many.
        seed: Or a generator, to draw on from.
    """
    generator = np.random.default_rng(seed)
    weights = np.zeros((resamples, len(strata)))
    for stratum in dict.fromkeys(strata):
        members = np.array([i for i, other in enumerate(strata) if other == stratum])
        n = len(members)
        weights[:, members] = generator.multinomial(n, np.full(n, 1 / n), size=resamples)
    return weights


def every_patient(patients: NDArray[np.int64]) -> NDArray[np.float64]:
    """(1, P) weights that count every patient once."""
    return np.ones((1, int(patients.max()) + 1))


def resamples(patients: NDArray[np.int64], count: int, seed: int) -> NDArray[np.float64]:
    """(count, P) multiplicities of patients drawn with replacement, as many as there are."""
    present = np.unique(patients)
    weights = np.zeros((count, int(present[-1]) + 1))
    weights[:, present] = draw_weights([0] * len(present), count, seed)
    return weights


def interval(draws: NDArray[np.floating], confidence: float) -> Interval:
    """The percentile interval of these resamples at that level, e.g. 0.95."""
    known = draws[np.isfinite(draws)]
    undefined = len(draws) - len(known)
    if len(known) == 0:
        return Interval(None, None, undefined)
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(known, [tail, 1 - tail])
    return Interval(float(lower), float(upper), undefined)
