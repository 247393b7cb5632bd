"""Resampled pictures against Pillow's, byte by byte."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from histotile.slides.readers.tiff.resample import Box, resampled

Rgb = NDArray[np.uint8]


def noise(width: int, height: int, seed: int = 1) -> Rgb:
    """Black, white and everything between, so that sums reach both ends."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(-200, 456, (height, width, 3))
    return np.asarray(picture.clip(0, 255), np.uint8)


def by_pillow(rgb: Rgb, box: Box, width: int, height: int) -> Rgb:
    """Rows first and columns then, whatever the version does of itself."""
    rows = rgb.shape[0]
    narrow = Image.fromarray(rgb).resize(
        (width, rows), Image.Resampling.BILINEAR, box=(box[0], 0, box[2], rows)
    )
    return np.asarray(
        narrow.resize((width, height), Image.Resampling.BILINEAR, box=(0, box[1], width, box[3]))
    )


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, float, float]:
    """How long a side of a picture is, and the part of it that is shown."""
    size = draw(st.integers(1, 300))
    first = draw(st.floats(0, size - 0.5))
    last = draw(st.floats(first + 0.25, size))
    return size, first, last


@settings(max_examples=300, deadline=None)
@given(across=spans(), down=spans(), width=st.integers(1, 90), height=st.integers(1, 90))
def test_any_box_at_any_size_is_pillows(
    across: tuple[int, float, float], down: tuple[int, float, float], width: int, height: int
) -> None:
    rgb = noise(across[0], down[0])
    box = (across[1], down[1], across[2], down[2])
    shown = resampled(rgb, box, width, height)
    np.testing.assert_array_equal(shown, by_pillow(rgb, box, width, height))


@settings(max_examples=100, deadline=None)
@given(
    side=st.sampled_from([16, 64, 100]),
    shrink=st.floats(0.7, 9.0) | st.sampled_from([1.0, 2.0, 1.979, 4.0]),
    left=st.floats(0, 1.99) | st.just(0.0),
    top=st.floats(0, 1.99) | st.just(0.0),
)
def test_a_square_is_what_one_call_of_pillow_makes_of_it(
    side: int, shrink: float, left: float, top: float
) -> None:
    box = (left, top, left + side * shrink, top + side * shrink)
    columns = rows = int(np.ceil(max(box)))
    rgb = noise(columns, rows)
    expected = Image.fromarray(rgb).resize((side, side), Image.Resampling.BILINEAR, box=box)
    np.testing.assert_array_equal(resampled(rgb, box, side, side), np.asarray(expected))


def test_pictures_may_be_parts_of_others_and_not_writable() -> None:
    whole = noise(200, 150)
    part = whole[20:120, 30:160]
    part.flags.writeable = False
    box = (0.5, 0.25, 129.5, 99.0)
    shown = resampled(part, box, 50, 40)
    np.testing.assert_array_equal(shown, by_pillow(part.copy(), box, 50, 40))
    assert shown.flags.writeable


def test_white_stays_white_and_black_black() -> None:
    for value in (0, 255):
        rgb = np.full((517, 517, 3), value, np.uint8)
        for side in (7, 256, 515):
            assert (resampled(rgb, (0.3, 0.7, 516.3, 516.7), side, side) == value).all()


def test_threads_get_what_one_alone_gets() -> None:
    pictures = [noise(300, 300, seed) for seed in range(16)]
    box = (0.4, 1.3, 290.0, 299.0)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda rgb: resampled(rgb, box, 128, 128), pictures))
    for rgb, shown in zip(pictures, together, strict=True):
        np.testing.assert_array_equal(shown, by_pillow(rgb, box, 128, 128))
