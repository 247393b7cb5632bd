"""Augmentation: on training tiles only, repeatable, and never another size or type."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from histotile.config import Augment
from histotile.data.augmentation.augmentation import make_transform, unchanged

SIDE = 96
PARTS = ("resized_crop", "perspective", "colour", "stain", "erasing")


def augment(strength: str = "off", **changes: Any) -> Augment:
    values = {"orientation": "off", **dict.fromkeys(PARTS, strength), **changes}
    return Augment.model_validate(values)


def tile(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


@pytest.mark.parametrize("role", ["val", "test"])
def test_held_out_tiles_are_never_changed(role: Any) -> None:
    transform = make_transform(role, augment("heavy", orientation="d4"), SIDE, 0)
    assert transform is unchanged
    np.testing.assert_array_equal(transform(tile()), tile())


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("strength", ["light", "medium", "heavy"])
def test_each_part_changes_pixels_and_keeps_size_and_type(part: str, strength: str) -> None:
    transform = make_transform("train", augment(**{part: strength}), SIDE, 3)
    results = [transform(tile()) for _ in range(8)]
    for result in results:
        assert result.shape == (SIDE, SIDE, 3)
        assert result.dtype == np.uint8
        assert result.flags.c_contiguous
    assert any((r != tile()).any() for r in results)


def test_all_off_is_the_identity() -> None:
    np.testing.assert_array_equal(make_transform("train", augment(), SIDE, 0)(tile()), tile())


def test_d4_gives_all_eight_orientations_and_nothing_else() -> None:
    transform = make_transform("train", augment(orientation="d4"), SIDE, 0)
    turns = [np.rot90(t, k) for t in (tile(), tile()[:, ::-1]) for k in range(4)]
    expected = {np.ascontiguousarray(t).tobytes() for t in turns}
    assert {transform(tile()).tobytes() for _ in range(200)} == expected


def test_same_seed_same_changes() -> None:
    settings = augment("medium", orientation="d4")
    streams = [make_transform("train", settings, SIDE, seed) for seed in (5, 5, 6)]
    drawn = [[stream(tile(n)) for n in range(6)] for stream in streams]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert any((a != b).any() for a, b in zip(drawn[0], drawn[2], strict=True))


def test_reseeding_starts_the_stream_again() -> None:
    transform: Any = make_transform("train", augment("medium"), SIDE, 5)
    transform.reseed(2**40 + 9)
    first = [transform(tile()) for _ in range(4)]
    transform.reseed(2**40 + 9)
    np.testing.assert_array_equal(first, [transform(tile()) for _ in range(4)])


def test_stronger_stain_changes_more() -> None:
    def change(strength: str) -> float:
        transform = make_transform("train", augment(stain=strength), SIDE, 0)
        rgb = np.full((SIDE, SIDE, 3), (200, 130, 180), np.uint8)
        return float(np.mean([np.abs(transform(rgb).astype(int) - rgb).mean() for _ in range(30)]))

    assert 1 < change("light") < change("medium") < change("heavy") < 40


def test_erased_rectangle_has_the_mean_colour_and_a_bounded_area() -> None:
    transform = make_transform("train", augment(erasing="light"), SIDE, 1)
    mean = np.rint(tile().mean(axis=(0, 1)))
    areas = []
    for _ in range(60):
        result = transform(tile())
        changed = (result != tile()).any(axis=2)
        if changed.any():
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            window = result[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert (window == mean).all()
            areas.append(window.shape[0] * window.shape[1])
    assert 15 < len(areas) < 45
    assert max(areas) <= 0.1 * SIDE * SIDE


def test_importing_albumentations_asks_nobody_for_updates() -> None:
    code = (
        "import sys; from histotile.config import Augment\n"
        "from histotile.data.augmentation.augmentation import make_transform\n"
        "assert 'albumentations' not in sys.modules\n"
        f"make_transform('train', Augment(**{augment().model_dump()}), 32, 0)\n"
        "assert 'albumentations' in sys.modules\n"
        "import os; print(os.environ['NO_ALBUMENTATIONS_UPDATE'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "1"
