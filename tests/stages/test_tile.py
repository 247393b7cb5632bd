"""The verb `tile`: outlines of a file, labels in the table, and what is told of the rest."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from PIL import Image, PngImagePlugin

from histotile.cli import cli
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.ledger import Entry
from histotile.io.tile_spec import read_spec
from histotile.tasks.registry import check_task, make_task

SIDE = 512
SETTINGS = ("--set", "mpp=0.5", "--set", "tile_px=64", "--set", "stride_px=64")


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """Stained everywhere, 512 x 512 px of 0.5 um."""
    noise = np.random.default_rng(0).normal(0, 12, (SIDE, SIDE, 1))
    rgb = np.clip(np.array([215, 130, 185]) + noise, 0, 255).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "s.tif") as tiff:
        per_cm = (20_000, 20_000)
        tiff.write(rgb, tile=(256, 256), resolution=per_cm, resolutionunit="CENTIMETER")
    return tmp_path / "s.tif"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """All is tissue; the making of the mask took 30 % for ink."""
    info = PngImagePlugin.PngInfo()
    told = Entry("tissue", "taken for blue ink", None, 1000.0, 0.3).to_json()
    info.add_itxt("histotile", json.dumps([told]))
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(tmp_path / "mask.png", pnginfo=info)
    return tmp_path / "mask.png"


def square(x: int, y: int, side: int, name: str | None, kind: str = "annotation") -> dict[str, Any]:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    properties: dict[str, Any] = {"objectType": kind}
    properties["classification"] = None if name is None else {"name": name}
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def tile(slide: Path, mask: Path, *features: dict[str, Any], label: str | None = None) -> Result:
    outlines = slide.with_name("a.geojson")
    outlines.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    line = ["tile", str(slide), "-o", str(slide.with_name("t.parquet")), "--mask", str(mask)]
    line += [*SETTINGS, "--annotation", str(outlines), *(["--label", label] if label else [])]
    return CliRunner().invoke(cli, line, catch_exceptions=False)


def labels_of(slide: Path) -> dict[str | None, int]:
    column = tables.read_table(slide.with_name("t.parquet"), ["label"])["label"].to_pylist()
    return {label: column.count(label) for label in (None, "healthy", "tumour")}


def test_tissue_in_any_outline_is_not_outside_all_outlines(slide: Path, mask: Path) -> None:
    done = tile(
        slide,
        mask,
        square(0, 0, 128, "Tumor"),
        square(0, 0, 64, "Ignore*"),
        square(256, 0, 64, "Necrosis"),
        square(320, 0, 64, None),
        square(384, 0, 64, "Tumor", "detection"),
        square(5000, 0, 64, "Tumor"),
    )
    assert labels_of(slide) == {None: 4, "healthy": 57, "tumour": 3}
    for words in (
        "name 'Necrosis' is no class: 1, 0.001024 mm2",
        "name 'unclassified' is no class: 1",
        "left out by its name 'Ignore*': 1",
        "detection (no outline): 1, 0.001024 mm2",
        "outside the slide: 1",
        "30.0 % of the stained area (30.0 % taken for blue ink)",
        "tile.labels.names: {Necrosis: ..., unclassified: ...}",
    ):
        assert words in done.output
    footer = tables.read_footer(slide.with_name("t.parquet"))
    assert {line["kind"] for line in footer["ledger"]} == {"outlines", "labels", "tissue"}


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ([square(0, 0, 128, "Adenocarcinoma")], {None: 64, "healthy": 0, "tumour": 0}),
        ([square(0, 0, 128, "Tumor", "cell")], {None: 64, "healthy": 0, "tumour": 0}),
        ([square(0, 0, 128, "Artefact*")], {None: 4, "healthy": 60, "tumour": 0}),
        ([], {None: 0, "healthy": 64, "tumour": 0}),
        (
            [square(0, 0, 512, None), square(0, 0, 128, "Tumor")],
            {None: 60, "healthy": 0, "tumour": 4},
        ),
        (
            [square(0, 0, 256, "Tumor"), square(0, 0, 256, "healthy")],
            {None: 16, "healthy": 48, "tumour": 0},
        ),
        (
            [square(0, 0, 512, "healthy"), square(0, 0, 128, "Tumor")],
            {None: 0, "healthy": 60, "tumour": 4},
        ),
    ],
)
def test_what_nobody_understands_gives_no_label(
    slide: Path, mask: Path, features: list[dict[str, Any]], expected: dict[str | None, int]
) -> None:
    assert tile(slide, mask, *features).exit_code == 0
    assert labels_of(slide) == expected


def test_a_slide_known_to_be_healthy_keeps_what_lies_outside_unknown_outlines(
    slide: Path, mask: Path
) -> None:
    tile(slide, mask, square(0, 0, 128, "Fat"), label="healthy")
    assert labels_of(slide) == {None: 4, "healthy": 60, "tumour": 0}


def of_task(slide: Path, mask: Path, task: dict[str, Any], outside: str) -> list[str | None]:
    outlines = slide.with_name("a.geojson")
    features = [square(0, 0, 96, "tumour"), square(64, 0, 64, "necrosis")]
    outlines.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    line = ["tile", str(slide), "-o", str(slide.with_name("t.parquet")), "--mask", str(mask)]
    line += [*SETTINGS, "--annotation", str(outlines), "--classes", json.dumps(task)]
    line += ["--set", "labels.names={}", "--set", f"labels.outside={outside}"]
    done = CliRunner().invoke(cli, line, catch_exceptions=False)
    assert not done.exit_code, done.output
    table = tables.read_table(slide.with_name("t.parquet"), ["label"])["label"].to_pylist()
    return [table[0], table[1], table[2]]


def test_outlines_give_several_labels_and_shares(slide: Path, mask: Path) -> None:
    several = {"task": "multilabel", "classes": ["necrosis", "tumour"]}
    assert of_task(slide, mask, several, "none") == ["tumour", "necrosis;tumour", "none"]
    spec = read_spec(slide.with_name("t.parquet"))
    assert (spec.task, spec.classes) == ("multilabel", ("necrosis", "tumour"))
    assert spec.counts["labels"]["several labels"] == 1
    with pytest.raises(HistotileError, match="labelled for the task multilabel"):
        check_task("t.parquet", spec, make_task(("healthy", "tumour")))
    options = {"low": 0, "high": 100, "unit": "%", "trained_by": "huber"}
    number = {"task": "regression", "classes": ["tumour"], "task_options": options}
    assert of_task(slide, mask, number, "null") == ["100", None, "0"]
    spec = read_spec(slide.with_name("t.parquet"))
    assert "trained_by" not in spec.task_options
    check_task("t.parquet", spec, make_task(("tumour",), "regression", options))
    with pytest.raises(HistotileError, match="0 to 100 %"):
        check_task("t.parquet", spec, make_task(("tumour",), "regression", {**options, "high": 1}))
