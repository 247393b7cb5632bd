"""Linear regression with an L2 penalty, for many strengths at once."""

import numpy as np
from numpy.typing import NDArray

from histotile.stats.linear_head import LinearHead, principal_axes


def fit_ridge(
    features: NDArray[np.floating], truth: NDArray[np.floating], strengths: tuple[float, ...]
) -> dict[float, LinearHead]:
    """A head with one output per strength, on standardised features.

    Minimises mean square error / 2 + strength / 2 |b|^2, the intercept apart.

    Args:
        features: (N, D).
        truth: (N,).
        strengths: In any order.
    """
    values = np.asarray(features, np.float64)
    shift, scale = values.mean(0), values.std(0)
    scale[scale < 1e-6] = 1.0  # dead features stay dead
    values = (values - shift) / scale
    mean = float(np.mean(truth))
    turn = principal_axes(values)
    along_axes = values @ turn
    squares = np.square(along_axes).mean(0)
    along = along_axes.T @ (truth - mean) / len(values)
    heads = {}
    for strength in strengths:
        weight = (turn @ (along / (np.maximum(squares, 0) + strength)) / scale)[None]
        heads[strength] = LinearHead(weight, mean - weight @ shift)
    return heads
