"""How much the score of a slide hangs on where in it the tissue lies."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.aggregation.pooling import pool_resamples, with_background
from histotile.config import Aggregate

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

BLOCK = 4  # tiles along a side of a block of tissue that is drawn as a whole
_SEED = 0
_TAILS = (0.025, 0.975)


def score_interval(
    x: Ints, y: Ints, probabilities: Floats, settings: Aggregate, has_background: bool = True
) -> NDArray[np.float64]:
    """(2, C): the 95 % percentile interval of each score when the tissue is resampled in blocks.

    Neighbouring tiles show the same tissue, so tiles are not drawn one by one but in blocks of
    4 x 4 strides, as many as the slide has, with replacement (spatial block bootstrap). The
    interval tells how much the score would move had the section held more of one region and less
    of another. It does not tell how often the score is right, nor what another model would say;
    and a lesion within one block is missing from about a third of the resamples, which the
    interval of a lesion method shows. NaN where the slide has fewer than two blocks, where its
    tiles have no place (ready-made tiles: x and y are 0), and without resamples.

    Args:
        x: (N,) left edges of the tiles, level-0 px.
        y: (N,) top edges.
        probabilities: (N, C); rows that hold a NaN are left out.
        settings: Number of resamples; method of pooling and its parameters.
        has_background: Whether the first class is the background.
    """
    known = ~np.isnan(probabilities).any(axis=1)
    blocks, n_blocks = tissue_blocks(x[known], y[known])
    if n_blocks < 2 or not settings.bootstraps:
        return np.full((2, probabilities.shape[1]), np.nan)
    generator = np.random.default_rng(_SEED)
    shares = np.full(n_blocks, 1 / n_blocks)
    weights = generator.multinomial(n_blocks, shares, size=settings.bootstraps)
    tiles = probabilities[known].astype(np.float64)
    pooled = pool_resamples(tiles, blocks, weights, settings)
    draws = with_background(pooled, settings, has_background)
    return np.quantile(draws, _TAILS, axis=0)


def tissue_blocks(x: Ints, y: Ints) -> tuple[NDArray[np.int64], int]:
    """The block of each tile, 0 .. G - 1, and G; every block holds a tile.

    Args:
        x: (N,) left edges of tiles, level-0 px.
        y: (N,) top edges.
    """
    _, blocks = np.unique(tile_cells(x, y) // BLOCK, axis=1, return_inverse=True)
    return blocks.reshape(-1).astype(np.int64), int(blocks.max(initial=-1)) + 1


def tile_cells(x: Ints, y: Ints) -> NDArray[np.int64]:
    """(2, N): column and row of each tile, counted in strides from the first.

    The stride is the smallest distance between columns or rows that hold tiles; columns are
    counted from one to the next, so that strides which are no whole number of px add no error.
    Where columns or rows lie closer than neighbours in one row or column mostly do, the tiles lie
    on several grids (tables from other programs); then these neighbours tell the stride, and
    places are counted from the first.

    Args:
        x: (N,) left edges of tiles, level-0 px.
        y: (N,) top edges.
    """
    least, common = min(_least_gap(x), _least_gap(y)), _common_gap(x, y)
    if least < common - 1:  # more than rounding to whole px
        return np.stack([(edges - edges.min()) // common for edges in (x, y)]).astype(np.int64)
    return np.stack([_cells(x, least), _cells(y, least)])


def _least_gap(edges: Ints) -> float:
    return min(np.diff(np.unique(edges)).tolist(), default=np.inf)


def _common_gap(x: Ints, y: Ints) -> int:
    """The gap seen most often within rows and columns, the smallest of equals; 0 without any."""
    gaps = []
    for along, across in ((x, y), (y, x)):
        order = np.lexsort((along, across))
        gaps.append(np.diff(along[order])[np.diff(across[order]) == 0])
    values, counts = np.unique(np.concatenate(gaps), return_counts=True)
    apart = values > 0
    return int(values[apart][counts[apart].argmax()]) if apart.any() else 0


def _cells(edges: Ints, stride: float) -> NDArray[np.int64]:
    """The place of each edge, counted in strides from the first."""
    distinct, place = np.unique(edges, return_inverse=True)
    steps = np.rint(np.diff(distinct) / stride).astype(np.int64)
    return np.concatenate([np.zeros(min(len(distinct), 1), np.int64), np.cumsum(steps)])[place]
