import numpy as np
import pytest

from histotile.synthetic.slides.artefacts import Artefact, disturb, make_artefacts
from histotile.synthetic.slides.spec import Spec
from histotile.synthetic.slides.world import World

PIECES = np.array([[2000.0, 2000.0, 1500.0, 1500.0]])
WHITE = (244.0, 244.0, 244.0)


def test_rate_is_the_probability_of_each_kind() -> None:
    kinds = [a.kind for seed in range(300) for a in make_artefacts(seed, 0.3, PIECES, 1.0)]
    for kind in ("pen", "fold", "blur"):
        assert 60 < kinds.count(kind) < 120
    assert make_artefacts(1, 0.0, PIECES, 1.0) == ()


@pytest.mark.parametrize("kind", ["pen", "fold", "blur"])
def test_pixels_change_inside_the_outline_only(kind: str) -> None:
    rgb = World(Spec(4096, 4096, 1, cover="healthy")).region(0, 0, 300, 300)
    artefact = Artefact(kind, ((150.0, 150.0), (150.0, 151.0)), 60.0)  # type: ignore[arg-type]
    out = disturb(rgb, artefact, 0, 0, WHITE)
    y, x = np.mgrid[:300, :300]
    far = np.hypot(x - 150, y - 150)
    np.testing.assert_array_equal(out[far > 61], rgb[far > 61])
    inside = out[far < 50].astype(float)
    before = rgb[far < 50].astype(float)
    assert np.abs(inside - before).mean() > 5
    if kind == "blur":
        assert inside.std() < before.std()
        assert inside.mean() == pytest.approx(before.mean(), abs=4)
    else:
        assert inside.mean() < before.mean() - 20


def test_outline_encloses_what_the_distance_says() -> None:
    for artefact in make_artefacts(3, 1.0, PIECES, 1.0):
        points = artefact.outline()
        near = artefact.distance(points[:, 0], points[:, 1])
        assert np.abs(near).max() < 0.15 * artefact.radius
