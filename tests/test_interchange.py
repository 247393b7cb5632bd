"""Tiles that come in from other programs by the command line, and our own tables read back."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile

from histotile.heatmaps.qupath_objects import write_region_objects
from histotile.heatmaps.regions import Region
from histotile.heatmaps.wsinfer_csv import write_wsinfer_csv
from histotile.io import tables
from histotile.slides.annotations.read import read_layers
from histotile.slides.slide import Bounds

SET = ("--set", "mpp=0.5", "--set", "tile_px=64", "--set", "stride_px=64")


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["histotile", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a slide all of tissue, and its tile table on our own grid."""
    folder = tmp_path_factory.mktemp("desk")
    noise = np.random.default_rng(0).integers(-20, 20, (560, 800, 3))
    rgb = (np.array([200, 140, 180]) + noise).astype(np.uint8)
    tifffile.imwrite(folder / "s.tiff", rgb, tile=(64, 64), photometric="rgb", compression="zlib")
    done = run("tile", "s.tiff", "-o", "grid.parquet", "--mpp", 0.5, *SET, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_our_own_predictions_as_wsinfer_writes_them_come_back_as_the_same_tiles(desk: Path) -> None:
    ours = tables.read_table(desk / "grid.parquet")
    x, y = ours["x"].to_numpy(), ours["y"].to_numpy()
    p = np.full((len(x), 2), 0.5, np.float32)
    write_wsinfer_csv(desk / "s.csv", x, y, 64.0, p, ("healthy", "tumour"))
    words = ("--coordinates", "s.csv", "--mpp", 0.5, "--label", "tumour")
    done = run("tile", "s.tiff", "-o", "theirs.parquet", *words, *SET, cwd=desk)
    assert done.returncode == 0, done.stderr
    theirs = tables.read_table(desk / "theirs.parquet")
    same = ["tile_id", "x", "y", "sharpness", *tables.COLOUR, "excluded"]
    assert len(theirs) > 50
    assert theirs.select(same).equals(ours.select(same))
    footer = tables.read_footer(desk / "theirs.parquet")
    assert footer["coordinates"]["program"] == "WSInfer"
    assert (footer["size_level0_px"], footer["stride_level0_px"]) == (64, 64)


def test_a_wrong_scale_ends_with_fact_and_remedy(desk: Path) -> None:
    (desk / "far.csv").write_text("minx,miny,width,height,prob_a\n0,0,256,256,1\n")
    words = ("--coordinates", "far.csv", "--mpp", 0.5)
    done = run("tile", "s.tiff", "-o", "far.parquet", *words, *SET, cwd=desk)
    assert done.returncode == 2
    assert "set tile.tile_px to 256, or tile.mpp to 2" in done.stderr
    assert not (desk / "far.parquet").exists()


def test_regions_for_qupath_come_back_as_outlines_in_the_frame_of_the_slide(tmp_path: Path) -> None:
    hole = shapely.box(380.5, 240, 420, 260)
    outline = shapely.box(364.25, 221, 504, 300) - hole
    region = Region("tumour", outline, 0.1, 4, 0.99, 0.8, (400.0, 230.0))
    bounds = (300, 200, 4000, 3000)
    write_region_objects(tmp_path / "s.geojson", "s", [region], ("healthy", "tumour"), bounds)
    (found,) = read_layers([tmp_path / "s.geojson"], Bounds(*bounds), (5000, 4000))
    assert found.name == "tumour"
    assert found.polygon.equals(outline)
