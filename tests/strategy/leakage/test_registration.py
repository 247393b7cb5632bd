"""Two tiles in register: likeness, and the maps it starts from."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from histotile.data.perceptual_hash import thumbnails, turn
from histotile.strategy.leakage.lookalikes import (
    MIDDLE,
    REACHED,
    ZOOMED,
    Disk,
    Lookalikes,
    equalise,
    rings,
    textured,
)
from histotile.strategy.leakage.registration import likeness, register, turned_map


@pytest.fixture(scope="module")
def tiles() -> NDArray[np.uint8]:
    """Grey structure at two scales."""
    noise = np.random.default_rng(0).standard_normal((12, 160, 160)).astype(np.float32)
    layers = [[cv2.GaussianBlur(t, (0, 0), s) for t in noise] for s in (3, 8)]
    both = sum(np.stack(layer) / np.std(layer) for layer in layers)
    return np.repeat(np.clip(128 + 40 * both, 0, 255).astype(np.uint8)[..., None], 3, axis=3)


@pytest.mark.parametrize("orientation", range(8))
def test_a_map_leads_from_a_turned_tile_to_the_tile(
    tiles: NDArray[np.uint8], orientation: int
) -> None:
    equal = equalise(thumbnails(tiles))
    again = equalise(turn(thumbnails(tiles), orientation))
    exact = cv2.warpAffine(
        equal[0], turned_map(orientation), (32, 32), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    assert np.abs(exact - again[0]).max() < 1e-3
    assert register(equal[0], again[0], turned_map(orientation)) > 0.999
    assert register(equal[0], again[1], turned_map(orientation)) < 0.6


@pytest.mark.parametrize("degrees", [0, 33, 120, 251])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_turn_of_a_copy_is_found_from_any_angle(
    tiles: NDArray[np.uint8], degrees: float, mirrored: bool
) -> None:
    matrix = cv2.getRotationMatrix2D((79.5, 79.5), degrees, 1.2)
    moved = np.stack([cv2.warpAffine(t, matrix, (160, 160)) for t in tiles])
    copies = moved[:, :, ::-1] if mirrored else moved
    inner = slice(20, 140)  # without the corners that came in
    one = equalise(thumbnails(tiles[:, inner, inner]))
    other = equalise(thumbnails(np.ascontiguousarray(copies[:, inner, inner])))
    by_middle = ([Disk(scale=0.85)], [Disk()])
    found = [likeness(a, b, *by_middle) for a, b in zip(one, other, strict=True)]
    assert min(found) > 0.85
    assert min(likeness(a, b, ZOOMED, REACHED) for a, b in zip(one, other, strict=True)) > 0.85
    strangers = [likeness(a, b, *by_middle) for a, b in zip(one, other[1:], strict=False)]
    assert max(strangers) < 0.7
    assert likeness(one[0], np.zeros_like(one[0]), *by_middle) == 0


def test_rings_change_by_a_phase_alone_when_a_tile_is_turned(tiles: NDArray[np.uint8]) -> None:
    small = thumbnails(tiles)
    first, second = (rings(equalise(t), [Disk()])[0, 0] for t in (small, turn(small, 1)))
    assert np.allclose(np.abs(first), np.abs(second), atol=1e-3)
    assert Disk().x == Disk().y == MIDDLE == 15.5


def test_lookalikes_of_one_owner_are_left_out_and_flat_tiles_are_not_textured(
    tiles: NDArray[np.uint8],
) -> None:
    small = thumbnails(tiles)
    both = equalise(np.concatenate([small, turn(small, 5)]))
    apart = np.repeat([0, 1], len(small))
    every, rows = Lookalikes(both, 0), np.arange(24)
    found = {(c.first, c.second) for c in every.of(rows, np.stack([apart, rows], axis=1))}
    assert all(apart[a] != apart[b] for a, b in found)
    assert {(k, k + 12) for k in range(12)} | {(k + 12, k) for k in range(12)} <= found
    assert not list(every.of(rows, np.zeros((24, 1), np.int64)))
    assert {c.first for c in every.of(rows[5:7], rows[:, None])} == {5, 6}
    assert textured(both).all()
    ramp = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (1, 32, 1))
    assert not textured(equalise(np.concatenate([ramp, np.full_like(ramp, 230)]))).any()
