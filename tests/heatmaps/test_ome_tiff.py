import hashlib
import json
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps

from histotile.config import Heatmap
from histotile.errors import HistotileError
from histotile.heatmaps.ome_tiff import halvings, read_map, write_colour_map, write_map
from histotile.heatmaps.probability_map import Layout, ProbabilityMap, probability_map
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
FACTS = {"slide_id": "S001", "models": ["3fa9c1"], "note": "Research use only."}
HOSTILE = ('<script>alert("1")</script>', "שלום & 😐🧬", "schön\n]]>\t\x01'{0}")
LOOK = Heatmap(class_name=None, threshold=0.5, colormap="viridis", opacity=0.5, overview_px=2048)


def some_map(
    shape: tuple[int, ...] = (2, 300, 700), classes: tuple[str, ...] = CLASSES, seed: int = 0
) -> ProbabilityMap:
    rng = np.random.default_rng(seed)
    values = rng.random(shape, dtype=np.float32)
    values[:, rng.random(shape[1:]) < 0.3] = np.nan
    return ProbabilityMap(values, classes, 1200.0, 340.0, 225.4, 225.4)


names = st.text(st.characters(codec=None), min_size=1, max_size=12)
positive = st.floats(1e-3, 1e6)


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    classes=st.lists(names, min_size=1, max_size=3, unique=True),
    place=st.tuples(positive, positive, positive, positive),
    mpp=st.none() | positive,
    slide_id=names,
    seed=st.integers(0, 99),
)
def test_whatever_is_written_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    size: tuple[int, int],
    classes: list[str],
    place: tuple[float, float, float, float],
    mpp: float | None,
    slide_id: str,
    seed: int,
) -> None:
    path = tmp_path_factory.mktemp("maps") / "a.ome.tif"
    values = some_map((len(classes), *size), tuple(classes), seed).values
    found = ProbabilityMap(values, tuple(classes), *place)
    facts = {"slide_id": slide_id, "models": ["m", slide_id], "note": None}
    write_map(path, found, mpp, facts)
    read, told = read_map(path)
    assert read.values.tobytes() == values.tobytes()
    assert (read.classes, read.x0, read.y0, read.step, read.covered) == (found.classes, *place)
    assert told == facts | {"mpp": mpp}


def test_tiff_is_an_ome_pyramid_with_channels_and_physical_size(tmp_path: Path) -> None:
    found = some_map()
    write_map(tmp_path / "a.ome.tif", found, 0.2524, FACTS)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.is_ome
        (series,) = tiff.series
        assert series.axes == "CYX"
        assert [level.shape for level in series.levels] == [
            (2, 300, 700),
            (2, 150, 350),
            (2, 75, 175),
        ]
        np.testing.assert_array_equal(series.asarray(), found.values)
        for k, level in enumerate(series.levels):
            np.testing.assert_array_equal(level.asarray(), halvings(found.values)[k])
            page = level.pages[0]
            assert isinstance(page, tifffile.TiffPage)
            assert page.is_tiled
            assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
            resolution = page.get_resolution("MICROMETER")
            assert resolution == pytest.approx([1 / (225.4 * 0.2524 * 2**k)] * 2)
        root = ElementTree.fromstring(tiff.ome_metadata or "")
    pixels = root.find(".//{*}Pixels")
    assert pixels is not None
    assert float(pixels.attrib["PhysicalSizeX"]) == 225.4 * 0.2524
    assert float(pixels.attrib["PhysicalSizeY"]) == 225.4 * 0.2524
    assert pixels.attrib["PhysicalSizeXUnit"] == "µm"
    assert [c.attrib["Name"] for c in pixels.iterfind("{*}Channel")] == list(CLASSES)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.tif"]


def test_halvings_are_means_of_what_is_known() -> None:
    values = np.full((1, 2, 257), np.nan, np.float32)
    values[0, :, :2] = [[0.2, 0.4], [0.6, np.nan]]
    values[0, 0, 256] = 0.7
    first, second = halvings(values)
    assert first is values
    assert second.shape == (1, 1, 129)
    assert second[0, 0, 0] == pytest.approx(0.4)
    assert second[0, 0, 128] == pytest.approx(0.7)  # an odd last column stands by itself
    assert np.isnan(second[0, 0, 1:128]).all()


def test_hostile_text_stays_text_in_names_and_facts(tmp_path: Path) -> None:
    found = some_map((3, 4, 5), HOSTILE)
    write_map(tmp_path / "a.ome.tif", found, 0.25, FACTS | {"slide_id": HOSTILE[0]})
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        xml = tiff.ome_metadata or ""
    root = ElementTree.fromstring(xml)
    shown = [c.attrib["Name"] for c in root.iterfind(".//{*}Channel")]
    assert shown[:2] == list(HOSTILE[:2])
    assert shown[2] == "schön\ufffd]]>\ufffd\ufffd'{0}"
    assert "<script" not in xml
    image = root.find("{*}Image")
    assert image is not None
    assert image.attrib["Name"] == HOSTILE[0]
    assert read_map(tmp_path / "a.ome.tif")[0].classes == HOSTILE


@pytest.mark.parametrize("write", ["float", "colour"])
def test_same_map_gives_same_bytes_and_another_map_another_identity(
    tmp_path: Path, write: str
) -> None:
    def digest(name: str, found: ProbabilityMap) -> tuple[str, str]:
        path = tmp_path / name / "a.ome.tif"
        if write == "float":
            write_map(path, found, 0.25, FACTS)
        else:
            write_colour_map(path, found, LOOK, 0.25, FACTS)
        with tifffile.TiffFile(path) as tiff:
            identity = ElementTree.fromstring(tiff.ome_metadata or "").attrib["UUID"]
        return hashlib.sha256(path.read_bytes()).hexdigest(), identity

    assert digest("one", some_map()) == digest("two", some_map())
    assert digest("one", some_map())[1] != digest("other", some_map(seed=1))[1]


def test_coloured_map_opens_in_openslide_with_scale_and_colours(tmp_path: Path) -> None:
    found = some_map()
    path = tmp_path / "a.colour.ome.tif"
    write_colour_map(path, found, LOOK, 0.2524, FACTS)
    known = ~np.isnan(found.layer(None))
    expected = np.rint(colormaps["viridis"](found.layer(None))[..., :3] * 255)
    with openslide.OpenSlide(path) as slide:
        assert slide.dimensions == (700, 300)
        for axis in "xy":
            mpp = float(slide.properties[f"openslide.mpp-{axis}"])
            assert mpp == pytest.approx(225.4 * 0.2524, rel=1e-6)
        rgb = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
    np.testing.assert_array_equal(rgb[known], expected[known])
    assert (rgb[~known] == 255).all()
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        (series,) = tiff.series
        assert series.axes == "YXS"
        assert [level.shape for level in series.levels] == [
            (300, 700, 3),
            (150, 350, 3),
            (75, 175, 3),
        ]
        np.testing.assert_array_equal(series.asarray(), rgb)
        half = halvings(found.layer(None)[None])[1][0]
        seen = ~np.isnan(half)
        coarse = series.levels[1].asarray()
        np.testing.assert_array_equal(
            coarse[seen], np.rint(colormaps["viridis"](half[seen])[:, :3] * 255)
        )
        assert (coarse[~seen] == 255).all()


def test_coloured_map_shows_the_class_that_the_settings_name(tmp_path: Path) -> None:
    found = some_map((2, 3, 4))
    named = LOOK.model_copy(update={"class_name": "healthy", "colormap": "cividis"})
    write_colour_map(tmp_path / "a.ome.tif", found, named, None, FACTS)
    rgb = tifffile.imread(tmp_path / "a.ome.tif")
    known = ~np.isnan(found.layer("healthy"))
    expected = np.rint(colormaps["cividis"](found.layer("healthy"))[..., :3] * 255)
    np.testing.assert_array_equal(rgb[known], expected[known])
    with pytest.raises(HistotileError, match="stroma"):
        write_colour_map(
            tmp_path / "b.ome.tif", found, LOOK.model_copy(update={"class_name": "stroma"}), 1, {}
        )


def test_both_maps_open_in_libvips(tmp_path: Path) -> None:
    pyvips = pytest.importorskip("pyvips", reason="libvips is not installed", exc_type=ImportError)
    found = some_map()
    write_map(tmp_path / "a.ome.tif", found, 0.25, FACTS)
    write_colour_map(tmp_path / "c.ome.tif", found, LOOK, 0.25, FACTS)
    for name, kind, bands in (("a.ome.tif", "float", 1), ("c.ome.tif", "uchar", 3)):
        image = pyvips.Image.new_from_file(str(tmp_path / name))
        assert (image.width, image.height) == (700, 300)
        assert (image.format, image.bands) == (kind, bands)
        assert image.xres == pytest.approx(1e3 / (225.4 * 0.25))
        half = pyvips.Image.new_from_file(str(tmp_path / name), subifd=0)
        assert (half.width, half.height) == (350, 150)


@settings(deadline=None, max_examples=25)
@given(
    cells=st.tuples(st.integers(0, 20), st.integers(0, 12)),
    side=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.floats(60, 600),
    bounds=st.tuples(st.integers(0, 9000), st.integers(0, 9000)),
    mpp=st.floats(0.1, 1.0),
)
def test_a_square_lies_where_it_is_on_the_slide_to_within_a_level_0_px(
    tmp_path_factory: pytest.TempPathFactory,
    cells: tuple[int, int],
    side: tuple[int, int],
    stride: float,
    bounds: tuple[int, int],
    mpp: float,
) -> None:
    across, down = (np.arange(start, start + n) for start, n in zip(cells, side, strict=True))
    grid = [axis.ravel() for axis in np.meshgrid(across, down)]
    x, y = (
        origin + np.rint(axis * stride).astype(int)
        for origin, axis in zip(bounds, grid, strict=True)
    )
    extent = (25.5 * stride, 17.5 * stride)
    layout = Layout(*bounds, *extent, stride, stride)
    found = probability_map(x, y, np.tile([0.1, 0.9], (len(x), 1)), TASK, layout)
    folder = tmp_path_factory.mktemp("square")
    write_map(folder / "a.ome.tif", found, mpp, FACTS)
    write_colour_map(folder / "c.ome.tif", found, LOOK, mpp, FACTS)
    with tifffile.TiffFile(folder / "a.ome.tif") as tiff:
        layer = tiff.series[0].asarray()[1]
        root = ElementTree.fromstring(tiff.ome_metadata or "")
    pixels = root.find(".//{*}Pixels")
    told = {m.attrib["K"]: m.text for m in root.iterfind(".//{*}M")}
    assert pixels is not None
    assert layer.shape[1] * stride >= extent[0]
    assert layer.shape[0] * stride >= extent[1]
    coloured = tifffile.imread(folder / "c.ome.tif")
    for seen in (~np.isnan(layer), (coloured != 255).any(axis=2)):
        rows, columns = np.nonzero(seen)
        for places, axis, corner, tiles in ((columns, "X", "x0", x), (rows, "Y", "y0", y)):
            px = float(pixels.attrib[f"PhysicalSize{axis}"]) / mpp
            start = json.loads(told[corner] or "") + places.min() * px
            end = json.loads(told[corner] or "") + (places.max() + 1) * px
            assert abs(start - tiles.min()) <= 1
            assert abs(end - (tiles.max() + stride)) <= 1


@pytest.mark.parametrize("mpp", [None, 0.0])
def test_map_of_unknown_scale_or_a_single_cell_is_written_too(
    tmp_path: Path, mpp: float | None
) -> None:
    found = ProbabilityMap(np.full((2, 1, 1), np.nan, np.float32), CLASSES, 0, 0, 1, 1)
    write_map(tmp_path / "a.ome.tif", found, mpp, {})
    write_colour_map(tmp_path / "c.ome.tif", found, LOOK, mpp, {})
    read, facts = read_map(tmp_path / "a.ome.tif")
    assert read.values.shape == (2, 1, 1)
    assert np.isnan(read.values).all()
    assert facts == {"mpp": mpp}
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert "PhysicalSize" not in (tiff.ome_metadata or "")
    with openslide.OpenSlide(tmp_path / "c.ome.tif") as slide:
        assert slide.dimensions == (1, 1)
        assert "openslide.mpp-x" not in slide.properties
        assert slide.read_region((0, 0), 0, (1, 1)).getpixel((0, 0)) == (255, 255, 255, 255)


def test_strange_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HistotileError, match="not a readable map"):
        read_map(tmp_path / "none.tif")
    tifffile.imwrite(tmp_path / "other.tif", np.zeros((4, 4), np.float32))
    with pytest.raises(HistotileError, match="not a readable map"):
        read_map(tmp_path / "other.tif")
    tifffile.imwrite(tmp_path / "other.ome.tif", np.zeros((4, 4), np.float32), ome=True)
    with pytest.raises(HistotileError, match="not a readable map"):
        read_map(tmp_path / "other.ome.tif")
    write_colour_map(tmp_path / "c.ome.tif", some_map(), LOOK, 0.25, FACTS)
    with pytest.raises(HistotileError, match="not a readable map"):
        read_map(tmp_path / "c.ome.tif")
    write_map(tmp_path / "a.ome.tif", some_map(), 0.25, FACTS)
    whole = (tmp_path / "a.ome.tif").read_bytes()
    for kept in (0, 3, 100, len(whole) // 2, len(whole) - 200):
        (tmp_path / "cut.ome.tif").write_bytes(whole[:kept])
        with pytest.raises(HistotileError, match="not a readable map"):
            read_map(tmp_path / "cut.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        page = tiff.pages.first
        start, count = page.dataoffsets[0], page.databytecounts[0]
    garbled = whole[:start] + bytes(count) + whole[start + count :]
    (tmp_path / "garbled.ome.tif").write_bytes(garbled)
    with pytest.raises(HistotileError, match="not a readable map"):
        read_map(tmp_path / "garbled.ome.tif")
