from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from histotile.io.tables import RESEARCH_USE
from histotile.reports.cohort.page import render_cohort_page
from histotile.reports.facts import CohortFacts, SlideFacts, SlideScore, summarise_slide
from histotile.reports.rendering import list_banners
from histotile.reports.slide.page import render_slide_page

NASTY = [
    "<script>alert(1)<!--",
    "\"quoted\" & 'quoted' &lt;b&gt;",
    '" onload="alert(1)',
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "😐 שקופית 12 \u202eexe",
    "100% #4?x=%20;",
]
Read = Callable[[str], Any]


@pytest.fixture
def pages(
    make_slide: Callable[..., SlideFacts],
    make_quarantined: Callable[..., SlideFacts],
    make_empty: Callable[..., SlideFacts],
    make_cohort: Callable[..., CohortFacts],
) -> dict[str, str]:
    return {
        "slide": render_slide_page(make_slide()),
        "quarantined": render_slide_page(make_quarantined()),
        "empty": render_slide_page(make_empty()),
        "cohort": render_cohort_page(
            make_cohort(pictures={"roc": "<svg/>"}, curves={"0": "<svg/>"})
        ),
        "no slides": render_cohort_page(CohortFacts("Nothing")),
    }


def test_every_page_says_research_use_only_where_it_begins_and_where_it_ends(
    pages: dict[str, str], read: Read
) -> None:
    for html in pages.values():
        assert read(html).text.count(RESEARCH_USE) == 2


def test_every_page_is_one_file_and_runs_no_script_but_ours(
    pages: dict[str, str], read: Read
) -> None:
    for name, html in pages.items():
        page = read(html)
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"iframe", "object", "embed", "base"}, name
        policy = next(c for c in page.values("content", "meta") if c.startswith("default-src"))
        assert "'unsafe-inline'" not in policy.partition("script-src")[2], name
        assert ("script" in tags) == ("script-src" in policy), name
        assert "form-action 'none'" in policy
        assert all(source.startswith("data:") for source in page.values("src"))
        for link in page.values("href"):
            assert link.startswith(("#", "data:", "slides/", "../index.html")), link
        assert "http://" not in html and "https://" not in html and "@import" not in html
        assert "url(" not in html


def test_every_page_can_be_read_without_seeing_it(pages: dict[str, str], read: Read) -> None:
    for html in pages.values():
        page = read(html)
        tags = [tag for tag, _ in page.elements]
        assert all(tags.count(tag) == 1 for tag in ("h1", "header", "main", "footer", "title"))
        assert page.values("lang", "html") == ["en"]
        assert len(page.values("alt", "img")) == tags.count("img")
        assert all(alt.strip() for alt in page.values("alt", "img"))
        assert len(page.values("scope", "th")) == tags.count("th")
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        targets = [link[1:] for link in page.values("href") if link.startswith("#")]
        assert set(targets + page.values("aria-labelledby")) <= set(ids)


@pytest.mark.parametrize("text", NASTY)
def test_texts_from_outside_stay_text(
    text: str, make_slide: Callable[..., SlideFacts], read: Read, make_cohort: Callable[..., Any]
) -> None:
    facts = make_slide(
        text,
        patient_id=text,
        site=text,
        label=text,
        score=SlideScore({text: 0.25, "lesion": 0.75}, text, text),
        shown_class=text,
        model_id=text,
        settings={text: {text: text}},
        versions={text: text},
    )
    counts = {**facts.counts, "labels": {text: 3}, "ignored_names": {text: 1}}
    counts["excluded"] = {text: 42}
    facts = replace(
        facts,
        inspection={**facts.inspection, "reason": text, "vendor": text, "mpp_source": text},
        tiles={**(facts.tiles or {}), "counts": counts},
    )
    slide_page = read(render_slide_page(facts))
    bad = {**facts.inspection, "verdict": "quarantined", "problem": text}
    cohort = make_cohort(
        title=text,
        slides=[summarise_slide(facts)],
        shown_class=text,
        warnings=[text],
        ledger=[bad],
        config_yaml=text,
        versions={text: text},
        confusion=[_call(text)],
    )
    cohort_page = read(render_cohort_page(cohort))
    plain_slide = read(render_slide_page(make_slide()))
    plain_cohort = read(render_cohort_page(make_cohort()))
    for page, plain, least in ((slide_page, plain_slide, 12), (cohort_page, plain_cohort, 12)):
        assert page.text.count(" ".join(text.split())) >= least
        tags, usual = ([tag for tag, _ in each.elements] for each in (page, plain))
        assert tags.count("script") == usual.count("script")
        assert "b" not in set(tags) - set(usual)
        attributes = {name for _, attributes in page.elements for name in attributes}
        assert not {name for name in attributes if name.startswith("on")}


def _call(text: str) -> dict[str, Any]:
    keys = {"level": "slide", "model": "network", "fold": "all"}
    return keys | {"label": text, "pred": text, "count": 7}


def test_half_a_character_from_a_damaged_file_name_does_not_stop_the_page(
    make_slide: Callable[..., SlideFacts],
) -> None:
    facts = make_slide()
    facts = replace(facts, inspection={**facts.inspection, "path": "broken-\udce9.svs"})
    assert "broken-\\udce9.svs" in render_slide_page(facts)


def test_banners_say_when_patients_are_unknown_and_labels_inherited() -> None:
    assert list_banners(True, "annotation") == []
    assert list_banners(None, None) == []
    both = list_banners(False, "slide")
    assert "leakage cannot be excluded" in both[0]
    assert "inherited from slides" in both[1]
