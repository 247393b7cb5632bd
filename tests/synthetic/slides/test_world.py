import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.synthetic.slides.spec import Spec
from histotile.synthetic.slides.world import World, shrink

SIDE = 900


def make_world(**changes: object) -> World:
    spec = {"width": SIDE, "height": SIDE, "seed": 5, "scenario": "A", "artefact_rate": 1.0}
    return World(Spec(**{**spec, **changes}))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    return make_world().region(0, 0, SIDE, SIDE)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1), st.integers(1, 200), st.integers(1, 200))
def test_window_equals_the_same_window_of_the_whole(
    whole: np.ndarray, x: int, y: int, width: int, height: int
) -> None:
    width, height = min(width, SIDE - x), min(height, SIDE - y)
    window = make_world().region(x, y, width, height)
    np.testing.assert_array_equal(window, whole[y : y + height, x : x + width])


def test_blocks_leave_no_seam() -> None:
    world = make_world(width=3000, height=3000)
    across = world.region(900, 900, 300, 300)
    np.testing.assert_array_equal(world.region(700, 700, 1200, 700)[200:500, 200:500], across)


@pytest.mark.parametrize("downsample", [2, 4, 16])
def test_downsampled_window_is_the_mean(downsample: int) -> None:
    world = make_world()
    small = world.region(64, 128, 20, 24, downsample)
    full = world.region(64, 128, 20 * downsample, 24 * downsample)
    np.testing.assert_array_equal(small, shrink(full, downsample))
    means = full.reshape(24, downsample, 20, downsample, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 0.5


def test_blank_tiles_equal_glass_and_tissue_is_never_blank() -> None:
    world = make_world(width=8192, height=8192, tissue_fraction=0.05)
    glass = world.glass(256)
    kinds = set()
    for row in range(32):
        for column, blank in enumerate(world.blank(0, row * 256, 32, 256)):
            kinds.add(bool(blank))
            if (row + column) % 5 == 0:
                tile = world.region(column * 256, row * 256, 256, 256)
                if blank:
                    np.testing.assert_array_equal(tile, glass)
    assert kinds == {True, False}


def test_seed_changes_everything_and_nothing_else_does(whole: np.ndarray) -> None:
    assert (make_world(seed=6).region(0, 0, SIDE, SIDE) != whole).any()
    np.testing.assert_array_equal(make_world().region(0, 0, SIDE, SIDE), whole)


def test_nuclei_are_as_many_and_large_in_micrometres_at_any_mpp() -> None:
    def measure(mpp: float) -> tuple[float, float]:
        world = World(Spec(1 << 16, 1 << 16, seed=1, mpp=mpp, cover="healthy"))
        rgb = world.region(int(450 / mpp), int(450 / mpp), int(600 / mpp), int(600 / mpp))
        sharpness = int(1.5 / mpp) // 2 * 2 + 1
        dark = (cv2.blur(rgb[..., 0], (sharpness, sharpness)) < 130).astype(np.uint8)
        stats = cv2.connectedComponentsWithStats(dark)[2]
        large = stats[1:, cv2.CC_STAT_AREA] * mpp**2 > 8
        return float(dark.mean()), float(large.sum())

    share, count = measure(0.5)
    fine_share, fine_count = measure(0.25)
    assert fine_share == pytest.approx(share, rel=0.25)
    assert fine_count == pytest.approx(count, rel=0.25)


def test_stain_of_a_slide_darkens_it() -> None:
    pale, dark = (
        World(Spec(4096, 4096, 1, cover="healthy", haematoxylin=h, eosin=h)).region(0, 0, 256, 256)
        for h in (0.8, 1.2)
    )
    assert dark.mean() < pale.mean() - 10
