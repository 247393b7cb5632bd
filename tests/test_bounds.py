"""Everything lies in its place on a slide of which OpenSlide tells that one area was scanned.

The slide is dark in one rectangle of whole tiles, and the prediction calls dark tumour. So the same
rectangle must come out of every file, each in the frame that its readers count in.
"""

import base64
import csv
import gzip
import io
import json
import re
from typing import Any

import numpy as np
import openslide
import pytest
import shapely
import tifffile
from numpy.typing import NDArray
from PIL import Image

from histotile.config import Heatmap
from histotile.config.yaml_file import read_config
from histotile.heatmaps.heatmap import colours, paint_cells, paint_overlay
from histotile.heatmaps.ome_tiff import read_map
from histotile.heatmaps.probability_map import ProbabilityMap, slide_map
from histotile.io import tables
from histotile.io.tile_spec import read_spec
from histotile.slides.annotations.read import read_annotations
from histotile.slides.overview import read_overview
from histotile.slides.slide import Bounds, Slide

Run = Any  # PartlyScanned of conftest.py
Rgb = NDArray[np.uint8]


@pytest.fixture
def settings(repository: Any) -> Heatmap:
    return read_config(repository / "config/config.yaml").heatmap


@pytest.fixture
def found(partly_scanned: Run) -> ProbabilityMap:
    """The map of the slide."""
    predicted = tables.read_table(partly_scanned.file("predict", ".parquet"))
    return slide_map(predicted, read_spec(partly_scanned.file("tile", ".parquet")))


def extent(there: NDArray[np.bool_], px: float = 1.0, corner: Any = (0, 0)) -> Any:
    """left, top, right, bottom of what is there, in level-0 px."""
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return box * px + np.array([*corner, *corner])


def in_qupath(run: Run) -> Any:
    """The lesion as QuPath counts."""
    return np.array(run.lesion) - [*run.bounds[:2], *run.bounds[:2]]


def inside_of_black_ring(picture: Rgb) -> Any:
    """left, top, right, bottom of what the contour's black line surrounds, px."""
    black = (picture == 0).all(axis=2)
    box = extent(black).astype(int)
    middle = black[(box[1] + box[3]) // 2], black[:, (box[0] + box[2]) // 2]
    ends = []
    for line, start in zip(middle, box[:2], strict=True):
        free = np.flatnonzero(~line[start:]) + start
        ends.append((free[0], free[free < np.flatnonzero(line)[-1]][-1] + 1))
    return np.array([ends[0][0], ends[1][0], ends[0][1], ends[1][1]])


def find_in(sheet: Rgb, picture: Rgb) -> tuple[int, int]:
    """Left and top of where a picture stands in its frame."""
    height, width = picture.shape[:2]
    line = picture[height // 2]
    places = [
        (left, top)
        for top in range(len(sheet) - height + 1)
        for left in range(sheet.shape[1] - width + 1)
        if (sheet[top + height // 2, left : left + width] == line).all()
        and (sheet[top : top + height, left : left + width] == picture).all()
    ]
    assert len(places) == 1
    return places[0]


def read_picture(run: Run, ending: str) -> Rgb:
    return np.asarray(Image.open(run.file("heatmap", ending)))


def test_openslide_tells_the_bounds(partly_scanned: Run) -> None:
    run = partly_scanned
    with openslide.OpenSlide(run.slide) as opened:
        told = [opened.properties[f"openslide.bounds-{n}"] for n in ("x", "y", "width", "height")]
        assert tuple(map(int, told)) == run.bounds
        assert opened.dimensions == run.size
        assert opened.properties["openslide.vendor"] == "leica"
        assert any(downsample % 1 for downsample in opened.level_downsamples)
        left, top, right, bottom = run.lesion
        for x, y, is_dark in [
            (left, top, True),
            (left - 1, top, False),
            (left, top - 1, False),
            (right - 1, bottom - 1, True),
            (right, bottom - 1, False),
        ]:
            red = np.asarray(opened.read_region((x, y), 0, (1, 1)))[0, 0, 0]
            assert (red < 150) == is_dark
    inspection = json.loads(run.file("inspect", ".json").read_text())
    assert tuple(inspection["bounds"]) == run.bounds
    assert (inspection["width"], inspection["height"]) == run.size
    assert (inspection["verdict"], inspection["mpp"]) == ("ok", 0.5)


def test_mask_covers_the_whole_slide(partly_scanned: Run) -> None:
    mask = np.asarray(Image.open(partly_scanned.file("mask", ".png"))) > 0
    px = partly_scanned.size[0] / mask.shape[1]
    assert mask.shape[0] == round(partly_scanned.size[1] / px)
    x, y = partly_scanned.bounds[:2]
    tissue = [x + 300, y + 260, x + 3700, y + 2760]
    np.testing.assert_allclose(extent(mask, px), tissue, atol=2 * px)


def test_tiles_lie_where_openslide_counts(partly_scanned: Run) -> None:
    run = partly_scanned
    table = tables.read_table(run.file("tile", ".parquet"))
    footer = tables.read_footer(run.file("tile", ".parquet"))
    x, y, red = (table[name].to_numpy() for name in ("x", "y", "mean_r"))
    assert tuple(footer["bounds"]) == run.bounds
    assert ((x - run.bounds[0]) % run.side == 0).all()
    assert ((y - run.bounds[1]) % run.side == 0).all()
    dark = red < 150
    box = (x[dark].min(), y[dark].min(), x[dark].max() + run.side, y[dark].max() + run.side)
    assert box == run.lesion
    assert dark.sum() * run.side**2 == shapely.box(*run.lesion).area
    p = tables.read_table(run.file("predict", ".parquet"))["prob_tumour"].to_numpy()
    np.testing.assert_array_equal(p, dark)  # so tiles hold no px of their neighbours


def test_overlay_paints_the_lesion_on_the_lesion(
    partly_scanned: Run, found: ProbabilityMap, settings: Heatmap
) -> None:
    run = partly_scanned
    with Slide.open(run.slide) as opened:
        overview, px = read_overview(opened, max_px=settings.overview_px)
    dark = extent((overview.max(axis=2) < 170), px)
    np.testing.assert_allclose(dark, run.lesion, atol=px)
    painted = paint_overlay(overview, px, found, settings)
    ring = inside_of_black_ring(painted)
    np.testing.assert_allclose(ring * px, run.lesion, atol=px)
    left, top = find_in(read_picture(run, ".png"), painted)
    framed = inside_of_black_ring(read_picture(run, ".png")[top:, left:][: len(painted)])
    np.testing.assert_array_equal(framed, ring)


def test_map_alone_begins_at_the_bounds(
    partly_scanned: Run, found: ProbabilityMap, settings: Heatmap
) -> None:
    cells, px = paint_cells(found, settings)
    left, top = find_in(read_picture(partly_scanned, ".map.png"), cells)
    picture = read_picture(partly_scanned, ".map.png")
    inner = picture[top : top + len(cells), left : left + cells.shape[1]]
    np.testing.assert_allclose(inside_of_black_ring(inner) * px, in_qupath(partly_scanned))


def test_ome_tiffs_begin_at_the_bounds(partly_scanned: Run, settings: Heatmap) -> None:
    run = partly_scanned
    numbers, facts = read_map(run.file("heatmap", ".ome.tif"))
    assert (numbers.x0, numbers.y0, numbers.step) == (*run.bounds[:2], run.side)
    assert facts["mpp"] == 0.5
    high = numbers.layer("tumour") == 1
    np.testing.assert_array_equal(extent(high, run.side, run.bounds[:2]), run.lesion)
    for ending in (".ome.tif", ".colour.ome.tif"):
        with tifffile.TiffFile(run.file("heatmap", ending)) as tiff:
            told = re.findall(r'PhysicalSize[XY]="([^"]+)"', tiff.ome_metadata or "")
            assert set(map(float, told)) == {run.side * 0.5}
            pixels = tiff.pages[0].asarray()
    is_sure = (pixels == colours(np.array([1.0]), settings)[0]).all(axis=2)
    np.testing.assert_array_equal(extent(is_sure, run.side, run.bounds[:2]), run.lesion)


def test_qupath_counts_from_the_bounds(partly_scanned: Run) -> None:
    run = partly_scanned
    path = run.file("heatmap", ".geojson")
    (region,) = json.loads(path.read_text())["features"]
    outline = shapely.from_geojson(json.dumps(region["geometry"]))
    np.testing.assert_array_equal(outline.bounds, in_qupath(run))
    (drawn,) = read_annotations(path, Bounds(*run.bounds), run.size)
    assert drawn.polygon.equals(shapely.box(*run.lesion))
    assert drawn.name == "tumour"
    with gzip.open(run.file("heatmap", ".tiles.geojson.gz")) as file:
        tiles = json.load(file)["features"]
    squares = [
        shapely.from_geojson(json.dumps(tile["geometry"]))
        for tile in tiles
        if tile["properties"]["classification"]["name"] == "tumour"
    ]
    assert shapely.union_all(squares).equals(shapely.box(*in_qupath(run)))


def test_wsinfer_counts_as_openslide_does(partly_scanned: Run) -> None:
    run = partly_scanned
    with run.file("heatmap", ".csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if float(r["prob_tumour"]) == 1]
    places = [[int(r[name]) for name in ("minx", "miny", "width", "height")] for r in rows]
    squares = [shapely.box(x, y, x + w, y + h) for x, y, w, h in places]
    assert shapely.union_all(squares).equals(shapely.box(*run.lesion))


def test_page_tells_places_of_the_whole_slide(partly_scanned: Run) -> None:
    run = partly_scanned
    page = run.file("report/slides", ".html").read_text(encoding="utf-8")
    scene = json.loads(page.partition('id="scene">')[2].partition("</script>")[0])
    assert (scene["slide"]["width"], scene["slide"]["height"]) == run.size
    told = scene["map"]
    assert (told["x0"], told["y0"], told["step"]) == (*run.bounds[:2], run.side)
    values = unpack(told["values"], "<f4").reshape(-1, told["rows"], told["columns"])
    np.testing.assert_array_equal(extent(values[-1] == 1, run.side, run.bounds[:2]), run.lesion)
    tiles = scene["tiles"]
    high = unpack(tiles["probabilities"], "<f4").reshape(-1, 2)[:, 1] == 1
    x, y = (unpack(tiles[axis], "<i4")[high] for axis in "xy")
    side = tiles["side"]
    assert (x.min(), y.min(), x.max() + side, y.max() + side) == run.lesion
    picture = join_picture(scene["picture"])
    px = run.size[0] / picture.shape[1]
    assert picture.shape[0] == round(run.size[1] / px)
    np.testing.assert_allclose(extent(picture.max(axis=2) < 170, px), run.lesion, atol=px)
    mask = decode_image(scene["mask"])
    np.testing.assert_array_equal(
        mask > 0, np.asarray(Image.open(run.file("mask", ".png")), np.uint8) > 0
    )


def test_gallery_shows_the_pixels_of_its_places(partly_scanned: Run) -> None:
    page = partly_scanned.file("report/slides", ".html").read_text(encoding="utf-8")
    buttons = re.findall(r'<button[^>]*class="tile"[^>]*>.*?</button>', page, flags=re.DOTALL)
    assert buttons
    left, top, right, bottom = partly_scanned.lesion
    dark_seen = set()
    for button in buttons:
        x, y = (int(re.findall(rf'data-{axis}="(\d+)"', button)[0]) for axis in "xy")
        picture = decode_image(re.findall(r'src="(data:[^"]+)"', button)[0])
        is_dark = bool(picture[..., 0].mean() < 150)
        assert is_dark == (left <= x < right and top <= y < bottom)
        dark_seen.add(is_dark)
    assert True in dark_seen


def unpack(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), kind)


def decode_image(uri: str) -> Rgb:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))), np.uint8)


def join_picture(told: dict[str, Any]) -> Rgb:
    """The finest picture of a page from its tiles."""
    level = told["levels"][-1]
    tiles = [decode_image(uri) for uri in level["tiles"]]
    rows = range(0, len(tiles), level["columns"])
    joined = [np.concatenate(tiles[i : i + level["columns"]], axis=1) for i in rows]
    return np.concatenate(joined)
