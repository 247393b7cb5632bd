from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from histotile.reports.cohort.page import (
    list_quarantined,
    render_cohort_page,
    tally,
)
from histotile.reports.cohort.remarks import list_remarks
from histotile.reports.cohort.terminal_summary import summary_lines
from histotile.reports.facts import CohortFacts, SlideFacts, SlideScore, summarise_slide
from histotile.reports.run_facts import RunFacts
from histotile.reports.scripts import read_script
from histotile.strategy.record import Decision
from histotile.trust.judging import Familiarity

Read = Callable[[str], Any]
Cohort = Callable[..., CohortFacts]
Slide = Callable[..., SlideFacts]


def test_numbers_shown_are_the_numbers_given(make_cohort: Cohort, read: Read) -> None:
    text = read(render_cohort_page(make_cohort())).text
    for shown in (
        "4 slides of 2 patients from 1 site: 3 ok (1 without tiles), 1 quarantined; "
        "2,468 tiles used.",
        "Tile AUROC network 0.953 95 % interval 0.921 to 0.974",
        "colour-only baseline 0.583 95 % interval 0.511 to 0.641",
        "Lead over colour +0.370 (+0.310 to +0.420)",
        "Slide AUROC network 0.938",
        "colour-only baseline not computed: one class only",
        "Slide AUROC, fixed test set network 0.812",
        "slide balanced accuracy 0.882 0.800 to 0.930 not computed",
        "0 0.964 (0.555)",  # fold 0, tile level
        "1 not computed: one class only",  # fold 1, slide level
        "slide_1 P7 North healthy 0.877 lesion not the label 3 1,234 42 0.4991 µm/px",
        "broken unreadable incomplete bitstream at level 0 slides/broken.svs",
        "used 2,468 28 %",
        "rejected: too little tissue 6,348 71 %",
        "positions of the grid 8,900",
        "From annotations",
    ):
        assert shown in text


def test_every_slide_has_a_row_that_links_its_page(
    make_slide: Slide, make_cohort: Cohort, read: Read
) -> None:
    names = ["plain", "50% #1?.svs", "a&b;c", "<script>", "שקופית", "😐"]
    slides = [summarise_slide(make_slide(name)) for name in names]
    page = read(render_cohort_page(make_cohort(slides=slides, ledger=[])))
    links = [link for link in page.values("href") if link.startswith("slides/")]
    assert [unquote(link) for link in links] == [f"slides/{name}.html" for name in names]
    assert all(link.isascii() and not set(link) & set("?#<>& ") for link in links)


def test_slide_without_tiles_is_flagged(make_cohort: Cohort, read: Read) -> None:
    text = read(render_cohort_page(make_cohort())).text
    assert "pale P7 North healthy none none none 0 0 0.4991 µm/px openslide.mpp-x no tiles" in text


def test_empty_cohort_gives_a_page_that_says_so(read: Read) -> None:
    text = read(render_cohort_page(CohortFacts("Nothing"))).text
    assert "The cohort lists no slide" in text
    assert "0 ok, 0 quarantined" in text


def test_cohort_of_quarantined_slides_gives_their_reasons(
    make_quarantined: Slide, read: Read
) -> None:
    slides = [summarise_slide(make_quarantined(f"broken_{i}")) for i in range(3)]
    text = read(render_cohort_page(CohortFacts("Broken", slides))).text
    assert "All 3 slides are quarantined" in text
    assert text.count("incomplete bitstream at level 0") == 3
    assert "No slide was tiled" in text


def test_missing_measures_are_said_to_be_missing(make_cohort: Cohort, read: Read) -> None:
    html = render_cohort_page(make_cohort(metrics=[], metrics_missing="the slides have no labels"))
    page = read(html)
    assert "Measures not computed: the slides have no labels." in page.text
    assert "#measures" not in page.values("href")


def test_new_slides_without_labels_have_no_columns_for_what_is_unknown(
    make_slide: Slide, read: Read
) -> None:
    score = SlideScore({"lesion": 0.8}, "lesion", "new")
    slide = summarise_slide(make_slide("new", label=None, site=None, patient_id="new", score=score))
    text = read(render_cohort_page(CohortFacts("New", [slide], "lesion"))).text
    assert "Picture Slide Score lesion Pred Tiles used" in text
    assert "1 slide: 1 ok, 0 quarantined" in text
    assert "No tile has a label here: the slides were only predicted." in text


def test_banners_are_told_once_although_the_evaluation_warns_too(
    make_cohort: Cohort, read: Read
) -> None:
    warnings = [
        "The cohort has no patient_id: folds are disjoint by slide only.",
        "Tile labels of all slides are inherited from the slide (weak labels).",
        "Few slides per class.",
    ]
    facts = make_cohort(has_patients=False, labels_source="slide", warnings=warnings)
    text = read(render_cohort_page(facts)).text
    assert text.count("Attention.") == 3
    assert "Patient leakage cannot be excluded" in text
    assert "Tile labels are inherited from slides" in text
    assert "Few slides per class." in text


def test_confusion_has_labels_in_rows(make_cohort: Cohort, read: Read) -> None:
    counts = {("a", "a"): 11, ("a", "b"): 22, ("b", "a"): 33, ("b", "b"): 44}
    rows = [
        {"level": "slide", "model": model, "fold": "all", "label": label, "pred": pred, "count": n}
        for (label, pred), n in counts.items()
        for model in ("network", "colour")
    ]
    text = read(render_cohort_page(make_cohort(confusion=rows))).text
    assert "Label pred a pred b a 11 22 b 33 44" in text


def test_curves_become_pictures_that_cannot_run(make_cohort: Cohort) -> None:
    svg = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'
    pictures = {"pr": svg, "roc": svg}
    html = render_cohort_page(make_cohort(pictures=pictures, curves={"0": svg, "1": svg}))
    assert html.count("data:image/svg+xml;base64,") == 4
    assert "<script>1" not in html and "<svg" not in html
    assert html.index("ROC curves") < html.index("Precision-recall curves")


@pytest.mark.parametrize("has_patients", [True, None])
def test_quarantined_slides_are_listed_once(make_cohort: Cohort, has_patients: bool | None) -> None:
    facts = make_cohort(has_patients=has_patients)
    assert [row["slide_id"] for row in list_quarantined(facts)] == ["broken"]
    unlisted = list_quarantined(make_cohort(ledger=[]))
    assert [(row["slide_id"], row["path"]) for row in unlisted] == [("broken", "slides/broken.svs")]


def test_slides_standing_in_for_patients_are_not_counted_as_patients(
    make_slide: Slide, make_cohort: Cohort
) -> None:
    slides = [summarise_slide(make_slide(name, patient_id=name)) for name in ("a", "b")]
    assert tally(make_cohort(slides=slides, has_patients=False)).patients == 0
    assert tally(make_cohort(slides=slides, has_patients=True)).patients == 2


def test_groups_of_images_have_rows_without_pictures_and_pages(
    make_slide: Slide, make_cohort: Cohort, read: Read
) -> None:
    counts = {"grid": 12, "no_tissue": 0, "tiles": 12, "excluded": {"unreadable": 1}}
    counts |= {"labels": {"healthy": 5, "lesion": 7, "none": 0}, "resized": 12, "cropped": 2}
    made = make_slide(
        "p1", patient_id="p1", label=None, score=None, heatmap=None, mask_overlay=None
    )
    group = summarise_slide(replace(made, tiles={"counts": counts}))
    ledger = [{"slide_id": "p1", "verdict": "ok", "reason": "1 image is unreadable: a.png"}]
    facts = make_cohort(
        slides=[group],
        ledger=ledger,
        labels_source="image",
        has_patients=False,
        warnings=["Patients are unknown: no group.", *list_remarks([group], ledger)],
    )
    page = read(render_cohort_page(facts))
    for words in (
        "1 group from 1 site: 1 ok, 0 quarantined; 11 tiles used.",
        "Patients unknown: leakage between tiles of one patient cannot be excluded.",
        "healthy 5, lesion 7",
        "12 of 12 images were resized to tile_px",
        "2 images were not square",
        "Group p1: 1 image is unreadable: a.png.",
        "the tiles were ready-made",
    ):
        assert words in page.text
    assert page.text.count("Patients") == 1
    assert not [link for link in page.values("href") if link.startswith("slides/")]
    assert not {"Slides", "Picture"} & set(page.text.split())
    lines = "\n".join(summary_lines(facts))
    assert "Groups: 1 ok, 0 quarantined" in lines
    assert "11 used of 12 images" in lines


def test_the_decision_and_its_verification_stand_on_the_cohort_page(
    make_cohort: Cohort, make_decision: Callable[..., Decision]
) -> None:
    assert "How the cohort was learnt" not in render_cohort_page(make_cohort())
    facts = make_cohort(decision=make_decision())
    page = render_cohort_page(facts)
    assert "Strategy: early_probe, chosen by the table (small, features different)" in "\n".join(
        summary_lines(facts)
    )
    assert "How the cohort was learnt: early probe" in page
    assert "../decide/index.html" in page and "86 %" in page


def test_screening_sites_and_patients_are_shown(
    make_cohort: Cohort, evaluated: dict[str, Any], read: Read
) -> None:
    html = render_cohort_page(make_cohort(**evaluated))
    text = read(html).text
    for shown in (
        "sensitivity at specificity of at least 0.90 0.789 0.400 to 0.900 24 12 optimistic",
        "<b>North</b> 12 7 0.876 0.811 to 0.922 not computed not computed: one class only",
        "unknown 12 7 0.876",
        "Scores of 1 patient ",
        "P<i>7 healthy 0.765 lesion not the label 0 2 1,234",
    ):
        assert shown in text, shown
    assert "0.123" not in text  # a fold's own
    assert "<b>North" not in html and "<i>7" not in html
    assert "Screening" not in read(render_cohort_page(make_cohort())).text


def test_cells_carry_values_that_sort(make_cohort: Cohort, read: Read) -> None:
    page = read(render_cohort_page(make_cohort()))
    keys = ["slide", "patient", "site", "label", "score", "pred", "fold"]
    assert page.values("data-key")[:7] == keys
    values = page.values("data-value", "td")
    assert "0.8766" in values and "1234" in values and "0.49912" in values
    assert page.values("data-wrong") == ["1"]  # slide_1 is healthy and was called lesion
    assert "quarantined" in values and "no tiles" in values


def test_only_the_script_of_ours_may_run(make_cohort: Cohort) -> None:
    html = render_cohort_page(make_cohort())
    assert html.count("<script>") == 1
    assert f"script-src {read_script('cohort.js').source}" in html.replace("&#39;", "'")


def test_thumbnails_are_small_and_wait_to_be_seen(make_cohort: Cohort, read: Read) -> None:
    facts = make_cohort()
    assert max(len(s.thumbnail or b"") for s in facts.slides) <= 9000  # of noise; tissue takes 3 kB
    assert set(read(render_cohort_page(facts)).values("loading", "img")) == {"lazy"}


def test_card_and_checklist_are_linked_where_a_model_was_trained(
    make_cohort: Cohort, run: RunFacts, read: Read
) -> None:
    links = read(render_cohort_page(make_cohort(run=run))).values("href")
    assert {"model_card.html", "reporting_checklist.html"} <= set(links)
    assert "model_card.html" not in read(render_cohort_page(make_cohort())).values("href")


def test_a_foreign_slide_is_announced_and_its_score_greyed(make_cohort: Cohort, read: Read) -> None:
    cohort = make_cohort()
    first, *rest = cohort.slides
    foreign = replace(first, familiarity=Familiarity("foreign", 3.1, 0.67))
    page = render_cohort_page(replace(cohort, slides=[foreign, *rest]))
    text = read(page).text
    assert text.index("Foreign slides.") < text.index("Research use only.")
    assert page.count('class="number meaningless"') == 1
    assert "Foreign slides." not in read(render_cohort_page(cohort)).text
