"""Proof that two tiles show the same place: one is brought into register with the other."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.data.perceptual_hash import SIDE
from histotile.strategy.leakage.lookalikes import ANGLES, MIDDLE, Disk, Floats, Waves, radii, rings

LEAST_START = 0.5  # likeness of the disks from which registering is worth its time
LEAST_OVERLAP = 0.3  # of the tile
MOST_SHEAR = 1.5  # ratio of the scales along two axes; strangers are made alike by more
STEPS = 30

Matrix = NDArray[np.float32]


def likeness(
    first: Floats, second: Floats, zoomed: Sequence[Disk], shifted: Sequence[Disk]
) -> float:
    """Correlation of two equalised tiles where they overlap, in register; 0 if they have none.

    The disks of the first tile are laid on those of the second one; their turn is found from their
    rings, for the tile as it is and mirrored. From the best place the enhanced correlation
    coefficient (Evangelidis and Psarakis 2008) finds an affine map.
    """
    start, transform = _start((first, zoomed), (second, shifted))
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


def _start(
    first: tuple[Floats, Sequence[Disk]], second: tuple[Floats, Sequence[Disk]]
) -> tuple[float, Matrix]:
    """How alike the disks are at the best place and turn, and the map it stands for."""
    own, other = _disks(*first), _disks(*second)
    pairs = [np.einsum("srm,prm->spm", own, waves) for waves in (other.conj(), other)]
    alike = ANGLES * np.fft.irfft(np.stack(pairs), ANGLES)
    mirrored, scale, place, turn = np.unravel_index(alike.argmax(), alike.shape)
    zoomed, shifted = first[1][int(scale)], second[1][int(place)]
    angle, flip = 2 * np.pi * turn / ANGLES, 1 - 2 * int(mirrored)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = zoomed.scale * np.array([[cos, -sin * flip], [sin, cos * flip]])
    return float(alike.max()), _about(matrix, (shifted.x, shifted.y), (zoomed.x, zoomed.y))


def _disks(equal: Floats, disks: Sequence[Disk]) -> Waves:
    """(disks, RINGS, ORDERS) rings of a tile, weighed by length; each disk of mean 0, norm 1."""
    waves = rings(equal[None], disks)[0]
    waves[..., 0] -= np.average(waves[..., 0], axis=1, weights=radii())[:, None]
    weighed = waves * np.sqrt(radii())[:, None]
    squares = np.abs(weighed) ** 2
    power = squares[..., 0].sum(axis=1) + 2 * squares[..., 1:].sum(axis=(1, 2))
    found: Waves = weighed / np.sqrt(np.maximum(power, 1e-12))[:, None, None]
    return found


def _about(
    matrix: NDArray[np.float64], point: tuple[float, float], to: tuple[float, float]
) -> Matrix:
    """The affine map (2, 3) by this matrix that brings the one point to the other."""
    shift = np.array(to) - matrix @ np.array(point)
    return np.hstack([matrix, shift[:, None]]).astype(np.float32)
