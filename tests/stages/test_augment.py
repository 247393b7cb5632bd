"""What `augment` writes, and which tile it takes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from fixtures.tiles import *  # noqa: F403
from histotile.cli import cli
from histotile.io import tables


@pytest.mark.parametrize(("words", "tile"), [((), 4), (("--tile", "7"), 7)])
def test_a_sheet_of_a_labelled_tile_or_the_one_asked_for(
    tmp_path: Path,
    make_slide: Callable[..., Path],
    make_table: Callable[..., Path],
    words: tuple[str, ...],
    tile: int,
) -> None:
    labels: list[str | None] = [None] * 96
    labels[2:7] = ["tumour"] * 5
    table = make_table(make_slide("s"), labels)
    line = ["augment", str(table), "-o", str(tmp_path / "sheet.png"), *words]
    done = CliRunner().invoke(cli, line, catch_exceptions=False)
    assert f"tile {tile};" in done.output
    assert Image.open(tmp_path / "sheet.png").size == (130 + 10 * 68, 28 + 7 * 68)


@pytest.mark.parametrize(
    ("words", "fact"), [(("--tile", "999"), "no such tile_id"), (("-o", "a.tif"), "no .png")]
)
def test_mistakes_are_named(
    tmp_path: Path,
    make_slide: Callable[..., Path],
    make_table: Callable[..., Path],
    words: tuple[str, ...],
    fact: str,
) -> None:
    table = make_table(make_slide("s"))
    assert tables.read_table(table).num_rows == 96
    line = ["augment", str(table), "-o", str(tmp_path / "sheet.png"), *words]
    done = CliRunner().invoke(cli, line)
    assert fact in str(done.exception)
