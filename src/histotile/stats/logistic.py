"""Many L2 logistic regressions on the same tiles at once.

All folds of a probe see the same points and differ in the tiles that teach them. So they are solved
side by side by L-BFGS (Nocedal and Wright, algorithm 7.5) whose every step is one matrix product
for all of them, from the strongest penalty to the weakest, each starting where the one before
ended. On principal components the curvature of the loss is at most diag(variance / 4)
(Böhning 1992; / 2 for several classes), which scales the steps and makes 1 the right length of
nearly all of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.float32]

# L2 strengths in units of the mean loss, so that they mean the same at any number of tiles.
STRENGTHS = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001)
MEMORY = 8  # pairs of steps that L-BFGS remembers
MOST_STEPS = 200
ENOUGH = 1e-11  # drop (nats, by the estimated curvature) below which a fit is at its end
LEAST_DROP = 1e-4  # Armijo's share of the promised drop


@dataclass(frozen=True)
class _Task:
    """What all fits of one strength share: points (N, D), targets (C, N), penalty (D,)."""

    points: Single
    targets: Single
    penalty: Single

    def logits(self, values: Single) -> Single:
        """(M, C, N) of coefficients (M, C, D)."""
        flat = values.reshape(-1, values.shape[2]) @ self.points.T
        return flat.reshape(*values.shape[:2], -1)


@dataclass
class _State:
    """M fits not yet done: coefficients (M, C, D), logits (M, C, N), and the steps so far."""

    at: NDArray[np.int64]
    weights: Single
    values: Single
    logits: Single
    losses: NDArray[np.float64]
    slopes: Single
    steps: list[tuple[Single, Single, Single]]

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        self.at, self.losses = self.at[chosen], self.losses[chosen]
        self.weights, self.logits = self.weights[chosen], self.logits[chosen]
        self.values, self.slopes = self.values[chosen], self.slopes[chosen]
        self.steps = [(s[chosen], y[chosen], r[chosen]) for s, y, r in self.steps]


def fit_path(
    points: Single, targets: NDArray[np.bool_], weights: Single, strengths: tuple[float, ...]
) -> list[Single]:
    """Coefficients (M, C, D + 1), the intercept last, of M logistic regressions per strength.

    Minimises the weighted mean cross-entropy + strength / 2 |b|^2, intercepts apart. Weights of a
    fit sum to one, so that a strength means the same at any number of tiles.

    Args:
        points: (N, D) centred principal components.
        targets: (1, N) what is to be told from the rest, or (C, N) which class a tile has.
        weights: (M, N) of the tiles; 0: the tile teaches nothing.
        strengths: Descending.
    """
    whole = np.hstack([points, np.ones((len(points), 1), np.float32)])
    bound = 4 if len(targets) == 1 else 2
    curvature = np.append(points.var(axis=0, dtype=np.float64), 1.0) / bound
    values = np.zeros((len(weights), len(targets), whole.shape[1]), np.float32)
    found = []
    for strength in strengths:
        penalty = np.full(whole.shape[1], strength)
        penalty[-1] = 0.0
        scale = 1 / np.sqrt(curvature + penalty)
        task = _Task(
            (whole * scale).astype(np.float32),
            targets.astype(np.float32),
            (penalty * scale**2).astype(np.float32),
        )
        values = _solve(task, (values / scale).astype(np.float32), weights)
        values = (values * scale).astype(np.float32)
        found.append(values)
    return found


def _solve(task: _Task, start: Single, weights: Single) -> Single:
    """The minimum, in scaled coordinates, from `start` (M, C, D)."""
    result = start.copy()
    logits = task.logits(start)
    losses, pull = _loss(task, logits, start, weights)
    slopes = _slope(task, pull, start)
    state = _State(np.arange(len(start)), weights, start, logits, losses, slopes, [])
    for _ in range(MOST_STEPS):
        moved = _step(task, state)
        if not moved.all():
            result[state.at[~moved]] = state.values[~moved]
            if not moved.any():
                return result
            state.keep(moved)
    result[state.at] = state.values
    return result


def _step(task: _Task, state: _State) -> NDArray[np.bool_]:
    """Move every fit downhill; False for those at their end, within single precision."""
    direction = _direction(state)
    promised = np.einsum("mcd,mcd->m", direction, state.slopes).astype(np.float64)
    along = task.logits(direction)
    length = np.ones((len(state.at), 1, 1), np.float32)
    for _ in range(12):
        values, logits = state.values + length * direction, state.logits + length * along
        losses, pull = _loss(task, logits, values, state.weights)
        allowed = state.losses * (1 + 1e-7) + LEAST_DROP * length[:, 0, 0] * promised
        good = losses <= allowed
        if good.all():
            break
        length[~good] /= 2
    if not good.all():
        length[~good] = 0
        values, logits = state.values + length * direction, state.logits + length * along
        losses, pull = _loss(task, logits, values, state.weights)
    slopes = _slope(task, pull, values)
    count = len(values)
    step = (values - state.values).reshape(count, -1)
    change = (slopes - state.slopes).reshape(count, -1)
    curvature = np.einsum("mk,mk->m", step, change)
    known = curvature > 1e-12
    inverse = np.divide(1, curvature, out=np.zeros_like(curvature), where=known)
    state.values, state.logits, state.losses, state.slopes = values, logits, losses, slopes
    state.steps = [*state.steps[1 - MEMORY :], (step, change, inverse)]
    moved: NDArray[np.bool_] = good & (promised < -ENOUGH)
    return moved


def _loss(
    task: _Task, logits: Single, values: Single, weights: Single
) -> tuple[NDArray[np.float64], Single]:
    """(M,) penalised losses, and (M, C, N) their derivative by the logits."""
    if logits.shape[1] == 1:
        small = np.exp(-np.abs(logits))
        losses = np.log(1 + small[:, 0]) + np.maximum((1 - 2 * task.targets) * logits[:, 0], 0)
        chances = small / (1 + small)
        np.subtract(1, chances, out=chances, where=logits > 0)
    else:
        behind = logits - logits.max(axis=1, keepdims=True)
        chances = np.exp(behind)
        sums = chances.sum(axis=1, keepdims=True)
        losses = np.log(sums[:, 0]) - np.einsum("cn,mcn->mn", task.targets, behind)
        chances /= sums
    total = np.einsum("mn,mn->m", weights, losses, dtype=np.float64)
    squares = np.square(values.astype(np.float64)).sum(1) @ task.penalty.astype(np.float64)
    chances -= task.targets
    chances *= weights[:, None, :]
    return total + squares / 2, chances


def _slope(task: _Task, pull: Single, values: Single) -> Single:
    flat = pull.reshape(-1, pull.shape[2]) @ task.points
    return (flat.reshape(values.shape) + task.penalty * values).astype(np.float32, copy=False)


def _direction(state: _State) -> Single:
    """Minus the estimated inverse curvature times the slopes: the two-loop recursion."""
    rest = state.slopes.reshape(len(state.at), -1).copy()
    shares = []
    for step, change, inverse in reversed(state.steps):
        share = inverse * np.einsum("mk,mk->m", step, rest)
        rest -= share[:, None] * change
        shares.append(share)
    if state.steps:
        _, change, inverse = state.steps[-1]
        squared = np.einsum("mk,mk->m", change, change)
        known = (inverse > 0) & (squared > 0)
        ratio = np.divide(1, inverse * squared, out=np.ones_like(inverse), where=known)
        rest *= ratio[:, None]
    for (step, change, inverse), share in zip(state.steps, reversed(shares), strict=True):
        rest += (share - inverse * np.einsum("mk,mk->m", change, rest))[:, None] * step
    return -rest.reshape(state.slopes.shape)
