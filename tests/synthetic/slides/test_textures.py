import numpy as np

from histotile.synthetic.slides.colouring import FINE
from histotile.synthetic.slides.textures import textures


def test_usual_and_atypical_nuclei_have_the_same_grey_values() -> None:
    usual, atypical = textures().banks
    np.testing.assert_array_equal(np.sort(usual, axis=None), np.sort(atypical, axis=None))
    assert (usual != atypical).mean() > 0.3


def test_textures_are_periodic_and_normed() -> None:
    shared = textures()
    for texture in (shared.fibres / FINE, shared.grain):
        assert abs(float(texture.mean())) < 0.02 and abs(float(texture.std()) - 1) < 0.02
        seam = np.abs(texture[:, 0] - texture[:, -1]).mean()
        inner = np.abs(np.diff(texture, axis=1)).mean()
        assert seam < 1.3 * inner
