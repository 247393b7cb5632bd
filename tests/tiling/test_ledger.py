"""What the footer of a tile table says of everything that was set aside."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image, PngImagePlugin

from histotile.config import Labels, Tile
from histotile.config.yaml_file import read_config, standard_config
from histotile.io.ledger import Entry, read_ledger
from histotile.slides.annotations.read import Annotation, Annotations
from histotile.slides.annotations.shapes import OUTSIDE, PassedOver
from histotile.slides.inspection import inspect_slide
from histotile.tasks.registry import make_task
from histotile.tiling.ledger import of_mask, tell_ledger, with_tissue
from histotile.tiling.measures import Readers
from histotile.tiling.tile_table import tabulate
from histotile.tiling.truth import SlideTruth

RULE = Labels(
    source="annotation",
    names={"tumor": "tumour"},
    outside="healthy",
    positive_overlap=0.5,
    negative_overlap=0,
)
INK = Entry("tissue", "taken for green ink", None, 1e5, 0.96)


def tiling() -> Tile:
    shipped = read_config(standard_config()).tile
    quality = shipped.quality.model_copy(update={"exclude": ()})
    size = {"mpp": 0.5, "tile_px": 64, "stride_px": 64, "min_tissue_fraction": 0.5}
    return shipped.model_copy(update={**size, "labels": RULE, "quality": quality})


def footer_of(
    path: Path, outlines: Annotations | None, mask: Any = None, source: str = "annotation"
) -> dict[str, Any]:
    found = inspect_slide(path, "s", read_config(standard_config()).inspect, 0.5)
    truth = SlideTruth("s", make_task(("healthy", "tumour")), None, outlines)
    settings = tiling()
    labels = settings.labels.model_copy(update={"source": source})
    return tabulate(found, mask, truth, settings.model_copy(update={"labels": labels}), Readers(1))[
        1
    ]


def test_outlines_and_tiles_are_told_with_numbers_and_areas(make_slide: Any) -> None:
    passed = PassedOver()
    passed.add("detection", 4000)
    passed.add(OUTSIDE, 100)
    drawn = Annotations(
        [
            Annotation("Tumor", shapely.box(0, 0, 128, 512)),
            Annotation("Tumur", shapely.box(256, 0, 320, 64)),
            Annotation("Tumur", shapely.box(256, 64, 320, 128)),
            Annotation("Ignore*", shapely.box(320, 0, 384, 64)),
        ],
        passed,
    )
    mask = np.arange(96)[None, :].repeat(64, 0) < 48
    footer = footer_of(make_slide("s"), drawn, mask)
    told = {(e.kind, e.reason): (e.count, e.area_um2) for e in read_ledger(footer)}
    assert told == {
        ("outlines", "name 'Tumur' is no class"): (2, 2 * 64 * 64 * 0.25),
        ("outlines", "left out by its name 'Ignore*'"): (1, 64 * 64 * 0.25),
        ("outlines", "detection (no outline)"): (1, 1000.0),
        ("outlines", OUTSIDE): (1, 25.0),
        ("tiles", "too little tissue"): (48, 48 * 1024.0),
        ("labels", "touching an outline whose name is no class"): (2, 2 * 1024.0),
        ("labels", "touching a region that is left out"): (1, 1024.0),
    }
    shares = {e.reason: e.share for e in read_ledger(footer)}
    assert shares["name 'Tumur' is no class"] == 2 / 6
    assert shares["too little tissue"] == 0.5
    assert footer["unlisted_names"] == {"Tumur": "tumour"}
    json.dumps(footer, allow_nan=False)
    lines = tell_ledger(footer)
    assert any("tile.labels.names: {Tumur: tumour}" in line for line in lines)
    assert any("detection" in line for line in lines)


def test_many_names_are_told_in_few_lines(make_slide: Any) -> None:
    drawn = Annotations(
        Annotation(f"Region {n}", shapely.box(n, 0, n + 1, 1 + n)) for n in range(300)
    )
    lines = [e for e in read_ledger(footer_of(make_slide("s"), drawn)) if e.kind == "outlines"]
    assert len(lines) == 21
    assert sum(line.count or 0 for line in lines) == 300


def test_empty_tables_say_the_largest_cause(make_slide: Any) -> None:
    none = footer_of(make_slide("s"), None, np.zeros((64, 96), bool))
    assert none["reason"] == "no tissue found"
    inked = with_tissue(none, [Entry("tissue", "a fold", None, 1.0, 0.01), INK])
    assert inked["reason"] == ("no tissue found: 96 % of the stained area was taken for green ink")
    assert with_tissue(none, [])["reason"] == "no tissue found"
    assert any("96 %" in line for line in tell_ledger(inked))
    crumbs = np.zeros((64, 96), bool)
    crumbs[::8, ::8] = True
    reason = footer_of(make_slide("s"), None, crumbs)["reason"]
    assert "min_tissue_fraction" in reason
    whole = with_tissue(footer_of(make_slide("s"), None), [INK])
    assert whole["reason"] is None  # tiles are left
    assert read_ledger(whole)[-1] == INK


def test_a_slide_whose_tiles_are_all_excluded_says_why(
    make_slide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histotile.data import source
    from histotile.slides.slide import UnreadableTile

    def damaged(*_: Any) -> Any:
        raise UnreadableTile("damaged")

    monkeypatch.setattr(source, "read_tile", damaged)
    footer = footer_of(make_slide("s"), None)
    assert footer["reason"] == "not one of 96 tiles with tissue can be used (96 unreadable)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps([INK.to_json()]), [INK]),
        (None, []),
        ("no JSON", []),
        ('[{"other": 1}]', []),
        ("7", []),
    ],
)
def test_masks_bring_their_own_entries(
    tmp_path: Path, text: str | None, expected: list[Entry]
) -> None:
    info = PngImagePlugin.PngInfo()
    if text is not None:
        info.add_itxt("histotile", text)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "m.png", pnginfo=info)
    assert of_mask(tmp_path / "m.png") == expected


def test_outlines_that_are_not_asked_for_are_told(make_slide: Any) -> None:
    drawn = Annotations([Annotation("Tumor", shapely.box(0, 0, 9, 9))])
    (told,) = read_ledger(footer_of(make_slide("s"), drawn, source="slide"))
    assert (told.kind, told.count) == ("outlines", 1)


def test_outlines_too_small_to_label_a_tile_are_told(make_slide: Any) -> None:
    drawn = Annotations([Annotation("Tumor", shapely.box(64, 64, 66, 66))], PassedOver())
    told = [e for e in read_ledger(footer_of(make_slide("s"), drawn)) if e.kind == "outlines"]
    assert [(e.count, e.area_um2) for e in told] == [(1, 1.0)]
    assert "'tumour'" in told[0].reason
