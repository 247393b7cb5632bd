"""Slow fields: where tissue, epithelium, glands and lesions are. Lengths are level-0 px."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from histotile.slides.readers.tiff.jit import compiled
from histotile.synthetic.slides.arrays import Doubles, Floats
from histotile.synthetic.slides.lattice import clamp, draw, edge, mix, noise, unit

TISSUE, EPITHELIUM, WARP_X, WARP_Y, GAIN_H, GAIN_E, LESION, NUCLEAR_H, NUCLEAR_E = range(9)
FIELDS = 9
GLAND_X, GLAND_Y, GLAND_R, GLAND_FAT, GLAND_SHAPE = range(5)  # columns; the shape takes four


class Look(NamedTuple):
    """What tissue looks like: lengths in level-0 px, stain where 1 is a well stained nucleus."""

    pixel: float  # px per half micrometre
    tissue_wave: float
    epithelium_wave: float
    epithelium_share: float
    warp_wave: float
    unevenness: float
    gland_cell: float
    gland_rate: float
    gland_radius: float
    gland_wall: float
    fat_share: float
    stroma_e: float
    fibre_e: float
    epithelium_e: float
    stroma_h: float
    epithelium_h: float
    nucleus_h: float
    lesion_soft: float
    lesion_everywhere: float
    tumour_share: float  # of the nuclei in a lesion
    lesion_e_loss: float
    lesion_blue: float  # change of the eosin that nuclei displace


class Ground(NamedTuple):
    """What lies in and around a window: its slow fields on their nodes, and its glands."""

    fields: Floats  # (9, rows, columns)
    x: int  # of the first node, level-0 px
    y: int
    glands: Doubles


@njit
def _tissue(seed, x, y, look, pieces):  # type: ignore[no-untyped-def]
    """Distance to the tissue's edge, positive inside; trustworthy near the edge only."""
    best = -1e9
    for k in range(len(pieces)):
        dx, dy = (x - pieces[k, 0]) / pieces[k, 2], (y - pieces[k, 1]) / pieces[k, 3]
        inside = (1 - math.sqrt(dx * dx + dy * dy)) * min(pieces[k, 2], pieces[k, 3])
        best = max(best, inside)
    w = look.tissue_wave
    if best < -0.6 * w:
        return best
    rough = 0.35 * noise(seed, 1, x / w, y / w)
    rough += 0.12 * noise(seed, 2, 3.1 * x / w, 3.1 * y / w)
    return best + w * (rough + 0.03 * noise(seed, 3, 11.3 * x / w, 11.3 * y / w))


@njit
def _epithelium(seed, x, y, look):  # type: ignore[no-untyped-def]
    """0 in stroma, 1 in epithelium."""
    w = look.epithelium_wave
    v = noise(seed, 4, x / w, y / w) + 0.5 * noise(seed, 5, 2.3 * x / w, 2.3 * y / w)
    return clamp(0.5 + 4 * (v + 1.2 * (look.epithelium_share - 0.5)))


@njit
def _lesion(x, y, look, foci):  # type: ignore[no-untyped-def]
    """1 inside a focus, 0 outside, soft between, however few of its nuclei are a tumour's."""
    best = look.lesion_everywhere
    for k in range(len(foci)):
        dx, dy, base = x - foci[k, 0], y - foci[k, 1], foci[k, 2]
        reach = 1.6 * base + look.lesion_soft
        if abs(dx) < reach and abs(dy) < reach:
            r = math.sqrt(dx * dx + dy * dy)
            inside = edge(base, dx, dy, r, foci[k, 3:]) - r
            best = max(best, clamp(0.5 + inside / look.lesion_soft))
    return best


@compiled
def slow_fields(seed, nodes, look, pieces, foci):  # type: ignore[no-untyped-def]
    """Slow fields on `nodes` (x, y, columns, rows, step): float32 (9, rows, columns)."""
    x0, y0, nx, ny, step = nodes
    out = np.zeros((FIELDS, ny, nx), np.float32)
    w, q = look.warp_wave, look.unevenness
    for j in range(ny):
        for i in range(nx):
            x, y = np.float64(x0 + i * step), np.float64(y0 + j * step)
            out[TISSUE, j, i] = _tissue(seed, x, y, look, pieces)
            if out[TISSUE, j, i] < -256.0:
                continue
            out[EPITHELIUM, j, i] = _epithelium(seed, x, y, look)
            out[WARP_X, j, i] = 0.25 * w * noise(seed, 6, x / w, y / w)
            out[WARP_Y, j, i] = w * noise(seed, 7, 0.7 * x / w, 0.7 * y / w)
            out[GAIN_H, j, i] = 1 + q * noise(seed, 8, 0.6 * x / w, 0.6 * y / w)
            out[GAIN_E, j, i] = 1 + q * noise(seed, 9, 0.6 * x / w, 0.6 * y / w)
            out[NUCLEAR_H, j, i] = 1 + 2 * q * noise(seed, 11, 0.8 * x / w, 0.8 * y / w)
            out[NUCLEAR_E, j, i] = 0.5 + 4 * q * noise(seed, 12, 0.8 * x / w, 0.8 * y / w)
            out[LESION, j, i] = look.tumour_share * _lesion(x, y, look, foci)
    return out


@njit
def _gland(seed, i, j, look, pieces, row):  # type: ignore[no-untyped-def]
    """Fill `row` with the gland of lattice cell (i, j); whether there is one."""
    h = draw(seed, 10, i, j)
    if unit(h) >= look.gland_rate:
        return False
    h = mix(h)
    x = (i + 0.25 + 0.5 * unit(h)) * look.gland_cell
    h = mix(h)
    y = (j + 0.25 + 0.5 * unit(h)) * look.gland_cell
    if _tissue(seed, x, y, look, pieces) < 2 * look.gland_radius:
        return False
    h = mix(h)
    fat = unit(h) < look.fat_share
    if not fat and _epithelium(seed, x, y, look) < 0.3:
        return False
    h = mix(h)
    size = 0.35 + 0.65 * unit(h)
    row[GLAND_X], row[GLAND_Y], row[GLAND_FAT] = x, y, 1.0 if fat else 0.0
    row[GLAND_R] = look.gland_radius * (1.3 * math.sqrt(size) if fat else size)
    for k in range(4):
        h = mix(h)
        row[GLAND_SHAPE + k] = (unit(h) - 0.5) * (0.15 if fat else 0.35)
    return True


@compiled
def find_glands(seed, window, look, pieces):  # type: ignore[no-untyped-def]
    """Glands and fat cells that can reach into a window: rows of x, y, radius, fat, shape."""
    x0, y0, x1, y1 = window
    reach = 1.5 * look.gland_radius + 2 * look.gland_wall
    i0, i1 = math.floor((x0 - reach) / look.gland_cell), math.floor((x1 + reach) / look.gland_cell)
    j0, j1 = math.floor((y0 - reach) / look.gland_cell), math.floor((y1 + reach) / look.gland_cell)
    out = np.empty(((i1 - i0 + 1) * (j1 - j0 + 1), 8))
    n = 0
    for j in range(j0, j1 + 1):
        for i in range(i0, i1 + 1):
            if _gland(seed, i, j, look, pieces, out[n]):
                n += 1
    return out[:n]
