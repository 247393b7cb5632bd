"""Where windows lie in a level, and which tiles a pass needs."""

import itertools
import math
from collections import Counter

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from histotile.slides.readers.tiff.positions import ONE, position, true_downsample, uses
from histotile.slides.readers.tiff.tiff_levels import Array, TiffLevel

WINDOW = st.tuples(
    st.integers(-400, 2_000), st.integers(-400, 2_000), st.integers(0, 300), st.integers(0, 300)
)
NOTHING = Array(0, 0, "<u4")


@given(
    x=st.integers(-10_000, 100_000),
    y=st.integers(-10_000, 100_000),
    downsample=st.sampled_from([2.0, 4.0, 2.0005055500659967, 16.0013, 3.97]),
)
@example(x=8001, y=4001, downsample=2.0)
@example(x=0, y=-397, downsample=3.97)  # the quotient rounds up to 100; `//` says 99
def test_a_position_is_the_quotient_but_left_of_the_slide(
    x: int, y: int, downsample: float
) -> None:
    left, top, shift = position(x, y, downsample)
    for place, begin, part in ((x, left, (shift or (0, 0))[0]), (y, top, (shift or (0, 0))[1])):
        if place < 0:
            assert begin + part / ONE == math.trunc(place / downsample)  # C's int64_t = double
        else:
            found = begin + part / ONE
            assert abs(found - place / downsample) <= (1 / ONE if shift else 1 / 512)
            assert 0 <= part < ONE


@given(
    windows=st.lists(WINDOW, max_size=12),
    downsample=st.sampled_from([1.0, 2.0, 2.0005055500659967, 3.97]),
    tile=st.sampled_from([(64, 64), (240, 128)]),
)
def test_uses_are_counted_as_reads_need_them(
    windows: list[tuple[int, int, int, int]], downsample: float, tile: tuple[int, int]
) -> None:
    level = TiffLevel(701, 533, *tile, 7, 6, b"", NOTHING, NOTHING)
    expected: Counter[int] = Counter()
    for x, y, width, height in windows:
        left, top, shift = position(x, y, downsample)
        more = [part > 0 for part in shift or (0, 0)]
        if width == 0 or height == 0:
            continue
        columns = range(max(left, 0), min(left + width + more[0], 701))
        rows = range(max(top, 0), min(top + height + more[1], 533))
        touched = {c // tile[0] for c in columns}, {r // tile[1] for r in rows}
        expected.update(r * level.across + c for c, r in itertools.product(*touched))
    counts = uses(level[:4], downsample, np.array(windows, np.int64).reshape(-1, 4))
    assert {n: c for n, c in enumerate(counts.tolist()) if c} == dict(expected)


def test_downsamples_are_whole_where_sizes_were_rounded() -> None:
    assert true_downsample((4443, 3567), (2221, 1783), 2.0005) == 2.0
    assert true_downsample((4443, 3567), (2222, 1784), 1.9995) == 2.0
    assert true_downsample((4443, 3567), (2200, 1783), 2.01) == 2.01
