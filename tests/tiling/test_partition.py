"""Which meaning counts where: held against a raster of the same outlines."""

from collections.abc import Sequence

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, box

from histotile.slides.annotations.read import Annotation
from histotile.tiling.outline_names import Meaning, NoLabel
from histotile.tiling.partition import divide

SIDE = 10
MEANINGS: list[Meaning] = ["tumour", "stroma", NoLabel.UNLISTED, NoLabel.IGNORED]
Drawn = tuple[tuple[int, int, int, int], Meaning, int]  # corners, meaning, layer


@st.composite
def outlines(draw: st.DrawFn) -> Drawn:
    x = sorted(draw(st.lists(st.integers(0, SIDE), min_size=2, max_size=2, unique=True)))
    y = sorted(draw(st.lists(st.integers(0, SIDE), min_size=2, max_size=2, unique=True)))
    meant = draw(st.sampled_from(MEANINGS))
    return (x[0], y[0], x[1], y[1]), meant, draw(st.integers(0, 1))


def lies_in(inner: Drawn, outer: Drawn) -> bool:
    (a, b, c, d), (left, top, right, bottom) = inner[0], outer[0]
    within = left <= a and top <= b and c <= right and d <= bottom
    return within and inner[0] != outer[0]


def truth(drawn: Sequence[Drawn], x: int, y: int) -> Meaning | None:
    """The meaning at a px: of its highest layer, of the outlines that hold no other there."""
    here = [d for d in drawn if d[0][0] <= x < d[0][2] and d[0][1] <= y < d[0][3]]
    here = [d for d in here if d[2] == max(other[2] for other in here)]
    innermost = [d for d in here if not any(lies_in(other, d) for other in here)]
    meant = {d[1] for d in innermost}
    for blank in (NoLabel.IGNORED, NoLabel.UNLISTED):
        if blank in meant:
            return blank
    return next(iter(meant), None) if len(meant) < 2 else NoLabel.CONTESTED


@given(st.lists(outlines(), max_size=8))
def test_every_place_has_the_meaning_of_what_holds_it_most_closely(drawn: list[Drawn]) -> None:
    areas = divide((Annotation("", box(*r), layer), meant) for r, meant, layer in drawn)
    for x, y in np.ndindex(SIDE, SIDE):
        place = Point(x + 0.5, y + 0.5)
        found = [meant for meant, area in areas.items() if area.contains(place)]
        expected = truth(drawn, x, y)
        assert found == ([] if expected is None else [expected])


def test_regions_in_the_holes_of_others_are_what_they_are() -> None:
    ring = box(0, 0, 100, 100) - box(20, 20, 80, 80)
    island = box(40, 40, 60, 60)
    areas = divide([(Annotation("", ring), "tumour"), (Annotation("", island), "tumour")])
    assert areas["tumour"].area == ring.area + island.area
    other = divide([(Annotation("", ring), "tumour"), (Annotation("", island), "stroma")])
    assert (other["tumour"].area, other["stroma"].area) == (ring.area, island.area)


@pytest.mark.parametrize("count", [3000])
def test_thousands_of_small_outlines_in_a_large_one_are_quick(count: int) -> None:
    turns = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    rim = np.stack([np.cos(turns), np.sin(turns)], 1) * 50_000 + 50_000
    rng = np.random.default_rng(0)
    glands = [box(x, y, x + 90, y + 90) for x, y in rng.uniform(20_000, 80_000, (count, 2))]
    drawn: list[tuple[Annotation, Meaning]] = [
        (Annotation("Tissue", shapely.Polygon(rim)), NoLabel.UNLISTED),
        *((Annotation("tumour", gland), "tumour") for gland in glands),
    ]
    areas = divide(drawn)
    assert areas["tumour"].area == pytest.approx(shapely.union_all(glands).area)
    total = areas["tumour"].area + areas[NoLabel.UNLISTED].area
    assert total == pytest.approx(shapely.Polygon(rim).area)
