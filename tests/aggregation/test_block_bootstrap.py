import time

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.aggregation.aggregate import aggregate_slide
from histotile.aggregation.block_bootstrap import score_interval, tissue_blocks
from histotile.config import Aggregate

METHODS = ("mean", "top_k", "quantile", "noisy_or")


def settings(method: str, bootstraps: int = 200) -> Aggregate:
    return Aggregate.model_validate(
        {
            "method": method,
            "top_k": 20,
            "quantile": 0.9,
            "calls": "highest",
            "bootstraps": bootstraps,
        }
    )


def grid(columns: int, rows: int, stride: float = 100) -> tuple[np.ndarray, np.ndarray]:
    """Edges as `tiles.grid` rounds them, in reading order."""
    edges = [np.floor(np.arange(n) * stride + 0.5).astype(np.int32) for n in (columns, rows)]
    x, y = np.meshgrid(*edges)
    return x.reshape(-1) + 7_000, y.reshape(-1) + 90


def binary(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1)


@hypothesis.settings(deadline=None)
@given(st.integers(2, 70), st.integers(2, 40), st.floats(4, 700))
def test_blocks_are_four_by_four_strides_whatever_the_stride_and_the_order(
    columns: int, rows: int, stride: float
) -> None:
    x, y = grid(columns, rows, stride)
    order = np.random.default_rng(0).permutation(len(x))
    blocks, n_blocks = tissue_blocks(x[order], y[order])
    assert n_blocks == -(-columns // 4) * -(-rows // 4)
    place = np.empty((rows, columns), dtype=np.int64)
    place.reshape(-1)[order] = blocks
    for top in range(0, rows, 4):
        for left in range(0, columns, 4):
            block = place[top : top + 4, left : left + 4]
            assert len(np.unique(block)) == 1
            assert (place == block[0, 0]).sum() == block.size


def test_gaps_in_the_tissue_do_not_shift_the_blocks() -> None:
    x, y = grid(12, 4)
    kept = (x - 7_000) // 100 != 5
    blocks, n_blocks = tissue_blocks(x[kept], y[kept])
    assert n_blocks == 3
    assert np.bincount(blocks).tolist() == [16, 12, 16]


@pytest.mark.parametrize("shift", [1, 37, 50])
def test_tiles_on_several_grids_share_blocks_too(shift: int) -> None:
    x, y = grid(24, 12)
    contour = (x - 7_000) // 800
    x, y = x + shift * contour.astype(np.int32), y + 13 * contour.astype(np.int32)
    blocks, n_blocks = tissue_blocks(x, y)
    assert 18 <= n_blocks <= 2 * 18
    for block in range(n_blocks):
        for edges in (x, y):
            assert np.ptp(edges[blocks == block]) < 400


@pytest.mark.parametrize("method", METHODS)
def test_interval_lies_round_the_score_and_is_the_same_each_time(method: str) -> None:
    x, y = grid(40, 40)
    p = binary(np.random.default_rng(1).random(1600))
    score = aggregate_slide(p, settings(method))
    low, high = score_interval(x, y, p, settings(method))
    assert (low <= score + 0.01).all() and (score <= high + 0.01).all()
    assert 0 < (high - low)[1] < 0.2
    again = score_interval(x, y, p, settings(method))
    assert (again == np.stack([low, high])).all()


def test_tissue_of_a_kind_in_one_place_makes_the_interval_wider() -> None:
    x, y = grid(40, 40)
    scattered = np.random.default_rng(2).random(1600) < 0.25
    gathered = (x - 7_000) // 100 < 10
    widths = []
    for lesion in (scattered, gathered):
        low, high = score_interval(x, y, binary(lesion * 0.9), settings("mean"))
        widths.append(high[1] - low[1])
    assert widths[1] > 2 * widths[0]


def test_lesion_within_one_block_is_missing_from_some_resamples() -> None:
    x, y = grid(20, 20)
    lesion = (x < 7_400) & (y < 490)
    low, high = score_interval(x, y, binary(np.where(lesion, 0.95, 0.02)), settings("top_k"))
    assert low[1] == pytest.approx(0.02)
    assert high[1] > 0.9


def test_no_place_one_block_or_no_resamples_give_nan() -> None:
    x, y = grid(8, 8)
    p = binary(np.linspace(0, 1, 64))
    everywhere = np.isfinite(score_interval(x, y, p, settings("mean")))
    assert everywhere.all()
    for unknown in (
        score_interval(x * 0, y * 0, p, settings("mean")),
        score_interval(x[:4], y[:4], p[:4], settings("mean")),
        score_interval(x[:0], y[:0], p[:0], settings("mean")),
        score_interval(x, y, p, settings("mean", bootstraps=0)),
        score_interval(x, y, p * np.nan, settings("mean")),
    ):
        assert unknown.shape == (2, 2)
        assert np.isnan(unknown).all()
    holed = p.copy()
    holed[0] = np.nan
    without = score_interval(x[1:], y[1:], p[1:], settings("mean"))
    assert (score_interval(x, y, holed, settings("mean")) == without).all()


@pytest.mark.parametrize("method", METHODS)
def test_twenty_thousand_tiles_two_hundred_resamples_take_less_than_a_second(method: str) -> None:
    x, y = grid(160, 125)
    p = binary(np.random.default_rng(3).random(20_000))
    start = time.process_time()
    score_interval(x, y, p, settings(method))
    assert time.process_time() - start < 1
