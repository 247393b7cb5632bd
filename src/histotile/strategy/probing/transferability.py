"""Two scores of transferability without any fit by cross-validation; reported, never voting.

Both see the same components of the features as the probe (standardised, at most a fixed number):
so stages of different width compare better, and cosines are not drowned by the common mean.
"""

import numpy as np
from numpy.typing import NDArray

from histotile.stats import auroc, bootstrap
from histotile.stats.crossvalidation import Floats, Integers, Plan
from histotile.stats.logistic import Single

NEIGHBOURS = 20
ROWS = 1024  # tiles whose likeness to all others is held at once
MOST_ROUNDS = 100


def neighbours(points: Single, patients: Integers, count: int = NEIGHBOURS) -> Integers:
    """(N, count) tiles of other patients most alike by cosine, the likest first; -1: too few."""
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit = points / np.maximum(lengths, 1e-12)
    found = np.full((len(points), count), -1, dtype=np.int64)
    kept = min(count, len(points))
    for start in range(0, len(points), ROWS):
        likeness = unit[start : start + ROWS] @ unit.T
        likeness[patients[start : start + ROWS, None] == patients[None, :]] = -np.inf
        nearest = np.argpartition(likeness, len(points) - kept, axis=1)[:, -kept:]
        values = np.take_along_axis(likeness, nearest, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        nearest = np.take_along_axis(nearest, order, axis=1)
        known = np.isfinite(np.take_along_axis(values, order, axis=1))
        found[start : start + ROWS, :kept] = np.where(known, nearest, -1)
    return found


def knn(points: Single, plan: Plan) -> float:
    """AUROC of the share of each class among a tile's 20 nearest tiles of other patients.

    Averaged over test folds as the probes' is, though neighbours come from all other patients.
    """
    nearest = neighbours(points, plan.patients)
    known = nearest >= 0
    classes = plan.labels[nearest]
    shares = np.stack(
        [((classes == c) & known).sum(1) for c in auroc.judged_classes(plan.classes)], axis=1
    ) / np.maximum(known.sum(1, keepdims=True), 1)
    every = np.broadcast_to(shares, (plan.repeats, *shares.shape))
    return float(auroc.scores(plan, every, bootstrap.every_patient(plan.patients))[0])


def log_evidence(points: NDArray[np.floating], labels: Integers, classes: int) -> float:
    """LogME: log evidence per tile of a Bayesian linear regression onto the classes, their mean.

    Each class in turn is the centred target y (1: of the class) of y = F w + noise, w normal with
    precision a, noise with precision b; a and b are those of most evidence (You et al. 2021, arXiv
    2102.11005, equations 2 to 4), found by their fixed point.

    Args:
        points: (N, D) centred features.
        labels: (N,) class numbers.
        classes: Number of classes.
    """
    values = points.astype(np.float64)
    squared, turn = np.linalg.eigh(values.T @ values)
    squared = np.maximum(squared, 0)
    found = []
    for c in range(classes):
        target = (labels == c) - np.mean(labels == c)
        found.append(_most_evidence(squared, turn.T @ (values.T @ target), target))
    return float(np.mean(found)) / len(labels)


def _most_evidence(squared: Floats, along: Floats, target: Floats) -> float:
    """Log evidence at its maximum over a and b, by MacKay's fixed point.

    Args:
        squared: (D,) eigenvalues of F'F.
        along: (D,) F'y in its eigenvectors.
        target: (N,) y.
    """
    count, total = len(target), float(target @ target)
    # |F m - y|^2 = |y|^2 - sum of along^2 (2 a b + b^2 squared) / (a + b squared)^2
    a, b, best = 1.0, 1.0, -np.inf
    for _ in range(MOST_ROUNDS):
        spread = a + b * squared
        weights = b * along / spread
        size = max(float(weights @ weights), 1e-12)
        miss = total - 2 * float(weights @ along) + float(squared @ weights**2)
        miss = max(miss, 1e-12 * max(total, 1e-12))
        evidence = (
            count * np.log(b) + len(squared) * np.log(a) - count * np.log(2 * np.pi)
            - b * miss - a * size - np.log(spread).sum()
        ) / 2  # fmt: skip
        if evidence - best < 1e-7 * abs(evidence):
            return float(max(evidence, best))
        best = evidence
        told = float((b * squared / spread).sum())
        a = min(max(told / size, 1e-9), 1e9)
        b = min(max((count - told) / miss, 1e-9), 1e9)
    return float(best)
