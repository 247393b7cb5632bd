import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shapely.geometry import box

from histotile.heatmaps.probability_map import ProbabilityMap
from histotile.heatmaps.regions import Region
from histotile.reports.facts import SlideFacts, SlideScore
from histotile.reports.slide import page as slide_page
from histotile.reports.slide.deepzoom import (
    Level,
    Pyramid,
)
from histotile.reports.slide.page import (
    list_regions,
    render_slide_page,
)
from histotile.reports.slide.viewer_data import Scene
from histotile.trust.judging import Familiarity

Read = Callable[[str], Any]
Make = Callable[..., SlideFacts]


def test_numbers_shown_are_the_numbers_given(make_slide: Make, read: Read) -> None:
    text = read(render_slide_page(make_slide())).text
    for shown in (
        "lesion 0.877",
        "healthy 0.123",
        "Pred lesion not the label",
        "Label healthy",
        "the model of fold 3",
        "Tiles used 1,234 of 4,000 on the grid",
        "used 1,234 31 %",
        "excluded: pen ink 40 1 %",
        "excluded: unreadable 2 <1 %",
        "rejected: too little tissue 2,724 68 %",
        "positions of the grid 4,000",
        "Area of tiles used 49.4 mm²",  # 1,234 tiles of (200 px at 1 um/px) squared
        "blurred 31",
        "tissue fold 5",
        "0.4991 µm/px openslide.mpp-x",
        "0.987 x 12,345, y 67,890",
        "46,000 × 32,914 px",
        "Worth knowing the TIFF tags say another mpp",
        "5f3c2f0e" * 8,
        "resnet18-3f9a",
        '"min_tissue_fraction": 0.37',
        "torch 2.13.0",
    ):
        assert shown in text


def test_pictures_are_inside_the_page_unchanged(
    make_slide: Make, read: Read, picture: bytes
) -> None:
    sources = read(render_slide_page(make_slide())).values("src", "img")
    heatmap = base64.b64decode(sources[0].removeprefix("data:image/png;base64,"))
    assert heatmap == picture
    assert len(sources) == 3  # heatmap, one top tile, mask


def test_quarantined_slide_shows_its_reason_and_no_result(
    make_quarantined: Make, read: Read
) -> None:
    text = read(render_slide_page(make_quarantined())).text
    assert "Quarantined. Unreadable: incomplete bitstream at level 0" in text
    assert "No score: the slide is quarantined" in text
    assert "The slide was not tiled" in text


def test_slide_without_tiles_is_flagged_and_has_no_score(make_empty: Make, read: Read) -> None:
    text = read(render_slide_page(make_empty())).text
    assert "No tiles. Not one tile of this slide was used" in text
    assert "No score: the slide has no tiles" in text
    assert "rejected: too little tissue 900 100 %" in text
    assert "nan" not in text.lower().split()


def test_new_slide_without_label_is_predicted_by_the_ensemble(make_slide: Make, read: Read) -> None:
    facts = make_slide(
        label=None,
        has_patients=None,
        cohort_page=None,
        score=SlideScore({"lesion": 0.5}, "lesion"),
    )
    page = read(render_slide_page(facts))
    assert "Label none" in page.text
    assert "the ensemble of all folds" in page.text
    assert "not the label" not in page.text
    assert not [link for link in page.values("href") if "index.html" in link]


@pytest.mark.parametrize(
    ("fold", "words"),
    [
        ("0", "Predicted by the model of fold 0 never trained on this slide"),
        ("holdout", "Predicted by the ensemble of all folds fixed test set"),
        ("new", "Predicted by the ensemble of all folds Tiles used"),
        (None, "Predicted by the ensemble of all folds Tiles used"),
    ],
)
def test_page_says_which_model_predicted(
    fold: str | None, words: str, make_slide: Make, read: Read
) -> None:
    score = SlideScore({"healthy": 0.4, "lesion": 0.6}, "lesion", fold)
    assert words in read(render_slide_page(make_slide(score=score))).text


def test_pages_tell_of_inherited_labels_and_unknown_patients(make_slide: Make, read: Read) -> None:
    facts = make_slide()
    weak = make_slide(has_patients=False, tiles={**(facts.tiles or {}), "labels_source": "slide"})
    text = read(render_slide_page(weak)).text
    assert "Patient leakage cannot be excluded" in text
    assert "Tile labels are inherited from slides" in text
    assert "Attention." not in read(render_slide_page(facts)).text
    new = make_slide(label=None, tiles={**(facts.tiles or {}), "labels_source": "slide"})
    assert "Attention." not in read(render_slide_page(new)).text


def test_score_tells_its_range_and_only_what_the_run_has(make_slide: Make, read: Read) -> None:
    plain = read(render_slide_page(make_slide())).text
    assert "range" not in plain
    assert "calibrated" not in plain
    assert "Familiar to the model" not in plain
    score = SlideScore(
        {"healthy": 0.1234, "lesion": 0.8766},
        "lesion",
        intervals={"lesion": (0.8111, 0.9222)},
        calibrated={"lesion": 0.7654},
    )
    text = read(render_slide_page(make_slide(score=score))).text
    assert "lesion 0.877 range 0.811 to 0.922 calibrated probability 0.765" in text
    assert "healthy 0.123 Range:" not in text
    assert "range over resampled blocks of this slide's tissue; not a measure of how often" in text


FOREIGN = Familiarity(
    "foreign",
    4.21,
    0.67,
    ["in colour and sharpness"],
    10,
    None,
    {"familiar": 1, "unusual": 2, "foreign": 7},
)


def test_a_foreign_slide_says_so_first_of_all_and_its_score_is_greyed(
    make_slide: Make, read: Read
) -> None:
    page = render_slide_page(make_slide(familiarity=FOREIGN))
    text = read(page).text
    assert text.index("Foreign slide.") < text.index("Research use only.")
    assert "distance 4.21" in text
    assert "in colour and sharpness" in text
    assert "too few to say" in text.casefold()
    assert 'class="scores meaningless"' in page


def test_a_familiar_slide_has_no_banner_and_no_grey(make_slide: Make, read: Read) -> None:
    like = replace(FOREIGN, flag="familiar", distance=0.3, false_alarms=0.01)
    page = render_slide_page(make_slide(familiarity=like))
    text = read(page).text
    assert "Foreign slide." not in text
    assert 'meaningless"' not in page
    assert "familiar, distance 0.30" in text
    assert "at most 1 %" in text


def test_what_the_model_cannot_tell_is_unknown(make_slide: Make, read: Read) -> None:
    text = read(render_slide_page(make_slide(familiarity=Familiarity()))).text
    assert "Familiar to the model unknown" in text


def test_predicted_slide_without_a_row_of_scores_says_so(make_slide: Make, read: Read) -> None:
    text = read(render_slide_page(make_slide(score=None))).text
    assert "No score: no table of slide scores lists it" in text


@pytest.fixture
def scene() -> Scene:
    found = ProbabilityMap(np.full((2, 3, 4), 0.7, np.float32), ("healthy", "lesion"), 0, 0, 50, 50)
    p = np.full((12, 2), 0.5, np.float32)
    places = (np.arange(12) % 4 * 50, np.arange(12) // 4 * 50)
    return Scene(200, 150, 0.5, "lesion", 0.5, 0.5, "viridis", found, 50.0, places, p)


def scene_of(page: str) -> Any:
    (text,) = re.findall('<script type="application/json" id="scene">(.*?)</script>', page, re.S)
    return json.loads(text)


def test_page_holds_the_scene_and_the_picture_inside(
    make_slide: Make, scene: Scene, read: Read
) -> None:
    picture = np.full((150, 200, 3), 230, np.uint8)
    page = render_slide_page(make_slide("a</script>b", scene=scene, picture=picture))
    data = scene_of(page)
    assert data["map"]["columns"] == 4
    (tile,) = data["picture"]["levels"][0]["tiles"]
    shown = Image.open(io.BytesIO(base64.b64decode(tile.partition(",")[2])))
    assert shown.size == (200, 150)
    assert not [e for e in read(page).elements if e[0] == "script" and "src" in e[1]]


def test_page_keeps_its_limit_by_shrinking_the_picture(
    make_slide: Make, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), dtype=np.uint8)
    facts = make_slide(scene=scene, picture=noise)
    free = len(render_slide_page(facts).encode())
    limit = free - 800_000
    monkeypatch.setattr(slide_page, "MOST_BYTES", limit)
    page = render_slide_page(facts)
    assert limit - 900_000 < len(page.encode()) <= limit
    assert scene_of(page)["slide"] == {"width": 200, "height": 150, "mpp": 0.5}


def test_pictures_in_a_folder_are_named_not_held(make_slide: Make, scene: Scene) -> None:
    pyramid = Pyramid(200, 150, [Level(200, 150)], "S%201_files")
    data = scene_of(render_slide_page(make_slide(scene=scene, picture=pyramid)))
    assert data["picture"]["folder"] == "S%201_files"
    assert "tiles" not in data["picture"]["levels"][0]


def test_regions_are_numbered_in_their_order(make_slide: Make, scene: Scene, read: Read) -> None:
    areas = (
        Region("lesion", box(0, 0, 9, 9), 1.25, 3, 0.987, 0.654, (12345.0, 67890.0)),
        Region("lesion", box(0, 0, 9, 9), 0.0125, 1, 0.6, 0.6, (1.0, 2.0)),
    )
    rows = list_regions(areas)
    assert [(row.number, row.area_mm2, row.x, row.y) for row in rows] == [
        (1, 1.25, 12345, 67890),
        (2, 0.0125, 1, 2),
    ]
    picture = np.zeros((150, 200, 3), np.uint8)
    facts = make_slide(scene=scene, picture=picture, regions=areas)
    text = read(render_slide_page(facts)).text
    for shown in ("0.987", "0.654", "12,345", "67,890"):
        assert shown in text
