"""What was set aside, on the pages and in the summary."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from histotile.io.ledger import Entry
from histotile.reports.cohort.page import render_cohort_page
from histotile.reports.cohort.terminal_summary import summary_lines
from histotile.reports.facts import CohortFacts, SlideFacts, summarise_slide
from histotile.reports.set_aside import SetAside, list_lines, names_to_add
from histotile.reports.slide.page import render_slide_page

Read = Callable[[str], Any]
Make = Callable[..., SlideFacts]
LEDGER = [
    Entry("outlines", "name 'Fat <b>' is no class", 2, 3.5e6, 0.5),
    Entry("outlines", "outside the slide", 1, None, 0.25),
    Entry("tiles", "too little tissue", 2724, 1e8, 0.681),
    Entry("tiles", "listed twice by the file", 7, None, 0.01),
    Entry("labels", "between the limits of overlap", 76, 3e6, 0.0596),
    Entry("tissue", "taken for green ink", None, 2e6, 0.12),
]


def footer(facts: SlideFacts, **changes: Any) -> dict[str, Any]:
    ledger = [entry.to_json() for entry in LEDGER]
    return {**(facts.tiles or {}), "ledger": ledger, "unlisted_names": {"Fat <b>": None}, **changes}


def test_the_slide_page_shows_the_whole_ledger(make_slide: Make, read: Read) -> None:
    facts = make_slide()
    page = read(render_slide_page(make_slide(tiles=footer(facts))))
    for shown in (
        "outlines name 'Fat <b>' is no class 2 3.5 50 %",
        "outlines outside the slide 1 25 %",
        "tiles listed twice by the file 7 1 %",
        "tiles without label between the limits of overlap 76 3 6 %",
        "stained area taken for green ink 2 12 %",
        "rejected: too little tissue 2,724 68 %",  # among the counts of tiles
        'tile.labels.names: {"Fat <b>": ...}',
    ):
        assert shown in page.text
    assert page.text.count("too little tissue") == 1
    assert "What else was set aside" not in read(render_slide_page(make_slide())).text


def test_an_empty_slide_says_the_largest_cause(make_empty: Make, read: Read) -> None:
    empty = make_empty()
    reason = "no tissue found: 96 % of the stained area was taken for green ink"
    tiles = {**(empty.tiles or {}), "reason": reason}
    text = read(render_slide_page(replace(empty, tiles=tiles))).text
    assert "No tissue found: 96 % of the stained area was taken for green ink." in text
    summary = summary_lines(CohortFacts("Trial", [summarise_slide(replace(empty, tiles=tiles))]))
    assert f"  pale: no tiles: {reason}" in summary


def test_the_cohort_page_adds_up_and_names_causes(make_slide: Make, read: Read) -> None:
    facts = make_slide()
    aside = make_slide("s2", tiles=footer(facts))
    third = make_slide("s3", tiles=footer(facts, unlisted_names={"Tumur": "lesion"}))
    slides = [summarise_slide(found) for found in (facts, aside, third)]
    cohort = CohortFacts("Trial", slides)
    text = read(render_cohort_page(cohort)).text
    assert "outlines name 'Fat <b>' is no class 4 7 2" in text
    assert "stained area taken for green ink 4 2" in text
    assert text.count("outlines: name 'Fat <b>' is no class 50 %") == 2  # slide by slide
    (told,) = [line for line in summary_lines(cohort) if "names" in line]
    assert 'tile.labels.names: {"Fat <b>": ..., Tumur: lesion}' in told


def test_slides_without_a_ledger_have_nothing_to_tell() -> None:
    assert SetAside.of(None) == SetAside()
    assert SetAside().cause == ""
    assert SetAside(LEDGER[2:3]).cause == "tiles: too little tissue 68 %"
    assert list_lines([SetAside()], is_cohort=True) == []
    assert names_to_add([SetAside()]) is None
