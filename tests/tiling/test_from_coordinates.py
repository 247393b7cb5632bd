"""Tile tables of tiles that another program has cut: its places, our labels, marks and colours."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import shapely

from histotile.config import Config, Tile
from histotile.config.yaml_file import read_config, standard_config
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.slides.annotations.read import Annotation, read_layers
from histotile.slides.inspection import Inspection, examine
from histotile.slides.slide import Bounds, Slide
from histotile.slides.tile_reader import read_tile
from histotile.tasks.registry import make_task
from histotile.tiling.from_coordinates import tabulate_coordinates
from histotile.tiling.measures import Readers
from histotile.tiling.tile_table import tabulate
from histotile.tiling.truth import SlideTruth

CLASSES = ("healthy", "tumour")
TRUTH = SlideTruth("s", make_task(CLASSES), "tumour")


@pytest.fixture(scope="module")
def config() -> Config:
    """The shipped settings."""
    return read_config(standard_config())


def tiling(config: Config, source: str = "slide", **changes: Any) -> Tile:
    labels = config.tile.labels.model_dump() | {"source": source, "outside": "healthy"}
    labels |= {"names": {"Tumor": "tumour"}}
    size = {"mpp": 0.5, "tile_px": 64, "stride_px": 64, "min_tissue_fraction": 0.0}
    return Tile.model_validate({**config.tile.model_dump(), **size, **changes, "labels": labels})


def found_in(path: Path, config: Config, mpp: float | None = 0.5) -> Inspection:
    return examine(path, "s", config.inspect, mpp)


def write_clam(path: Path, corners: Any, size: int = 64, **attributes: Any) -> Path:
    facts = {"patch_size": size, "patch_level": 0, "downsample": (1.0, 1.0)}
    with h5py.File(path, "w") as file:
        file.create_dataset("coords", data=np.asarray(corners)).attrs.update(
            {**facts, **attributes}
        )
    return path


def test_our_own_grid_by_coordinates_gives_our_own_table(
    make_slide: Any, config: Config, tmp_path: Path
) -> None:
    slide, settings = found_in(make_slide("s"), config), tiling(config, source="annotation")
    outline = Annotation("Tumor", shapely.box(30, 30, 300, 250))
    truth = SlideTruth("s", make_task(CLASSES), "tumour", [outline])
    ours, our_footer = tabulate(slide, None, truth, settings, Readers(1))
    corners = np.stack([ours["x"], ours["y"]], axis=1)
    path = write_clam(tmp_path / "s.h5", np.random.default_rng(1).permutation(corners))
    theirs, footer = tabulate_coordinates(slide, path, truth, settings, Readers(2))
    for name in set(tables.TILES.names) - {"tissue_fraction"}:
        np.testing.assert_array_equal(np.ma.filled(theirs[name]), np.ma.filled(ours[name]), name)
    assert set(theirs["label"]) == {"healthy", "tumour", None}
    told = {"file": str(path), "program": "CLAM", "mpp": 0.5, "listed": len(corners)}
    assert footer["coordinates"] == told
    for name in set(our_footer) - {"code"}:
        assert footer[name] == our_footer[name], name
    tables.write_table(tmp_path / "t.parquet", theirs, tables.TILES, footer)
    table = tables.read_table(tmp_path / "t.parquet")
    assert set(table["tissue_fraction"].to_pylist()) == {None}
    json.dumps(footer, allow_nan=False)


def test_tiles_are_measured_where_they_lie(make_slide: Any, config: Config, tmp_path: Path) -> None:
    path = make_slide("s")
    corners = [[7, 9], [135, 9], [71, 137], [-20, 400], [740, 500]]
    file = write_clam(tmp_path / "s.h5", corners, size=128)
    settings = tiling(config, mpp=1.0)
    columns, footer = tabulate_coordinates(
        found_in(path, config), file, TRUTH, settings, Readers(1)
    )
    assert columns["x"].tolist() == [7, 135, 71, -20, 740]
    assert (footer["size_level0_px"], footer["tile_px"], footer["tile_mpp"]) == (128, 64, 1.0)
    with Slide.open(path, 0.5) as slide:
        for i, (x, y) in enumerate(zip(columns["x"].tolist(), columns["y"].tolist(), strict=True)):
            rgb = read_tile(slide, x, y, 1.0, 64).reshape(-1, 3).astype(float)
            measured = [columns[name][i] for name in tables.COLOUR]
            np.testing.assert_allclose(measured, [*rgb.mean(0), *rgb.std(0)], rtol=1e-4)


def test_the_field_of_view_has_to_be_that_of_the_settings(
    make_slide: Any, config: Config, tmp_path: Path
) -> None:
    slide = found_in(make_slide("s"), config)
    near = write_clam(tmp_path / "near.h5", [[0, 0]], size=65)
    _, footer = tabulate_coordinates(slide, near, TRUTH, tiling(config), Readers(1))
    assert footer["tile_mpp"] == 0.5
    assert footer["coordinates"]["mpp"] == pytest.approx(65 * 0.5 / 64)
    far = write_clam(tmp_path / "far.h5", [[0, 0]], size=96)
    with pytest.raises(HistotileError, match=r"48 um wide.*32 um") as caught:
        tabulate_coordinates(slide, far, TRUTH, tiling(config), Readers(1))
    assert caught.value.remedy == "set tile.tile_px to 96, or tile.mpp to 0.75"
    for remedy in ({"mpp": 0.75}, {"tile_px": 96}):  # both do what they promise
        tabulate_coordinates(slide, far, TRUTH, tiling(config, **remedy), Readers(1))
    with pytest.raises(HistotileError) as caught:  # a finer tile.mpp would have to be up-sampled
        tabulate_coordinates(slide, far, TRUTH, tiling(config, tile_px=128), Readers(1))
    assert caught.value.remedy == "set tile.tile_px to 96"
    fine = write_clam(tmp_path / "fine.h5", [[0, 0]], size=32)
    with pytest.raises(HistotileError, match="up-sampled") as caught:
        tabulate_coordinates(slide, fine, TRUTH, tiling(config, mpp=0.25), Readers(1))
    assert caught.value.remedy == "set tile.tile_px to 32 and tile.mpp to 0.5"
    tabulate_coordinates(slide, fine, TRUTH, tiling(config, tile_px=32, mpp=0.5), Readers(1))


def test_tiles_outside_the_slide_are_of_another_slide(
    make_slide: Any, config: Config, tmp_path: Path
) -> None:
    slide = found_in(make_slide("s"), config)
    for corner in ([768, 0], [0, 512], [-64, 0], [0, -64]):
        file = write_clam(tmp_path / "s.h5", [[0, 0], corner])
        with pytest.raises(HistotileError, match=f"1 of 2 .* x {corner[0]}, y {corner[1]}"):
            tabulate_coordinates(slide, file, TRUTH, tiling(config), Readers(1))


def test_no_tiles_and_bad_slides_give_empty_tables_with_a_reason(
    make_slide: Any, config: Config, tmp_path: Path
) -> None:
    file = write_clam(tmp_path / "none.h5", [])
    slide = found_in(make_slide("s"), config)
    columns, footer = tabulate_coordinates(slide, file, TRUTH, tiling(config), Readers(1))
    assert (len(columns["x"]), footer["reason"]) == (0, "none.h5 lists no tile")
    tables.write_table(tmp_path / "t.parquet", columns, tables.TILES, footer)
    unscaled = found_in(make_slide("s"), config, None)
    columns, footer = tabulate_coordinates(unscaled, file, TRUTH, tiling(config), Readers(1))
    assert (len(columns["x"]), footer["verdict"]) == (0, "quarantined")
    assert footer["reason"]
    tables.write_table(tmp_path / "t.parquet", columns, tables.TILES, footer)


def test_a_real_slide_with_outlines_of_luna(
    shared_data: Path, config: Config, tmp_path: Path
) -> None:
    slide = examine(shared_data / "slides/CMU-1-Small-Region.svs", "s", config.inspect)
    size = (slide.width, slide.height)
    drawn = shared_data / "annotations/luna/123.annotation.geojson"
    correction = {
        "type": "Feature",
        "geometry": shapely.geometry.mapping(shapely.box(1568, 1568, 1792, 1792)),
        "properties": {"objectType": "annotation", "classification": {"name": "healthy"}},
    }
    (tmp_path / "new.geojson").write_text(json.dumps(correction))
    y, x = np.mgrid[0 : size[1] - 224 : 224, 0 : size[0] - 224 : 224].reshape(2, -1)
    file = write_clam(tmp_path / "s.h5", np.stack([x, y], axis=1), size=224)
    settings = tiling(config, source="annotation", tile_px=224, stride_px=224)
    labels = []
    for files in ([drawn], [drawn, tmp_path / "new.geojson"]):
        outlines = read_layers(files, Bounds(*slide.bounds), size)
        truth = SlideTruth("s", make_task(CLASSES), "tumour", outlines)
        columns, footer = tabulate_coordinates(slide, file, truth, settings, Readers(2))
        places = zip(columns["x"].tolist(), columns["y"].tolist(), strict=True)
        labels.append(dict(zip(places, columns["label"], strict=True)))
    assert footer["coordinates"]["mpp"] == pytest.approx(0.499)
    tumour = {place for place, label in labels[0].items() if label == "tumour"}
    assert tumour == {(x, y) for x in (1568, 1792) for y in (1568, 1792, 2016)}
    changed = {place for place, label in labels[1].items() if label != labels[0][place]}
    assert changed == {(1568, 1568)}
    assert labels[1][1568, 1568] == "healthy"


def test_what_another_program_listed_is_in_the_ledger(
    make_slide: Any, config: Config, tmp_path: Path
) -> None:
    slide, settings = found_in(make_slide("s"), config), tiling(config, source="annotation")
    path = write_clam(tmp_path / "s.h5", [[0, 0], [64, 0], [0, 0], [128, 0]])
    outlines = [
        Annotation("Tumor", shapely.box(0, 0, 64, 64)),
        Annotation("Fat", shapely.box(64, 0, 128, 64)),
    ]
    columns, footer = tabulate_coordinates(
        slide, path, SlideTruth("s", make_task(CLASSES), "tumour", outlines), settings, Readers(1)
    )
    assert columns["label"] == ["tumour", None, "healthy"]
    told = {line["reason"]: line["count"] for line in footer["ledger"]}
    assert told["listed twice by the file"] == 1
    assert told["name 'Fat' is no class"] == 1
    assert told["touching an outline whose name is no class"] == 1
