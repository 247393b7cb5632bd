from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from histotile.reports.cohort.page import count_cohort, list_quarantined, render_cohort_page
from histotile.reports.cohort.remarks import list_remarks
from histotile.reports.cohort.terminal_summary import summary_lines
from histotile.reports.facts import CohortFacts, SlideFacts, SlideScore, summarise_slide
from histotile.reports.model_card.model_card import render_model_card
from histotile.reports.run_facts import RunFacts
from histotile.reports.scripts import read_script
from histotile.strategy.record import Decision
from histotile.trust.judging import Familiarity

Read = Callable[[str], Any]
Cohort = Callable[..., CohortFacts]
Slide = Callable[..., SlideFacts]


def test_numbers_shown_are_the_numbers_given(make_cohort: Cohort, read: Read) -> None:
    page = read(render_cohort_page(make_cohort()))
    assert page.row("tile", "AUROC")[:2] == ["0.953 0.921 to 0.974", "0.583 0.511 to 0.641"]
    assert page.row("slide", "AUROC")[1] == "not computed: one class only"
    assert page.row("slide, fixed test set", "AUROC")[0] == "0.812 0.700 to 0.900"
    assert page.row("slide", "balanced accuracy")[0] == "0.882 0.800 to 0.930"
    assert page.row("0") == ["0.964 (0.555)"]  # fold 0, tile level
    assert page.row("1") == ["not computed: one class only"]  # fold 1, slide level
    shown = ["P7", "North", "healthy", "0.877", "lesion not the label", "3", "1,234", "42"]
    assert page.row("", "slide_1")[:8] == shown
    reason = ["unreadable", "incomplete bitstream at level 0", "slides/broken.svs"]
    assert page.row("broken") == reason
    assert page.row("used") == ["2,468", "28 %"]
    assert page.row("rejected: too little tissue") == ["6,348", "71 %"]
    assert page.row("positions of the grid") == ["8,900", ""]


def test_what_to_mind_of_a_backbone_stands_on_page_card_and_terminal(
    make_cohort: Cohort, read: Read
) -> None:
    run = RunFacts(backbone_doubts=["tile.mpp: is 1, but UNI was trained at 0.5 um/px"])
    facts = make_cohort(run=run)
    for html in (render_cohort_page(facts), render_model_card(facts)):
        assert "but UNI was trained at 0.5 um/px." in read(html).text
    assert "Attention: tile.mpp: is 1, but UNI was trained at 0.5 um/px." in summary_lines(facts)


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
    cells = read(render_cohort_page(make_cohort())).row("", "pale")
    assert cells[3:6] == ["none"] * 3 and cells[6:8] == ["0", "0"] and cells[-1] == "no tiles"


def test_empty_cohort_gives_a_page_without_slides(read: Read) -> None:
    page = read(render_cohort_page(CohortFacts("Nothing")))
    assert page.count("empty") > 0
    assert not [link for link in page.values("href") if link.startswith("slides/")]


def test_cohort_of_quarantined_slides_gives_their_reasons(
    make_quarantined: Slide, read: Read
) -> None:
    slides = [summarise_slide(make_quarantined(f"broken_{i}")) for i in range(3)]
    page = read(render_cohort_page(CohortFacts("Broken", slides)))
    for i in range(3):
        assert page.row(f"broken_{i}")[1] == "incomplete bitstream at level 0"
    assert page.count("bad") >= 3


def test_missing_measures_are_said_to_be_missing(make_cohort: Cohort, read: Read) -> None:
    html = render_cohort_page(make_cohort(metrics=[], metrics_missing="the slides have no labels"))
    page = read(html)
    assert "the slides have no labels" in page.text
    assert "#measures" not in page.values("href")


def test_new_slides_without_labels_have_no_columns_for_what_is_unknown(
    make_slide: Slide, read: Read
) -> None:
    score = SlideScore({"lesion": 0.8}, "lesion", "new")
    slide = summarise_slide(make_slide("new", label=None, site=None, patient_id="new", score=score))
    page = read(render_cohort_page(CohortFacts("New", [slide], "lesion")))
    assert page.row("Picture", "Slide")[:3] == ["Score lesion", "Pred", "Tiles used"]
    assert page.row("", "new")[:2] == ["0.800", "lesion"]


def test_banners_are_told_once_although_the_evaluation_warns_too(
    make_cohort: Cohort, read: Read
) -> None:
    warnings = [
        "The cohort has no patient_id: folds are disjoint by slide only.",
        "Tile labels of all slides are inherited from the slide (weak labels).",
        "Few slides per class.",
    ]
    plain = read(render_cohort_page(make_cohort())).count("banner")
    facts = make_cohort(has_patients=False, labels_source="slide", warnings=warnings)
    assert read(render_cohort_page(facts)).count("banner") == plain + 3


def test_confusion_has_labels_in_rows(make_cohort: Cohort, read: Read) -> None:
    counts = {("a", "a"): 11, ("a", "b"): 22, ("b", "a"): 33, ("b", "b"): 44}
    rows = [
        {"level": "slide", "model": model, "fold": "all", "label": label, "pred": pred, "count": n}
        for (label, pred), n in counts.items()
        for model in ("network", "colour")
    ]
    page = read(render_cohort_page(make_cohort(confusion=rows)))
    assert page.row("Label", "pred a") == ["pred b"]
    assert (page.row("a"), page.row("b")) == (["11", "22"], ["33", "44"])


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
    assert count_cohort(make_cohort(slides=slides, has_patients=False)).patients == 0
    assert count_cohort(make_cohort(slides=slides, has_patients=True)).patients == 2


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
    remarks = list_remarks([group], ledger)
    assert len(remarks) == 3  # resized, not square, unreadable
    facts = make_cohort(
        slides=[group],
        ledger=ledger,
        labels_source="image",
        has_patients=False,
        warnings=["Patients are unknown: no group.", *remarks],
    )
    page = read(render_cohort_page(facts))
    assert "healthy 5, lesion 7" in page.text
    for remark in remarks:
        assert page.text.count(remark) == 1
    assert not [link for link in page.values("href") if link.startswith("slides/")]
    assert not {"Slides", "Picture"} & set(page.text.split())
    lines = "\n".join(summary_lines(facts))
    assert "Groups: 1 ok, 0 quarantined" in lines
    assert "11 used of 12 images" in lines


def test_the_decision_stands_on_the_cohort_page(
    make_cohort: Cohort, make_decision: Callable[..., Decision], read: Read
) -> None:
    assert "decision" not in read(render_cohort_page(make_cohort())).values("id")
    facts = make_cohort(decision=make_decision())
    html = render_cohort_page(facts)
    page = read(html)
    assert "decision" in page.values("id") and "../decide/index.html" in page.values("href")
    assert "86 %" in html
    assert "Strategy: early_probe" in "\n".join(summary_lines(facts))


def test_screening_sites_and_patients_are_shown(
    make_cohort: Cohort, evaluated: dict[str, Any], read: Read
) -> None:
    html = render_cohort_page(make_cohort(**evaluated))
    page = read(html)
    figure = page.row("slide", "sensitivity at specificity of at least 0.90")
    assert figure == ["0.789 0.400 to 0.900", "24", "12", "optimistic"]
    assert page.row("<b>North</b>")[:3] == ["12", "7", "0.876 0.811 to 0.922"]
    assert page.row("unknown")[:2] == ["12", "7"]
    wrong = ["healthy", "0.765", "lesion not the label", "0", "2", "1,234"]
    assert page.row("P<i>7") == wrong
    assert "0.123" not in page.text  # a fold's own
    assert "<b>North" not in html and "<i>7" not in html
    assert "screening" not in read(render_cohort_page(make_cohort())).values("id")


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
    page = read(render_cohort_page(replace(cohort, slides=[foreign, *rest])))
    banners = [found for _, found in page.elements if "banner" in str(found.get("class")).split()]
    assert banners[0]["role"] == "alert"
    assert (page.count("foreign"), page.count("meaningless")) == (1, 1)
    assert read(render_cohort_page(cohort)).count("foreign") == 0


def test_trainings_in_vain_are_counted_with_their_hours(
    make_cohort: Cohort, make_decision: Callable[..., Decision], read: Read
) -> None:
    tried = {"instead_of": {"strategy": "finetune", "hours": 0.75}}
    run = RunFacts(models=[tried, {"instead_of": None}, tried, {}])
    page = read(render_cohort_page(make_cohort(decision=make_decision(), run=run)))
    assert "in-vain" in page.values("id")
    assert "In 2 of 4 folds" in page.text and "1.5 hours" in page.text
    clean = make_cohort(decision=make_decision(), run=RunFacts(models=[{}]))
    assert "in-vain" not in read(render_cohort_page(clean)).values("id")
