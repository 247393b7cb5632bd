from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from histotile.reports.facts import CohortFacts
from histotile.reports.model_card.lines import describe_model
from histotile.reports.model_card.model_card import list_limits, render_model_card
from histotile.reports.run_facts import RunFacts
from histotile.strategy.record import Decision

LEFT = "TO BE COMPLETED BY THE INVESTIGATOR"
Cohort = Callable[..., CohortFacts]
Read = Callable[[str], Any]


@pytest.fixture
def facts(
    make_cohort: Cohort,
    run: RunFacts,
    evaluated: dict[str, Any],
    make_decision: Callable[..., Decision],
) -> CohortFacts:
    """Everything a trained and evaluated run knows."""
    return make_cohort(run=run, decision=make_decision(), **evaluated)


def test_the_card_tells_what_the_run_knows(facts: CohortFacts, read: Read) -> None:
    page = read(render_model_card(facts))
    for term, told in {
        "Models": "aaa0, bbb1",
        "Classes": "healthy, lesion",
        "Patients": "2",
        "Sites": "North 3 slides",
        "Folds": "2, disjoint by patients",
        "In train, fold by fold": "9 / 8",
        "Sites kept whole": "yes",
        "Strategy": "early_probe",
        "Effective tiles": "healthy 27, tumour 21",
        "Backbone": "resnet18",
        "Digest of the weights": "0123456789ab",
        "Weights trained": "1,026 of 11,177,538",
        "Augmentations": "orientation d4, stain light",
        "Seeds": "split 3, train 7, evaluate 0",
    }.items():
        assert page.terms[term].startswith(told), term
    assert page.row("tile", "AUROC")[:2] == ["0.953 0.921 to 0.974", "0.583 0.511 to 0.641"]
    assert page.row("<b>North</b>")[:2] == ["12", "0.876 0.811 to 0.922"]
    assert page.row("colour")[0] == "0.740 0.660 to 0.800"
    assert "+0.370" in page.text


def test_what_nobody_told_is_left_to_the_investigator(facts: CohortFacts, read: Read) -> None:
    page = read(render_model_card(facts))
    left = {term for term, told in page.terms.items() if told == LEFT}
    assert {
        "Contact",
        "Intended users",
        "Organ, stain, preparation",
        "Licence of the weights",
    } <= left
    assert len(left) < page.count("left") < len(page.terms)


def test_a_known_licence_is_told(make_cohort: Cohort, read: Read) -> None:
    page = read(render_model_card(make_cohort(run=RunFacts(backbone_licence="apache-2.0"))))
    assert page.terms["Licence of the weights"] == "apache-2.0"


def test_calibration_is_not_measured_until_it_is(
    make_cohort: Cohort, metrics: list[dict[str, Any]], read: Read
) -> None:
    assert "Calibration Not measured." in read(render_model_card(make_cohort())).text
    ece = metrics[0] | {"metric": "ece", "value": 0.0432, "lower": 0.03, "upper": 0.06}
    text = read(render_model_card(make_cohort(metrics=[*metrics, ece]))).text
    assert "tile calibration error (ECE) 0.043 0.030 to 0.060" in text


def test_a_run_of_which_nothing_is_known_still_has_a_card(read: Read) -> None:
    text = read(render_model_card(CohortFacts("Nothing"))).text
    assert "Strategy unknown" in text
    assert "Not measured: nothing was evaluated." in text


def test_limits_name_missing_tests_elsewhere(facts: CohortFacts) -> None:
    limits = " ".join(list_limits(facts, []))
    assert "has not been tested on data from elsewhere" in limits
    assert "no more than one site" in limits
    assert "small by the evidence it holds" in limits


def test_hostile_names_stay_text(facts: CohortFacts) -> None:
    html = render_model_card(facts)
    assert "&lt;b&gt;North" in html and "<b>North" not in html


def test_card_says_whether_other_slides_are_recognised(make_cohort: Cohort) -> None:
    cohort = make_cohort()

    def told(taught: object) -> str:
        run = replace(cohort.run, models=[{"model_id": "a", "taught": taught}])
        return str(describe_model(replace(cohort, run=run)))

    assert "carry nothing" in told("its patients are too few")
    few = {"patients": 11, "false_alarms": None, "margin": 1.5, "mpps": [0.5, 0.5]}
    assert "11 held-out training patients: too few" in told(few)
    assert "at most 1 %" in told(few | {"patients": 120, "false_alarms": 0.01})
