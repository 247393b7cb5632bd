"""Labelled tiles of synthetic H&E for pre-training, of organs that the demo does not use."""

from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.synthetic.slides.organs import Mode
from histotile.synthetic.slides.sampler import TileSampler

ORGANS = ("colon", "skin", "brain", "liver")
STATES = ("healthy", "tumour")
MODE_SHARES: dict[Mode, float] = {"easy": 0.15, "hard": 0.15, "iso_colour": 0.7}
SITE_EFFECT, PATIENT_EFFECT = 2.0, 1.5  # beyond what cohorts show: colour must answer nothing
JPEG_QUALITY = (60, 100)


def draw_tiles(seed: int, count: int, px: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Tiles, each of its own patient and laboratory, compressed as slides are.

    Most are drawn where tumour and healthy tissue have the same mean colour.

    Args:
        seed: Same seed, same tiles.
        count: Number of tiles.
        px: Side of a tile at 0.5 um/px.

    Returns:
        RGB (count, px, px, 3), and per tile the numbers of its tissue and of its state in
        `questions()` (count, 2).
    """
    rng = np.random.default_rng(np.random.SeedSequence((seed, 2)))
    modes = rng.choice(get_args(Mode), size=count, p=[MODE_SHARES[m] for m in get_args(Mode)])
    qualities = rng.integers(*JPEG_QUALITY, size=count)
    samplers = {
        mode: TileSampler(
            px, seed, ORGANS, mode, site_effect=SITE_EFFECT, patient_effect=PATIENT_EFFECT
        )
        for mode in MODE_SHARES
    }
    tiles = np.empty((count, px, px, 3), np.uint8)
    answers = np.empty((count, 2), np.int64)
    for number, (mode, quality) in enumerate(zip(modes, qualities, strict=True)):
        rgb, state, organ = samplers[mode].tile(number)
        tiles[number] = _compressed(rgb, int(quality))
        answers[number] = organ * len(STATES) + state, state
    return tiles, answers


def questions() -> dict[str, tuple[str, ...]]:
    """What is asked of each tile, and the possible answers in the order of their numbers."""
    tissues = tuple(f"{organ}, {state}" for organ in ORGANS for state in STATES)
    return {"tissue": tissues, "state": STATES}


def _compressed(rgb: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
