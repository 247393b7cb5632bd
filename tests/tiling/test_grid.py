"""The grid: exact positions, no gaps, never outside, whatever the pyramid."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.config import Labels, Quality, Tile
from histotile.errors import HistotileError
from histotile.tiling.grid import Grid, choose_level, plan_grid, tissue_fractions


def tile_settings(mpp: float, tile_px: int, stride_px: int) -> Tile:
    return Tile(
        mpp=mpp,
        tile_px=tile_px,
        stride_px=stride_px,
        min_tissue_fraction=0.5,
        labels=Labels(
            source="slide", names={}, outside=None, positive_overlap=0.5, negative_overlap=0.02
        ),
        quality=Quality(max_blur_z=2.5, max_pen_fraction=0.05, max_fold_fraction=0.3, exclude=()),
    )


MPPS = st.floats(0.1, 2.0)
AREAS = st.tuples(
    st.integers(0, 5000), st.integers(0, 5000), st.integers(1, 200_000), st.integers(1, 200_000)
)


@settings(deadline=None)
@given(bounds=AREAS, mpp=MPPS, factor=st.floats(1.0, 40.0), tile_px=st.integers(16, 512))
def test_tiles_without_overlap_meet_within_one_pixel_and_stay_inside(
    bounds: tuple[int, int, int, int], mpp: float, factor: float, tile_px: int
) -> None:
    grid = plan_grid("s", bounds, mpp, (1.0,), tile_settings(mpp * factor, tile_px, tile_px))
    size = grid.size_level0_px
    assert math.isclose(size, tile_px * factor, rel_tol=1e-9)
    for edges, origin, extent in ((grid.columns, *bounds[::2]), (grid.rows, *bounds[1::2])):
        assert edges.dtype == np.int32
        if len(edges):
            assert edges[0] == origin
            assert edges[-1] + size <= origin + extent + 1e-5
            assert edges[-1] + 2 * size + 1 > origin + extent, "room for another tile is left"
        if len(edges) > 1:
            assert np.all(np.abs(np.diff(edges) - size) <= 1)
            assert np.all(np.abs(edges - origin - np.arange(len(edges)) * size) <= 0.5 + 1e-6)
    assert (grid.empty_reason is None) == (grid.count > 0)


@settings(deadline=None)
@given(mpp=MPPS, factor=st.floats(0.99, 8.0), stride_px=st.integers(1, 300))
def test_positions_increase_for_any_stride(mpp: float, factor: float, stride_px: int) -> None:
    grid = plan_grid(
        "s", (7, 9, 3000, 2000), mpp, (1.0,), tile_settings(mpp * factor, 16, stride_px)
    )
    assert np.all(np.diff(grid.columns) > 0)
    assert np.all(np.diff(grid.rows) > 0)


@settings(deadline=None)
@given(levels=st.lists(st.floats(1.0, 64.0), max_size=6), mpp=MPPS, factor=st.floats(1.0, 16.0))
def test_positions_do_not_depend_on_the_pyramid(
    levels: list[float], mpp: float, factor: float
) -> None:
    wanted = tile_settings(mpp * factor, 64, 48)
    flat = plan_grid("s", (3, 5, 9000, 8000), mpp, (1.0,), wanted)
    tall = plan_grid("s", (3, 5, 9000, 8000), mpp, (1.0, *levels), wanted)
    assert np.array_equal(flat.columns, tall.columns)
    assert np.array_equal(flat.rows, tall.rows)


def test_reading_order_is_rows_from_top_to_bottom() -> None:
    grid = plan_grid("s", (10, 20, 96, 64), 0.5, (1.0,), tile_settings(0.5, 32, 32))
    x, y = grid.positions()
    assert x.tolist() == [10, 42, 74, 10, 42, 74]
    assert y.tolist() == [20, 20, 20, 52, 52, 52]


def test_no_drift_over_a_long_slide() -> None:
    mpp = 0.4990
    grid = plan_grid("s", (0, 0, 200_000, 500), mpp, (1.0,), tile_settings(0.5, 224, 224))
    last = len(grid.columns) - 1
    assert last > 880
    assert abs(grid.columns[last] - last * 224 * 0.5 / mpp) <= 0.5


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(1.0, 0), (2.0, 0), (3.999, 1), (3.99, 0), (4.0, 1), (4.2, 1), (15.0, 1), (100.0, 2)],
)
def test_level_is_the_coarsest_not_coarser_than_the_tiles(factor: float, expected: int) -> None:
    assert choose_level((1.0, 4.00002, 16.0), factor) == expected


def test_level_order_does_not_matter() -> None:
    assert choose_level((16.0, 1.0, 4.0), 5.0) == 2


def test_upsampling_names_slide_scales_and_remedy() -> None:
    with pytest.raises(HistotileError) as caught:
        plan_grid("lung-7", (0, 0, 9000, 9000), 0.5047, (1.0,), tile_settings(0.25, 224, 224))
    text = str(caught.value)
    for part in ("lung-7", "0.25", "0.5047", "tile.mpp >= 0.505"):
        assert part in text
    plan_grid("lung-7", (0, 0, 9000, 9000), 0.5047, (1.0,), tile_settings(0.505, 224, 224))


def test_one_percent_of_upsampling_is_the_scanner_talking() -> None:
    plan_grid("s", (0, 0, 9000, 9000), 0.504, (1.0,), tile_settings(0.5, 224, 224))
    with pytest.raises(HistotileError):
        plan_grid("s", (0, 0, 9000, 9000), 0.51, (1.0,), tile_settings(0.5, 224, 224))


def test_slide_smaller_than_a_tile_has_no_tiles_and_says_why() -> None:
    grid = plan_grid("s", (0, 0, 300, 200), 0.5, (1.0,), tile_settings(0.5, 224, 224))
    assert grid.count == 0
    assert grid.empty_reason is not None
    assert "300 x 200" in grid.empty_reason


def test_slide_of_exactly_one_tile_has_one() -> None:
    grid = plan_grid("s", (0, 0, 224, 224), 0.5, (1.0,), tile_settings(0.5, 224, 224))
    assert grid.count == 1
    assert grid.empty_reason is None


def brute_force(mask: np.ndarray, slide_size: tuple[int, int], grid: Grid) -> list[list[float]]:
    """Area by adding up the overlap of the tile with each mask pixel."""
    sx, sy = slide_size[0] / mask.shape[1], slide_size[1] / mask.shape[0]
    size = grid.size_level0_px

    def overlap(start: float, count: int, scale: float) -> np.ndarray:
        edges = np.arange(count + 1) * scale
        common = np.minimum(edges[1:], start + size) - np.maximum(edges[:-1], start)
        return np.asarray(np.clip(common, 0, None))

    return [
        [
            float(overlap(y, mask.shape[0], sy) @ mask @ overlap(x, mask.shape[1], sx)) / size**2
            for x in grid.columns
        ]
        for y in grid.rows
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    slide=st.tuples(st.integers(60, 700), st.integers(60, 700)),
    factor=st.floats(1.0, 3.0),
)
def test_tissue_fraction_equals_brute_force(
    seed: int, shape: tuple[int, int], slide: tuple[int, int], factor: float
) -> None:
    mask = np.random.default_rng(seed).random(shape) < 0.5
    grid = plan_grid("s", (0, 0, *slide), 0.5, (1.0,), tile_settings(0.5 * factor, 16, 23))
    fractions = tissue_fractions(mask, slide, grid)
    assert fractions.shape == (len(grid.rows), len(grid.columns))
    if grid.count:
        np.testing.assert_allclose(fractions, brute_force(mask, slide, grid), atol=1e-5)


def test_mask_coarser_than_tiles_is_exact() -> None:
    mask = np.array([[True, False]])
    grid = plan_grid("s", (0, 0, 1000, 96), 0.5, (1.0,), tile_settings(0.5, 96, 96))
    fractions = tissue_fractions(mask, (1000, 96), grid)[0]
    np.testing.assert_allclose(fractions, [1, 1, 1, 1, 1, (500 - 480) / 96, 0, 0, 0, 0], atol=1e-6)


def test_millions_of_positions_stay_small() -> None:
    grid = plan_grid("s", (0, 0, 100_000, 100_000), 0.5, (1.0,), tile_settings(0.5, 64, 32))
    mask = np.zeros((780, 780), bool)
    mask[:, :390] = True
    fractions = tissue_fractions(mask, (100_000, 100_000), grid)
    assert fractions.size == grid.count > 9_000_000
    assert fractions.dtype == np.float32
    assert abs(fractions.mean() - 0.5) < 0.001
