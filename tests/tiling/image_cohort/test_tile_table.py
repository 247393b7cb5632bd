"""Tables of ready-made tiles, and what triage says of their images."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from histotile.config import Labels, Quality, Tile
from histotile.data.augmentation.augmentation import unchanged
from histotile.data.dataset import TileDataset
from histotile.data.images import read_image
from histotile.data.prefetch import ReadAhead
from histotile.data.sampling import sample_labelled, sample_tiles
from histotile.data.selection import select_tiles
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.tasks.registry import make_task
from histotile.tiling.image_cohort.listing import list_groups, list_images
from histotile.tiling.image_cohort.tile_table import tabulate_images, triage_images
from histotile.tiling.measures import Readers

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
Tabulated = Callable[..., dict[str, Path]]


def settings(tile_px: int) -> Tile:
    labels = Labels(
        source="annotation", names={}, outside=None, positive_overlap=0.5, negative_overlap=0.02
    )
    quality = Quality(max_blur_z=2.5, max_pen_fraction=0.05, max_fold_fraction=0.3, exclude=())
    return Tile(
        mpp=0.5,
        tile_px=tile_px,
        stride_px=tile_px,
        min_tissue_fraction=0.5,
        labels=labels,
        quality=quality,
    )


def write_tile(path: Path, seed: int, height: int = 32, width: int = 32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(-30, 30, (height, width, 1))
    Image.fromarray((np.array([200, 140, 190]) + grey).astype(np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two groups with three tiles of each class."""
    root = tmp_path / "tiles"
    for g, group in enumerate(("p1", "p2")):
        for c, label in enumerate(CLASSES):
            for n in range(3):
                write_tile(root / group / label / f"{n}.png", 100 * g + 10 * c + n)
    return root


@pytest.fixture
def tabulated(tmp_path: Path, folder: Path) -> Tabulated:
    """Tables of all groups of the folder as it is when called."""

    def make(tile_px: int = 32, classes: tuple[str, ...] = CLASSES) -> dict[str, Path]:
        found = list_images(folder, make_task(classes))
        paths = {}
        for group in found.digests:
            images = list_groups(folder, make_task(classes), [group])[group]
            table, footer = tabulate_images(
                images, group, make_task(classes), settings(tile_px), Readers(2)
            )
            paths[group] = tmp_path / "tables" / f"{group}.parquet"
            tables.write_table(paths[group], table, tables.TILES, footer)
        return paths

    return make


def test_table_holds_files_labels_and_measures(tabulated: Tabulated) -> None:
    path = tabulated()["p1"]
    rows = tables.read_table(path).to_pylist()
    assert [row["label"] for row in rows] == ["healthy"] * 3 + ["tumour"] * 3
    for row in rows:
        rgb = read_image(Path(row["file"]), 32).reshape(-1, 3)
        assert row["mean_r"] == pytest.approx(rgb[:, 0].mean(), abs=1e-3)
        assert row["sd_b"] == pytest.approx(rgb[:, 2].std(), abs=1e-3)
        assert (row["x"], row["y"], row["tissue_fraction"], row["overlap"]) == (0, 0, None, None)
        assert len(row["checksum"]) == 16
    footer = tables.read_footer(path)
    assert footer["source"] == "images"
    assert (footer["tile_mpp"], footer["labels_source"]) == (0.5, "image")
    assert footer["counts"]["labels"] == {"healthy": 3, "tumour": 3, "none": 0}


def test_images_of_a_class_called_none_are_counted(folder: Path, tabulated: Tabulated) -> None:
    for tumour in folder.glob("*/tumour"):
        tumour.rename(tumour.with_name("none"))
    counts = tables.read_footer(tabulated(classes=("healthy", "none"))["p1"])["counts"]
    assert counts["labels"] == {"healthy": 3, "none": 3}


def test_other_sizes_are_counted(folder: Path, tabulated: Tabulated) -> None:
    write_tile(folder / "p1/tumour/8.png", 8, 32, 40)
    write_tile(folder / "p1/tumour/9.png", 9, 48, 48)
    counts = tables.read_footer(tabulated()["p1"])["counts"]
    assert (counts["resized"], counts["cropped"]) == (1, 1)


def test_unreadable_images_are_left_out_and_named(
    folder: Path, tabulated: Tabulated, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "p2/tumour/1.png").write_bytes(b"junk")
    found = tabulated()
    rows = tables.read_table(found["p2"]).to_pylist()
    assert [row["excluded"] for row in rows] == [None, None, None, None, "unreadable", None]
    assert rows[4]["mean_r"] is None
    assert "p2/tumour/1.png" in caplog.text
    ledger = {row["slide_id"]: row for row in triage_images(found)}
    assert ledger["p1"]["reason"] is None
    assert "1 image is unreadable" in str(ledger["p2"]["reason"])
    assert ledger["p2"]["verdict"] == "ok"
    (told,) = tables.read_footer(found["p2"])["ledger"]
    assert (told["kind"], told["reason"], told["count"]) == ("tiles", "unreadable", 1)


def test_a_group_without_a_readable_image_is_quarantined(
    folder: Path, tabulated: Tabulated
) -> None:
    for path in (folder / "p2").rglob("*.png"):
        path.write_bytes(b"")
    found = tabulated()
    assert "6 unreadable" in tables.read_footer(found["p2"])["reason"]
    ledger = {row["slide_id"]: row for row in triage_images(found)}
    assert (ledger["p2"]["verdict"], ledger["p2"]["problem"]) == ("quarantined", "unreadable")
    assert ledger["p1"]["verdict"] == "ok"


def test_a_group_that_vanishes_by_exclusion_is_named(tabulated: Tabulated) -> None:
    found = tabulated()
    rows, footer = tables.read_table(found["p2"]).to_pydict(), tables.read_footer(found["p2"])
    rows["excluded"] = ["pen"] * len(rows["label"])
    reason = "not one of 6 tiles with tissue can be used (6 pen ink)"
    tables.write_table(found["p2"], rows, tables.TILES, footer | {"reason": reason})
    ledger = {row["slide_id"]: row for row in triage_images(found)}
    assert (ledger["p2"]["verdict"], ledger["p2"]["reason"]) == ("ok", reason)
    assert ledger["p1"]["reason"] is None


def test_a_class_without_a_usable_image_stops(folder: Path, tabulated: Tabulated) -> None:
    for path in folder.rglob("tumour/*.png"):
        path.write_bytes(b"")
    with pytest.raises(HistotileError, match=r"no image of class 'tumour' .*unreadable 6"):
        triage_images(tabulated())


def test_equal_files_are_noted_and_under_two_labels_refused(
    folder: Path, tabulated: Tabulated
) -> None:
    shutil.copy(folder / "p1/tumour/0.png", folder / "p2/tumour/copy.png")
    shutil.copy(folder / "p1/healthy/0.png", folder / "p1/healthy/copy.png")
    ledger = {row["slide_id"]: str(row["reason"]) for row in triage_images(tabulated())}
    assert "1 image is in group p2 too" in ledger["p1"]
    assert "1 image is listed more than once" in ledger["p1"]
    assert "1 image is in group p1 too" in ledger["p2"]
    shutil.copy(folder / "p1/tumour/0.png", folder / "p2/healthy/other.png")
    with pytest.raises(HistotileError, match=r"1 images stand under several labels") as caught:
        triage_images(tabulated())
    assert "other.png (healthy)" in str(caught.value)


def test_every_reader_gives_the_images(folder: Path, tabulated: Tabulated) -> None:
    write_tile(folder / "p1/tumour/9.png", 9, 48, 50)
    found = tabulated(24)
    files = tables.read_table(found["p1"])["file"].to_pylist()
    ((ids, pixels),) = ReadAhead(found["p1"], 100)
    assert ids.tolist() == list(range(7))
    for tile, rgb in enumerate(pixels):
        np.testing.assert_array_equal(rgb, read_image(Path(files[tile]), 24))
    for selection in (
        select_tiles(found, ["p1", "p2"], TASK, 2, 0),
        sample_labelled(found, {"p1": "p1", "p2": "p2"}, TASK, 8, 0),
    ):
        assert len(selection) == 8
        assert selection.files is not None
        tiles = TileDataset(selection, unchanged)
        for number in range(8):
            rgb, label, tile = tiles[number]
            expected = read_image(Path(selection.files[number]), 24)
            np.testing.assert_array_equal(rgb.permute(1, 2, 0), expected)
            assert (CLASSES[label], tile) == (Path(selection.files[number]).parent.name, number)
    assert sample_tiles(list(found.values()), 4).shape == (4, 24, 24, 3)


def test_real_tiles(shared_data: Path, tmp_path: Path) -> None:
    paths: dict[str, Path] = {}
    for group in ("10253", "9290"):
        images = list_groups(shared_data / "tiles/idc_ps50", make_task(("0", "1")), [group])[group]
        table, footer = tabulate_images(
            images, group, make_task(("0", "1")), settings(50), Readers(1)
        )
        paths[group] = tmp_path / f"{group}.parquet"
        tables.write_table(paths[group], table, tables.TILES, footer)
        assert footer["counts"]["excluded"] == {}
        assert footer["counts"]["tiles"] == len(images) > 10
    ledger: list[dict[str, Any]] = triage_images(paths)
    assert [row["reason"] for row in ledger] == [None, None]


@pytest.mark.parametrize(("exclude", "left_out"), [(None, 0), (("pen",), 1)])
def test_ready_made_tiles_are_left_out_for_ink_only_where_that_is_asked(
    tmp_path: Path, exclude: tuple[str, ...] | None, left_out: int
) -> None:
    for n in range(5):
        write_tile(tmp_path / "p1" / "healthy" / f"{n}.png", n, 64, 64)
    inked = np.asarray(Image.open(tmp_path / "p1" / "healthy" / "0.png")).copy()
    inked[:, :40] = (20, 120, 60)
    Image.fromarray(inked).save(tmp_path / "p1" / "healthy" / "0.png")
    chosen = settings(64)
    quality = chosen.quality.model_copy(update={"exclude": exclude})
    chosen = chosen.model_copy(update={"quality": quality})
    images = list_groups(tmp_path, TASK, ("p1",))["p1"]
    columns, _ = tabulate_images(images, "p1", TASK, chosen, Readers(1))
    assert columns["pen"].sum() == 1
    assert sum(e == "pen" for e in columns["excluded"]) == left_out


def test_a_stain_that_looks_like_ink_is_no_ink_where_most_tiles_show_it(tmp_path: Path) -> None:
    for n in range(5):
        path = tmp_path / "p1" / "healthy" / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((64, 64, 3), (60, 150, 110 + n), np.uint8)).save(path)
    images = list_groups(tmp_path, TASK, ("p1",))["p1"]
    columns, _ = tabulate_images(images, "p1", TASK, settings(64), Readers(1))
    assert not columns["pen"].any()
