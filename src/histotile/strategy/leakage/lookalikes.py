"""Tiles that may show the same place, however turned, mirrored, stained or cropped.

A disk of a thumbnail is described by what turning and mirroring leave as it is: the products of
the angular Fourier coefficients of any two of its rings. The disk in the middle of one tile, at
several scales, is held against disks about the middle of the others; the likest tiles are
candidates, for `registration` to prove. The network's features would do worse: they change with
colour and crop, and depend on the backbone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.data.perceptual_hash import SIDE

RADIUS = 12.0  # px of a disk
RINGS, ANGLES, ORDERS = 9, 32, 11
SCALES = (0.72, 0.85, 1.0, 1.18, 1.39)  # of the disk in the middle: crops down to 0.7 of the side
SHIFTS = (-4.0, -2.0, 0.0, 2.0, 4.0)  # px in x and y of the disks about the middle
REACHES = (-7.0, -5.0, -2.5, 0.0, 2.5, 5.0, 7.0)  # the same for two tiles held together
DIMENSIONS = 96  # of a whitened description
LEARNT = 400  # tiles from which the whitening is learnt
NEAREST = 5  # candidates of each tile
LEAST_TEXTURE = 0.2  # RMS gradient along the smoother direction: below, glass or a single edge
BATCH = 64  # tiles described, or compared, together
MIDDLE = (SIDE - 1) / 2

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Waves = NDArray[np.complex64]
Describe = Callable[[Floats, "Sequence[Disk]"], Floats]


@dataclass(frozen=True)
class Disk:
    """Where a disk lies on a thumbnail: its middle in px, and how far it is stretched."""

    x: float = MIDDLE
    y: float = MIDDLE
    scale: float = 1.0


ZOOMED = tuple(Disk(scale=scale) for scale in SCALES)
SHIFTED = tuple(Disk(MIDDLE + x, MIDDLE + y) for y in SHIFTS for x in SHIFTS)
REACHED = tuple(Disk(MIDDLE + x, MIDDLE + y) for y in REACHES for x in REACHES)


@dataclass(frozen=True)
class Candidate:
    """Rows of two tiles, and the disks by which they look alike."""

    first: int
    second: int
    zoomed: Disk
    shifted: Disk


def equalise(thumbnails: NDArray[np.uint8]) -> Floats:
    """(N, 32, 32) the structure of tiles whatever their stain: a band-pass over local contrast."""
    equal = np.empty(thumbnails.shape, np.float32)
    for thumbnail, into in zip(thumbnails, equal, strict=True):
        grey = thumbnail.astype(np.float32)
        band = cv2.GaussianBlur(grey, (0, 0), 0.7) - cv2.GaussianBlur(grey, (0, 0), 2.0)
        into[:] = band / (np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 4.0)) + 2.0)
    return equal


def textured(equal: Floats) -> NDArray[np.bool_]:
    """(N,) whether a tile shows enough, in both directions, to be recognised by it."""
    slopes = np.array(np.gradient(equal, axis=(1, 2)))
    tensor = np.einsum("anyx,bnyx->nab", slopes, slopes) / SIDE**2
    found: NDArray[np.bool_] = np.linalg.eigvalsh(tensor)[:, 0] >= LEAST_TEXTURE**2
    return found


def radii() -> NDArray[np.float64]:
    """(RINGS,) of a disk, px."""
    return (np.arange(RINGS) + 0.75) * RADIUS / RINGS


def rings(equal: Floats, disks: Sequence[Disk]) -> Waves:
    """(N, disks, RINGS, ORDERS) Fourier coefficients along the rings of disks of each tile."""
    angles = np.arange(ANGLES) * 2 * np.pi / ANGLES
    across, down = (np.outer(radii(), wave(angles)).ravel() for wave in (np.cos, np.sin))
    x = np.stack([disk.x + disk.scale * across for disk in disks]).astype(np.float32)
    y = np.stack([disk.y + disk.scale * down for disk in disks]).astype(np.float32)
    seen = [cv2.remap(t, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT) for t in equal]
    waves = np.fft.rfft(np.stack(seen).reshape(len(equal), len(disks), RINGS, ANGLES))
    return (waves[..., :ORDERS] / ANGLES).astype(np.complex64)


class Lookalikes:
    """The likest among some tiles; built in a millisecond a tile.

    Args:
        equal: (N, 32, 32) from `equalise`.
        seed: Of the sample of tiles from which the whitening is learnt.
    """

    def __init__(self, equal: Floats, seed: int) -> None:
        chosen = np.random.default_rng(seed).permutation(len(equal))[:LEARNT]
        describe = _whitened(equal[chosen])
        self._zoomed, shifted = (
            np.concatenate([describe(equal[k : k + BATCH], d) for k in range(0, len(equal), BATCH)])
            for d in (ZOOMED, SHIFTED)
        )
        self._shifted = np.ascontiguousarray(shifted.reshape(-1, shifted.shape[-1]).T)

    def of(self, asked: Rows, labels: Rows) -> Iterator[Candidate]:
        """The tiles that look most like each tile asked for, `NEAREST` at most.

        Time grows with the product of both: 2,000 tiles take seconds, 10,000 a minute.

        Args:
            asked: Their rows.
            labels: (N, K) names of each tile; tiles that share one are not compared.
        """
        shape = (len(ZOOMED), len(labels), len(SHIFTED))
        for start in range(0, len(asked), BATCH // 4):
            rows = asked[start : start + BATCH // 4]
            points = self._zoomed[rows].reshape(-1, self._zoomed.shape[-1])
            alike = (points @ self._shifted).reshape(len(rows), *shape)
            best = alike.max(axis=(1, 3))
            best[(labels[rows, None] == labels).any(axis=-1)] = -np.inf
            near = np.argpartition(-best, min(NEAREST, len(labels)) - 1, axis=1)[:, :NEAREST]
            for row, k in np.argwhere(np.isfinite(np.take_along_axis(best, near, axis=1))):
                other = int(near[row, k])
                disks = np.unravel_index(alike[row, :, other].argmax(), shape[::2])
                yield Candidate(int(rows[row]), other, ZOOMED[disks[0]], SHIFTED[disks[1]])


def _whitened(sample: Floats) -> Describe:
    """Unit vectors of disks (tiles, disks, k) on the leading components of the sample's disks."""
    points = _invariants(sample, SHIFTED)
    points = points.reshape(-1, points.shape[-1])
    centre = points.mean(axis=0)
    points = (points - centre).astype(np.float64)
    powers, axes = np.linalg.eigh(points.T @ points)
    kept = min(DIMENSIONS, int((powers > 1e-9 * powers[-1]).sum()))
    turn = (axes[:, -kept:] / np.sqrt(powers[-kept:])).astype(np.float32)

    def describe(equal: Floats, disks: Sequence[Disk]) -> Floats:
        turned = (_invariants(equal, disks) - centre) @ turn
        unit: Floats = turned / np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-9)
        return unit

    return describe


def _invariants(equal: Floats, disks: Sequence[Disk]) -> Floats:
    """(N, disks, k) what turning and mirroring a disk does not change, its range compressed."""
    waves = rings(equal, disks)
    steady = waves[..., 0].real * np.abs(waves[..., 0])
    orders = waves.swapaxes(-1, -2)
    products = (orders[..., :, None] * orders[..., None, :].conj()).real
    one, other = np.triu_indices(RINGS)
    pairs = products[..., one, other].reshape(*waves.shape[:2], -1)
    found = np.concatenate([steady, pairs], axis=-1)
    return np.asarray(np.sign(found) * np.sqrt(np.abs(found)), np.float32)
