"""Stamping nuclei: a jittered lattice thinned by density, and rings around glands."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from histotile.slides.readers.tiff.jit import compiled
from histotile.synthetic.slides.arrays import Floats
from histotile.synthetic.slides.fields import (
    EPITHELIUM,
    GLAND_FAT,
    GLAND_R,
    GLAND_SHAPE,
    GLAND_X,
    GLAND_Y,
    LESION,
    TISSUE,
    WARP_Y,
)
from histotile.synthetic.slides.lattice import STEP, between, clamp, draw, edge, mix, unit

SPRITE_PX = 64
SPRITE_RADIUS = 26.0  # texels of a sprite that show one radius


class Nuclei(NamedTuple):
    """One population; lengths in level-0 px."""

    salt: int
    in_lesion: bool
    cell: float
    radius: float
    radius_cv: float
    stroma_density: float
    epithelium_density: float
    spindle: float  # extra length of nuclei in stroma, along its fibres
    gain: float
    atypia: float  # share of atypical sprites
    wall: float


class Canvas(NamedTuple):
    """A window on which nuclei are laid, also those whose centre lies in the margin around it."""

    pixels: Floats
    x: int  # level-0 px
    y: int
    margin: int


@njit
def _stamp(canvas, centre, axes, turn, gain, sprite):  # type: ignore[no-untyped-def]
    """Lay a sprite of two half-axes, turned, on the canvas by maximum."""
    out, x0, y0, _ = canvas
    cx, cy = centre
    a, b = axes
    c, s = math.cos(turn), math.sin(turn)
    reach = SPRITE_PX / 2 / SPRITE_RADIUS
    ex = reach * math.sqrt(a * a * c * c + b * b * s * s)
    ey = reach * math.sqrt(a * a * s * s + b * b * c * c)
    ka, kb, half = SPRITE_RADIUS / a, SPRITE_RADIUS / b, SPRITE_PX / 2
    for y in range(max(y0, math.ceil(cy - ey)), min(y0 + out.shape[0], math.floor(cy + ey) + 1)):
        for x in range(
            max(x0, math.ceil(cx - ex)), min(x0 + out.shape[1], math.floor(cx + ex) + 1)
        ):
            u = ((x - cx) * c + (y - cy) * s) * ka + half
            v = ((y - cy) * c - (x - cx) * s) * kb + half
            if 0 <= u < SPRITE_PX and 0 <= v < SPRITE_PX:
                value = np.float32(sprite[int(v), int(u)] * gain)
                if value > out[y - y0, x - x0]:
                    out[y - y0, x - x0] = value


@njit
def _place(canvas, centre, form, h, kind, banks):  # type: ignore[no-untyped-def]
    """One nucleus of a population, its size, form and chromatin drawn from `h`.

    `form` is its turn and how much longer than wide it is.
    """
    turn, aspect = form
    h = mix(h)
    r = kind.radius * (1 + 1.7320508 * kind.radius_cv * (2 * unit(h) - 1))
    h = mix(h)
    aspect *= 1 + 0.35 * unit(h)
    h = mix(h)
    gain = kind.gain * (0.8 + 0.3 * unit(h)) / 255
    h = mix(h)
    bank = 1 if unit(h) < kind.atypia else 0
    pick = int((h & np.uint64(0xFFFF)) % np.uint64(banks.shape[1]))
    q = math.sqrt(aspect)
    _stamp(canvas, centre, (r * q, r / q), turn, gain, banks[bank, pick])


@njit
def _in_gland(x, y, glands, wall):  # type: ignore[no-untyped-def]
    """Whether (x, y) lies in a lumen or in the wall around it."""
    for k in range(len(glands)):
        dx, dy = x - glands[k, GLAND_X], y - glands[k, GLAND_Y]
        around = 0.0 if glands[k, GLAND_FAT] > 0 else wall
        reach = 1.6 * glands[k, GLAND_R] + around
        if abs(dx) < reach and abs(dy) < reach:
            r = math.sqrt(dx * dx + dy * dy)
            if r < edge(glands[k, GLAND_R], dx, dy, r, glands[k, GLAND_SHAPE:]) + around:
                return True
    return False


@compiled
def stamp_lattice(canvas, seed, ground, kind, banks):  # type: ignore[no-untyped-def]
    """Lay one population on the canvas by maximum."""
    out, x0, y0, margin = canvas
    fields, gx, gy, glands = ground
    height, width = out.shape
    for j in range(
        math.floor((y0 - margin) / kind.cell), math.floor((y0 + height + margin) / kind.cell) + 1
    ):
        for i in range(
            math.floor((x0 - margin) / kind.cell), math.floor((x0 + width + margin) / kind.cell) + 1
        ):
            h = draw(seed, kind.salt, i, j)
            present = unit(h)
            h = mix(h)
            x = (i + 0.1 + 0.8 * unit(h)) * kind.cell
            h = mix(h)
            y = (j + 0.1 + 0.8 * unit(h)) * kind.cell
            if not (x0 - margin < x < x0 + width + margin):
                continue
            if not (y0 - margin < y < y0 + height + margin):
                continue
            e = between(fields[EPITHELIUM], gx, gy, x, y)
            density = kind.stroma_density + (kind.epithelium_density - kind.stroma_density) * e
            if present >= density or between(fields[TISSUE], gx, gy, x, y) < kind.radius:
                continue
            h = mix(h)
            if (unit(h) < between(fields[LESION], gx, gy, x, y)) != kind.in_lesion:
                continue
            if _in_gland(x, y, glands, kind.wall):
                continue
            h = mix(h)
            turn, aspect = math.pi * unit(h), 1.0
            if e < 0.5 and kind.spindle > 0:
                rise = between(fields[WARP_Y], gx, gy, x + STEP, y)
                rise -= between(fields[WARP_Y], gx, gy, x, y)
                turn, aspect = (
                    math.atan2(-rise, np.float64(STEP)) + 0.3 * (turn - 1.57),
                    1 + kind.spindle,
                )
            _place(canvas, (x, y), (turn, aspect), h, kind, banks)


@compiled
def stamp_rings(canvas, seed, ground, kind, banks):  # type: ignore[no-untyped-def]
    """Lay the epithelium of glands on the canvas: one row of nuclei around each lumen."""
    out, x0, y0, margin = canvas
    fields, gx, gy, glands = ground
    height, width = out.shape
    spacing = 0.85 * kind.cell * kind.cell / kind.wall / kind.epithelium_density
    for k in range(len(glands)):
        if glands[k, GLAND_FAT] > 0:
            continue
        cx, cy, base = glands[k, GLAND_X], glands[k, GLAND_Y], glands[k, GLAND_R]
        h = draw(seed, kind.salt + 1, np.int64(cx), np.int64(cy))
        count = int(2 * math.pi * (base + 0.5 * kind.wall) / spacing + unit(h))
        for n in range(count):
            h = mix(h)
            angle = 2 * math.pi * (n + 0.5 * unit(h)) / max(count, 1)
            h = mix(h)
            off = kind.wall * (0.35 + 0.4 * unit(h))
            c, s = math.cos(angle), math.sin(angle)
            r = edge(base, c, s, 1.0, glands[k, GLAND_SHAPE:]) + off
            x, y = cx + r * c, cy + r * s
            h = mix(h)
            if not (x0 - margin < x < x0 + width + margin):
                continue
            if not (y0 - margin < y < y0 + height + margin):
                continue
            if (unit(h) < between(fields[LESION], gx, gy, x, y)) != kind.in_lesion:
                continue
            turn = angle if kind.spindle > 0 else math.pi * unit(mix(h))
            _place(canvas, (x, y), (turn, 1.0 + 0.4 * clamp(kind.spindle)), h, kind, banks)
