import re
from collections.abc import Callable
from typing import Any

import pytest

from histotile.reports.checklist.checklist import GUIDELINES, count_left, render_checklist
from histotile.reports.checklist.evidence import gather_evidence
from histotile.reports.checklist.items import CLAIM, TRIPOD_AI, Guideline
from histotile.reports.cohort.page import render_cohort_page
from histotile.reports.facts import CohortFacts
from histotile.reports.model_card.model_card import render_model_card
from histotile.reports.run_facts import RunFacts
from histotile.strategy.record import Decision

LEFT = "TO BE COMPLETED BY THE INVESTIGATOR"


@pytest.fixture
def facts(
    make_cohort: Callable[..., CohortFacts],
    run: RunFacts,
    evaluated: dict[str, Any],
    make_decision: Callable[..., Decision],
) -> CohortFacts:
    """Everything a trained and evaluated run knows."""
    confusion = {"level": "slide", "model": "network", "fold": "all", "label": "a", "pred": "a"}
    rows = [{**confusion, "count": 3}]
    curves = {"0": '<svg xmlns="http://www.w3.org/2000/svg"/>'}
    told = evaluated | {"decision": make_decision(), "confusion": rows, "curves": curves}
    return make_cohort(run=run, **told)


def numbers(guideline: Guideline) -> list[str]:
    return [item.number for _, items in guideline.sections for item in items]


@pytest.mark.parametrize(("guideline", "items"), [(TRIPOD_AI, 27), (CLAIM, 44)])
def test_every_item_is_there_once_and_in_order(guideline: Guideline, items: int) -> None:
    found = numbers(guideline)
    assert len(found) == len(set(found))
    heads = [int(re.sub("[a-z]", "", number)) for number in found]
    assert heads == sorted(heads) and set(heads) == set(range(1, items + 1))


def test_tripod_ai_has_its_52_entries() -> None:
    assert len(numbers(TRIPOD_AI)) == 52


def test_items_ask_only_for_evidence_that_can_be_had(facts: CohortFacts) -> None:
    asked = {k for g in GUIDELINES for _, items in g.sections for i in items for k in i.evidence}
    assert asked - set(gather_evidence(facts)) <= {"external", "verification", "calibration"}


def test_links_lead_to_places_that_exist(facts: CohortFacts, read: Callable[[str], Any]) -> None:
    pages = {
        "index.html": read(render_cohort_page(facts)).values("id"),
        "model_card.html": read(render_model_card(facts)).values("id"),
    }
    for key, found in gather_evidence(facts).items():
        page, _, place = found.link.partition("#")
        assert page not in pages or place in pages[page], key


def test_no_item_is_answered_by_a_run_that_knows_nothing() -> None:
    html = render_checklist(CohortFacts("Nothing"))
    entries = sum(len(numbers(guideline)) for guideline in GUIDELINES)
    assert html.count(LEFT) == entries


def test_items_of_judgement_stay_open_whatever_the_run_knows(
    facts: CohortFacts, read: Callable[[str], Any]
) -> None:
    text = read(render_checklist(facts)).text
    for words in (
        f"17 Ethical approval {LEFT}",
        f"14 Fairness {LEFT}",
        f"44 Funding {LEFT}",
        f"the rest: {LEFT}",
        "19 Assignment to partitions 2 folds, disjoint by patient and by site 20",
        "This list is no statement of compliance.",
    ):
        assert words in text, words
    left, entries = count_left(CLAIM, set(gather_evidence(facts)))
    assert 20 < left < entries == 44
