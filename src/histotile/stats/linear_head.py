"""Linear heads on raw features, by many logistic regressions at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.stats.logistic import Single, fit_path


class LinearHead(NamedTuple):
    """Logits of raw features: `features @ weight.T + bias`; standardisation is folded in."""

    weight: NDArray[np.float64]  # (C, D)
    bias: NDArray[np.float64]  # (C,)

    def logits(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, C) of features (N, D)."""
        return np.asarray(values, np.float64) @ self.weight.T + self.bias


def fit_heads(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    weights: Single,
    strengths: tuple[float, ...],
) -> list[list[LinearHead]]:
    """M heads per strength on standardised features, each taught by the tiles of its weights.

    Args:
        features: (N, D).
        labels: (N,) class numbers 0 .. C - 1, all of which occur.
        weights: (M, N), rows sum to one, as from `lesson_weights`.
        strengths: Descending.
    """
    values = np.asarray(features, np.float64)
    shift, scale = values.mean(0), values.std(0)
    scale[scale < 1e-6] = 1.0  # dead features stay dead
    values = ((values - shift) / scale).astype(np.float32)
    turn = principal_axes(values)
    told = np.arange(1, 2) if labels.max() == 1 else np.arange(labels.max() + 1)
    targets = labels == told[:, None]
    paths = fit_path(values @ turn.astype(np.float32), targets, weights, strengths)
    turn = turn.astype(np.float32).astype(np.float64)
    return [[_unfolded(head, turn, shift, scale) for head in path] for path in paths]


def principal_axes(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(D, min(N, D)) axes of centred points (N, D), the widest first; few points cost little."""
    if len(values) >= values.shape[1]:
        spread = (values.T @ values).astype(np.float64)
        return np.asarray(np.linalg.eigh(spread)[1][:, ::-1])
    axes = np.linalg.svd(values.astype(np.float64), full_matrices=False)[2]
    return np.asarray(axes.T)


def _unfolded(
    head: Single,
    turn: NDArray[np.float64],
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> LinearHead:
    weight, bias = head[:, :-1].astype(np.float64) @ turn.T, head[:, -1].astype(np.float64)
    if len(head) == 1:  # the logit of class 1 is the difference of the two
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scale
    return LinearHead(weight, bias - weight @ shift)


def lesson_weights(
    labels: NDArray[np.int64], teaches: NDArray[np.bool_], balanced: bool = True
) -> Single:
    """(M, N) weights that sum to one: 0 for tiles that do not teach a fit; alike for each class.

    Args:
        labels: (N,) class numbers.
        teaches: (M, N) which tiles teach each fit.
        balanced: Whether classes weigh the same; else all tiles taught do.
    """
    weights = np.zeros(teaches.shape, np.float32)
    for c in range(int(labels.max()) + 1) if balanced else [None]:
        side = teaches & (labels == c) if balanced else teaches
        weights += side / np.maximum(side.sum(axis=1, keepdims=True), 1).astype(np.float32)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return weights
