"""From fields and nuclei to RGB: fibres, lumens, stain concentrations, light, sensor noise."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from histotile.slides.readers.tiff.jit import compiled
from histotile.synthetic.slides.fields import (
    EPITHELIUM,
    GAIN_E,
    GAIN_H,
    GLAND_FAT,
    GLAND_R,
    GLAND_SHAPE,
    GLAND_X,
    GLAND_Y,
    LESION,
    NUCLEAR_E,
    NUCLEAR_H,
    TISSUE,
    WARP_X,
    WARP_Y,
)
from histotile.synthetic.slides.lattice import STEP, clamp, edge

FIBRE_PX, GRAIN_PX = 1024, 256  # periods of the textures
FINE = 32  # steps per unit of the textures kept as int8
LIGHT_STEPS = 1024  # entries of the table of exp(-x) per unit of x


class Stain(NamedTuple):
    """A laboratory: absorption of light (natural logarithm) per concentration, and glass."""

    haematoxylin: tuple[float, float, float]
    eosin: tuple[float, float, float]
    white: tuple[float, float, float]


@njit
def _carve(lumen, wall, x0, y0, glands, reach_px):  # type: ignore[no-untyped-def]
    """Distances to the nearest lumen (of any kind; of glands alone), px, negative inside."""
    height, width = lumen.shape
    for k in range(len(glands)):
        cx, cy, base = glands[k, GLAND_X], glands[k, GLAND_Y], glands[k, GLAND_R]
        reach = 1.6 * base + reach_px
        for y in range(max(y0, math.ceil(cy - reach)), min(y0 + height, math.floor(cy + reach))):
            for x in range(max(x0, math.ceil(cx - reach)), min(x0 + width, math.floor(cx + reach))):
                dx, dy = x - cx, y - cy
                r = math.sqrt(dx * dx + dy * dy)
                d = np.float32(r - edge(base, dx, dy, r, glands[k, GLAND_SHAPE:]))
                lumen[y - y0, x - x0] = min(lumen[y - y0, x - x0], d)
                if glands[k, GLAND_FAT] == 0:
                    wall[y - y0, x - x0] = min(wall[y - y0, x - x0], d)


@njit
def _rows(fields, y, gy, rows):  # type: ignore[no-untyped-def]
    """The fields along one row of pixels, on the nodes' columns."""
    v = (y - gy) / STEP
    j = int(v)
    fy = np.float32(v - j)
    for k in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            rows[k, i] = fields[k, j, i] + (fields[k, j + 1, i] - fields[k, j, i]) * fy


@njit
def _fibre(texture, u, v):  # type: ignore[no-untyped-def]
    """Bilinear sample of the periodic fibre texture."""
    i, j = math.floor(u), math.floor(v)
    fx, fy = np.float32(u - i), np.float32(v - j)
    i0, j0 = int(i) & (FIBRE_PX - 1), int(j) & (FIBRE_PX - 1)
    i1, j1 = (i0 + 1) & (FIBRE_PX - 1), (j0 + 1) & (FIBRE_PX - 1)
    a, b = np.float32(texture[j0, i0]), np.float32(texture[j0, i1])
    c, d = np.float32(texture[j1, i0]), np.float32(texture[j1, i1])
    top = a + (b - a) * fx
    return (top + (c + (d - c) * fx - top) * fy) / np.float32(FINE)


@njit
def _light(table, x):  # type: ignore[no-untyped-def]
    return table[min(len(table) - 1, max(0, int(x * LIGHT_STEPS)))]


@compiled
def colour(nuclei, place, ground, look, stain, textures):  # type: ignore[no-untyped-def]
    """RGB of a window (uint8, height, width, 3) whose nuclei are given (float32, height, width)."""
    height, width = nuclei.shape
    x0, y0 = place
    fields, grain, sensor = ground.fields, textures.grain, textures.sensor
    out = np.empty((height, width, 3), np.uint8)
    lumen = np.full((height, width), 1e4, np.float32)
    wall = np.full((height, width), 1e4, np.float32)
    _carve(lumen, wall, x0, y0, ground.glands, 2 * look.gland_wall)
    rows = np.empty((fields.shape[0], fields.shape[2]), np.float32)
    soft = 1.0 / look.pixel
    for y in range(y0, y0 + height):
        _rows(fields, y, ground.y, rows)
        for x in range(x0, x0 + width):
            u = (x - ground.x) / STEP
            i = int(u)
            f = np.float32(u - i)
            noise = sensor[y & (GRAIN_PX - 1), x & (GRAIN_PX - 1)]
            inside = rows[TISSUE, i] + (rows[TISSUE, i + 1] - rows[TISSUE, i]) * f
            h, e = 0.0, 0.0
            if inside > -40 * look.pixel:
                wx = rows[WARP_X, i] + (rows[WARP_X, i + 1] - rows[WARP_X, i]) * f
                wy = rows[WARP_Y, i] + (rows[WARP_Y, i + 1] - rows[WARP_Y, i]) * f
                fibre = _fibre(textures.fibres, (x + wx) * soft, (y + wy) * soft)
                d = lumen[y - y0, x - x0] * soft
                ring = clamp(1.0 + (look.gland_wall - wall[y - y0, x - x0]) * soft * 0.25)
                ep = rows[EPITHELIUM, i] + (rows[EPITHELIUM, i + 1] - rows[EPITHELIUM, i]) * f
                ep = max(ep, ring)
                lesion = rows[LESION, i] + (rows[LESION, i + 1] - rows[LESION, i]) * f
                fine = grain[y & (GRAIN_PX - 1), x & (GRAIN_PX - 1)]
                gap = clamp((fibre + 1.75) * 1.4)
                stroma = (look.stroma_e + look.fibre_e * fibre) * gap
                e = stroma + (look.epithelium_e * (1 + 0.14 * fine) - stroma) * ep
                h = look.stroma_h * gap + (look.epithelium_h - look.stroma_h * gap) * ep
                alpha = clamp((inside * soft + 5 * fibre) / 6) * clamp(0.5 + d / 3)
                e *= alpha * (1 - look.lesion_e_loss * lesion)
                n = nuclei[y - y0, x - x0]
                dark = rows[NUCLEAR_H, i] + (rows[NUCLEAR_H, i + 1] - rows[NUCLEAR_H, i]) * f
                blue = rows[NUCLEAR_E, i] + (rows[NUCLEAR_E, i + 1] - rows[NUCLEAR_E, i]) * f
                h = h * alpha + n * look.nucleus_h * dark
                e *= 1 - blue * (1 + look.lesion_blue * lesion) * min(1.0, n)
                h *= rows[GAIN_H, i] + (rows[GAIN_H, i + 1] - rows[GAIN_H, i]) * f
                e *= rows[GAIN_E, i] + (rows[GAIN_E, i + 1] - rows[GAIN_E, i]) * f
            for k in range(3):
                seen = stain.white[k] * _light(
                    textures.table, h * stain.haematoxylin[k] + e * stain.eosin[k]
                )
                out[y - y0, x - x0, k] = np.uint8(
                    min(255.0, max(0.0, seen + noise[k] / np.float32(FINE) + 0.5))
                )
    return out
