"""The page that explains the choice of a strategy."""

from collections.abc import Collection

from histotile.reports.rendering import render
from histotile.reports.strategy.figure import TITLES, describe, draw_decision, is_blind
from histotile.strategy.headline import tell_first
from histotile.strategy.record import Decision

BASIS = {
    "measured": "measured on this cohort",
    "saturated": "the frozen features solve the task already",
    "prior": "from prior knowledge: probes could not decide",
    "pathology": "the backbone was taught on pathology",
    "nothing": "no stage of the backbone and no colour does better than guessing",
    "foreign": "random weights do better than any stage of the backbone",
    "room": "measured on this cohort",
}


def render_decision_page(decision: Decision, accepted: Collection[str] = ()) -> str:
    """One self-contained HTML page: verdict, picture, both axes, budget, baselines, alarms.

    Args:
        decision: What is shown.
        accepted: Ids of findings that the user accepts.
    """
    warnings = [alarm for alarm in decision.alarms if alarm.level != "error"]
    banners = [f"{alarm.fact}. {alarm.remedy}." for alarm in warnings]
    if decision.left_out.patients:
        told = "; ".join(decision.left_out.patients)
        banners.insert(0, f"Left out of this decision by exclusion: {told}.")
    if not decision.has_patients:
        banners.insert(
            0,
            "Patients are unknown: leakage between tiles of one patient cannot be "
            "excluded, and the cohort counts as larger than it may be.",
        )
    return render(
        "decision.html",
        decision=decision,
        picture=draw_decision(decision),
        sentence=describe(decision),
        titles=TITLES,
        headline=tell_first(decision, accepted),
        errors=[alarm for alarm in decision.alarms if alarm.level == "error"],
        blind=is_blind(decision),
        basis=BASIS[decision.similarity.basis],
        banners=banners,
        alarms=[],  # errors stand in the header
    )
