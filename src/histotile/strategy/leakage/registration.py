"""Proof that two tiles show the same place: one is brought into register with the other."""

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.data.perceptual_hash import SIDE
from histotile.strategy.leakage.lookalikes import (
    ANGLES,
    MIDDLE,
    Candidate,
    Floats,
    Waves,
    radii,
    rings,
)

LEAST_START = 0.5  # likeness of the disks from which registering is worth its time
LEAST_OVERLAP = 0.3  # of the tile
MOST_SHEAR = 1.5  # ratio of the scales along two axes; strangers are made alike by more
STEPS = 30

Matrix = NDArray[np.float32]


def likeness(first: Floats, second: Floats, candidate: Candidate) -> float:
    """Correlation of two equalised tiles where they overlap, in register; 0 if they have none.

    The disks' own turn is found from their rings, position by position on the circle, for the tile
    as it is and mirrored; from there the enhanced correlation coefficient (Evangelidis and Psarakis
    2008) finds an affine map.
    """
    start, transform = _start(first, second, candidate)
    return register(first, second, transform) if start >= LEAST_START else 0.0


def register(first: Floats, second: Floats, transform: Matrix) -> float:
    """The same from a first guess of the map (2, 3) of px of the second tile to the first one."""
    everywhere = np.ones((SIDE, SIDE), np.uint8)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, STEPS, 1e-3)
    try:
        _, found = cv2.findTransformECC(
            second, first, transform.copy(), cv2.MOTION_AFFINE, criteria, everywhere, 1
        )
    except cv2.error:  # says that it does not converge: nothing overlaps
        return 0.0
    long, short = np.linalg.svd(found[:, :2])[1]
    if not np.isfinite(long) or long > MOST_SHEAR * short or not 0.25 <= long * short <= 4:
        return 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = np.asarray(cv2.warpAffine(first, found, (SIDE, SIDE), flags=flags), np.float32)
    shared = cv2.warpAffine(np.ones_like(first), found, (SIDE, SIDE), flags=flags) > 0.99
    return correlate(moved[shared], second[shared]) if shared.mean() >= LEAST_OVERLAP else 0.0


def correlate(first: Floats, second: Floats) -> float:
    """Pearson's correlation of all their pixels; 0 where one has no contrast."""
    a, b = first.ravel() - first.mean(), second.ravel() - second.mean()
    return float(a @ b / max(1e-6, float((a @ a) * (b @ b)) ** 0.5))


def turned_map(orientation: int) -> Matrix:
    """The map (2, 3) of px of a tile `turn`ed this way to px of the tile itself."""
    matrix = np.eye(2)
    matrix[1] *= -1 if orientation & 1 else 1
    matrix[0] *= -1 if orientation & 2 else 1
    return _about(matrix[::-1] if orientation & 4 else matrix, (MIDDLE, MIDDLE), (MIDDLE, MIDDLE))


def _start(first: Floats, second: Floats, candidate: Candidate) -> tuple[float, Matrix]:
    """How alike the disks are at their best turn, and the map it stands for."""
    zoomed, shifted = candidate.zoomed, candidate.shifted
    a, b = (
        _centred(rings(first[None], [zoomed])[0, 0]),
        _centred(rings(second[None], [shifted])[0, 0]),
    )
    weights = radii()[:, None]
    both = [ANGLES * np.fft.irfft((weights * a * c).sum(axis=0), ANGLES) for c in (b.conj(), b)]
    mirrored = int(both[1].max() > both[0].max())
    turn = 2 * np.pi * int(both[mirrored].argmax()) / ANGLES
    cos, sin, flip = np.cos(turn), np.sin(turn), 1 - 2 * mirrored
    matrix = zoomed.scale * np.array([[cos, -sin * flip], [sin, cos * flip]])
    alike = float(both[mirrored].max()) / max(1e-12, (_power(a) * _power(b)) ** 0.5)
    return alike, _about(matrix, (shifted.x, shifted.y), (zoomed.x, zoomed.y))


def _centred(waves: Waves) -> Waves:
    """Rings of a disk whose mean is 0."""
    centred = waves.copy()
    centred[:, 0] -= np.average(waves[:, 0], weights=radii())
    return centred


def _power(waves: Waves) -> float:
    squares = np.abs(waves) ** 2
    return float(radii() @ (squares[:, 0] + 2 * squares[:, 1:].sum(axis=1)))


def _about(
    matrix: NDArray[np.float64], point: tuple[float, float], to: tuple[float, float]
) -> Matrix:
    """The affine map (2, 3) by this matrix that brings the one point to the other."""
    shift = np.array(to) - matrix @ np.array(point)
    return np.hstack([matrix, shift[:, None]]).astype(np.float32)
