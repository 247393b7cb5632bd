"""The stain change: exact where it changes nothing, and true to the stain model where it does."""

import numpy as np
import pytest

from histotile.data.augmentation.stain import change_stain, stain_vectors

NONE = np.zeros(3)


def stained(haematoxylin: float, eosin: float) -> np.ndarray:
    """One pixel with these amounts of stain, in the model's own terms."""
    density = haematoxylin * stain_vectors()[0] + eosin * stain_vectors()[1]
    return np.asarray(256 * np.exp(-density) - 0.5).astype(np.uint8).reshape(1, 1, 3)


def amounts(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(-np.log((rgb[0, 0] + 1.0) / 256) @ np.linalg.inv(stain_vectors()))


def test_no_change_is_exact_for_every_colour_value() -> None:
    values = np.arange(256, dtype=np.uint8)
    rng = np.random.default_rng(0)
    rgb = np.stack([rng.permutation(values) for _ in range(3)], 1).reshape(16, 16, 3)
    np.testing.assert_array_equal(change_stain(rgb, np.ones(3), NONE), rgb)
    noise = rng.integers(0, 256, (128, 128, 3), np.uint8)
    np.testing.assert_array_equal(change_stain(noise, np.ones(3), NONE), noise)


@pytest.mark.parametrize("gain", [0.7, 1.3])
def test_gain_scales_one_stain_and_leaves_the_other(gain: float) -> None:
    changed = change_stain(stained(0.6, 0.8), np.array([gain, 1.0, 1.0]), NONE)
    np.testing.assert_allclose(amounts(changed), [0.6 * gain, 0.8, 0], atol=0.03)


def test_shift_adds_stain() -> None:
    changed = change_stain(stained(0.6, 0.8), np.ones(3), np.array([0.0, 0.2, 0.0]))
    np.testing.assert_allclose(amounts(changed), [0.6, 1.0, 0], atol=0.03)


def test_extremes_stay_within_range() -> None:
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert change_stain(black, np.full(3, 2.0), np.full(3, 3.0)).max() == 0
    assert change_stain(white, np.ones(3), np.full(3, -1.0)).min() == 255
