"""Folders of ready-made tiles as people have them: many kinds of files, links, leftovers."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from histotile.cli import cli
from histotile.data.images import read_image
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.slides.slide import UnreadableTile
from histotile.tiling.image_cohort.folders import walk
from histotile.tiling.image_cohort.other_files import count_others, say_others
from histotile.tiling.image_cohort.tile_table import triage_images

SUFFIXES = ["png", "jpg", "JPEG", "tif", "TIFF", "bmp", "webp", "WebP", "jp2", "gif"]


def picture(seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(100, 220, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    return Image.fromarray(pixels)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Two classes of two patients, one picture of every kind each, and what is no picture."""
    for n, (label, patient) in enumerate((c, p) for c in ("healthy", "tumour") for p in ("1", "2")):
        folder = tmp_path / "tiles" / label / f"patient {patient}"
        folder.mkdir(parents=True)
        for k, suffix in enumerate(SUFFIXES):
            picture(100 * n + k).save(folder / f"{k}.{suffix}")
        for name in ("notes.txt", "slide.svs", "README", "Thumbs.db", ".hidden", "copy.png~"):
            (folder / name).write_bytes(b"none")
    return tmp_path / "tiles"


def run(*words: object) -> str:
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    return done.output


def names_below(folder: Path) -> list[str]:
    return [entry.name for _, entry in walk(str(folder), ())]


def test_every_kind_of_picture_is_taken_with_its_pixels(cohort: Path) -> None:
    assert len(names_below(cohort)) == 4 * len(SUFFIXES)
    for k, suffix in enumerate(SUFFIXES):
        file = cohort / "healthy" / "patient 1" / f"{k}.{suffix}"
        difference = read_image(file, 64).astype(int) - np.asarray(picture(k)).astype(int)
        lossless = suffix.lower() in {"png", "tif", "tiff", "bmp", "jp2"}
        assert np.abs(difference).mean() <= (0 if lossless else 12), suffix


def test_collect_counts_kinds_and_names_what_it_leaves_out(cohort: Path, tmp_path: Path) -> None:
    said = run("collect", cohort, "--classes", "healthy,tumour", "-o", tmp_path / "c.csv")
    assert "40 images (" in said and ".webp 8" in said
    assert "16 files are no pictures" in said
    assert ".png~ 4" in said and ".svs 4" in said and "no suffix 4" in said
    assert ".db" not in said


def test_the_ledger_names_what_was_left_out(cohort: Path, tmp_path: Path) -> None:
    given = ("--classes", "healthy,tumour", "--set", "tile_px=64", "--set", "quality.exclude=[]")
    groups = ("patient 1", "patient 2")
    run("tile-images", cohort, *groups, "-o", tmp_path / "tables", *given)
    files = {group: tmp_path / f"tables/{group}.parquet" for group in groups}
    first = triage_images(files)[0]
    assert "8 files are no pictures that can be read" in str(first["reason"])
    assert tables.read_footer(files["patient 1"])["other_files"][".svs"] == 2


def test_tables_of_several_groups_go_into_a_folder_and_all_or_none_are_made(
    cohort: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.parquet").touch()
    given = ("--classes", "healthy,tumour", "--set", "tile_px=64")
    several = ("tile-images", cohort, "patient 1", "patient 2")
    with pytest.raises(HistotileError, match="2 results go into a folder"):
        run(*several, "-o", tmp_path / "t.parquet", *given)
    with pytest.raises(HistotileError, match="no image of group 'patient 3'"):
        run(*several, "patient 3", "-o", tmp_path / "tables", *given)
    assert not (tmp_path / "tables").exists()


def test_nothing_is_said_where_nothing_is_left_out(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / "desktop.ini").touch()
    assert say_others(count_others([str(tmp_path)])) == ""


def test_links_that_lead_back_are_passed_by(cohort: Path) -> None:
    before = sorted(names_below(cohort))
    (cohort / "healthy" / "patient 1" / "up").symlink_to("../..")
    (cohort / "healthy" / "self").symlink_to(".")
    assert sorted(names_below(cohort)) == before


def test_two_links_to_each_other_end(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "other").symlink_to(f"../{other}")
        picture().save(tmp_path / name / f"{name}.png")
    assert sorted(names_below(tmp_path)) == ["a.png", "a.png", "b.png", "b.png"]


def test_a_folder_named_as_a_picture_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    picture().save(tmp_path / "x.png" / "a.png")
    assert names_below(tmp_path) == ["a.png"]


@pytest.mark.parametrize("name", ["moving.gif", "pages.tif", "moving.webp"])
def test_files_of_several_pictures_are_no_tile(tmp_path: Path, name: str) -> None:
    first, *rest = (picture(k) for k in range(3))
    first.save(tmp_path / name, save_all=True, append_images=rest)
    with pytest.raises(UnreadableTile, match="3 pictures"):
        read_image(tmp_path / name, 64)
