"""One picture of a syndrome: a base picture, tumours in a circle, and what alters it."""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from histotile.synthetic.slides.arrays import Bytes, Doubles, Floats

SIZES = ("big", "medium", "small")
RADII = {"big": (10.0, 14.0), "medium": (4.5, 6.5), "small": (1.5, 2.6)}  # per 96 px of height
# How many of each size a picture shows, the least and the most.
SYNDROMES: dict[str, dict[str, tuple[int, int]]] = {
    "Z": {},
    "A": {"big": (1, 2), "medium": (0, 2)},
    "B": {"medium": (4, 8), "small": (0, 3)},
    "C": {"small": (20, 48)},
}
CIRCLE, ORGAN = 0.38, 0.46  # radii of where tumours lie and of the organ, per height
_PLACES = 256  # points in the circle that tumours are put on
_APART = 0.02  # least gap between tumours, per height
_STAINS = np.array([[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]], np.float32)  # H, E
_ALTERATIONS = ("shrink", "move", "ghost", "contrast", "shade", "noise")


@dataclass(frozen=True)
class Difficulty:
    """How far tumours stand out, and how strong and frequent alterations are (1: fully)."""

    contrast: float
    texture: float
    alteration: float


DIFFICULTIES = {"easy": Difficulty(0.6, 0.06, 0.4), "hard": Difficulty(0.25, 0.1, 1.0)}


@dataclass(frozen=True)
class Base:
    """The base picture of one patient: (height, width, 2), density of each stain before tumours."""

    density: Floats
    strength: float


@dataclass(frozen=True)
class Picture:
    """A drawn picture: RGB or grey, the tumours of each size, and what altered it."""

    pixels: Bytes
    tumours: dict[str, int]
    alterations: tuple[str, ...]


def draw_base(rng: np.random.Generator, size: tuple[int, int], patient_effect: float) -> Base:
    """A patient's organ on glass: its size, its slow shades, its strength of stain.

    Args:
        rng: Of the patient.
        size: Height and width of pictures (px).
        patient_effect: 0: all patients alike; 1: as usual.
    """
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    side = min(size)
    radius = side * ORGAN * (1 - 0.06 * patient_effect * rng.random())
    away = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2) - radius
    organ = 1 / (1 + np.exp(away / (0.01 * side)))
    slow = cv2.resize(rng.normal(0, 0.1, (5, 6)).astype(np.float32), (width, height))
    shades = 1 + patient_effect * np.asarray(slow, np.float32)
    density = np.stack([0.22 * organ * shades, 0.45 * organ * (2 - shades)], axis=-1)
    strength = float(np.exp(patient_effect * rng.normal(0, 0.1)))
    return Base(density.astype(np.float32), strength)


def draw_picture(
    rng: np.random.Generator,
    base: Base,
    syndrome: str,
    difficulty: Difficulty,
    stain: Literal["grey", "h_and_e"],
) -> Picture:
    """One picture of this patient and syndrome.

    Tumours are soft discs of denser haematoxylin that do not touch where there is room.
    """
    height, width, _ = base.density.shape
    counts = {s: int(rng.integers(lo, hi + 1)) for s, (lo, hi) in SYNDROMES[syndrome].items()}
    density = base.density.copy()
    grain = rng.normal(0, difficulty.texture, (height // 4, width // 4)).astype(np.float32)
    density[..., 0] *= 1 + cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
    density[..., 0] += difficulty.contrast * _tumours(rng, (height, width), counts)
    chosen = tuple(a for a in _ALTERATIONS if rng.random() < 0.5)
    density = _alter(rng, density, chosen, difficulty.alteration)
    pixels = _coloured(density * base.strength, stain)
    if "noise" in chosen:
        spread = difficulty.alteration * rng.uniform(2, 10)
        noise = rng.standard_normal(pixels.shape, np.float32)
        pixels = np.clip(pixels + np.float32(spread) * noise, 0, 255)
    told = chosen if difficulty.alteration else ()  # of no strength they alter nothing
    return Picture(pixels.astype(np.uint8), {s: counts.get(s, 0) for s in SIZES}, told)


def _tumours(rng: np.random.Generator, size: tuple[int, int], counts: dict[str, int]) -> Floats:
    """(height, width): 0 without, about 1 inside tumours."""
    height, width = size
    side = min(size)
    drawn = np.zeros(size, np.uint8)
    for x, y, radius in _places(rng, counts):
        centre = (16 * (x * side + (width - 1) / 2), 16 * (y * side + (height - 1) / 2))
        level = int(rng.integers(190, 256))
        whole = (round(centre[0]), round(centre[1]))
        cv2.circle(drawn, whole, round(16 * radius * side), level, -1, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(drawn, (0, 0), 0.008 * side)
    return np.asarray(soft / np.float32(255), np.float32)


def _places(rng: np.random.Generator, counts: dict[str, int]) -> list[tuple[float, float, float]]:
    """x, y from the centre and radius of each tumour, per side; large ones are placed first."""
    radii = np.concatenate(
        [np.empty(0), *(rng.uniform(*RADII[s], counts[s]) / 96 for s in SIZES if s in counts)]
    )
    away, turn = np.sqrt(rng.random(_PLACES)), 2 * np.pi * rng.random(_PLACES)  # of the circle
    points = np.stack([np.cos(turn), np.sin(turn)], axis=1) * away[:, None] * CIRCLE
    gap: Doubles = CIRCLE - np.hypot(*points.T)  # to the nearest tumour, or out of the circle
    found = []
    for radius in radii:
        fitting = gap > radius + _APART
        if radius > RADII["medium"][1] / 96:
            fitting &= away > 0.5  # one in the middle would leave no room for a second
        chosen = int(fitting.argmax()) if fitting.any() else int(gap.argmax())
        found.append((float(points[chosen, 0]), float(points[chosen, 1]), float(radius)))
        np.minimum(gap, np.hypot(*(points - points[chosen]).T) - radius, out=gap)
    return found


def _alter(
    rng: np.random.Generator, density: Floats, chosen: tuple[str, ...], strength: float
) -> Floats:
    """Shrunk, moved, doubled and blurred, of other contrast, shaded to one side."""
    height, width, _ = density.shape
    scale = 1 - 0.25 * strength * rng.random() if "shrink" in chosen else 1.0
    reach = 0.06 * height * strength if "move" in chosen else 0.0
    dx, dy = rng.uniform(-reach, reach, 2)
    if scale != 1 or reach:
        x, y = (width - 1) / 2, (height - 1) / 2
        moves = np.array([[scale, 0, x - scale * x + dx], [0, scale, y - scale * y + dy]])
        density = np.asarray(cv2.warpAffine(density, moves, (width, height)), np.float32)
    if "ghost" in chosen:
        shift = strength * rng.uniform(-0.03, 0.03, 2) * height
        moves = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
        ghost = cv2.warpAffine(density, moves, (width, height))
        share = 0.5 * strength * rng.random()
        density = cv2.addWeighted(density, 1 - share, ghost, share, 0).astype(np.float32)
    if "contrast" in chosen:
        density = density * np.float32(np.exp(strength * rng.uniform(-0.35, 0.35)))
    if "shade" in chosen:
        slope = strength * rng.uniform(-0.3, 0.3)
        density = density * np.linspace(1 - slope, 1 + slope, width, dtype=np.float32)[:, None]
    return density


def _coloured(density: Floats, stain: Literal["grey", "h_and_e"]) -> Floats:
    """0-255: grey, dense is bright, (height, width); or light through stains (height, width, 3)."""
    if stain == "grey":
        return np.minimum(255 * (density[..., 0] + 0.3 * density[..., 1] + 0.05), 255)
    absorbed = -(1.4 * density).reshape(-1, 2) @ _STAINS
    light: Floats = np.asarray(cv2.exp(absorbed), np.float32).reshape(*density.shape[:2], 3)
    return 244 * light


def difficulty_of(mode: Literal["easy", "hard"], alteration: float) -> Difficulty:
    """The difficulty of this name, with its alterations so many times as strong."""
    found = DIFFICULTIES[mode]
    return replace(found, alteration=found.alteration * alteration)
