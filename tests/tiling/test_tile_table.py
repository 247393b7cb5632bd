"""The tile table: exact measures whatever the threads, and a reason where there is no tile."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from histotile.config import Labels, Quality, Tile
from histotile.data import source as module
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.slides.annotations.read import Annotation
from histotile.slides.inspection import Inspection
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.tile_reader import read_tile
from histotile.slides.tissue import quality
from histotile.slides.tissue.tissue import INK
from histotile.tasks.registry import make_task
from histotile.tiling.measures import Readers, mark_tiles, measure_tiles
from histotile.tiling.tile_table import count_tiles, tabulate
from histotile.tiling.truth import SlideTruth

TRUTH = SlideTruth("s", make_task(("healthy", "tumour")), "tumour")
HALF = np.arange(96)[None, :].repeat(64, 0) < 48  # the left half of a slide of 768 x 512 px


def tile_settings(**changes: Any) -> Tile:
    values = {
        "mpp": 0.5,
        "tile_px": 64,
        "stride_px": 64,
        "min_tissue_fraction": 0.5,
        "labels": Labels(
            source="slide", names={}, outside=None, positive_overlap=0.5, negative_overlap=0.02
        ),
        "quality": Quality(
            max_blur_z=2.5, max_pen_fraction=0.05, max_fold_fraction=0.3, exclude=("fold", "pen")
        ),
    }
    return Tile.model_validate({**values, **changes})


def inspection(path: Path, **changes: Any) -> Inspection:
    with Slide.open(path, 0.5) as slide:
        facts: dict[str, Any] = {
            "slide_id": "s",
            "path": str(path),
            "verdict": "ok",
            "problem": None,
            "reason": None,
            "vendor": slide.vendor,
            "width": slide.width,
            "height": slide.height,
            "levels": [
                {"width": w, "height": h, "downsample": d}
                for (w, h), d in zip(slide.level_sizes, slide.downsamples, strict=True)
            ],
            "bounds": tuple(slide.bounds),
            "mpp": 0.5,
            "mpp_source": "test",
            "objective_power": None,
            "checksum": None,
            "hashed": [],
            "bytes": 0,
            "format": "TIFF",
            "warnings": [],
        }
    return Inspection(**{**facts, **changes})


@pytest.mark.parametrize("threads", [1, 3])
def test_measures_are_those_of_each_tile(make_slide: Any, threads: int, tmp_path: Path) -> None:
    path = make_slide("s")
    calls: list[tuple[int, int]] = []
    columns, footer = tabulate(
        inspection(path), None, TRUTH, tile_settings(), Readers(threads, lambda *a: calls.append(a))
    )
    tables.write_table(tmp_path / "t.parquet", columns, tables.TILES, footer)
    rows = tables.read_table(tmp_path / "t.parquet").to_pylist()
    assert [row["tile_id"] for row in rows] == list(range(96))
    assert [(r["y"], r["x"]) for r in rows] == sorted((r["y"], r["x"]) for r in rows)
    with Slide.open(path, 0.5) as slide:
        for row in rows[::19]:
            rgb = read_tile(slide, row["x"], row["y"], 0.5, 64).reshape(-1, 3).astype(float)
            found = [row[name] for name in tables.COLOUR]
            np.testing.assert_allclose(found, [*rgb.mean(0), *rgb.std(0)], rtol=1e-4)
            measured = quality.measure([read_tile(slide, row["x"], row["y"], 0.5, 64)])[0, :3]
            names = ("sharpness", "pen_fraction", "fold_fraction")
            np.testing.assert_allclose([row[n] for n in names], measured, rtol=1e-4)
    assert {row["label"] for row in rows} == {"tumour"}
    assert {row["overlap"] for row in rows} == {None}
    assert calls[-1] == (96, 96)
    assert tables.read_footer(tmp_path / "t.parquet")["counts"]["labels"]["tumour"] == 96


def test_only_tissue_becomes_tiles_and_pixels_are_read_once(
    make_slide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[tuple[int, int]] = []

    def counted(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        reads.append((x, y))
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(module, "read_tile", counted)
    path = make_slide("s")
    columns, footer = tabulate(inspection(path), HALF, TRUTH, tile_settings(), Readers(1))
    assert columns["x"].max() == 320
    assert reads == list(zip(columns["x"].tolist(), columns["y"].tolist(), strict=True))
    assert footer["counts"] == {
        "grid": 96,
        "no_tissue": 48,
        "tiles": 48,
        "excluded": footer["counts"]["excluded"],
        "labels": {"healthy": 0, "tumour": 48, "none": 0},
    }
    assert (footer["size_level0_px"], footer["tile_mpp"], footer["tile_px"]) == (64.0, 0.5, 64)
    json.dumps(footer, allow_nan=False)


def test_a_class_called_none_is_counted_apart_from_tiles_without_label() -> None:
    counts = count_tiles(3, ["none", None, None], [None] * 3, make_task(("none", "tumour")))
    assert counts["labels"] == {"none": 1, "tumour": 0, "no label": 2}


def test_labels_come_from_outlines(make_slide: Any) -> None:
    outlines = [
        Annotation("Tumour", shapely.box(0, 0, 160, 512)),
        Annotation("fat", shapely.box(600, 0, 609, 9)),
    ]
    truth = SlideTruth("s", make_task(("healthy", "tumour")), "tumour", outlines)
    labels = Labels(
        source="annotation", names={}, outside="healthy", positive_overlap=0.6, negative_overlap=0
    )
    columns, footer = tabulate(
        inspection(make_slide("s")), None, truth, tile_settings(labels=labels), Readers(2)
    )
    expected = {0: "tumour", 64: "tumour", 128: None, 192: "healthy"}
    places = zip(columns["x"].tolist(), columns["y"].tolist(), columns["label"], strict=True)
    for x, y, label in places:
        expected_here = None if (x, y) == (576, 0) else expected.get(x, "healthy")
        assert label == expected_here
    assert footer["counts"]["labels"] == {"healthy": 71, "tumour": 16, "none": 9}


def test_damaged_tiles_stay_as_rows_without_measures(
    make_slide: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def damaged(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        if y == 64:
            raise UnreadableTile("damaged")
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(module, "read_tile", damaged)
    columns, footer = tabulate(
        inspection(make_slide("s")), None, TRUTH, tile_settings(), Readers(2)
    )
    assert footer["counts"]["excluded"]["unreadable"] == 12
    tables.write_table(tmp_path / "t.parquet", columns, tables.TILES, footer)
    for row in tables.read_table(tmp_path / "t.parquet").to_pylist():
        broken = row["y"] == 64
        assert (row["excluded"] == "unreadable") == broken
        assert (row["mean_r"] is None) == broken
        assert (row["sharpness"] is None) == broken
        assert row["label"] == "tumour"


def test_other_errors_are_raised(make_slide: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        if (x, y) == (640, 448):
            raise MemoryError("no more")
        return read_tile(slide, x, y, mpp, tile_px)

    monkeypatch.setattr(module, "read_tile", broken)
    with pytest.raises(MemoryError, match="no more"):
        tabulate(inspection(make_slide("s")), None, TRUTH, tile_settings(), Readers(2))


@pytest.mark.parametrize("count", [0, 1, 40, 2500])
def test_progress_is_told_task_by_task(count: int) -> None:
    blank = np.zeros((8, 8, 3), np.uint8)
    told: list[tuple[int, int]] = []
    measures = measure_tiles(lambda _: blank, count, Readers(2, lambda *a: told.append(a)))
    assert measures.shape == (count, 9)
    assert not np.isnan(measures).any()
    assert len(told) == (count + 15) // 16
    assert [total for _, total in told] == [count] * len(told)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert (told[-1][0] if told else 0) == count


def test_first_excluding_mark_that_applies_is_named() -> None:
    measures = np.zeros((40, 9), np.float32)
    measures[:, 0] = np.linspace(1, 1.1, 40)
    measures[0, 0] = 0.01  # blurred, but blur does not exclude here
    measures[1, 1] = 0.9
    measures[2, 1:3] = 0.9
    measures[3] = np.nan
    marks, excluded = mark_tiles(measures, tile_settings().quality, of_slide=True)
    assert excluded == [None, "pen", "fold", "unreadable", *[None] * 36]
    assert [marks[name].nonzero()[0].tolist() for name in ("blur", "pen", "fold")] == [
        [0],
        [1, 2],
        [2],
    ]


def test_slide_that_cannot_be_read_at_all_has_rows_but_no_marks(
    make_slide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: Any) -> np.ndarray:
        raise UnreadableTile("damaged")

    monkeypatch.setattr(module, "read_tile", damaged)
    columns, _ = tabulate(inspection(make_slide("s")), None, TRUTH, tile_settings(), Readers(2))
    assert columns["excluded"] == ["unreadable"] * 96
    assert not columns["blur"].any()


@pytest.mark.parametrize(
    ("changes", "mask", "grid", "reason"),
    [
        ({"verdict": "quarantined", "reason": "cut short", "mpp": None}, None, 0, "cut short"),
        ({}, np.zeros((64, 96), np.uint8), 96, "no tissue found"),
        ({"bounds": (0, 0, 60, 512)}, None, 0, "smaller than a tile"),
    ],
)
def test_no_tile_is_a_table_of_zero_rows_with_a_reason(
    make_slide: Any, tmp_path: Path, changes: Any, mask: Any, grid: int, reason: str
) -> None:
    facts = inspection(make_slide("s"), **changes)
    columns, footer = tabulate(facts, mask, TRUTH, tile_settings(), Readers(2))
    tables.write_table(tmp_path / "t.parquet", columns, tables.TILES, footer)
    assert tables.read_table(tmp_path / "t.parquet").num_rows == 0
    footer = tables.read_footer(tmp_path / "t.parquet")
    assert reason in footer["reason"]
    assert footer["counts"]["grid"] == grid
    assert footer["verdict"] == facts.verdict


def test_pen_is_what_the_mask_says_and_never_asked_of_the_tiles(make_slide: Any) -> None:
    levels = np.full((64, 96), 255, np.uint8)
    levels[:, 36:48] = INK
    settings = tile_settings()
    settings = settings.model_copy(
        update={
            "min_tissue_fraction": 0.0,
            "quality": settings.quality.model_copy(update={"exclude": None}),
        }
    )
    columns, footer = tabulate(inspection(make_slide("s")), levels, TRUTH, settings, Readers(2))
    pen = np.asarray(columns["pen_fraction"], float)
    inked = (columns["x"] + 64 > 36 * 8) & (columns["x"] < 48 * 8)
    assert pen == pytest.approx(np.where(inked, pen, 0))
    assert pen.mean() == pytest.approx(12 / 96, abs=0.01)
    assert [e for e in columns["excluded"] if e] == ["pen"] * inked.sum()
    assert footer["counts"]["excluded"] == {"pen": inked.sum()}


def test_mask_of_another_slide_is_refused(make_slide: Any) -> None:
    with pytest.raises(HistotileError, match="96 x 96 px do not cover"):
        tabulate(
            inspection(make_slide("s")),
            np.full((96, 96), 255, np.uint8),
            TRUTH,
            tile_settings(),
            Readers(1),
        )


def test_memory_does_not_grow_with_the_number_of_tiles(make_slide: Any) -> None:
    def peak(stride_px: int) -> tuple[int, int]:
        tracemalloc.start()
        settings = tile_settings(stride_px=stride_px)
        columns, _ = tabulate(inspection(make_slide("s")), None, TRUTH, settings, Readers(2))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return len(columns["x"]), top

    peak(64)  # imports and pools
    few, small = peak(64)
    many, large = peak(16)
    assert many > 10 * few
    assert large - small < 200 * (many - few)


def test_real_slide(shared_data: Path) -> None:
    path = shared_data / "slides" / "CMU-1-Small-Region.svs"
    facts = inspection(path, mpp=0.499)
    columns, footer = tabulate(
        facts, None, TRUTH, tile_settings(mpp=1.0, tile_px=224, stride_px=224), Readers(2)
    )
    assert len(columns["x"]) == 4 * 6
    assert footer["size_level0_px"] == pytest.approx(448.9, abs=0.1)
    assert columns["mean_r"].min() > 100
