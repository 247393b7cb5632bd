import numpy as np
import pytest

from histotile.synthetic.slides.chromogen import make_grains, reach_px
from histotile.synthetic.slides.spec import Spec
from histotile.synthetic.slides.world import World

SIDE = 500


def make_world(**changes: object) -> World:
    spec = {"width": SIDE, "height": SIDE, "seed": 5, "cover": "healthy", "shift": 1.0}
    return World(Spec(**{**spec, **changes}))  # type: ignore[arg-type]


def browns(rgb: np.ndarray) -> float:
    """Share of pixels that are dark and more red than blue: grains."""
    red, blue = rgb[..., 0].astype(int), rgb[..., 2].astype(int)
    return float(((red > blue + 25) & (blue < 130)).mean())


@pytest.mark.parametrize(("x", "y", "width", "height"), [(0, 0, 96, 96), (131, 77, 50, 203)])
def test_window_equals_the_same_window_of_the_whole(
    x: int, y: int, width: int, height: int
) -> None:
    whole = make_world().region(0, 0, SIDE, SIDE)
    window = make_world().region(x, y, width, height)
    np.testing.assert_array_equal(window, whole[y : y + height, x : x + width])


def test_tumour_has_more_grains_on_nuclei_of_the_same_form() -> None:
    healthy = make_world().region(0, 0, SIDE, SIDE)
    counts = [browns(healthy)]
    for share in (0.3, 1.0):
        counts.append(
            browns(make_world(cover="tumour", tumour_share=share).region(0, 0, SIDE, SIDE))
        )
    assert counts[0] > 0.002
    assert counts[1] > 1.2 * counts[0] and counts[2] > 1.8 * counts[0]
    usual, tumour = make_world()._nuclei
    assert tumour.radius == usual.radius and tumour.cell == usual.cell and tumour.atypia == 0


def test_eosin_gives_way_and_grains_come_with_the_shift() -> None:
    shown = [make_world(shift=s).region(0, 0, SIDE, SIDE) for s in (0.0, 0.5, 1.0)]
    assert browns(shown[0]) < 1e-4 < 20 * browns(shown[0]) < browns(shown[1]) < browns(shown[2])
    pink = [float(np.median(rgb[..., 0].astype(int) - rgb[..., 1])) for rgb in shown]
    assert pink[0] > pink[1] > pink[2] >= 0


def test_patients_differ_in_grains() -> None:
    few, many = (make_world(grain_number=n).region(0, 0, SIDE, SIDE) for n in (0.7, 1.4))
    assert browns(many) > 1.4 * browns(few)


def test_without_shift_nothing_around_the_window_is_needed() -> None:
    assert reach_px(make_grains(1, 0.0, 0.5, 1.0, 1.0)) == 0
    assert reach_px(make_grains(1, 0.1, 0.25, 1.0, 1.0)) > reach_px(
        make_grains(1, 0.1, 0.5, 1.0, 1.0)
    )


def test_fewer_tumour_nuclei_where_others_mix_in() -> None:
    seen = {}
    for share in (0.3, 1.0):
        world = make_world(shift=0.0, cover="tumour", tumour_share=share)
        seen[share] = world.region(0, 0, SIDE, SIDE).astype(int)
    healthy = make_world(shift=0.0).region(0, 0, SIDE, SIDE).astype(int)
    changed = {
        share: (np.abs(rgb - healthy).max(axis=2) > 30).mean() for share, rgb in seen.items()
    }
    assert 0.02 < changed[0.3] < 0.75 * changed[1.0]
