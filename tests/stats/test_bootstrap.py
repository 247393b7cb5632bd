"""Resamples of patients, and intervals from them."""

import numpy as np
import pytest

from histotile.stats.bootstrap import Interval, draw_weights, interval


def test_weights_keep_the_size_of_every_stratum_and_follow_the_seed() -> None:
    strata = ["a", "b", "a", "a", "b", None]
    weights = draw_weights(strata, 500, seed=3)
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert (weights[:, [1, 4]].sum(axis=1) == 2).all()
    assert (weights[:, 5] == 1).all()
    assert weights[:, 0].mean() == pytest.approx(1, abs=0.15)
    assert weights[:, 0].std() > 0.5
    assert (weights == draw_weights(strata, 500, seed=3)).all()
    assert (weights != draw_weights(strata, 500, seed=4)).any()


def test_undefined_resamples_are_counted_and_left_out() -> None:
    found = interval(np.array([0.2, np.nan, 0.4, 0.3]), 0.95)
    assert found.undefined == 1
    assert (found.lower, found.upper) == pytest.approx((0.205, 0.395))
    assert interval(np.full(3, np.nan), 0.95) == Interval(None, None, 3)
