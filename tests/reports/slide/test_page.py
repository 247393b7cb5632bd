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
from histotile.reports.slide.deepzoom import Level, Pyramid
from histotile.reports.slide.page import list_regions, render_slide_page
from histotile.reports.slide.viewer_data import Scene
from histotile.trust.judging import Familiarity

Read = Callable[[str], Any]
Make = Callable[..., SlideFacts]


def test_numbers_shown_are_the_numbers_given(make_slide: Make, read: Read) -> None:
    page = read(render_slide_page(make_slide()))
    assert ["lesion", "0.877"] in page.rows and ["healthy", "0.123"] in page.rows
    assert page.row("used") == ["1,234", "31 %"]
    assert page.row("excluded: pen ink") == ["40", "1 %"]
    assert page.row("excluded: unreadable") == ["2", "<1 %"]
    assert page.row("rejected: too little tissue") == ["2,724", "68 %"]
    assert page.row("positions of the grid") == ["4,000", ""]
    assert (page.row("blurred")[0], page.row("tissue fold")[0]) == ("31", "5")
    assert page.row("torch") == ["2.13.0"]
    terms = page.terms
    assert terms["Pred"] == "lesion not the label" and terms["Label"] == "healthy"
    assert terms["Predicted by"].startswith("the model of fold 3")
    assert terms["Tiles used"] == "1,234 of 4,000 on the grid"
    assert terms["Area of tiles used"] == "49.4 mm²"  # 1,234 tiles of (200 px at 1 um/px) squared
    assert terms["mpp of the slide"] == "0.4991 µm/px openslide.mpp-x"
    assert terms["Size"].startswith("46,000 × 32,914 px")
    assert (terms["SHA-256"], terms["Model"]) == ("5f3c2f0e" * 8, "resnet18-3f9a")
    for shown in (
        "0.987 x 12,345, y 67,890",
        "the TIFF tags say another mpp",
        '"min_tissue_fraction": 0.37',
    ):
        assert shown in page.text


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
    page = read(render_slide_page(make_quarantined()))
    assert "incomplete bitstream at level 0" in page.text
    assert (page.count("bad"), page.count("scores"), page.count("empty")) == (1, 0, 3)


def test_slide_without_tiles_is_flagged_and_has_no_score(make_empty: Make, read: Read) -> None:
    page = read(render_slide_page(make_empty()))
    assert (page.count("warn"), page.count("banner"), page.count("scores")) == (1, 1, 0)
    assert page.row("rejected: too little tissue") == ["900", "100 %"]
    assert "nan" not in page.text.lower().split()


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
    inherited = {**(facts.tiles or {}), "labels_source": "slide"}
    weak, new = (
        make_slide(has_patients=False, tiles=inherited),
        make_slide(label=None, tiles=inherited),
    )
    shown = [read(render_slide_page(each)).count("banner") for each in (weak, facts, new)]
    assert shown == [2, 0, 0]


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
    page = read(render_slide_page(make_slide(score=score)))
    assert ["lesion", "0.877 range 0.811 to 0.922 calibrated probability 0.765"] in page.rows
    assert ["healthy", "0.123"] in page.rows


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
    page = read(render_slide_page(make_slide(familiarity=FOREIGN)))
    banners = [found for _, found in page.elements if "banner" in str(found.get("class")).split()]
    assert (banners[0]["class"], banners[0]["role"]) == ("banner foreign", "alert")
    assert page.count("meaningless") == 1
    assert page.terms["Familiar to the model"].startswith("foreign, distance 4.21")
    assert "in colour and sharpness" in page.text


def test_a_familiar_slide_has_no_banner_and_no_grey(make_slide: Make, read: Read) -> None:
    like = replace(FOREIGN, flag="familiar", distance=0.3, false_alarms=0.01)
    page = read(render_slide_page(make_slide(familiarity=like)))
    assert (page.count("banner"), page.count("meaningless")) == (0, 0)
    assert page.terms["Familiar to the model"].startswith("familiar, distance 0.30")
    assert "at most 1 %" in page.terms["Familiar to the model"]


def test_what_the_model_cannot_tell_is_unknown(make_slide: Make, read: Read) -> None:
    page = read(render_slide_page(make_slide(familiarity=Familiarity())))
    assert page.terms["Familiar to the model"].startswith("unknown")


def test_predicted_slide_without_a_row_of_scores_has_no_table_of_them(
    make_slide: Make, read: Read
) -> None:
    page = read(render_slide_page(make_slide(score=None)))
    assert (page.count("scores"), page.count("empty")) == (0, 1)


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


def test_offsets_behind_a_call_are_told(make_slide: Make, read: Read) -> None:
    moved = SlideScore(
        {"healthy": 0.6, "lesion": 0.4}, "lesion", "0", offsets={"healthy": -0.5, "lesion": 0.5}
    )
    text = " ".join(read(render_slide_page(make_slide(score=moved))).text.split())
    assert "healthy -0.5, lesion 0.5" in text
    still = SlideScore(
        {"healthy": 0.6, "lesion": 0.4}, "healthy", "0", offsets={"healthy": 0.0, "lesion": 0.0}
    )
    assert "Called after" not in render_slide_page(make_slide(score=still))
