import base64
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from histotile.reports.slide.deepzoom import Pyramid, embed_pyramid, plan_levels, write_pyramid

Rgb = NDArray[np.uint8]
MUCH = 100_000_000


def smooth(width: int, height: int) -> Rgb:
    """A picture that JPEG keeps well, in which every place has a colour of its own."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([x, y, 255 - (x + y) / 2], axis=2).astype(np.uint8)


def decode(encoded: bytes) -> Rgb:
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))


def joined(pyramid: Pyramid, number: int, tile: Any) -> Rgb:
    """A level put together from its tiles, `tile` giving the JPEG of each by column and row."""
    level = pyramid.levels[number]
    rows = [
        np.concatenate([decode(tile(column, row)) for column in range(level.columns)], axis=1)
        for row in range(level.rows)
    ]
    return np.concatenate(rows)


def embedded(pyramid: Pyramid, number: int) -> Rgb:
    level = pyramid.levels[number]

    def tile(column: int, row: int) -> bytes:
        head, _, payload = level.tiles[row * level.columns + column].partition(",")
        assert head == "data:image/jpeg;base64"
        return base64.b64decode(payload)

    return joined(pyramid, number, tile)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_levels_halve_down_to_a_single_tile(width: int, height: int) -> None:
    levels = plan_levels(width, height)
    assert (levels[-1].width, levels[-1].height) == (width, height)
    assert levels[0].columns == levels[0].rows == 1
    assert all(level.columns * level.rows > 1 for level in levels[1:])
    for coarse, fine in pairwise(levels):
        assert (coarse.width, coarse.height) == ((fine.width + 1) // 2, (fine.height + 1) // 2)
    assert all((level.columns - 1) * 512 < level.width <= level.columns * 512 for level in levels)


@pytest.mark.parametrize("size", [(1300, 777), (512, 512), (513, 1), (1, 1)])
def test_every_level_shows_the_same_picture(size: tuple[int, int]) -> None:
    picture = smooth(*size)
    pyramid = embed_pyramid(picture, MUCH)
    assert (pyramid.width, pyramid.height, pyramid.folder) == (*size, None)
    for number, level in enumerate(pyramid.levels):
        factor = 2 ** (len(pyramid.levels) - 1 - number)
        shown = embedded(pyramid, number)
        assert shown.shape == (level.height, level.width, 3)
        y, x = np.mgrid[: level.height, : level.width] * factor + (factor - 1) // 2
        expected = picture[y.clip(max=size[1] - 1), x.clip(max=size[0] - 1)]
        assert np.abs(shown.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("budget", [2_000_000, 300_000, 60_000])
def test_pictures_keep_within_their_budget(budget: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1200, 1600, 3), dtype=np.uint8)
    pyramid = embed_pyramid(noise, budget)
    used = sum(len(tile) for level in pyramid.levels for tile in level.tiles)
    assert budget / 4 < used <= budget
    assert (pyramid.width / pyramid.height) == pytest.approx(4 / 3, rel=0.01)
    assert pyramid.width < 1600 or budget == 2_000_000


def test_folder_holds_level_0_read_once(tmp_path: Path) -> None:
    picture = smooth(1601, 1030)
    reads = np.zeros((1030, 1601), int)

    def read(x: int, y: int, width: int, height: int) -> Rgb:
        assert max(width, height) <= 512
        reads[y : y + height, x : x + width] += 1
        return picture[y : y + height, x : x + width]

    folder = tmp_path / "S 1%_files"
    done: list[tuple[int, int]] = []
    pyramid = write_pyramid(folder, read, 1601, 1030, lambda *counts: done.append(counts))
    assert (reads == 1).all()
    assert pyramid.folder == "S%201%25_files"
    assert done == [(n, 12) for n in range(1, 13)]
    assert len(list(folder.rglob("*.jpg"))) == 12 + 4 + 1
    for number in range(3):

        def tile(column: int, row: int, number: int = number) -> bytes:
            return (folder / str(number) / f"{column}_{row}.jpg").read_bytes()

        shown = joined(pyramid, number, tile).astype(int)
        step = 2 ** (2 - number)
        expected = picture[step // 2 :: step, step // 2 :: step]
        shown = shown[: expected.shape[0], : expected.shape[1]]
        assert np.abs(shown - expected).mean() < 3
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_new_folder_replaces_the_old_one_and_a_failure_leaves_it(tmp_path: Path) -> None:
    folder = tmp_path / "S_files"
    (folder / "9").mkdir(parents=True)
    (folder / "9/0_0.jpg").touch()

    def fail(x: int, y: int, width: int, height: int) -> Rgb:
        if x:
            raise OSError("disk full")
        return np.zeros((height, width, 3), np.uint8)

    with pytest.raises(OSError, match="disk full"):
        write_pyramid(folder, fail, 600, 10)
    assert (folder / "9/0_0.jpg").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["S_files"]
    write_pyramid(folder, lambda x, y, w, h: np.zeros((h, w, 3), np.uint8), 600, 10)
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1"]
