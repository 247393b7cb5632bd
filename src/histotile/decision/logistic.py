"""Many L2 logistic regressions on the same tiles at once.

All folds and classes of a probe see the same points and differ in the tiles that teach them. So
they are solved side by side by L-BFGS (Nocedal and Wright, algorithm 7.5) whose every step is one
matrix product for all of them, from the strongest penalty to the weakest, each starting where the
one before ended. Points are principal components: there the curvature of the loss is at most
diag(variance / 4), which scales the steps and makes 1 the right length of nearly all of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.float32]

MEMORY = 8  # pairs of steps that L-BFGS remembers
MOST_STEPS = 200
ENOUGH = 1e-10  # drop (nats, by the estimated curvature) below which a fit is at its end
LEAST_DROP = 1e-4  # Armijo's share of the promised drop


@dataclass
class _State:
    """Fits not yet done: coefficients (M, D), their margins and the history of their steps."""

    at: NDArray[np.int64]
    signs: Single
    weights: Single
    values: Single
    margins: Single
    losses: NDArray[np.float64]
    slopes: Single
    steps: list[tuple[Single, Single, Single]]

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        self.at, self.losses = self.at[chosen], self.losses[chosen]
        self.signs, self.weights = self.signs[chosen], self.weights[chosen]
        self.values, self.margins = self.values[chosen], self.margins[chosen]
        self.slopes = self.slopes[chosen]
        self.steps = [(s[chosen], y[chosen], r[chosen]) for s, y, r in self.steps]


def fit_path(
    points: Single, targets: NDArray[np.bool_], weights: Single, strengths: tuple[float, ...]
) -> list[Single]:
    """Coefficients (M, D + 1), the intercept last, of M logistic regressions per strength.

    Minimises sum_n w_n log(1 + exp(-s_n (x_n b + a))) + strength / 2 |b|^2 with weights that sum to
    one, so that a strength means the same at any number of tiles.

    Args:
        points: (N, D) centred principal components.
        targets: (M, N) what is to be told from the rest.
        weights: (M, N) of the tiles; 0: the tile teaches nothing.
        strengths: Descending.
    """
    whole = np.hstack([points, np.ones((len(points), 1), np.float32)])
    signs = np.where(targets, np.float32(1), np.float32(-1))
    variances = np.append(points.var(axis=0, dtype=np.float64), 1.0)
    values = np.zeros((len(targets), whole.shape[1]), np.float32)
    found = []
    for strength in strengths:
        penalty = np.full(whole.shape[1], strength)
        penalty[-1] = 0.0
        scale = 1 / np.sqrt(variances / 4 + penalty)
        values = _solve(
            (whole * scale).astype(np.float32),
            (values / scale).astype(np.float32),
            (signs, weights),
            (penalty * scale**2).astype(np.float32),
        )
        values = (values * scale).astype(np.float32)
        found.append(values)
    return found


def _solve(points: Single, start: Single, tiles: tuple[Single, Single], penalty: Single) -> Single:
    """The minimum, in scaled coordinates, from `start` (M, D)."""
    signs, weights = tiles
    result = start.copy()
    state = _State(
        np.arange(len(start)), signs, weights, start, signs * (start @ points.T),
        np.empty(0), np.empty(0, np.float32), [],
    )  # fmt: skip
    state.losses, pull = _loss(state.margins, state.values, weights, penalty)
    state.slopes = _slope(state, pull, points, penalty)
    for _ in range(MOST_STEPS):
        moved = _step(state, points, penalty)
        if not moved.all():
            result[state.at[~moved]] = state.values[~moved]
            if not moved.any():
                return result
            state.keep(moved)
    result[state.at] = state.values
    return result


def _step(state: _State, points: Single, penalty: Single) -> NDArray[np.bool_]:
    """Move every fit downhill; False for those at their end, within single precision."""
    direction = _direction(state)
    promised = np.einsum("md,md->m", direction, state.slopes).astype(np.float64)
    along = state.signs * (direction @ points.T)
    length = np.ones(len(state.at), np.float32)
    for _ in range(12):
        values = state.values + length[:, None] * direction
        margins = state.margins + length[:, None] * along
        losses, pull = _loss(margins, values, state.weights, penalty)
        good = losses <= state.losses + LEAST_DROP * length * promised + 1e-7 * state.losses
        if good.all():
            break
        length[~good] /= 2
    length[~good] = 0
    values = state.values + length[:, None] * direction
    before = state.slopes
    state.margins += length[:, None] * along
    if not good.all():
        losses, pull = _loss(state.margins, values, state.weights, penalty)
    step, state.values, state.losses = values - state.values, values, losses
    state.slopes = _slope(state, pull, points, penalty)
    change = state.slopes - before
    curvature = np.einsum("md,md->m", step, change)
    with np.errstate(divide="ignore"):
        inverse = np.where(curvature > 1e-12, 1 / curvature, 0).astype(np.float32)
    state.steps = [*state.steps[1 - MEMORY :], (step, change, inverse)]
    moved: NDArray[np.bool_] = good & (promised < -ENOUGH)
    return moved


def _loss(
    margins: Single, values: Single, weights: Single, penalty: Single
) -> tuple[NDArray[np.float64], Single]:
    """(M,) penalised losses, and (M, N) weighted probabilities of being wrong."""
    small: Single = np.exp(-np.abs(margins))
    losses: Single = np.log(1 + small) + np.maximum(-margins, 0)
    wrong = small.copy()  # e^-|m| where right, 1 where wrong, both over 1 + e^-|m|
    wrong[margins <= 0] = 1
    wrong *= weights / (1 + small)
    total = np.einsum("mn,mn->m", weights, losses, dtype=np.float64)
    squares = np.square(values.astype(np.float64)) @ penalty.astype(np.float64)
    return total + squares / 2, wrong


def _slope(state: _State, wrong: Single, points: Single, penalty: Single) -> Single:
    slopes = (state.signs * wrong) @ points
    return (penalty * state.values - slopes).astype(np.float32, copy=False)


def _direction(state: _State) -> Single:
    """Minus the estimated inverse curvature times the slopes: the two-loop recursion."""
    rest = state.slopes.copy()
    shares = []
    for step, change, inverse in reversed(state.steps):
        share = inverse * np.einsum("md,md->m", step, rest)
        rest -= share[:, None] * change
        shares.append(share)
    if state.steps:
        _, change, inverse = state.steps[-1]
        squared = np.einsum("md,md->m", change, change)
        known = (inverse > 0) & (squared > 0)
        ratio = np.divide(1, inverse * squared, out=np.ones_like(inverse), where=known)
        rest *= ratio[:, None]
    for (step, change, inverse), share in zip(state.steps, reversed(shares), strict=True):
        rest += (share - inverse * np.einsum("md,md->m", change, rest))[:, None] * step
    return -rest
