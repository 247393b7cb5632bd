import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.reports.tile_counts import add_counts, covered_mm2, list_tile_counts

counts = st.builds(
    lambda used, no_tissue, excluded: {
        "grid": used + no_tissue + sum(excluded.values()),
        "no_tissue": no_tissue,
        "tiles": used + sum(excluded.values()),
        "excluded": excluded,
    },
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.dictionaries(st.sampled_from(["pen", "blur", "unreadable"]), st.integers(0, 1000)),
)


@given(st.lists(counts, min_size=1))
def test_tile_counts_of_a_cohort_add_up_to_its_grids(slides: list[dict[str, int]]) -> None:
    total = add_counts(slides)
    tile_counts = list_tile_counts(total)
    assert sum(entry.tiles for entry in tile_counts) == sum(slide["grid"] for slide in slides)
    single = [
        entry for slide in slides for entry in list_tile_counts(slide) if entry.kind == "used"
    ]
    assert tile_counts[0].tiles == sum(entry.tiles for entry in single)


def test_without_a_grid_there_are_no_tile_counts() -> None:
    assert list_tile_counts({}) == []
    assert add_counts([]) == {}
    assert add_counts([{}, {}]) == {}


@pytest.mark.parametrize(("stride_px", "area_mm2"), [(200, 4.0), (100, 1.0), (400, 4.0)])
def test_overlapping_tiles_count_no_area_twice(stride_px: int, area_mm2: float) -> None:
    footer = {
        "tile_px": 200,
        "stride_px": stride_px,
        "tile_mpp": 1.0,
        "counts": {"tiles": 110, "excluded": {"pen": 10}},
    }
    assert covered_mm2(footer) == pytest.approx(area_mm2)
    assert covered_mm2({"counts": {}}) is None
