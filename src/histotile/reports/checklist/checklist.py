"""The reporting checklist: what a run can say to each item, and what is left to a person."""

from histotile.reports.checklist.evidence import gather_evidence
from histotile.reports.checklist.items import CLAIM, TRIPOD_AI, Guideline
from histotile.reports.facts import CohortFacts
from histotile.reports.rendering import list_banners, render

GUIDELINES = (TRIPOD_AI, CLAIM)


def render_checklist(facts: CohortFacts) -> str:
    """One self-contained HTML page: the items of TRIPOD+AI and CLAIM, and our artefacts for each.

    It claims no compliance: every item that an artefact of the run does not wholly answer is
    marked as to be completed by the investigator.
    """
    evidence = gather_evidence(facts)
    return render(
        "checklist.html",
        facts=facts,
        guidelines=GUIDELINES,
        evidence=evidence,
        left={guideline.name: count_left(guideline, set(evidence)) for guideline in GUIDELINES},
        banners=list_banners(facts.has_patients, facts.labels_source),
        alarms=facts.decision.alarms if facts.decision else [],
    )


def count_left(guideline: Guideline, known: set[str]) -> tuple[int, int]:
    """Entries that a person has to complete, and all entries, of one guideline.

    Args:
        guideline: Its items.
        known: Keys of the evidence there is.
    """
    items = [item for _, items in guideline.sections for item in items]
    left = [item for item in items if not (item.is_ours and known.issuperset(item.evidence))]
    return len(left), len(items)
