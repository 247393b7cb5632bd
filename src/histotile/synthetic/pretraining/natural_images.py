"""Procedural pictures with the statistics of photographs: dead leaves, textures, light.

A picture is a heap of leaves that hide one another (sizes follow a power law, as objects in
photographs do). What is asked of a network is the texture of the leaves, their shape, and their
size; colours are drawn at random, so that they answer nothing.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.synthetic.pretraining.natural_textures import Floats, Rng, blurred, normal, textures

MOST_LEAVES = 160  # per picture
TEXTURES_PER_PICTURE = 4
FORMS_PER_PICTURE = 8
OUTLINE_POINTS = 48


def draw_pictures(seed: int, count: int, px: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures of heaped leaves, and what they show.

    Args:
        seed: Same seed, same pictures.
        count: Number of pictures.
        px: Side of a picture.

    Returns:
        RGB (count, px, px, 3), and per picture the number of its texture, shape and size in
        `questions()` (count, 3).
    """
    rng = np.random.default_rng(np.random.SeedSequence((seed, 1)))
    pictures = np.empty((count, px, px, 3), np.uint8)
    sizes = [len(answers) for answers in questions().values()]
    answers = np.stack([rng.integers(size, size=count) for size in sizes], axis=1)
    for picture, (texture, shape, size) in zip(pictures, answers, strict=True):
        picture[:] = _picture(rng, px, int(texture), int(shape), int(size))
    return pictures, answers


def questions() -> dict[str, tuple[str, ...]]:
    """What is asked of each picture, and the possible answers in the order of their numbers."""
    return {
        "texture": tuple(textures()),
        "shape": tuple(_shapes()),
        "size": ("small", "medium", "large"),
    }


def _picture(rng: Rng, px: int, texture: int, shape: int, size: int) -> NDArray[np.uint8]:
    paint = list(textures().values())[texture]
    fields = np.stack([normal(paint(rng, px)) for _ in range(TEXTURES_PER_PICTURE)])
    owner, leaves = _heap(rng, px, list(_shapes().values())[shape], size)
    rows, columns = np.indices((px, px))
    pattern = fields[owner % TEXTURES_PER_PICTURE, rows, columns]
    colours, contrasts = _palette(rng, leaves)
    picture = colours[owner] + contrasts[owner] * pattern[..., None]
    return _photograph(rng, picture)


def _heap(
    rng: Rng, px: int, outline: Callable[[Rng, Floats], Floats], size: int
) -> tuple[NDArray[np.intp], int]:
    """Which leaf is seen at each pixel (px, px), and how many leaves were thrown."""
    smallest = px * (0.03, 0.09, 0.22)[size]
    count = (MOST_LEAVES, 60, 18)[size]
    # Radii with density r^-3 between smallest and four times that.
    radii = smallest / np.sqrt(1 - rng.random(count) * (1 - 1 / 16))
    if rng.random() < 0.5:
        radii = np.sort(radii)[::-1]
    angles = np.linspace(0, 2 * np.pi, OUTLINE_POINTS, endpoint=False, dtype=np.float32)
    forms = np.stack([outline(rng, angles) for _ in range(FORMS_PER_PICTURE)])
    x, y = forms[rng.integers(FORMS_PER_PICTURE, size=count)].transpose(1, 0, 2)
    turn = rng.uniform(0, 2 * np.pi, (count, 1))
    turned = np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y], 2)
    centres = rng.uniform(-0.1 * px, 1.1 * px, (count, 1, 2))
    points = np.round((centres + radii[:, None, None] * turned) * 16).astype(np.int32)
    owner = np.zeros((px, px), np.int32)
    for leaf in range(count):
        cv2.fillPoly(owner, [points[leaf]], leaf + 1, shift=4)
    return owner.astype(np.intp), count + 1


def _palette(rng: Rng, leaves: int) -> tuple[Floats, Floats]:
    """Colour and colour contrast of each leaf (leaves, 3), around a common tone of the picture."""
    tone = rng.uniform(0.2, 0.8, 3)
    spread = rng.uniform(0.03, 0.2)
    colours = tone + spread * (rng.normal(size=(leaves, 3)) + rng.normal(size=(leaves, 1)))
    strength = rng.uniform(0.08, 0.3)
    hue = 0.4 * rng.normal(size=(leaves, 3)) + rng.choice((-1, 1), size=(leaves, 1))
    return colours.astype(np.float32), (strength * hue).astype(np.float32)


def _photograph(rng: Rng, scene: Floats) -> NDArray[np.uint8]:
    """Light from one side, a lens, a sensor."""
    px = len(scene)
    slope = rng.uniform(-0.3, 0.3, 2)
    ramp = np.linspace(-1, 1, px, dtype=np.float32)
    scene = scene * (1 + slope[0] * ramp[:, None, None] + slope[1] * ramp[None, :, None])
    if rng.random() < 0.5:
        scene = blurred(scene.astype(np.float32), rng.uniform(0.4, 1.2))
    noise = rng.standard_normal((px, px, 1), np.float32) * rng.uniform(0, 0.04)
    return (np.clip(scene + noise, 0, 1) * 255 + 0.5).astype(np.uint8)


# Outlines: x and y (2, points) of a leaf of radius one at these angles.


def _shapes() -> dict[str, Callable[[Rng, Floats], Floats]]:
    return {
        "disc": lambda _, a: np.stack([np.cos(a), np.sin(a)]),
        "ellipse": lambda rng, a: np.stack([np.cos(a), rng.uniform(0.35, 0.6) * np.sin(a)]),
        "bar": lambda rng, a: _polygon(a, 4) * np.array([[1.5], [rng.uniform(0.15, 0.3)]]),
        "triangle": lambda _, a: _polygon(a, 3),
        "square": lambda _, a: _polygon(a, 4),
        "star": lambda rng, a: _lobes(a, int(rng.integers(4, 7)), 0.45),
        "blob": _blob,
        "crescent": _crescent,
    }


def _polygon(angles: Floats, corners: int) -> Floats:
    wedge = 2 * np.pi / corners
    radius = np.cos(wedge / 2) / np.cos(angles % wedge - wedge / 2)
    return np.asarray(np.stack([radius * np.cos(angles), radius * np.sin(angles)]))


def _lobes(angles: Floats, count: int, depth: float) -> Floats:
    radius = 1 - depth + depth * np.cos(count * angles)
    return np.asarray(np.stack([radius * np.cos(angles), radius * np.sin(angles)]))


def _blob(rng: Rng, angles: Floats) -> Floats:
    waves = (
        rng.uniform(0.05, 0.2) * np.cos(k * angles + rng.uniform(0, 6.3)) for k in (2, 3, 4, 5)
    )
    radius = 1 + sum(waves)
    return np.asarray(np.stack([radius * np.cos(angles), radius * np.sin(angles)]))


def _crescent(rng: Rng, angles: Floats) -> Floats:
    depth = rng.uniform(0.3, 0.6)
    y = np.where(np.sin(angles) > 0, np.sin(angles), -depth * np.sin(angles))
    return np.asarray(np.stack([np.cos(angles), y]))
