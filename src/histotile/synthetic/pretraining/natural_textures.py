"""Textures of procedural pictures: noise, waves, fibres, spots, mosaics."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Rng = np.random.Generator


def textures() -> dict[str, Callable[[Rng, int], Floats]]:
    """How each kind of texture is drawn: a grey field (px, px) of any mean and contrast."""
    return {
        "plain": lambda rng, px: _waves(rng, px, 0.3, 0.8),
        "cloud": lambda rng, px: _power_noise(rng, px, rng.uniform(1.6, 2.2)),
        "pink": lambda rng, px: _power_noise(rng, px, rng.uniform(0.8, 1.2)),
        "speckle": lambda rng, px: blurred(_white(rng, px), rng.uniform(0.5, 1)),
        "grain": lambda rng, px: blurred(_white(rng, px), rng.uniform(1.6, 2.6)),
        "grating": lambda rng, px: np.sin(_waves(rng, px, px / 16, px / 5)),
        "stripes": lambda rng, px: np.sign(np.sin(_waves(rng, px, px / 16, px / 6))),
        "checks": _checks,
        "fibres": _fibres,
        "dots": lambda rng, px: _spots(rng, px, filled=True),
        "rings": lambda rng, px: _spots(rng, px, filled=False),
        "cells": lambda rng, px: _mosaic(rng, px, edges=True),
        "facets": lambda rng, px: _mosaic(rng, px, edges=False),
        "veins": lambda rng, px: -(np.abs(_power_noise(rng, px, 1.8)) ** 0.5),
        "bricks": _bricks,
        "ripples": _ripples,
    }


def _white(rng: Rng, px: int) -> Floats:
    return rng.standard_normal((px, px), np.float32)


def _waves(rng: Rng, px: int, fewest: float, most: float) -> Floats:
    """Phase of a plane wave: so many periods per picture, in any direction."""
    turn, cycles = rng.uniform(0, 2 * np.pi), rng.uniform(fewest, most)
    grid = np.arange(px, dtype=np.float32) * np.float32(2 * np.pi * cycles / px)
    return np.asarray(np.cos(turn) * grid[:, None] + np.sin(turn) * grid[None, :])


def _power_noise(rng: Rng, px: int, exponent: float) -> Floats:
    """Noise whose amplitude falls with frequency to this power; natural scenes have about 1."""
    spectrum = np.fft.rfft2(_white(rng, px))
    fy, fx = np.fft.fftfreq(px)[:, None], np.fft.rfftfreq(px)[None, :]
    scale = np.maximum(np.hypot(fy, fx), 1 / px) ** -exponent
    return normal(np.fft.irfft2(spectrum * scale, (px, px)))


def _checks(rng: Rng, px: int) -> Floats:
    turn, cycles = rng.uniform(0, np.pi), rng.uniform(px / 20, px / 8)
    grid = np.arange(px, dtype=np.float32) * np.float32(2 * np.pi * cycles / px)
    u = np.cos(turn) * grid[:, None] + np.sin(turn) * grid[None, :]
    v = -np.sin(turn) * grid[:, None] + np.cos(turn) * grid[None, :]
    return np.asarray(np.sign(np.sin(u) * np.sin(v)))


def _fibres(rng: Rng, px: int) -> Floats:
    """White noise smeared along one direction."""
    half, turn = 9, rng.uniform(0, np.pi)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    ends = [
        (round(half + s * half * np.cos(turn)), round(half + s * half * np.sin(turn)))
        for s in (-1, 1)
    ]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(cv2.filter2D(_white(rng, px), -1, kernel))


def _spots(rng: Rng, px: int, filled: bool) -> Floats:
    field = np.zeros((px, px), np.float32)
    radius = rng.uniform(2.5, 5.5)
    count = int(rng.uniform(0.25, 0.5) * px * px / (np.pi * radius**2))
    width = -1 if filled else max(1, round(radius / 3))
    for x, y in rng.uniform(0, px, (count, 2)) * 16:
        r = radius * rng.uniform(0.75, 1.25)
        cv2.circle(field, (int(x), int(y)), int(r * 16), 1.0, width, cv2.LINE_AA, 4)
    return field


def _mosaic(rng: Rng, px: int, edges: bool) -> Floats:
    """Nearest-seed cells: their walls, or each in its own grey."""
    count = int(px * px / rng.uniform(7, 14) ** 2)
    seeds = np.full((px, px), 255, np.uint8)
    seeds[rng.integers(px, size=count), rng.integers(px, size=count)] = 0
    distance, cell = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    return np.asarray(distance if edges else rng.standard_normal(count + 1, np.float32)[cell])


def _bricks(rng: Rng, px: int) -> Floats:
    length, height = rng.uniform(9, 18), rng.uniform(5, 8)
    turn = rng.uniform(0, np.pi)
    grid = np.arange(px, dtype=np.float32)
    u = np.cos(turn) * grid[:, None] + np.sin(turn) * grid[None, :] + 2 * px
    v = -np.sin(turn) * grid[:, None] + np.cos(turn) * grid[None, :] + 2 * px
    shifted = u + length / 2 * (np.floor(v / height) % 2)
    return np.asarray(((v % height < 1.3) | (shifted % length < 1.3)).astype(np.float32))


def _ripples(rng: Rng, px: int) -> Floats:
    """Waves bent by slow noise, like wood or sand."""
    bend = _power_noise(rng, px, 2.2) * rng.uniform(2, 5)
    return np.asarray(np.sin(_waves(rng, px, px / 14, px / 7) + bend))


def blurred(field: Floats, sigma: float) -> Floats:
    """The field seen through a lens with this standard deviation (px)."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma))


def normal(field: Floats) -> Floats:
    """The field at mean 0 and standard deviation 1."""
    deviation = float(field.std())
    return np.asarray((field - field.mean()) / max(deviation, 1e-6), np.float32)
