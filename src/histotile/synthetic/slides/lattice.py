"""Compiled primitives of the factory: hashed noise, wobbly discs, values between nodes.

Everything is a function of the seed and of the place, without fast-math, so that a window equals
the same window of the whole, bit by bit. numba's cache does not notice edits of this file in the
kernels of the neighbouring files: after one, delete their compiled `__pycache__/*.nb*`.
"""

import math

import numpy as np
from numba import njit

STEP = 16  # level-0 px between the nodes on which slow fields are evaluated


@njit
def mix(h):  # type: ignore[no-untyped-def]
    """The next of a chain of 64-bit random numbers (splitmix64's finaliser)."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@njit
def draw(seed, salt, i, j):  # type: ignore[no-untyped-def]
    """64 random bits that belong to lattice point (i, j)."""
    h = np.uint64(seed) + np.uint64(salt) * np.uint64(0x9E3779B97F4A7C15)
    h += np.uint64(i) * np.uint64(0xD1B54A32D192ED03) + np.uint64(j) * np.uint64(0xABC98388FB8FAC03)
    return mix(mix(h))


@njit
def unit(h):  # type: ignore[no-untyped-def]
    """Random bits as a number in [0, 1)."""
    return np.float64(h >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit
def noise(seed, salt, x, y):  # type: ignore[no-untyped-def]
    """Smooth value noise in [-1, 1] with a lattice of side 1."""
    i, j = math.floor(x), math.floor(y)
    fx, fy = x - i, y - j
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    i, j = np.int64(i), np.int64(j)
    a = unit(draw(seed, salt, i, j))
    b = unit(draw(seed, salt, i + 1, j))
    c = unit(draw(seed, salt, i, j + 1))
    d = unit(draw(seed, salt, i + 1, j + 1))
    top = a + (b - a) * fx
    return 2 * (top + (c + (d - c) * fx - top) * fy) - 1


@njit
def clamp(v):  # type: ignore[no-untyped-def]
    """The value, held within 0 and 1."""
    return min(1.0, max(0.0, v))


@njit
def edge(base, dx, dy, r, shape):  # type: ignore[no-untyped-def]
    """Radius of a wobbly disc towards (dx, dy): (cos, sin) weights of harmonics 2, 3, ..."""
    c, s = (dx / r, dy / r) if r > 0 else (1.0, 0.0)
    ck, sk, total = c, s, 1.0
    for k in range(len(shape) // 2):
        ck, sk = ck * c - sk * s, sk * c + ck * s
        total += shape[2 * k] * ck + shape[2 * k + 1] * sk
    return base * total


@njit
def between(field, gx, gy, x, y):  # type: ignore[no-untyped-def]
    """Bilinear value at level-0 (x, y) of a field whose first node stands at (gx, gy)."""
    u, v = (x - gx) / STEP, (y - gy) / STEP
    i, j = int(u), int(v)
    fx, fy = u - i, v - j
    top = field[j, i] + (field[j, i + 1] - field[j, i]) * fx
    low = field[j + 1, i] + (field[j + 1, i + 1] - field[j + 1, i]) * fx
    return top + (low - top) * fy
