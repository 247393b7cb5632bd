"""Made-up measures of tiles: patients, slides and tiles each add a deviation of their own."""

from collections.abc import Callable

import numpy as np
import pytest

from histotile.trust.fitting import Sample

WIDTH, DEPTH = 24, 6  # measures, and directions in which they vary


@pytest.fixture
def make_sample() -> Callable[..., Sample]:
    """A sample of so many patients, one or two slides each; `shift` moves all of its features."""

    def make(
        patients: int, seed: int = 0, shift: float = 0.0, tiles: int = 16, learnt: bool = False
    ) -> Sample:
        loads = np.random.default_rng(99).standard_normal((DEPTH, WIDTH))
        rng = np.random.default_rng(seed)
        owners = np.repeat(np.arange(patients), rng.integers(1, 3, patients))
        person = rng.standard_normal((patients, DEPTH))[owners]
        slide = 0.5 * rng.standard_normal((len(owners), DEPTH))
        of = np.repeat(np.arange(len(owners)), tiles)
        hidden = (person + slide)[of] + 2 * rng.standard_normal((len(of), DEPTH))
        features = hidden @ loads + 0.3 * rng.standard_normal((len(of), WIDTH)) + shift
        looks = 0.1 * rng.standard_normal((len(of), 7))
        return Sample(features, looks, of, owners[of], np.full(len(of), learnt))

    return make
