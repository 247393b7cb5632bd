"""Colour and sharpness as numbers; unknown ones stay unknown."""

import numpy as np
import pytest

from histotile.trust.looks import COLUMNS, tile_looks


def test_a_stain_twice_as_strong_has_twice_the_density() -> None:
    light, strong = 255 * np.exp(-0.4), 255 * np.exp(-0.8)
    columns = {name: np.array([light, strong]) for name in COLUMNS}
    found = tile_looks(columns)
    assert found.shape == (2, 7)
    assert found[1, 0] / found[0, 0] == pytest.approx(2, rel=0.02)


def test_unreadable_tiles_stay_unknown_and_black_glass_is_finite() -> None:
    found = tile_looks({name: np.array([0.0, np.nan]) for name in COLUMNS})
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()
