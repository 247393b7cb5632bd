"""Regions in regions: what lies in what, holes, and islands in holes."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, box

from histotile.slides.annotations.shapes import NEGATIVE, Shape, cut_holes, lies_in, mended

SIDE = 12  # px of the raster that truth is counted on


@st.composite
def rectangles(draw: st.DrawFn) -> tuple[int, int, int, int]:
    left, right = sorted(draw(st.lists(st.integers(0, SIDE), min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(draw(st.lists(st.integers(0, SIDE), min_size=2, max_size=2, unique=True)))
    return left, top, right, bottom


def inside(inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    """Whether a rectangle lies in another that is larger."""
    (a, b, c, d), (left, top, right, bottom) = inner, outer
    return left <= a and top <= b and c <= right and d <= bottom and inner != outer


def holds(rectangle: tuple[int, ...], x: int, y: int) -> bool:
    left, top, right, bottom = rectangle
    return left <= x < right and top <= y < bottom


@given(st.lists(st.tuples(rectangles(), st.booleans()), max_size=7))
def test_a_place_is_positive_if_an_outline_holds_it_that_no_negative_region_cuts_there(
    drawn: list[tuple[tuple[int, int, int, int], bool]],
) -> None:
    positive = [r for r, is_hole in drawn if not is_hole]
    holes = [r for r, is_hole in drawn if is_hole]
    found = cut_holes([Shape("t", box(*r)) for r in positive], [box(*r) for r in holes])
    area = shapely.union_all([shape.area for shape in found if shape.name == "t"])
    for x, y in np.ndindex(SIDE, SIDE):
        cutting = [h for h in holes if holds(h, x, y)]
        expected = any(
            holds(r, x, y) and all(inside(r, hole) for hole in cutting) for r in positive
        )
        assert area.contains(Point(x + 0.5, y + 0.5)) == expected


def test_a_negative_region_that_cuts_nothing_is_kept_as_an_ignored_one() -> None:
    island = Shape("t", box(5, 5, 6, 6))
    found = cut_holes([island, Shape("t", box(90, 90, 99, 99))], [box(0, 0, 10, 10)])
    assert [shape.name for shape in found] == ["t", "t", NEGATIVE]
    assert found[0].area.equals(island.area)
    assert NEGATIVE.endswith("*")


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        (box(1, 1, 9, 9), box(0, 0, 10, 10), True),
        (box(0, 0, 10, 10), box(1, 1, 9, 9), False),
        (box(0, 0, 10, 10), box(0, 0, 10, 10), False),  # the same twice
        (box(0, 0, 100, 95), box(0, 0, 100, 100), True),  # it fills the outer one
        (box(2, 2, 8.001, 8), box(0, 0, 8, 10), True),  # rounded corners stick out
        (box(0.1, 0, 10.1, 9.99), box(0, 0, 10, 10), False),  # the same drawn by two people
        (box(5, 5, 15, 15), box(0, 0, 12, 40), False),  # across the rim
        (box(2, 2, 3, 3), box(0, 0, 10, 10) - box(1, 1, 4, 4), False),  # in the hole
    ],
)
def test_what_lies_in_what(
    inner: shapely.Geometry, outer: shapely.Geometry, expected: bool
) -> None:
    assert lies_in([inner], [outer]).tolist() == [expected]


def test_mending_leaves_areas_alone() -> None:
    line = shapely.LineString([(0, 0), (5, 5)])
    assert mended(line) is None
    area = mended(shapely.GeometryCollection([line, box(0, 0, 2, 2)]))
    assert area is not None
    assert area.equals(box(0, 0, 2, 2))
