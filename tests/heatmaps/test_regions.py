import time

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.heatmaps.probability_map import ProbabilityMap
from histotile.heatmaps.regions import Region, find_regions

PICTURE = {".": 0.0, "#": 0.75, "@": 0.875}


def drawn(*rows: str, step: float = 10, covered: float | None = None) -> ProbabilityMap:
    p = np.array([[PICTURE[c] for c in row] for row in rows], np.float32)
    values = np.stack([1 - p, p])
    return ProbabilityMap(values, ("healthy", "tumour"), 100, 50, step, covered or step)


def outlined(region: Region) -> tuple[int, int]:
    """Corners of the outline, number of holes."""
    return len(region.polygon.exterior.coords) - 1, len(region.polygon.interiors)


def noise(seed: int, shape: tuple[int, int], covered: float) -> ProbabilityMap:
    rng = np.random.default_rng(seed)
    p = rng.random((2, *shape)).astype(np.float32) ** rng.uniform(0.2, 2)
    p[:, rng.random(shape) < 0.1] = np.nan
    place = rng.uniform(0, 3e4, 2)
    return ProbabilityMap(p, ("healthy", "tumour"), place[0], place[1], 225.4, covered)


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    threshold=st.sampled_from([0.2, 0.5, 0.8]),
    covered=st.sampled_from([225.4, 225.4, 112.7]),
)
def test_regions_hold_exactly_the_cells_that_reach_the_threshold(
    seed: int, shape: tuple[int, int], threshold: float, covered: float
) -> None:
    found = noise(seed, shape, covered)
    layer = found.layer(None)
    regions = find_regions(found, None, threshold, 0.25)
    polygons = np.array([r.polygon for r in regions])
    assert all(isinstance(p, shapely.Polygon) for p in polygons)
    assert shapely.is_valid(polygons).all()
    for r in regions:
        assert r.polygon.area == pytest.approx(r.cells * covered**2, rel=1e-6)
        assert r.area_mm2 == pytest.approx(r.cells * (covered * 0.25e-3) ** 2, rel=1e-12)
    rows, columns = np.indices(shape).reshape(2, -1)
    x = found.x0 + columns * found.step + covered / 2
    y = found.y0 + rows * found.step + covered / 2
    holders = np.array([shapely.contains_xy(p, x, y) for p in polygons]).reshape(-1, x.size)
    assert (holders.sum(axis=0) == (layer >= np.float32(threshold)).ravel()).all()
    for region, inside in zip(regions, holders, strict=True):
        p = layer.ravel()[inside]
        assert inside.sum() == region.cells
        assert region.max_probability == p.max()
        assert region.mean_probability == pytest.approx(p.mean(), rel=1e-5)
        peak = np.flatnonzero(inside)[p.argmax()]
        assert region.peak == pytest.approx((x[peak], y[peak]))
    firsts = [(-r.cells, int(np.flatnonzero(h)[0])) for r, h in zip(regions, holders, strict=True)]
    assert firsts == sorted(firsts)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), shape=st.tuples(st.integers(2, 9), st.integers(2, 9)))
def test_outlines_are_those_of_the_union_of_cells(seed: int, shape: tuple[int, int]) -> None:
    found = noise(seed, shape, 225.4)
    regions = find_regions(found, "healthy", 0.5, None)
    row, column = np.nonzero(found.layer("healthy") >= 0.5)
    left, top = found.x0 + column * found.step, found.y0 + row * found.step
    cells = shapely.union_all(shapely.box(left, top, left + found.step, top + found.step))
    union = shapely.union_all([r.polygon for r in regions])
    assert union.symmetric_difference(cells).area <= 1e-6 * (cells.area + 1)
    joined = [
        (a, b)
        for k, a in enumerate(regions)
        for b in regions[:k]
        if shapely.relate_pattern(a.polygon, b.polygon, "T********")
        or a.polygon.intersection(b.polygon).length > 0
    ]
    assert not joined, "regions touch at corners only"


def test_cells_that_meet_at_a_corner_are_two_regions() -> None:
    one, other = find_regions(drawn("#.", ".#"), "tumour", 0.5, None)
    assert one.polygon.equals(shapely.box(100, 50, 110, 60))
    assert other.polygon.equals(shapely.box(110, 60, 120, 70))


def test_outlines_have_corners_only_where_they_turn_and_keep_their_holes() -> None:
    (region,) = find_regions(drawn("#####", "#.#.#", "#####"), None, 0.5, None)
    assert outlined(region) == (4, 2)
    (region,) = find_regions(drawn("###", "#.#", "##."), None, 0.5, None)
    assert outlined(region) == (6, 1), "the hole touches the outline at a corner"
    nested = drawn("#####", "#...#", "#.@.#", "#...#", "#####")
    ring, island = find_regions(nested, None, 0.5, 1)
    assert outlined(ring) == (4, 1)
    assert (island.cells, island.max_probability, island.peak) == (1, 0.875, (125, 75))


def test_outer_rings_are_counter_clockwise_by_the_rule_of_geojson() -> None:
    (region,) = find_regions(drawn("###", "#.#", "###"), None, 0.5, None)
    assert shapely.is_ccw(region.polygon.exterior)
    assert not shapely.is_ccw(region.polygon.interiors[0])


def test_facts_of_a_region() -> None:
    large, small = find_regions(drawn("@..", "..#", ".##"), "tumour", 0.5, 0.5)
    assert large == Region(
        "tumour", large.polygon, 3 * 10**2 * 0.5**2 * 1e-6, 3, 0.75, 0.75, (125, 65)
    )
    assert small == Region(
        "tumour", small.polygon, 10**2 * 0.5**2 * 1e-6, 1, 0.875, 0.875, (105, 55)
    )
    assert isinstance(large.cells, int)
    assert isinstance(large.peak[0], float)


@pytest.mark.parametrize("mpp", [None, 0.0])
def test_area_is_unknown_without_mpp(mpp: float | None) -> None:
    assert find_regions(drawn("#"), None, 0.5, mpp)[0].area_mm2 is None


def test_tiles_apart_stay_squares_of_their_own() -> None:
    regions = find_regions(drawn("##", "#.", covered=4), None, 0.5, 1)
    assert [r.polygon.bounds for r in regions] == [
        (100, 50, 104, 54),
        (110, 50, 114, 54),
        (100, 60, 104, 64),
    ]
    assert [r.peak for r in regions] == [(102, 52), (112, 52), (102, 62)]
    assert {r.area_mm2 for r in regions} == {16e-6}


def test_threshold_is_reached_as_a_32_bit_float() -> None:
    found = ProbabilityMap(np.full((1, 1, 1), 0.7, np.float32), ("a",), 0, 0, 1, 1)
    assert float(np.float32(0.7)) < 0.7
    assert len(find_regions(found, None, 0.7, None)) == 1


def test_nothing_found_and_unknown_classes() -> None:
    assert find_regions(drawn("..", ".."), None, 0.5, 1) == []
    nothing = ProbabilityMap(np.full((2, 1, 1), np.nan, np.float32), ("a", "b"), 0, 0, 1, 1)
    assert find_regions(nothing, None, 0.0, 1) == []
    with pytest.raises(HistotileError, match="stroma"):
        find_regions(drawn("#"), "stroma", 0.5, 1)


@pytest.mark.parametrize("pattern", ["checkerboard", "noise", "meander"])
def test_large_slides_take_no_time(pattern: str) -> None:
    rows, columns = np.indices((142, 141))
    p = {
        "checkerboard": (rows + columns) % 2,
        "noise": np.random.default_rng(0).random(rows.shape) ** 0.6,
        "meander": (rows % 2 == 0) | (columns == np.where(rows % 4 == 1, 140, 0)),
    }[pattern]
    values = np.stack([p, 1 - p]).astype(np.float32)
    found = ProbabilityMap(values, ("healthy", "tumour"), 0, 0, 225, 225)
    start = time.process_time()
    cells = sum(r.cells for name in found.classes for r in find_regions(found, name, 0.5, 0.25))
    assert time.process_time() - start < 1.5
    assert cells >= rows.size
