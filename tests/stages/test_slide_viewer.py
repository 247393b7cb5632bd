"""Slide pages from the files of a run: one white slide whose bounds begin inside it."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from histotile.config.yaml_file import read_config
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.atomic import write_json
from histotile.io.cohort import Cohort, CohortSlide
from histotile.reports.slide.deepzoom import Pyramid
from histotile.stages import report_slide
from histotile.stages.results_folder import Gathered
from histotile.stages.slide_viewer import slide_facts

WIDTH, HEIGHT, SIDE = 1400, 900, 100
LEFT, TOP = 200, 100  # corner of the bounds
DARK = (700, 300)  # corner of a black tile


def page_of(gathered: Gathered, slide: CohortSlide, *more: Any, **facts: Any) -> Path:
    """The page of the slide, written."""
    outputs = report_slide.Outputs.of_slide(gathered.results, slide.slide_id)
    report_slide.write_slide_page(outputs, gathered, slide, *more, **facts)
    return outputs.page


@pytest.fixture
def rgb() -> Any:
    pixels = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    pixels[DARK[1] : DARK[1] + SIDE, DARK[0] : DARK[0] + SIDE] = 0
    return pixels


@pytest.fixture
def slide(tmp_path: Path, rgb: Any) -> CohortSlide:
    """A slide on disk with its annotation around the black tile, in QuPath's px."""
    path = tmp_path / "S & 1.tiff"
    resolution: dict[str, Any] = {"resolution": (2e4, 2e4), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, rgb, tile=(64, 64), photometric="rgb", **resolution)
    x, y = DARK[0] - LEFT, DARK[1] - TOP
    ring = [[x, y], [x + SIDE, y], [x + SIDE, y + SIDE], [x, y + SIDE], [x, y]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": "TUMOR"}},
    }
    drawn = tmp_path / "drawn.geojson"
    drawn.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return CohortSlide("S & 1", "P", path, "tumour", drawn)


@pytest.fixture
def gather(tmp_path: Path, slide: CohortSlide, repository: Path) -> Callable[..., Gathered]:
    """A run of that slide: 6 x 4 tiles, the second excluded, the third blurred."""
    results = tmp_path / "results"
    rows, columns = np.mgrid[:4, :6]
    x, y = (LEFT + SIDE * columns).ravel(), (TOP + SIDE * rows).ravel()
    n = len(x)
    excluded: list[str | None] = [None] * n
    excluded[1] = "pen"
    nothing = {name: [None] * n for name in tables.TILES.names}
    known = {"tile_id": range(n), "x": x, "y": y, "excluded": excluded}
    marks = {"blur": np.arange(n) == 2, "pen": np.arange(n) == 1, "fold": np.zeros(n, bool)}
    footer = {
        "slide_id": slide.slide_id,
        "path": str(slide.path),
        "mpp": 0.5,
        "tile_mpp": 1.0,
        "tile_px": SIDE // 2,
        "size_level0_px": float(SIDE),
        "stride_level0_px": float(SIDE),
        "width": WIDTH,
        "height": HEIGHT,
        "bounds": [LEFT, TOP, 600, 400],
        "classes": ["healthy", "tumour"],
        "labels_source": "annotation",
        "verdict": "ok",
        "reason": None,
        "counts": {"grid": n, "no_tissue": 0, "tiles": n, "excluded": {"pen": 1}},
    }
    name = f"{slide.slide_id}.parquet"
    tables.write_table(results / "tile" / name, nothing | known | marks, tables.TILES, footer)
    is_dark = (x == DARK[0]) & (y == DARK[1])
    p = np.where(is_dark, 0.95, 0.1)
    p[4] = 0.45
    used = np.arange(n) != 1
    columns_of = {"tile_id": np.arange(n), "x": x, "y": y, "prob_healthy": 1 - p, "prob_tumour": p}
    columns_of |= {"distance": np.zeros(n), "familiarity": np.full(n, "familiar", object)}
    tables.write_table(
        results / "predict" / name,
        {key: values[used] for key, values in columns_of.items()},
        tables.prediction_schema(("prob_healthy", "prob_tumour")),
        {"models": ["m"]},
    )
    inspection = {"slide_id": slide.slide_id, "verdict": "ok", "mpp": 0.5, "path": str(slide.path)}
    write_json(results / "inspect" / f"{slide.slide_id}.json", inspection)
    config = read_config(repository / "config/config.yaml")
    labels = config.tile.labels.model_copy(update={"names": {"Tumor": "tumour"}})
    config = config.model_copy(
        update={
            "classes": ("healthy", "tumour"),
            "tile": config.tile.model_copy(update={"labels": labels}),
        }
    )
    cohort = Cohort((slide,), has_patients=True)

    def make(**report: Any) -> Gathered:
        return Gathered(results, cohort, config, config.report.model_copy(update=report))

    return make


def test_everything_lies_in_the_frame_of_the_slide(
    gather: Callable[..., Gathered], slide: CohortSlide, rgb: Any
) -> None:
    facts = slide_facts(gather(), slide)
    scene = facts.scene
    assert scene is not None
    assert (scene.width, scene.height) == (WIDTH, HEIGHT)
    assert (scene.found.x0, scene.found.y0, scene.found.step) == (LEFT, TOP, SIDE)
    (outline,) = scene.outlines
    dark = (*DARK, DARK[0] + SIDE, DARK[1] + SIDE)
    assert outline.polygon.bounds == dark
    assert (outline.name, outline.class_name) == ("TUMOR", "tumour")
    (region,) = facts.regions
    assert region.polygon.bounds == dark
    assert region.peak == (DARK[0] + SIDE / 2, DARK[1] + SIDE / 2)
    assert region.area_mm2 == pytest.approx((SIDE * 0.5e-3) ** 2)
    np.testing.assert_array_equal(facts.picture, rgb)


def test_tiles_set_aside_and_marked_are_told_apart(
    gather: Callable[..., Gathered], slide: CohortSlide
) -> None:
    scene = slide_facts(gather(), slide).scene
    assert scene is not None
    assert len(scene.places[0]) == len(scene.probabilities) == 23
    places = {why: (x.tolist(), y.tolist()) for why, (x, y) in scene.rejected.items()}
    assert places == {"pen": ([LEFT + SIDE], [TOP])}
    places = {why: (x.tolist(), y.tolist()) for why, (x, y) in scene.marked.items()}
    assert places == {"blur": ([LEFT + 2 * SIDE], [TOP])}


def test_galleries_show_the_most_probable_and_the_closest_call(
    gather: Callable[..., Gathered], slide: CohortSlide
) -> None:
    facts = slide_facts(gather(top_tiles=3), slide)
    top, uncertain = facts.top_tiles, facts.uncertain_tiles
    assert (len(top), len(uncertain)) == (3, 3)
    assert (top[0].x, top[0].y) == DARK
    assert top[0].probability == pytest.approx(0.95)
    assert isinstance(top[0].image, bytes)
    pixels = np.asarray(Image.open(io.BytesIO(top[0].image)))
    assert pixels.shape == (SIDE // 2, SIDE // 2, 3)
    assert pixels.mean() < 3
    assert (uncertain[0].x, uncertain[0].y) == (LEFT + 4 * SIDE, TOP)
    assert [name for name, _ in uncertain[0].rivals] == ["healthy", "tumour"]
    assert [p for _, p in uncertain[0].rivals] == pytest.approx([0.55, 0.45])
    nothing = slide_facts(gather(top_tiles=0), slide)
    assert not nothing.top_tiles
    assert not nothing.uncertain_tiles


def test_mask_becomes_one_bit_per_px(gather: Callable[..., Gathered], slide: CohortSlide) -> None:
    gathered = gather()
    tissue = np.zeros((90, 140), np.uint8)
    tissue[30:60, 20:80] = 255
    (gathered.results / "mask").mkdir()
    Image.fromarray(tissue).save(gathered.results / "mask" / f"{slide.slide_id}.png")
    scene = slide_facts(gathered, slide).scene
    assert scene is not None
    assert scene.mask is not None
    image = Image.open(io.BytesIO(scene.mask))
    assert image.mode == "1"
    np.testing.assert_array_equal(np.asarray(image), tissue > 0)


def test_slide_without_predictions_has_no_viewer(
    gather: Callable[..., Gathered], slide: CohortSlide
) -> None:
    gathered = gather()
    (gathered.results / "predict" / f"{slide.slide_id}.parquet").unlink()
    slide.path.unlink()
    facts = slide_facts(gathered, slide)
    assert facts.scene is None
    assert facts.picture is None
    assert facts.tiles is not None


@pytest.mark.parametrize("text", [None, "{"])
def test_missing_or_damaged_inspection_is_named_with_its_remedy(
    gather: Callable[..., Gathered], slide: CohortSlide, text: str | None
) -> None:
    path = gather().results / "inspect" / f"{slide.slide_id}.json"
    path.unlink()
    if text:
        path.write_text(text)
    with pytest.raises(HistotileError) as caught:
        slide_facts(gather(), slide)
    assert str(path) in str(caught.value)
    assert "histotile inspect" in str(caught.value)


def test_full_resolution_folder_holds_the_file_s_own_pixels_and_goes_with_the_setting(
    gather: Callable[..., Gathered], slide: CohortSlide, rgb: Any
) -> None:
    page = page_of(gather(full_resolution=True), slide)
    folder = page.with_name("S & 1_files")
    levels = sorted(int(level.name) for level in folder.iterdir())
    assert levels == [0, 1, 2]
    corner = np.asarray(Image.open(folder / "2/2_1.jpg")).astype(int)
    assert corner.shape == (HEIGHT - 512, WIDTH - 1024, 3)
    first = np.asarray(Image.open(folder / "2/1_0.jpg")).astype(int)
    assert np.abs(first - rgb[:512, 512:1024]).max() < 25
    assert '"folder":"S%20%26%201_files"' in page.read_text()
    facts = slide_facts(gather(full_resolution=True), slide, folder)
    assert isinstance(facts.picture, Pyramid)
    page_of(gather(), slide)
    assert not folder.exists()
    assert '"folder":null' in page.read_text()


def test_slide_alone_bears_the_score_given(
    gather: Callable[..., Gathered], slide: CohortSlide
) -> None:
    from histotile.reports.facts import SlideScore

    assert "../index.html" in page_of(gather(), slide).read_text()
    score = SlideScore({"healthy": 0.25, "tumour": 0.7512}, "tumour")
    page = page_of(gather(), slide, score, of_cohort=False).read_text()
    assert "0.751" in page
    assert "../index.html" not in page
