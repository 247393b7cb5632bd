"""The sheet of random changes: which picture stands where."""

import numpy as np
import pytest

from histotile.config import Augment
from histotile.data.augmentation.sheet import CHANGES, LEVELS, draw_sheet

TILE = np.random.default_rng(0).integers(40, 220, (64, 64, 3), np.uint8)
STEP, NAMES, TOP = 68, 130, 28


def pictures(settings: Augment) -> dict[str, list[np.ndarray]]:
    sheet = np.array(draw_sheet(TILE, settings, 0))
    names = ("orientation", *CHANGES, "all")
    assert sheet.shape == (TOP + 7 * STEP, NAMES + 10 * STEP, 3)
    return {
        name: [sheet[TOP + row * STEP :, NAMES + column * STEP :][:64, :64] for column in range(10)]
        for row, name in enumerate(names)
    }


@pytest.fixture
def settings() -> Augment:
    return Augment(
        orientation="d4",
        resized_crop="off",
        perspective="off",
        colour="heavy",
        stain="off",
        erasing="off",
    )


def test_each_row_begins_with_the_tile_and_shows_one_change(settings: Augment) -> None:
    found = pictures(settings)
    for name, row in found.items():
        assert np.array_equal(row[0], TILE), name
        assert any(not np.array_equal(one, TILE) for one in row[1:]), name
    # a mirror image or quarter turn has the same pixels; so it does where nothing else is changed
    for one in found["orientation"][1:]:
        assert np.array_equal(np.sort(one.ravel()), np.sort(TILE.ravel()))


def test_stronger_is_stronger(settings: Augment) -> None:
    row = pictures(settings)["stain"]
    changes = [np.abs(one.astype(int) - TILE).mean() for one in row[1:]]
    means = [float(np.mean(changes[3 * n : 3 * n + 3])) for n in range(3)]
    assert means == sorted(means)


def test_the_strength_of_the_settings_has_a_frame(settings: Augment) -> None:
    sheet = np.array(draw_sheet(TILE, settings, 0))
    row = CHANGES.index("colour") + 1
    for number, level in enumerate(LEVELS):
        left = NAMES + (1 + 3 * number) * STEP - 3
        edge = sheet[TOP + row * STEP + 20, left]
        assert (tuple(edge) == (0xD5, 0x5E, 0)) == (level == "heavy")
