from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from histotile.reports.cohort.terminal_summary import summary_lines
from histotile.reports.facts import CohortFacts, SlideFacts, summarise_slide
from histotile.trust.judging import Familiarity


def test_summary_names_slides_tiles_measures_and_page(
    make_cohort: Callable[..., CohortFacts],
) -> None:
    lines = summary_lines(make_cohort(warnings=["Few."]), Path("results/report/index.html"))
    assert lines == [
        "Slides: 3 ok, 1 quarantined",
        "  broken: quarantined, unreadable: incomplete bitstream at level 0",
        "  pale: no tiles",
        "Tiles: 2,468 used of 8,900 on the grid, 84 excluded (pen ink 80, unreadable 4)",
        "Tile AUROC: 0.953 (0.921 to 0.974); colour-only baseline 0.583 (0.511 to 0.641)",
        "Slide AUROC: 0.938 (0.851 to 0.990); colour-only baseline not computed: one class only",
        "Slide AUROC, fixed test set: 0.812 (0.700 to 0.900); colour-only baseline not computed",
        "Attention: Few.",
        "Page to open: results/report/index.html",
    ]


def test_summary_of_nothing() -> None:
    assert summary_lines(CohortFacts("Nothing")) == [
        "Slides: 0 ok, 0 quarantined",
        "Tiles: none, no slide was tiled",
        "AUROC: not computed: nothing was evaluated",
    ]


def test_summary_says_what_limits_the_numbers(make_cohort: Callable[..., CohortFacts]) -> None:
    text = "\n".join(summary_lines(make_cohort(has_patients=False, labels_source="slide")))
    assert "patient leakage cannot be excluded" in text
    assert "tile labels are inherited from slides" in text


def test_slide_names_cannot_steer_the_terminal(make_quarantined: Callable[..., SlideFacts]) -> None:
    slide = summarise_slide(make_quarantined("a\x9b2J\u202eb 😐"))
    text = "\n".join(summary_lines(CohortFacts("Steered", [slide])))
    assert "a 2J b 😐: quarantined" in text


def test_foreign_slides_are_named_before_unusual_ones(
    make_cohort: Callable[..., CohortFacts],
) -> None:
    cohort = make_cohort()
    first, second, *rest = cohort.slides
    odd = replace(first, familiarity=Familiarity("unusual", 0.8, 0.67))
    other = replace(second, familiarity=Familiarity("foreign", 3.1, 0.67))
    lines = [line for line in summary_lines(replace(cohort, slides=[odd, other, *rest]))]
    told = [line for line in lines if "model" in line]
    assert [line.split()[1] for line in told] == ["slide_2", "slide_1"]
    assert "foreign" in told[0]
    assert "3.10" in told[0]
    unknown = replace(first, familiarity=Familiarity())
    text = "\n".join(summary_lines(replace(cohort, slides=[unknown])))
    assert "of 1 slides it is unknown" in text
