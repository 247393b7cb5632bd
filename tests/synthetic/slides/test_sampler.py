import numpy as np

from histotile.synthetic.slides.sampler import TileSampler


def test_tiles_are_the_same_whoever_draws_them() -> None:
    sampler = TileSampler(tile_px=64, seed=3)
    rgb, labels, organs = sampler.batch(0, 24)
    assert rgb.shape == (24, 64, 64, 3) and rgb.dtype == np.uint8
    assert set(labels) == {0, 1} and set(organs) == {0, 1, 2, 3}
    later, later_labels, _ = TileSampler(tile_px=64, seed=3).batch(20, 4)
    np.testing.assert_array_equal(later, rgb[20:])
    np.testing.assert_array_equal(later_labels, labels[20:])
    assert (TileSampler(tile_px=64, seed=4).batch(0, 1)[0] != rgb[0]).any()
