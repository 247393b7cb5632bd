"""Drawn overviews: tissue in many stains, and pen strokes on it, both with their truth."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Colour = tuple[int, int, int]
GLASS = (243.0, 242.0, 244.0)


class Stain(NamedTuple):
    """Ground, second component and spots, as they look on white glass."""

    ground: Colour
    second: Colour
    spots: Colour


STAINS = {
    "H&E": Stain((218, 140, 185), (150, 95, 165), (90, 55, 135)),
    "pale H&E": Stain((238, 216, 229), (222, 190, 215), (180, 160, 200)),
    "DAB, haematoxylin": Stain((205, 208, 224), (150, 100, 65), (105, 60, 35)),
    "Giemsa": Stain((172, 165, 218), (215, 170, 200), (75, 65, 155)),
    "Masson, blue": Stain((190, 65, 85), (100, 130, 200), (75, 45, 70)),
    "Masson, green": Stain((195, 75, 85), (90, 165, 135), (75, 45, 60)),
    "Grocott, green": Stain((150, 205, 170), (120, 185, 150), (50, 48, 45)),
    "PAS, magenta": Stain((225, 150, 190), (200, 60, 140), (140, 115, 180)),
    "Alcian blue": Stain((235, 165, 170), (120, 185, 215), (200, 80, 110)),
    "silver": Stain((190, 175, 145), (120, 100, 80), (45, 40, 38)),
    "melanin": Stain((218, 140, 185), (150, 95, 165), (70, 45, 30)),
    "carbon": Stain((218, 140, 185), (180, 110, 160), (35, 33, 35)),
    "Congo red": Stain((238, 150, 125), (225, 100, 85), (110, 95, 165)),
}
INKS: dict[str, Colour] = {
    "black": (22, 22, 26),
    "blue": (28, 45, 150),
    "green": (15, 115, 65),
    "red": (200, 25, 40),
    "purple": (95, 25, 130),
    "brown": (120, 65, 25),
}
ARRANGEMENTS = ("even", "mixed", "patches", "bands", "spots")
SHAPES = ("blob", "pieces", "biopsies", "rectangle", "cores")
FORMS = ("line", "arc", "wave", "ring", "cross", "tick")


@dataclass(frozen=True)
class Drawing:
    """An overview, where its tissue is, and each stroke with the name of its ink."""

    rgb: Rgb
    um_per_px: float
    tissue: Mask
    strokes: tuple[tuple[str, Mask], ...]
    kind: tuple[str, str] = ("", "")  # shape and arrangement


def draw(
    seed: int, stain: str, inks: tuple[str, ...] = (), um_per_px: float = 8.0, side: int = 480
) -> Drawing:
    """An overview drawn from a seed.

    Args:
        seed: Of form, arrangement, place and strength of everything.
        stain: A name of `STAINS`.
        inks: Names of `INKS`, one for each stroke.
        um_per_px: Scale.
        side: Height of the picture, px; its width is up to 1.5 times that.
    """
    rng = np.random.default_rng([seed, 12])
    size = (side, int(side * rng.uniform(1.0, 1.5)))
    kind = str(rng.choice(SHAPES)), str(rng.choice(ARRANGEMENTS))
    tissue = _form(rng, kind[0], size)
    light = _tissue_light(rng, STAINS[stain], size, kind[1], um_per_px)
    edge = np.clip(cv2.GaussianBlur(tissue.astype(np.float64), (0, 0), 0.8), 0, 1)[..., None]
    glass = np.array(GLASS) * rng.uniform(0.92, 1.02)
    picture = glass * (1 - edge + edge * light)
    strokes = []
    for ink in inks:
        picture, stroke = _inked(rng, picture, INKS[ink], tissue, um_per_px)
        strokes.append((ink, stroke))
    picture += rng.normal(0, rng.uniform(0.3, 2.0), (*size, 1))
    rgb = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return Drawing(rgb, um_per_px, tissue, tuple(strokes), kind)


def noise(rng: np.random.Generator, size: tuple[int, int], scale: float) -> Floats:
    """A smooth random field of standard deviation 1 that changes over `scale` px."""
    coarse = rng.normal(size=tuple(max(3, round(s / max(scale, 1)) + 3) for s in size))
    field = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray((field - field.mean()) / max(field.std(), 1e-9), np.float64)


def _tissue_light(
    rng: np.random.Generator, stain: Stain, size: tuple[int, int], kind: str, um_per_px: float
) -> Floats:
    """What share of the light each px lets through, (height, width, 3)."""
    ground, second, spots = (-np.log(np.maximum(np.array(c), 2) / 245.0) for c in stain)
    fine, coarse = noise(rng, size, 24 / um_per_px), noise(rng, size, 400 / um_per_px)
    amount = 1 + 0.10 * noise(rng, size, 1) + 0.10 * fine + 0.08 * coarse
    share, dots = np.zeros(size), np.zeros(size)
    match kind:
        case "even":
            amount = 1 + 0.012 * noise(rng, size, 1)
            share += rng.choice([0.0, 0.0, 1.0])
        case "mixed":
            share = np.clip(0.4 + 0.3 * coarse + 0.2 * fine, 0, 1)
            dots = np.clip(0.15 + 0.15 * fine + 0.1 * coarse, 0, 1)
        case "patches":
            share = (noise(rng, size, rng.uniform(60, 500) / um_per_px) > 0.6).astype(float)
        case "bands":
            ridges = np.abs(noise(rng, size, rng.uniform(150, 500) / um_per_px))
            share = np.clip((0.25 - ridges) * 12, 0, 1)
        case _:
            dots = (noise(rng, size, rng.uniform(20, 150) / um_per_px) > 1.3).astype(float)
            share = np.clip(0.3 * coarse, 0, 1)
    share, dots = share[..., None], dots[..., None]
    density = (ground * (1 - share) + second * share) * (1 - dots) + spots * dots
    return np.asarray(np.exp(-density * np.maximum(amount, 0.2)[..., None]))


def _form(rng: np.random.Generator, shape: str, size: tuple[int, int]) -> Mask:
    height, width = size
    canvas = np.zeros(size, np.uint8)
    match shape:
        case "rectangle":
            box = rng.uniform(0.15, 0.3, 4) * [width, height, width, height]
            canvas[int(box[1]) : int(height - box[3]), int(box[0]) : int(width - box[2])] = 1
            return canvas.astype(bool)
        case "cores":
            radius = int(height / rng.uniform(7, 10))
            for y in range(2 * radius, height - radius, 3 * radius):
                for x in range(2 * radius, width - radius, 3 * radius):
                    cv2.circle(canvas, (x, y), int(radius * rng.uniform(0.8, 1)), 1, -1)
        case "biopsies":
            for _ in range(rng.integers(1, 4)):
                way = _way(rng, "arc", rng.uniform(0.25, 0.75, 2) * size[::-1], 0.7 * height)
                cv2.polylines(canvas, [way], False, 1, max(4, int(height * rng.uniform(0.03, 0.1))))
        case _:
            for _ in range(1 if shape == "blob" else rng.integers(3, 8)):
                share = rng.uniform(0.2, 0.35) if shape == "blob" else rng.uniform(0.05, 0.15)
                x, y = (int(v) for v in rng.uniform(0.3, 0.7, 2) * (width, height))
                axes = [int(height * share * a) for a in rng.uniform(0.7, 1.3, 2)]
                cv2.ellipse(canvas, (x, y), axes, rng.uniform(0, 180), 0, 360, 1, -1)
    ragged = noise(rng, size, height / 12) + 0.4 * noise(rng, size, height / 60)
    soft = cv2.GaussianBlur(canvas.astype(np.float64), (0, 0), height / 60)
    return np.asarray(soft + rng.uniform(0, 0.12) * ragged > 0.5)


def _way(rng: np.random.Generator, form: str, centre: Floats, length: float) -> NDArray[np.int32]:
    t = np.linspace(-0.5, 0.5, 60)
    match form:
        case "arc":
            x, y = t, rng.uniform(-0.8, 0.8) * t**2
        case "wave":
            x, y = t, 0.12 * np.sin(2 * math.pi * (rng.uniform(1, 2) * t + rng.uniform()))
        case "ring":
            round_ = 2 * math.pi * t * rng.uniform(0.85, 1.02)
            x, y = 0.4 * np.cos(round_), 0.4 * rng.uniform(0.7, 1) * np.sin(round_)
        case "tick":
            x, y = t, np.abs(t + 0.15) * rng.uniform(0.8, 1.5)
        case _:
            x, y = t, np.zeros_like(t)
    turn = rng.uniform(0, 2 * math.pi)
    c, s = math.cos(turn), math.sin(turn)
    points = centre + length * np.stack([c * x - s * y, s * x + c * y], axis=1)
    return np.asarray(np.rint(points), np.int32)


def _inked(
    rng: np.random.Generator, picture: Floats, ink: Colour, tissue: Mask, um_per_px: float
) -> tuple[Floats, Mask]:
    """The picture with one stroke more, and where that is."""
    size = tissue.shape
    width = np.exp(rng.uniform(np.log(60), np.log(1500))) / um_per_px
    width = float(np.clip(width, 5, min(size) / 12))
    rows, columns = np.nonzero(tissue)
    pick = rng.integers(len(rows))
    centre = np.array([columns[pick], rows[pick]], float)
    if rng.uniform() < 0.3:
        centre = rng.uniform(0.15, 0.85, 2) * size[::-1]
    form = str(rng.choice(FORMS))
    length = max(rng.uniform(0.3, 0.9) * min(size), (14 if form == "ring" else 8) * width)
    line = np.zeros(size, np.uint8)
    for part in ("line", "line") if form == "cross" else (form,):
        way = _way(rng, part, centre, length)
        cv2.polylines(line, [way], False, 255, max(2, round(width)), cv2.LINE_AA)
    soft = cv2.GaussianBlur(line.astype(np.float64) / 255, (0, 0), 0.7)
    uneven = 1 + rng.uniform(0, 0.06) * noise(rng, size, width / 3)
    uneven += rng.uniform(0, 0.05) * noise(rng, size, 4 * width)
    if rng.uniform() < 0.5:  # a cover that hides what lies below
        cover = (np.clip(rng.uniform(0.4, 0.95) * uneven, 0, 1) * soft)[..., None]
        picture = picture * (1 - cover) + np.array(ink, float) * cover
    else:  # a filter that light goes through, tissue and all
        strength = rng.uniform(0.3, 1.0) * uneven * soft
        picture = picture * (np.maximum(np.array(ink, float), 8) / 245) ** strength[..., None]
    return picture, np.asarray(soft > 0.5)
