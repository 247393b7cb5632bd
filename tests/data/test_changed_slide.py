"""A slide or image that changed since it was tiled stops whatever reads its tiles."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader

from histotile.cli import cli
from histotile.config import Pack
from histotile.data.dataset import TileDataset
from histotile.data.packs.pack_writer import pack_tiles
from histotile.data.prefetch_reads import UsedTiles
from histotile.data.sampling import sample_tiles
from histotile.data.selection import select_tiles
from histotile.data.source import ImageSource, open_source
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.tile_spec import read_spec
from histotile.slides.identity import identify
from histotile.tasks.registry import make_task
from histotile.training.dataloader import _next

MakeSlide = Callable[..., Path]
MakeTable = Callable[..., Path]


@pytest.fixture
def changed(make_slide: MakeSlide, make_table: MakeTable) -> Path:
    """The tile table of a slide that was replaced by another of the same size."""
    slide = make_slide("s")
    table = make_table(slide, ["healthy"] * 96, identity=identify(slide), classes=["healthy"])
    make_slide("s", seed=1)
    return table


def plain(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rgb


def test_every_reader_of_its_tiles_stops(changed: Path, tmp_path: Path) -> None:
    said = "slide s was replaced or changed"
    with (
        pytest.raises(HistotileError, match=said),
        open_source(read_spec(changed)),  # predict, embed
    ):
        pass
    with pytest.raises(HistotileError, match=said):
        sample_tiles([changed], 3)
    with pytest.raises(HistotileError, match=said):
        pack_tiles(changed, tmp_path / "s.pack", Pack(use="always", quality=0))
    chosen = select_tiles({"s": changed}, ["s"], make_task(("healthy",)), 9, 0)
    with pytest.raises(HistotileError, match=said):
        TileDataset(chosen, plain)


def test_a_slide_that_is_gone_is_named(
    make_slide: MakeSlide, make_table: MakeTable, tmp_path: Path
) -> None:
    slide = make_slide("s")
    table = make_table(slide, ["healthy"] * 96, identity=identify(slide), classes=["healthy"])
    slide.rename(tmp_path / "moved.tiff")
    with (
        pytest.raises(HistotileError, match="slide s is no longer here"),
        open_source(read_spec(table)),
    ):
        pass


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_tiling_by_an_old_inspection_stops_and_goes_on_at_the_new_place(
    make_slide: MakeSlide, tmp_path: Path
) -> None:
    slide, found = make_slide("s"), tmp_path / "s.json"
    assert invoke("inspect", slide, "-o", found, "--mpp", 0.5).exit_code == 0
    mask = tmp_path / "mask.png"
    Image.new("L", (96, 64), 255).save(mask)
    moved = Path(shutil.copy(slide, tmp_path / "moved.tiff"))
    size = ("--set", "mpp=0.5", "--set", "tile_px=64", "--set", "stride_px=64")
    given = ("--inspection", found, "--mask", mask, "-o", tmp_path / "t.parquet", *size)
    slide.unlink()
    done = invoke("tile", moved, *given)
    assert done.exit_code == 0, done.output
    footer = tables.read_footer(tmp_path / "t.parquet")
    assert footer["path"] == str(moved)
    assert footer["identity"] == json.loads(found.read_text())["identity"] == identify(moved)
    moved.write_bytes(make_slide("s", seed=1).read_bytes())
    for verb, more in (("tile", given), ("mask", ("--inspection", found, "-o", mask))):
        error = invoke(verb, moved, *more).exception
        assert isinstance(error, HistotileError) and "replaced or changed" in error.fact


def test_an_image_is_held_against_the_checksum_of_its_table(tmp_path: Path) -> None:
    for kind in ("healthy", "tumour"):
        (tmp_path / "images" / kind).mkdir(parents=True)
        for seed in range(3):
            rgb = np.random.default_rng([seed, len(kind)]).integers(0, 255, (64, 64, 3), np.uint8)
            Image.fromarray(rgb).save(tmp_path / "images" / kind / f"{seed}.png")
    csv = tmp_path / "images.csv"
    rows = [f"{p},{p.parent.name},g" for p in sorted((tmp_path / "images").rglob("*.png"))]
    csv.write_text("\n".join(["path,label,group", *rows]) + "\n")
    table = tmp_path / "g.parquet"
    size = ("--set", "tile_px=64", "--set", "quality.exclude=[]", "--classes", "healthy,tumour")
    done = invoke("tile-images", "-o", table, *size, csv, "g")
    assert done.exit_code == 0, done.output
    files = UsedTiles.of(table).files
    assert files is not None
    chosen = select_tiles({"g": table}, ["g"], make_task(("healthy", "tumour")), 9, 0)
    assert len(TileDataset(chosen, plain)[0]) == 3
    for file, _ in files:
        Image.new("RGB", (64, 64), "red").save(file)
    with pytest.raises(HistotileError, match="replaced or changed since it was tabled"):
        ImageSource(64).read(0, 0, *files[0])
    loader: DataLoader[tuple[torch.Tensor, int, int]] = DataLoader(
        TileDataset(chosen, plain), num_workers=1, multiprocessing_context="fork"
    )
    with pytest.raises(HistotileError, match="replaced or changed") as caught:
        _next(iter(loader))  # a worker's mistake arrives as one, not as its traceback
    assert caught.value.subject.endswith(".png") and "tile-images" in caught.value.remedy
