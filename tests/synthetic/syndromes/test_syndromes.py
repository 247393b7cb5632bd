"""Pictures of syndromes: what they show is what is written of them, and they make a cohort."""

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from histotile.cli import cli
from histotile.config import SyndromeTiles
from histotile.data.images import decode
from histotile.errors import HistotileError
from histotile.synthetic.syndromes.cohort import (
    CLASSES,
    draw_tiles,
    parse_size,
    write_syndrome_cohort,
)
from histotile.synthetic.syndromes.picture import SYNDROMES
from histotile.tasks.registry import make_task
from histotile.tiling.image_cohort.listing import list_images


def settings(**changes: Any) -> SyndromeTiles:
    plain: dict[str, Any] = {
        "count": 80,
        "patients": 8,
        "stain": "grey",
        "mode": "easy",
        "alteration": 0.0,
        "patient_effect": 1.0,
    }
    return SyndromeTiles(**(plain | changes))


def test_tumours_are_as_many_as_the_syndrome_says_and_can_be_counted() -> None:
    miscounted = 0
    for tile in draw_tiles(settings(count=200), (192, 256), 0):
        limits = SYNDROMES[tile.syndrome]
        for size, number in tile.picture.tumours.items():
            least, most = limits.get(size, (0, 0))
            assert least <= number <= most
        bright = (tile.picture.pixels > 170).astype(np.uint8)
        counted = cv2.connectedComponents(bright)[0] - 1
        miscounted += counted != sum(tile.picture.tumours.values())
        assert abs(counted - sum(tile.picture.tumours.values())) <= 2 * (tile.syndrome == "B")
    assert miscounted <= 10  # where there is no room for the eighth without touching


@pytest.mark.parametrize("stain, shape", [("grey", (96, 128)), ("h_and_e", (96, 128, 3))])
@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_a_tile_is_of_its_seed_and_number_alone(stain: str, shape: Any, mode: str) -> None:
    drawn = settings(stain=stain, mode=mode, alteration=1.0, count=16)
    first, again, other = (
        [t.picture.pixels for t in draw_tiles(drawn, (96, 128), seed)] for seed in (0, 0, 1)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert {p.shape for p in first} == {shape}
    more = {
        t.name: t.picture.pixels
        for t in draw_tiles(settings(stain=stain, mode=mode, alteration=1.0), (96, 128), 0)
    }
    fewer = {t.name: t.picture.pixels for t in draw_tiles(drawn, (96, 128), 0)}
    assert all(np.array_equal(more[name], pixels) for name, pixels in fewer.items())


def test_alterations_change_the_picture_and_are_listed() -> None:
    for kind in ("shrink", "move", "ghost", "contrast", "shade", "noise"):
        tiles = list(draw_tiles(settings(alteration=2.0, mode="hard"), (96, 128), 0))
        assert 0.25 < np.mean([kind in t.picture.alterations for t in tiles]) < 0.75
    plain = {t.name: t for t in draw_tiles(settings(), (96, 128), 0)}
    assert not any(tile.picture.alterations for tile in plain.values())
    for tile in draw_tiles(settings(alteration=1.0), (96, 128), 0):
        same = np.array_equal(tile.picture.pixels, plain[tile.name].picture.pixels)
        assert same == (not tile.picture.alterations)


def test_the_verb_writes_a_cohort_of_ready_made_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["--set", "tiles.count=40", "--set", "tiles.patients=8", "--set", "tiles.stain=h_and_e"]
    done = CliRunner().invoke(cli, ["synthesize", "s", "--tiles", "96x128", *few])
    assert done.exit_code == 0, done.output
    assert "classes: [Z, A, B, C]" in done.output
    listing = list_images(Path("s/tiles.csv"), make_task(CLASSES))
    assert len(listing.images) == 40
    assert listing.cohort.has_patients and len(listing.cohort.slides) == 8
    first = Path(listing.images[0].file)
    assert decode(first, first.read_bytes()).shape == (96, 128, 3)
    truth = list(csv.DictReader(Path("s/truth.csv").read_text().splitlines()))
    assert [row["label"] for row in truth].count("C") == 10
    assert all(int(row["small"]) >= 20 for row in truth if row["label"] == "C")


def test_what_would_mix_or_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    write_syndrome_cohort(tmp_path, settings(count=8), (32, 40), 0)
    with pytest.raises(HistotileError, match="holds files already"):
        write_syndrome_cohort(tmp_path, settings(count=8), (32, 40), 0)
    for words in ("96", "96x", "axb", "8x96", "96x9000", "-96x96"):
        with pytest.raises(HistotileError, match="--tiles"):
            parse_size(words)
    with pytest.raises(ValueError, match="too few"):
        settings(count=7)
