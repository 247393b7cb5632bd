"""Windows by OpenSlide's rules: they hold what is wanted, hardly more, and where they say."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.slides.readers.tiff.positions import ONE, position
from histotile.slides.slide import Bounds
from histotile.slides.windows import span, square, window

downsamples = st.sampled_from([1.0, 2.0, 4.0, 16.0, 2.0005, 4.0029, 15.98, 32.07])


def a_slide(downsample: float, vendor: str = "aperio") -> Any:
    return SimpleNamespace(
        vendor=vendor,
        downsamples=(1.0, float(round(downsample))),
        openslide_downsamples=(1.0, downsample),
        bounds=Bounds(515, 258, 2000, 2000),
    )


@given(
    downsample=downsamples,
    first=st.floats(-300, -1e-9) | st.floats(0, 1e5),
    side=st.floats(1, 3000),
)
def test_a_span_holds_what_lies_between_two_positions(
    downsample: float, first: float, side: float
) -> None:
    begin, px, inner_first, inner_last = span(a_slide(downsample), 1, 0, first, first + side)
    whole, _, shift = position(begin, 0, downsample)
    origin = whole + shift[0] / ONE if shift else whole  # where OpenSlide begins
    near = 1 / 512 + 1e-4  # px; what it takes for whole
    assert origin <= first + near
    assert first - origin <= 1 + 1 / downsample + near
    assert inner_first == pytest.approx(first - origin, abs=near)
    assert inner_last == pytest.approx(first + side - origin, abs=near)
    assert 0 <= inner_first < inner_last <= px < inner_last + 1


@given(downsample=downsamples, place=st.integers(0, 10**5), side=st.integers(1, 3000))
def test_of_the_positions_before_it_a_span_begins_at_the_one_that_blends_least(
    downsample: float, place: int, side: int
) -> None:
    def blend(candidate: int) -> float:
        return abs(candidate / downsample - round(candidate / downsample))

    first = place / round(downsample)
    begin = span(a_slide(downsample), 1, 1, first, first + side).begin
    near = range(begin - int(downsample) - 2, begin + int(downsample) + 3)
    reached = [c for c in near if first - 1 <= c / downsample <= first]
    assert blend(begin) <= min(map(blend, reached), default=1.0) + 1e-9


@given(x=st.integers(-500, 10**5), y=st.integers(-500, 10**5), side=st.integers(1, 600))
def test_whole_px_of_level_0_are_asked_for_as_they_are(x: int, y: int, side: int) -> None:
    assert square(a_slide(4.0), 0, x, y, side) == (x, y, side, side, (0, 0, side, side))


@given(x=st.integers(0, 2000), y=st.integers(0, 2000), px=st.integers(1, 300))
def test_both_axes_of_a_leica_slide_have_their_own_corner(x: int, y: int, px: int) -> None:
    slide = a_slide(4.0, "leica")
    left, top, columns, rows, box = window(slide, 1, (x, y, x + px, y + px))
    cuts = 515 % 4 / 4, 258 % 4 / 4  # what OpenSlide cuts off when it lays the level
    assert (left % 4, top % 4) == (0, 0)
    assert columns in {px, px + 1}
    assert rows in {px, px + 1}
    assert (left / 4 + cuts[0] + box[0], top / 4 + cuts[1] + box[1]) == (x, y)
