import base64
from collections.abc import Callable
from typing import Any

import pytest

from histotile.reports.facts import SlideFacts, SlideScore
from histotile.reports.slide_page import render_slide_page

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
