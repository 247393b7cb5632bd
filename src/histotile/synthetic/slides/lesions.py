"""Where a slide's tissue and its lesion foci lie."""

import math
from typing import Literal

import numpy as np

from histotile.synthetic.slides.arrays import Doubles

Scenario = Literal["A", "B", "C", "Z"]


def make_pieces(rng: np.random.Generator, width: int, height: int, share: float) -> Doubles:
    """Pieces of tissue as ellipses: rows of centre x, y and half-axes, level-0 px.

    Large shares give one piece, small ones (sparse slides) up to three.
    """
    count = 1 if share > 0.3 else int(rng.integers(1, 4))
    rows: list[list[float]] = []
    radius = math.sqrt(share * width * height / (math.pi * count))
    for _ in range(200):
        aspect = math.exp(rng.uniform(-0.15, 0.15))
        rx, ry = min(radius * aspect, 0.46 * width), min(radius / aspect, 0.46 * height)
        x, y = rng.uniform(1.08 * rx, width - 1.08 * rx), rng.uniform(1.08 * ry, height - 1.08 * ry)
        if all(math.hypot(x - r[0], y - r[1]) > 1.2 * (rx + r[2]) for r in rows):
            rows.append([x, y, rx, ry])
        if len(rows) == count:
            break
    return np.array(rows)


def focus_radii(rng: np.random.Generator, scenario: Scenario) -> list[float]:
    """Radii of the foci as shares of the side of the tissue, largest first.

    A: 1-2 big and 0-2 medium; B: 4-8 medium and 0-3 small or tiny; C: 20-48 small or tiny; Z: none.
    """
    sizes = {"big": (0.11, 0.17), "medium": (0.045, 0.07), "small": (0.018, 0.028)}
    sizes["tiny"] = (0.008, 0.013)

    def some(low: int, high: int, *names: str) -> list[float]:
        count = int(rng.integers(low, high + 1))
        return [float(rng.uniform(*sizes[str(rng.choice(names))])) for _ in range(count)]

    match scenario:
        case "A":
            radii = some(1, 2, "big") + some(0, 2, "medium")
        case "B":
            radii = some(4, 8, "medium") + some(0, 3, "small", "tiny")
        case "C":
            radii = some(20, 48, "small", "tiny")
        case "Z":
            radii = []
    return sorted(radii, reverse=True)


def make_foci(
    rng: np.random.Generator, radii: list[float], pieces: Doubles, side: float
) -> Doubles:
    """Foci that do not touch each other: rows of x, y, radius (px) and eight harmonics' weights.

    Centres lie anywhere in the tissue, also near its edge, so that the place of a tile tells
    nothing. A focus that finds no place in 60 tries is left out.
    """
    rows: list[list[float]] = []
    areas = pieces[:, 2] * pieces[:, 3]
    for radius in (side * r for r in radii):
        for _ in range(60):
            cx, cy, rx, ry = pieces[rng.choice(len(pieces), p=areas / areas.sum())]
            angle, far = rng.uniform(0, 2 * math.pi), 1.02 * math.sqrt(rng.uniform())
            x, y = cx + far * rx * math.cos(angle), cy + far * ry * math.sin(angle)
            if all(math.hypot(x - r[0], y - r[1]) > 1.25 * (radius + r[2]) for r in rows):
                rows.append([x, y, radius, *_shape(rng)])
                break
    return np.array(rows).reshape(-1, 11)


def outline(focus: Doubles, points: int = 96) -> Doubles:
    """The boundary of a focus: (points, 2) x, y in level-0 px, not closed."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    r = np.ones(points)
    for k in range(4):
        r += focus[3 + 2 * k] * np.cos((k + 2) * angle) + focus[4 + 2 * k] * np.sin((k + 2) * angle)
    return np.stack(
        [focus[0] + focus[2] * r * np.cos(angle), focus[1] + focus[2] * r * np.sin(angle)], 1
    )


def _shape(rng: np.random.Generator) -> list[float]:
    weights = []
    for size in (0.10, 0.07, 0.05, 0.03):
        phase = rng.uniform(0, 2 * math.pi)
        weights += [size * math.cos(phase), size * math.sin(phase)]
    return weights
