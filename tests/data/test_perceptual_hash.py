"""Difference hashes: near-copies are near, others are far."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.data.perceptual_hash import dhash, thumbnails, turn, turned_hashes


def textures(tiles: int, px: int = 96) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (tiles, 12, 12, 3), np.uint8)
    return np.stack([cv2.resize(t, (px, px), interpolation=cv2.INTER_CUBIC) for t in coarse])


def distances(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.asarray(np.bitwise_count(one ^ other), np.int64)


def test_bits_say_which_neighbour_is_darker() -> None:
    ramp = np.linspace(0, 255, 72, dtype=np.uint8)[None, :, None].repeat(72, 0).repeat(3, 2)
    up, down = dhash(np.stack([ramp, ramp[:, ::-1]]))
    assert up == np.uint64(2**64 - 1)
    assert down == 0
    first = np.zeros((72, 72, 3), np.uint8)
    first[:9, 8:16] = 255  # brighter than its left neighbour only in the top left corner
    assert dhash(first[None])[0] >> np.uint64(62) == 0b10


def test_a_copy_saved_as_jpeg_is_near_and_others_are_far() -> None:
    tiles = textures(40)
    saved = [cv2.imencode(".jpg", t, [cv2.IMWRITE_JPEG_QUALITY, 60])[1] for t in tiles]
    again = np.array([cv2.imdecode(s, cv2.IMREAD_COLOR) for s in saved], np.uint8)
    hashes, copies = dhash(tiles), dhash(again)
    assert distances(hashes, copies).max() <= 4
    others = distances(hashes[:, None], hashes[None])[~np.eye(40, dtype=bool)]
    assert others.min() > 8
    assert 30 < others.mean() < 34


def test_no_tiles_and_odd_sizes() -> None:
    assert dhash(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0,)
    assert dhash(np.zeros((2, 5, 7, 3), np.uint8)).tolist() == [0, 0]
    assert dhash(np.zeros((1, 64, 64, 3), np.uint8)).dtype == np.uint64


def test_a_thumbnail_is_the_grey_tile_shrunk() -> None:
    tile = np.zeros((1, 64, 64, 3), np.uint8)
    tile[0, :2, :2] = 100  # two px in both directions become one
    small = thumbnails(tile)
    assert small.shape == (1, 32, 32) and small.dtype == np.uint8
    assert small[0, 0, 0] == 100 and small.sum() == 100
    assert thumbnails(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 32, 32)


@settings(max_examples=24, deadline=None)
@given(st.integers(0, 7), st.sampled_from([64, 96, 224, 75]), st.integers(0, 3))
def test_a_turned_or_mirrored_copy_has_the_same_set_of_hashes(
    orientation: int, px: int, which: int
) -> None:
    def every(tile: NDArray[np.uint8]) -> NDArray[np.uint64]:
        small = thumbnails(np.ascontiguousarray(tile)[None])
        return turned_hashes(dhash(small), dhash(turn(small, 4)))[:, 0]

    tile = textures(4, px)[which]
    copy = tile.swapaxes(0, 1) if orientation & 4 else tile
    copy = copy[::-1] if orientation & 1 else copy
    copy = copy[:, ::-1] if orientation & 2 else copy
    first, second = every(tile), every(copy)
    apart = distances(first[:, None], second)
    assert apart.min(axis=0).max() <= 1 and apart.min(axis=1).max() <= 1  # rounding of a tie
    assert distances(first[orientation], second[0]) <= 1
    assert len(set(first.tolist())) == 8
