"""Periodic textures and banks of nuclei, drawn once per process and shared by all slides."""

from functools import cache
from typing import NamedTuple

import numpy as np

from histotile.synthetic.slides.arrays import Bytes, Doubles, Floats, Small
from histotile.synthetic.slides.colouring import FIBRE_PX, FINE, GRAIN_PX, LIGHT_STEPS
from histotile.synthetic.slides.nuclei import SPRITE_PX, SPRITE_RADIUS

SPRITES = 96


class Textures(NamedTuple):
    """Everything that is looked up rather than computed.

    `fibres` (1024, 1024) and `grain` (256, 256) have mean 0 and SD 1, `sensor` (256, 256, 3) is
    in grey values; `fibres` and `sensor` are kept times 32, so small that they stay in the cache.
    `table` holds exp(-x); `banks` (2, 96, 64, 64) are nuclei, usual and atypical.
    """

    fibres: Small
    grain: Floats
    sensor: Small
    table: Floats
    banks: Bytes


@cache
def textures() -> Textures:
    """The textures, the same for every slide."""
    rng = np.random.default_rng(20240229)
    steps = np.arange(6 * LIGHT_STEPS) / LIGHT_STEPS
    return Textures(
        fibres=_fibres(rng),
        grain=_band(rng, GRAIN_PX, 3.0, 9.0, 1.0).astype(np.float32),
        sensor=_sensor(rng),
        table=np.exp(-steps).astype(np.float32),
        banks=_banks(rng),
    )


def _band(rng: np.random.Generator, side: int, low: float, high: float, stretch: float) -> Doubles:
    """Periodic noise with wavelengths between low and high px, `stretch` times longer along x."""
    fy, fx = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij")
    f = np.hypot(fx * stretch, fy)
    gain = np.exp(-((f * low) ** 2)) * (1 - np.exp(-((f * high) ** 2)))
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((side, side))) * gain).real
    unit: Doubles = (noise - noise.mean()) / noise.std()
    return unit


def _fibres(rng: np.random.Generator) -> Small:
    """Wavy bundles: coarse and fine strands, sharpened."""
    coarse = _band(rng, FIBRE_PX, 9.0, 60.0, 6.0)
    fine = _band(rng, FIBRE_PX, 3.0, 16.0, 5.0)
    mixed = np.tanh(0.8 * coarse + 0.55 * fine) + 0.15 * fine
    unit = (mixed - mixed.mean()) / mixed.std()
    return np.asarray(np.clip(np.round(unit * FINE), -127, 127), np.int8)


def _sensor(rng: np.random.Generator) -> Small:
    noise = rng.standard_normal((GRAIN_PX, GRAIN_PX, 3)) + rng.standard_normal(
        (GRAIN_PX, GRAIN_PX, 1)
    )
    grey = 0.7 * (noise - noise.mean(axis=(0, 1)))
    return np.asarray(np.clip(np.round(grey * FINE), -127, 127), np.int8)


def _banks(rng: np.random.Generator) -> Bytes:
    """Usual and atypical nuclei whose pooled grey values are the same, rank by rank.

    Only form and chromatin differ, so that colour alone, mean or spread, tells nothing.
    """
    usual = np.stack([_usual(rng) for _ in range(SPRITES)])
    atypical = np.stack([_atypical(rng) for _ in range(SPRITES)])
    matched = np.empty_like(atypical).ravel()
    matched[np.argsort(atypical, axis=None, kind="stable")] = np.sort(usual, axis=None)
    banks = np.stack([usual, matched.reshape(usual.shape)])
    return np.asarray(np.clip(255 * banks, 0, 255), np.uint8)


def _disc(rng: np.random.Generator, wobble: float, harmonics: int) -> tuple[Doubles, Doubles]:
    """Distance to the outline (1 = radius, negative outside) and a soft disc."""
    v, u = (np.mgrid[:SPRITE_PX, :SPRITE_PX] + 0.5 - SPRITE_PX / 2) / SPRITE_RADIUS
    angle = np.arctan2(v, u)
    outline = np.ones_like(u)
    for k in range(2, 2 + harmonics):
        outline += wobble / k * rng.standard_normal() * np.cos(k * angle + rng.uniform(0, 6.28))
    depth = np.minimum(outline, 1.2) - np.hypot(u, v)
    return depth, np.clip(0.5 + depth / 0.2, 0, 1)


def _usual(rng: np.random.Generator) -> Doubles:
    """Round, smooth outline, even and finely grained chromatin."""
    depth, soft = _disc(rng, 0.06, 2)
    grain = _band(rng, SPRITE_PX, 5.0, 14.0, 1.0)
    out: Doubles = soft * np.clip(0.74 + 0.14 * grain + 0.06 * (depth < 0.22), 0, 1)
    return out


def _atypical(rng: np.random.Generator) -> Doubles:
    """Notched outline, dark membrane, clumped and cleared chromatin, nucleoli."""
    depth, soft = _disc(rng, 0.22, 4)
    value = 0.5 + 0.26 * _band(rng, SPRITE_PX, 14.0, 40.0, 1.0)
    value += 0.5 * np.exp(-(((depth - 0.12) / 0.09) ** 2))
    v, u = np.mgrid[:SPRITE_PX, :SPRITE_PX]
    for _ in range(rng.integers(1, 4)):
        x, y = SPRITE_PX / 2 + SPRITE_RADIUS * rng.uniform(-0.5, 0.5, 2)
        value += 1.0 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * rng.uniform(3, 4.5) ** 2))
    out: Doubles = soft * np.clip(value, 0.05, 2) + 1e-3 * depth  # ranks outside follow the outline
    return out
