"""What many tests need: the real slides, where they lie, and a slide scanned in part."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import settings
from numpy.typing import NDArray

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

# Properties are tried with the same examples each time, so that a suite is never red by luck, and
# with fresh ones by `make test-fresh`, whose finds become examples.
settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("fresh", derandomize=False, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest file first, so that no worker is left to run it alone at the end."""
    items.sort(key=lambda item: item.path.name != "test_workflow.py")


Rgb = NDArray[np.uint8]
Box = tuple[float, float, float, float]  # left, top, right, bottom; level-0 px of the slide

_XML = """<?xml version="1.0"?>
<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">
<collection name="synthetic" sizeX="{width}" sizeY="{height}">{images}</collection></scn>"""
_IMAGE = """<image name="{name}"><device model="none" version="0"/>
<pixels sizeX="{px[0]}" sizeY="{px[1]}">{levels}</pixels>
<view sizeX="{size[0]}" sizeY="{size[1]}" offsetX="{offset[0]}" offsetY="{offset[1]}"/>
<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings>
<illuminationSettings><numericalAperture>0.4</numericalAperture>
<illuminationSource>brightfield</illuminationSource></illuminationSettings></scanSettings></image>"""


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heard() -> None:
    """A suite in the background of a shell ignores SIGINT, and so would the programs it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real slides, tiles, annotations and weights; skips where it is absent."""
    standard = Path(__file__).parents[1].parent / "shared"
    data = Path(os.environ.get("HISTOTILE_SHARED", standard)) / "data"
    if not data.is_dir():
        pytest.skip(f"real slides are not here ({data}); set HISTOTILE_SHARED to their folder")
    return data


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).parents[1]


@dataclass(frozen=True)
class PartlyScanned:
    """Results of a Leica slide of which OpenSlide tells that one area of it was scanned.

    Attributes:
        slide: The file.
        results: Laid out as the workflow lays it out; `slide.stem` is the id.
        size: Width and height of the slide, level-0 px.
        bounds: x, y, width, height of the area scanned.
        lesion: Where the slide is dark: whole tiles, of which alone the prediction is tumour.
        side: Of a tile, level-0 px.
    """

    slide: Path
    results: Path
    size: tuple[int, int]
    bounds: tuple[int, int, int, int]
    lesion: Box
    side: int

    def file(self, stage: str, ending: str) -> Path:
        """A file of the slide."""
        return self.results / stage / f"{self.slide.stem}{ending}"


@pytest.fixture(scope="session")
def write_scn() -> Callable[..., Path]:
    """Writes a Leica slide; see `_write_scn`."""
    return _write_scn


@pytest.fixture(scope="session")
def partly_scanned(tmp_path_factory: pytest.TempPathFactory) -> PartlyScanned:
    """A slide inspected, masked, tiled, painted and reported on the command line.

    Its predictions are the share of dark px of each tile: 1 in the lesion, 0 elsewhere.
    """
    folder = tmp_path_factory.mktemp("partly scanned")
    size, bounds, side = (9001, 7003), (2309, 1747, 4000, 3000), 128
    left, top, right, bottom = (side * n for n in (9, 7, 16, 12))
    rgb = np.full((bounds[3], bounds[2], 3), (241, 239, 242), np.uint8)
    rgb[260:2760, 300:3700] = (222, 165, 202)
    grain = np.random.default_rng(1).integers(0, 70, ((bottom - top) // 16 + 1, 2 * side, 1))
    grain = np.kron(grain, np.ones((16, 16, 1), np.int64))[: bottom - top, : right - left]
    rgb[top:bottom, left:right] = np.array((60, 20, 90)) + grain  # of cells: ink is even
    rgb += np.random.default_rng(0).integers(0, 12, rgb.shape, np.uint8)
    corner = bounds[:2]
    slide = _write_scn(folder / "S & 1.scn", rgb, corner, size)
    lesion = (left + corner[0], top + corner[1], right + corner[0], bottom + corner[1])
    run = PartlyScanned(slide, folder / "results", size, bounds, lesion, side)
    _make_results(run)
    return run


def _make_results(run: PartlyScanned) -> None:
    slide, name, tiles = run.slide, run.slide.stem, run.file("tile", ".parquet")
    found, predicted = run.file("inspect", ".json"), run.file("predict", ".parquet")
    cohort = run.results / "slides.csv"
    _run("inspect", slide, "-o", found)
    _run("mask", slide, "--inspection", found, "-o", run.file("mask", ".png"))
    size = ("--set", "mpp=1", "--set", "tile_px=64", "--set", "stride_px=64")
    given = ("--inspection", found, "--mask", run.file("mask", ".png"))
    _run("tile", slide, *given, "-o", tiles, *size)
    _predict_darkness(slide, tiles, predicted)
    _run("heatmap", tiles, predicted, "-o", run.file("heatmap", ".png"))
    cohort.write_text(f"slide_id,path\n{name},{slide}\n", encoding="utf-8")
    _run("report-slide", run.results, name, "--cohort", cohort)


def _run(*words: object) -> None:
    from click.testing import CliRunner

    from histotile.cli import cli

    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def _predict_darkness(slide: Path, tiles: Path, predicted: Path) -> None:
    from histotile.io import tables
    from histotile.slides.slide import Slide
    from histotile.slides.tile_reader import read_tile

    table, footer = tables.read_table(tiles), tables.read_footer(tiles)
    places = {name: table[name].to_numpy() for name in ("tile_id", "x", "y")}
    with Slide.open(slide) as opened:
        dark = [
            (read_tile(opened, x, y, footer["tile_mpp"], footer["tile_px"])[..., 0] < 150).mean()
            for x, y in zip(places["x"].tolist(), places["y"].tolist(), strict=True)
        ]
    p = np.array(dark, np.float32)
    columns = places | {"prob_healthy": 1 - p, "prob_tumour": p}
    columns |= {"distance": p, "familiarity": ["familiar"] * len(p)}
    facts = {
        "slide_id": footer["slide_id"],
        "models": ["darkness"],
        "classes": footer["classes"],
        "unreadable": [],
        "device": "cpu",
    }
    schema = tables.prediction_schema(("prob_healthy", "prob_tumour"))
    tables.write_table(predicted, columns, schema, facts)


def _write_scn(
    path: Path,
    rgb: Rgb,
    corner: tuple[int, int],
    size: tuple[int, int],
    nm: int = 500,
    factors: Sequence[int] = (1, 4, 16),
) -> Path:
    """A slide in Leica's format of which only one area was scanned.

    OpenSlide tells `openslide.bounds-*` of such files from the file itself. The layout follows what
    its reader asks for: a TIFF whose first page holds XML that names, for each image, its place on
    the slide in nm and the page of each of its levels; see https://openslide.org/formats/leica/.

    Args:
        path: Where to write.
        rgb: Level 0 of the scanned area.
        corner: Its left and top edge on the slide, level-0 px.
        size: Width and height of the slide, level-0 px.
        nm: Side of a level-0 px; a whole number, as SCN files count whole nm.
        factors: Level-0 px per px of each level; sizes are rounded down, as scanners do.
    """
    levels = [_mean_of(rgb, factor) for factor in factors]
    scanned = (rgb.shape[1] * nm, rgb.shape[0] * nm)
    whole, place = (size[0] * nm, size[1] * nm), (corner[0] * nm, corner[1] * nm)
    macro = np.full((64, 96, 3), 235, np.uint8)
    images = _scn_image("macro", [macro], 0, whole, (0, 0))
    images += _scn_image("area", levels, 1, scanned, place)
    text = _XML.format(width=whole[0], height=whole[1], images=images)
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        _write_page(tiff, macro, whole[0] / macro.shape[1], text)
        for level, factor in zip(levels, factors, strict=True):
            _write_page(tiff, level, nm * factor, None)
    return path


def _scn_image(
    name: str,
    levels: Sequence[Rgb],
    first_page: int,
    size: tuple[int, int],
    offset: tuple[int, int],
) -> str:
    entries = "".join(
        f'<dimension r="{r}" ifd="{first_page + r}" sizeX="{p.shape[1]}" sizeY="{p.shape[0]}"/>'
        for r, p in enumerate(levels)
    )
    px = levels[0].shape[1], levels[0].shape[0]
    return _IMAGE.format(name=name, px=px, levels=entries, size=size, offset=offset)


def _write_page(tiff: tifffile.TiffWriter, level: Rgb, nm: float, description: str | None) -> None:
    options: dict[str, Any] = {"description": description} if description else {}
    tiff.write(
        level,
        tile=(256, 256),
        photometric="rgb",
        compression="deflate",
        metadata=None,
        resolution=(1e7 / nm, 1e7 / nm),
        resolutionunit="CENTIMETER",
        **options,
    )


def _mean_of(rgb: Rgb, factor: int) -> Rgb:
    height, width = (side // factor for side in rgb.shape[:2])
    whole = rgb[: height * factor, : width * factor]
    blocks = whole.reshape(height, factor, width, factor, 3)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3))), np.uint8)
