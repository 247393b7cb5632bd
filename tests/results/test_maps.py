from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.errors import HistotileError
from histotile.results.maps import Layout, ProbabilityMap, probability_map, read_map, write_map

CLASSES = ("healthy", "tumour")


def binary(*p: float) -> np.ndarray:
    return np.stack([1 - np.array(p), np.array(p)], axis=1).astype(np.float32)


@settings(deadline=None)
@given(
    stride=st.floats(1, 600),
    x0=st.integers(0, 10_000),
    n=st.integers(1, 300),
    seed=st.integers(0, 99),
)
def test_every_tile_of_a_grid_without_overlap_gets_its_own_cell(
    stride: float, x0: int, n: int, seed: int
) -> None:
    x = x0 + np.rint(np.arange(n) * stride).astype(int)
    p = np.random.default_rng(seed).random(n)
    layout = Layout(x0, 7, n * stride, 2 * stride, stride, stride)
    found = probability_map(x, np.full(n, 7 + round(stride)), binary(*p), CLASSES, layout)
    assert found.values.shape[2] >= n
    assert found.layer(None)[1, :n] == pytest.approx(p, abs=1e-6)
    assert np.isnan(found.values[:, 0]).all()


def test_overlapping_tiles_average_where_they_cover_a_cell() -> None:
    layout = Layout(0, 0, 30, 20, 20, 10)
    found = probability_map(np.array([0, 10]), np.array([0, 0]), binary(0.2, 0.8), CLASSES, layout)
    assert found.layer("tumour") == pytest.approx(np.array([[0.2, 0.5, 0.8]] * 2))
    assert found.layer("healthy") == pytest.approx(1 - found.layer("tumour"))


def test_unpredicted_tiles_and_empty_slides_are_nan() -> None:
    layout = Layout(5, 5, 100, 60, 20, 20)
    nothing = np.empty(0, int)
    empty = probability_map(nothing, nothing, np.empty((0, 2)), CLASSES, layout)
    assert empty.values.shape == (2, 3, 5)
    assert np.isnan(empty.values).all()
    some = binary(0.2, np.nan)
    found = probability_map(np.array([5, 25]), np.array([5, 5]), some, CLASSES, layout)
    assert (~np.isnan(found.layer(None))).sum() == 1


def test_layout_comes_from_the_footer_of_a_tile_table() -> None:
    footer = {"bounds": [3, 4, 500, 400], "size_level0_px": 225.4, "stride_level0_px": 112.7}
    assert Layout.from_footer(footer) == Layout(3, 4, 500, 400, 225.4, 112.7)


def test_map_on_disk_is_plain_float_tiff_that_tells_its_place(tmp_path: Path) -> None:
    layout = Layout(100, 50, 1000, 600, 225.4, 225.4)
    found = probability_map(np.array([325]), np.array([50]), binary(0.75), CLASSES, layout)
    path = tmp_path / "map.tif"
    write_map(path, found, 0.25, {"slide_id": "schön😐", "model_id": None})
    read, note = read_map(path)
    np.testing.assert_array_equal(read.values, found.values)
    assert (read.classes, read.x0, read.y0, read.step) == (CLASSES, 100, 50, 225.4)
    assert note["slide_id"] == "schön😐"
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == 2
        assert tiff.pages.first.dtype == np.float32
        assert tiff.pages.first.get_resolution("MICROMETER")[0] == pytest.approx(1 / 56.35)
    assert [p.name for p in tmp_path.iterdir()] == ["map.tif"]


@pytest.mark.parametrize("mpp", [None, 0.0])
def test_map_of_unknown_scale_or_a_single_cell_is_written_too(
    tmp_path: Path, mpp: float | None
) -> None:
    found = ProbabilityMap(np.full((2, 1, 1), np.nan, np.float32), CLASSES, 0, 0, 1, 1)
    write_map(tmp_path / "map.tif", found, mpp, {})
    read, note = read_map(tmp_path / "map.tif")
    assert read.values.shape == (2, 1, 1)
    assert np.isnan(read.values).all()
    assert note["mpp"] == mpp


def test_strange_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match="not a readable map"):
        read_map(tmp_path / "none.tif")
    tifffile.imwrite(tmp_path / "other.tif", np.zeros((4, 4), np.float32))
    with pytest.raises(HistotileError, match="not a readable map"):
        read_map(tmp_path / "other.tif")


def test_unknown_class_is_named() -> None:
    layout = Layout(0, 0, 10, 10, 10, 10)
    found = probability_map(np.array([0]), np.array([0]), binary(0.5), CLASSES, layout)
    with pytest.raises(HistotileError, match="stroma"):
        found.layer("stroma")
