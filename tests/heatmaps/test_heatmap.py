from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from histotile.config import Heatmap
from histotile.heatmaps.figure_frame import Caption
from histotile.heatmaps.heatmap import (
    colours,
    paint_cells,
    paint_heatmap,
    paint_map,
    paint_overlay,
    write_picture,
)
from histotile.heatmaps.probability_map import Layout, ProbabilityMap, probability_map
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
CAPTION = Caption("slide", "3fa9c1", 0.25)


def look(threshold: float = 0.5, opacity: float = 0.5) -> Heatmap:
    return Heatmap(
        class_name=None,
        threshold=threshold,
        colormap="viridis",
        opacity=opacity,
        overview_px=2048,
    )


def one_tile(x: int, y: int, p: float, layout: Layout) -> ProbabilityMap:
    guess = np.array([[1 - p, p]], dtype=np.float32)
    return probability_map(np.array([x]), np.array([y]), guess, TASK, layout)


@settings(deadline=None, max_examples=40)
@given(
    column=st.integers(0, 12),
    row=st.integers(0, 8),
    stride=st.floats(60, 130),
    downsample=st.floats(3.5, 17),
    origin=st.tuples(st.integers(0, 300), st.integers(0, 300)),
)
def test_a_tile_colours_its_own_px_to_within_one(
    column: int, row: int, stride: float, downsample: float, origin: tuple[int, int]
) -> None:
    layout = Layout(*origin, 13 * stride, 9 * stride, stride, stride)
    x, y = origin[0] + round(column * stride), origin[1] + round(row * stride)
    overview = np.full((int(1700 / downsample), int(2200 / downsample), 3), 200, np.uint8)
    found = one_tile(x, y, 0.49, layout)  # below the threshold: no contour
    painted = paint_overlay(overview, downsample, found, look())
    grey = np.array([70, 70, 70])
    coloured = (painted != overview).any(axis=2) & (painted != grey).any(axis=2)
    rows, columns = np.nonzero(coloured)
    for low, high, start in (
        (columns.min(), columns.max() + 1, x),
        (rows.min(), rows.max() + 1, y),
    ):
        assert abs(low - start / downsample) <= 1
        assert abs(high - (start + stride) / downsample) <= 1
    assert coloured[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()


def test_opacity_is_proportional_to_probability_and_zero_leaves_tissue_alone() -> None:
    layout = Layout(0, 0, 400, 100, 100, 100)
    guess = np.array([[1, 0], [0.5, 0.5], [0, 1]], dtype=np.float32)
    found = probability_map(np.array([0, 100, 200]), np.zeros(3, int), guess, TASK, layout)
    overview = np.full((100, 400, 3), 200, np.uint8)
    painted = paint_overlay(overview, 1.0, found, look(threshold=1.0))
    assert (painted[50, 50] == 200).all()
    assert painted[50, 150].tolist() == [158, 186, 185]  # 3/4 grey, 1/4 viridis(0.5)
    assert painted[50, 250].tolist() == [227, 216, 118]  # 1/2 grey, 1/2 viridis(1)
    assert (painted[50, 350] == 200).all()


def test_contour_is_white_inside_and_black_outside_what_reaches_the_threshold() -> None:
    layout = Layout(0, 0, 300, 300, 100, 100)
    overview = np.full((300, 300, 3), 128, np.uint8)
    painted = paint_overlay(overview, 1.0, one_tile(100, 100, 0.5, layout), look())
    assert (painted[100, 100:200] == 255).all()
    assert (painted[199, 100:200] == 255).all()
    assert (painted[99, 99:201] == 0).all()
    assert (painted[99:201, 200] == 0).all()
    assert (painted[98, 98:202] == 128).all()
    below = paint_overlay(overview, 1.0, one_tile(100, 100, 0.499, layout), look())
    assert not (below == 255).all(axis=2).any()
    assert (below[99, 100:200] == 70).all()


def test_tiles_set_apart_leave_the_gap_between_them_alone() -> None:
    layout = Layout(0, 0, 400, 200, 50, 200)
    painted = paint_overlay(
        np.full((200, 400, 3), 128, np.uint8), 1.0, one_tile(200, 0, 1.0, layout), look(1.0)
    )
    changed = np.nonzero((painted != 128).any(axis=2))
    assert (changed[1].min(), changed[1].max()) == (199, 250)
    assert changed[0].max() == 50


def test_line_closes_at_the_edge_of_the_picture() -> None:
    layout = Layout(0, 0, 100, 100, 100, 100)
    overview = np.full((100, 100, 3), 128, np.uint8)
    painted = paint_overlay(overview, 1.0, one_tile(0, 0, 0.9, layout), look())
    for edge in (painted[0], painted[-1], painted[:, 0], painted[:, -1]):
        assert (edge == 255).all()
    assert not (painted[1:-1, 1:-1] == 255).all(axis=2).any()


@settings(deadline=None, max_examples=40)
@given(
    column=st.integers(0, 12),
    row=st.integers(0, 8),
    side=st.integers(1, 4),
    stride=st.floats(60, 600),
    origin=st.tuples(st.integers(0, 9000), st.integers(0, 9000)),
    overview_px=st.sampled_from([256, 300, 2048]),
)
def test_a_square_of_cells_lies_where_it_is_on_the_map_alone(
    column: int,
    row: int,
    side: int,
    stride: float,
    origin: tuple[int, int],
    overview_px: int,
) -> None:
    layout = Layout(*origin, 19.5 * stride, 12.5 * stride, stride, stride)
    across, down = np.meshgrid(np.arange(column, column + side), np.arange(row, row + side))
    x = origin[0] + np.rint(across.ravel() * stride).astype(int)
    y = origin[1] + np.rint(down.ravel() * stride).astype(int)
    found = probability_map(x, y, np.tile([0.6, 0.4], (len(x), 1)), TASK, layout)
    shown = look(threshold=1.0).model_copy(update={"overview_px": overview_px})
    painted, downsample = paint_cells(found, shown)
    assert overview_px / 2 < max(painted.shape) <= overview_px
    assert painted.shape[:2] == (13 * round(stride / downsample), 20 * round(stride / downsample))
    rows, columns = np.nonzero((painted == colours(np.array(0.4), shown)).all(axis=2))
    for low, high, start, end in (
        (columns.min(), columns.max() + 1, x.min() - origin[0], x.max() - origin[0] + stride),
        (rows.min(), rows.max() + 1, y.min() - origin[1], y.max() - origin[1] + stride),
    ):
        assert abs(low - start / downsample) <= 1
        assert abs(high - end / downsample) <= 1
    assert len(rows) == (side * round(stride / downsample)) ** 2


def test_map_alone_is_opaque_and_grey_white_where_no_tile_is() -> None:
    layout = Layout(500, 700, 200, 100, 100, 100)
    found = one_tile(500, 700, 1.0, layout)
    painted, downsample = paint_cells(found, look(threshold=0.5, opacity=0.1))
    assert painted.shape[0] * 2 == painted.shape[1]
    assert painted.shape[1] * downsample == pytest.approx(200)
    middle = painted.shape[0] // 2
    assert painted[middle, middle].tolist() == [253, 231, 37]  # viridis(1)
    assert painted[middle, -1].tolist() == [244, 244, 244]


def test_map_of_more_cells_than_px_shows_the_cell_at_the_centre_of_each_px() -> None:
    values = np.random.default_rng(0).random((2, 400, 640), dtype=np.float32) * 0.5
    found = ProbabilityMap(values, CLASSES, 0.0, 0.0, 10.0, 10.0)
    shown = look(threshold=1.0).model_copy(update={"overview_px": 320})
    painted, downsample = paint_cells(found, shown)
    assert (painted.shape, downsample) == ((200, 320, 3), 20.0)
    whole, _ = paint_cells(found, shown.model_copy(update={"overview_px": 640}))
    np.testing.assert_array_equal(painted, whole[1::2, 1::2])


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (40, 170)])
def test_map_alone_stands_in_the_frame_of_the_overlay(shape: tuple[int, int]) -> None:
    found = ProbabilityMap(np.full((2, *shape), 0.3, np.float32), CLASSES, 90.0, 70.0, 225.4, 225.4)
    inner, downsample = paint_cells(found, look())
    framed = paint_map(found, look(), CAPTION)
    coloured = (framed == inner[0, 0]).all(axis=2)
    long = np.flatnonzero(coloured.sum(axis=1) == inner.shape[1])
    assert len(long) == inner.shape[0]
    overview = np.full((*inner.shape[:2], 3), 200, np.uint8)
    below = ProbabilityMap(found.values, CLASSES, 0.0, 0.0, found.step, found.covered)
    assert paint_heatmap(overview, downsample, below, look(), CAPTION).shape == framed.shape


def test_map_alone_without_tiles_says_so() -> None:
    none = ProbabilityMap(np.full((2, 1, 1), np.nan, np.float32), CLASSES, 0.0, 0.0, 1.0, 1.0)
    one = paint_map(none, look(), Caption("s", None, None, "no tissue"))
    other = paint_map(none, look(), Caption("s", None, None, "too small"))
    assert one.shape == other.shape
    assert (one != other).any()
    for edge in (one[:4], one[-4:], one[:, :8], one[:, -8:]):
        assert (edge == 255).all()


@pytest.mark.parametrize("shape", [(40, 60), (200, 2000), (2000, 200), (900, 900)])
def test_frame_keeps_the_picture_whole_and_in_the_middle(shape: tuple[int, int]) -> None:
    overview = np.full((*shape, 3), (10, 200, 90), np.uint8)
    layout = Layout(0, 0, shape[1] * 8, shape[0] * 8, 100, 100)
    framed = paint_heatmap(overview, 8.0, one_tile(0, 0, 0.0, layout), look(), CAPTION)
    factor = max(1, 600 // max(shape))
    green = (framed == (10, 200, 90)).all(axis=2)
    long = green.sum(axis=1) > 0.9 * shape[1] * factor
    rows, columns = np.flatnonzero(long), np.flatnonzero(green[long].any(axis=0))
    assert abs(rows.max() - rows.min() + 1 - shape[0] * factor) <= 2
    assert columns.max() - columns.min() + 1 == shape[1] * factor
    assert framed.shape[1] >= 640
    assert abs((columns.min() + columns.max() + 1) - framed.shape[1]) <= 2


def test_edges_of_the_frame_stay_white_so_no_word_is_cut() -> None:
    layout = Layout(0, 0, 3000, 2400, 100, 100)
    overview = np.full((300, 375, 3), 180, np.uint8)
    wordy = Caption("x" * 300 + "😐", "m" * 200, 0.25)
    framed = paint_heatmap(overview, 8.0, one_tile(0, 0, 0.9, layout), look(1.0), wordy)
    for edge in (framed[:4], framed[-4:], framed[:, :8], framed[:, -8:]):
        assert (edge == 255).all()


def test_slide_without_tiles_says_so() -> None:
    layout = Layout(0, 0, 3000, 2400, 100, 100)
    nothing = np.empty(0, int)
    empty = probability_map(nothing, nothing, np.empty((0, 2)), TASK, layout)
    overview = np.full((600, 750, 3), 180, np.uint8)
    plain = paint_heatmap(overview, 4.0, empty, look(), Caption("s", None, None, "no tissue"))
    other = paint_heatmap(overview, 4.0, empty, look(), Caption("s", None, None, "too small"))
    middle = plain[plain.shape[0] // 2 - 60 : plain.shape[0] // 2 + 60]
    assert (middle == 255).all(axis=2).mean() > 0.3
    assert (plain != other).any()
    assert (paint_overlay(overview, 4.0, empty, look()) == overview).all()


def test_picture_is_a_png_named_only_when_whole(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    write_picture(tmp_path / "a.png", rgb)
    assert (np.asarray(Image.open(tmp_path / "a.png")) == rgb).all()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
