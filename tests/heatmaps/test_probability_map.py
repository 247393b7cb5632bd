from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.heatmaps.probability_map import Layout, probability_map
from histotile.io.tile_spec import TileSpec
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)


def binary(*p: float) -> np.ndarray:
    return np.stack([1 - np.array(p), np.array(p)], axis=1).astype(np.float32)


@settings(deadline=None)
@given(
    stride=st.floats(1, 600),
    x0=st.integers(0, 10_000),
    n=st.integers(1, 300),
    seed=st.integers(0, 99),
)
def test_every_tile_of_a_grid_without_overlap_gets_its_own_cell(
    stride: float, x0: int, n: int, seed: int
) -> None:
    x = x0 + np.rint(np.arange(n) * stride).astype(int)
    p = np.random.default_rng(seed).random(n)
    layout = Layout(x0, 7, n * stride, 2 * stride, stride, stride)
    found = probability_map(x, np.full(n, 7 + round(stride)), binary(*p), TASK, layout)
    assert found.values.shape[2] >= n
    assert found.layer(None)[1, :n] == pytest.approx(p, abs=1e-6)
    assert np.isnan(found.values[:, 0]).all()


def blended(
    centres: tuple[np.ndarray, np.ndarray], x: np.ndarray, y: np.ndarray, p: np.ndarray, side: float
) -> np.ndarray:
    """The definition, cell by cell: sum(w p) / sum(w) over tiles with the centre inside.

    The window of a tile ends a thousandth of its side before its edge, above 0.
    """
    values = np.full((len(centres[1]), len(centres[0])), np.nan)
    for row, column in np.ndindex(values.shape):
        u = (centres[0][column] - x) / side
        v = (centres[1][row] - y) / side
        inside = (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
        u, v = (np.clip(share[inside], 1e-3, 1 - 1e-3) for share in (u, v))
        w = (np.sin(np.pi * u) * np.sin(np.pi * v)) ** 2
        if inside.any():
            values[row, column] = (w * p[inside]).sum() / w.sum()
    return values


@settings(deadline=None, max_examples=60)
@given(
    stride=st.floats(20, 300),
    ratio=st.sampled_from([1.2, 1.6, 2, 2.3, 3, 4, 6.4]),
    seed=st.integers(0, 999),
)
def test_overlapping_tiles_blend_under_hann_windows(stride: float, ratio: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    column, row = np.indices((10, 7)).reshape(2, -1)[:, rng.random(70) < 0.7]
    x, y = (100 + np.rint(a * stride).astype(int) for a in (column, row))
    p = rng.random(len(x)).astype(np.float32)
    layout = Layout(100, 100, 17.5 * stride, 14.5 * stride, ratio * stride, stride)
    found = probability_map(x, y, binary(*p), TASK, layout)
    assert (found.step, found.covered) == (stride, stride)
    centres = (np.arange(18) + 0.5, np.arange(15) + 0.5)
    expected = blended(centres, column, row, p, ratio)
    assert found.layer("tumour") == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_a_tile_counts_most_where_it_sees_all_around() -> None:
    layout = Layout(0, 0, 40, 30, 30, 10)
    found = probability_map(np.array([0, 10]), np.array([0, 0]), binary(0, 1), TASK, layout)
    at_rim, at_middle = np.sin(np.pi / 6) ** 2, 1.0
    share = at_rim / (at_rim + at_middle)
    assert found.layer("tumour") == pytest.approx(np.array([[0, share, 1 - share, 1]] * 3))
    assert found.layer("healthy") == pytest.approx(1 - found.layer("tumour"))


@settings(deadline=None)
@given(side=st.floats(1, 600), seed=st.integers(0, 99), apart=st.floats(1, 3))
def test_tiles_without_overlap_keep_their_values_exactly(
    side: float, seed: int, apart: float
) -> None:
    p = np.random.default_rng(seed).dirichlet(np.ones(3), 200).astype(np.float32)
    y, x = (np.rint(a.ravel() * side * apart).astype(int) for a in np.indices((10, 20)))
    layout = Layout(0, 0, 20 * side * apart, 10 * side * apart, side, side * apart)
    found = probability_map(x, y, p, make_task("abc"), layout)
    np.testing.assert_array_equal(found.values[:, :10, :20].reshape(3, -1), p.T)
    assert found.covered == pytest.approx(side)


@settings(deadline=None, max_examples=60)
@given(
    stride=st.integers(80, 500),
    ratio=st.sampled_from([0.1, 0.6, 1, 1.4, 2]),
    origin=st.integers(0, 5000),
    offset=st.tuples(st.integers(0, 400), st.integers(2, 50)),
)
def test_a_tile_off_the_grid_shifts_by_an_eighth_of_a_stride_at_most(
    stride: int, ratio: float, origin: int, offset: tuple[int, int]
) -> None:
    side = ratio * stride
    layout = Layout(origin, origin, 20 * stride, 20 * stride, side, stride)
    x, y = (origin + stride * k + d for k, d in zip((3, 5), offset, strict=True))
    found = probability_map(np.array([x]), np.array([y]), binary(0.7), TASK, layout)
    assert found.step == stride / 4
    rows, columns = np.nonzero(~np.isnan(found.layer(None)))
    assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    for cells, start in ((columns, x), (rows, y)):
        assert abs(origin + cells.min() * found.step - start) <= stride / 8 + 0.01
        end = origin + cells.max() * found.step + found.covered
        assert abs(end - start - side) <= stride / 8 + 0.01


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), ratio=st.sampled_from([1, 1.3, 2]))
def test_outlines_with_offsets_of_their_own_blend_where_they_meet(seed: int, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    stride, (column, row) = 97, np.indices((4, 5)).reshape(2, -1)
    places = [
        (column * stride + dx, row * stride + dy) for dx, dy in rng.integers(-50, 500, (3, 2))
    ]
    x, y = (np.concatenate(axis) for axis in zip(*places, strict=True))
    x[0], y[0] = 40, 30  # never on the grid
    p = rng.random(len(x)).astype(np.float32)
    p[7] = np.nan
    layout = Layout(0, 0, 1000, 950, ratio * stride, stride)
    found = probability_map(x, y, binary(*p), TASK, layout)
    step, known = stride / 4, ~np.isnan(p)
    centres = ((np.arange(42) + 0.5) * step, (np.arange(40) + 0.5) * step)
    expected = blended(centres, x[known], y[known], p[known], ratio * stride)
    assert found.values.shape[1:] == expected.shape
    assert found.layer("tumour") == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_one_px_of_rounding_is_no_offset_two_px_are() -> None:
    layout = Layout(10, 10, 500, 500, 100, 100)
    for shift, step in ((1, 100), (2, 25)):
        x, y = np.array([10, 110 + shift]), np.array([10, 210])
        found = probability_map(x, y, binary(0.1, np.nan), TASK, layout)
        assert found.step == step, "unpredicted tiles count: the cells are those of the table"


def test_parts_outside_the_scanned_area_are_left_out() -> None:
    layout = Layout(100, 100, 200, 200, 100, 100)
    found = probability_map(
        np.array([60, 260]), np.array([160, 160]), binary(0.2, 0.8), TASK, layout
    )
    known = ~np.isnan(found.layer(None))
    assert known.shape == (8, 8)
    assert np.flatnonzero(known.any(axis=0)).tolist() == [0, 1, 6, 7]
    assert found.layer(None)[3, [0, 7]] == pytest.approx([0.2, 0.8])


def test_unpredicted_tiles_and_empty_slides_are_nan() -> None:
    layout = Layout(5, 5, 100, 60, 20, 20)
    nothing = np.empty(0, int)
    empty = probability_map(nothing, nothing, np.empty((0, 2)), TASK, layout)
    assert empty.values.shape == (2, 3, 5)
    assert np.isnan(empty.values).all()
    some = binary(0.2, np.nan)
    found = probability_map(np.array([5, 25]), np.array([5, 5]), some, TASK, layout)
    assert (~np.isnan(found.layer(None))).sum() == 1


def test_layout_comes_from_a_tile_table_and_there_is_none_without_a_slide() -> None:
    spec = TileSpec(
        "s", 224, 0.5, bounds=(3, 4, 500, 400), size_level0_px=225.4, stride_level0_px=112.7
    )
    assert Layout.of(spec) == Layout(3, 4, 500, 400, 225.4, 112.7)
    assert Layout.of(replace(spec, verdict="broken")) is None
    assert Layout.of(replace(spec, size_level0_px=None)) is None


def test_unknown_class_is_named() -> None:
    layout = Layout(0, 0, 10, 10, 10, 10)
    found = probability_map(np.array([0]), np.array([0]), binary(0.5), TASK, layout)
    with pytest.raises(HistotileError, match="stroma"):
        found.layer("stroma")
