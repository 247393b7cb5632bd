"""albumentations' changes beside torchvision v2's, from the same parameters.

albumentations 2.0.8 is its last version. These tests tell what leaving it would change: nothing of
orientations, one grey level of crops, brightness, contrast and saturation. OpenCV keeps hue in
steps of two degrees and warps in steps of 1/32 px: these two differ by more at steep edges.
"""

import os
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A

Rgb = NDArray[np.uint8]
SIDE = 96
BILINEAR = v2.InterpolationMode.BILINEAR


@pytest.fixture(scope="module")
def tile() -> Rgb:
    """Smooth blots of many colours, 96 px."""
    coarse = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def by_torchvision(change: Callable[[torch.Tensor], torch.Tensor], rgb: Rgb) -> Rgb:
    """A change of tensors, done to an array."""
    changed = change(torch.from_numpy(rgb).permute(2, 0, 1))
    return changed.permute(1, 2, 0).contiguous().numpy()


def drawn(transform: Any, rgb: Rgb, seed: int) -> tuple[Rgb, dict[str, Any]]:
    """The tile changed by albumentations, and the parameters that it drew."""
    compose = A.ReplayCompose([transform])
    compose.set_random_seed(seed)
    done = compose(image=rgb)
    return done["image"], done["replay"]["transforms"][0]["params"]


def difference(one: Rgb, other: Rgb) -> NDArray[np.int64]:
    gap: NDArray[np.int64] = np.abs(one.astype(np.int64) - other)
    return gap


ORIENTATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "e": lambda x: x,
    "r90": lambda x: functional.rotate(x, 90),
    "r180": lambda x: functional.rotate(x, 180),
    "r270": lambda x: functional.rotate(x, 270),
    "h": functional.horizontal_flip,
    "v": functional.vertical_flip,
    "t": lambda x: x.transpose(-1, -2),
    "hvt": lambda x: functional.rotate(x.transpose(-1, -2), 180),
}


def test_flips_and_quarter_turns_are_equal(tile: Rgb) -> None:
    for name, change in ORIENTATIONS.items():
        turned = A.D4(p=1).apply(tile, group_element=name)
        assert np.array_equal(turned, by_torchvision(change, tile)), name
    flipped = A.HorizontalFlip(p=1).apply(tile), A.VerticalFlip(p=1).apply(tile)
    assert np.array_equal(flipped[0], by_torchvision(functional.horizontal_flip, tile))
    assert np.array_equal(flipped[1], by_torchvision(functional.vertical_flip, tile))


def test_resized_crops_differ_by_one_grey_level(tile: Rgb) -> None:
    crop = A.RandomResizedCrop((SIDE, SIDE), (0.5, 1.0), (0.9, 1.1), cv2.INTER_LINEAR)
    for seed in range(8):
        cut, parameters = drawn(crop, tile, seed)
        left, top, right, bottom = parameters["crop_coords"]
        window = [top, left, bottom - top, right - left]

        def same(x: torch.Tensor, window: list[int] = window) -> torch.Tensor:
            cut: torch.Tensor = functional.resized_crop(
                x, *window, [SIDE, SIDE], BILINEAR, antialias=False
            )
            return cut

        assert difference(cut, by_torchvision(same, tile)).max() <= 1


def test_perspective_differs_by_two_grey_levels_on_average(tile: Rgb) -> None:
    for seed in range(8):
        warped, parameters = drawn(A.Perspective((0.05, 0.12), p=1), tile, seed)
        height, width = parameters["max_height"], parameters["max_width"]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
        origin = cv2.perspectiveTransform(corners[None], np.linalg.inv(parameters["matrix"]))[0]

        def same(x: torch.Tensor) -> torch.Tensor:
            # pixels are counted from their centres there, from their corners here
            start, end = (origin + 0.5).tolist(), (corners + 0.5).tolist()  # noqa: B023
            x = functional.perspective(x, start, end, BILINEAR)
            x = x[:, :height, :width]  # noqa: B023
            resized: torch.Tensor = functional.resize(x, [SIDE, SIDE], BILINEAR, antialias=False)
            return resized

        inside = difference(warped, by_torchvision(same, tile))[3:-3, 3:-3]
        assert inside.mean() < 2 and inside.max() <= 16


@pytest.mark.parametrize("factor", [0.55, 0.75, 1.3, 1.45])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_light_and_saturation_differ_by_one_grey_level(tile: Rgb, name: str, factor: float) -> None:
    same = getattr(functional, f"adjust_{name}")
    changed = jitter(tile, **{name: factor})
    assert difference(changed, by_torchvision(lambda x: same(x, factor), tile)).max() <= 1


@pytest.mark.parametrize("shift", [-0.06, -0.03, 0.04])
def test_hue_differs_by_less_than_a_grey_level_on_average(tile: Rgb, shift: float) -> None:
    changed = jitter(tile, hue=shift)
    found = difference(changed, by_torchvision(lambda x: functional.adjust_hue(x, shift), tile))
    assert found.mean() < 1 and found.max() <= 12


def jitter(tile: Rgb, **changes: float) -> Rgb:
    """The tile after `ColorJitter` with these of its four parameters, the others at rest."""
    rest = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
    changed: Rgb = A.ColorJitter(p=1).apply(tile, **(rest | changes), order=[0, 1, 2, 3])
    return changed
