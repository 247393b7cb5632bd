"""The page of a cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from histotile.reports.cohort.metrics_table import (
    PICTURES,
    SITE_MEASURES,
    by_fold,
    compare,
    confusion_tables,
    headline,
    list_screening,
    overall,
    screening_words,
    site_cells,
)
from histotile.reports.cohort.throughput import list_speeds, number, tell_counts
from histotile.reports.facts import CohortFacts
from histotile.reports.provenance import list_provenance
from histotile.reports.rendering import list_banners, render
from histotile.reports.scripts import read_script
from histotile.reports.set_aside import list_lines, names_to_add
from histotile.reports.strategy.figure import TITLES, describe, draw_decision, is_blind
from histotile.reports.tile_counts import add_counts, list_tile_counts
from histotile.reports.wording import used_tiles
from histotile.strategy.headline import tell_first


@dataclass(frozen=True)
class CohortCounts:
    """How many slides a cohort has, and what became of them; `ok` includes `empty`."""

    slides: int
    ok: int
    empty: int
    quarantined: int
    patients: int
    sites: int


def render_cohort_page(facts: CohortFacts) -> str:
    """One self-contained HTML page of a cohort, linking `slides/{slide_id}.html` for each slide.

    A cohort without slides, without usable slides or without measures gives a page that says so.
    """
    comparisons = compare(facts.metrics)
    totals = add_counts(slide.counts for slide in facts.slides)
    aside = [slide.set_aside for slide in facts.slides]
    return render(
        "cohort.html",
        facts=facts,
        counts=count_cohort(facts),
        quarantined=list_quarantined(facts),
        totals=totals,
        foreign=[
            slide
            for slide in facts.slides
            if slide.familiarity and slide.familiarity.flag == "foreign"
        ],
        tile_counts=list_tile_counts(totals),
        set_aside=list_lines(aside, is_cohort=True),
        names_to_add=names_to_add(aside),
        rejecting=[s for s in facts.slides if s.counts],
        overall=overall(comparisons),
        headline=headline(comparisons),
        fold_tables=by_fold(comparisons),
        confusions=confusion_tables(facts.confusion),
        screening=list_screening(facts.screening),
        screening_words=screening_words,
        site_measures=SITE_MEASURES,
        site_cells=site_cells,
        picture_words=PICTURES,
        provenance=list_provenance(facts),
        speeds=list_speeds(slide.timings for slide in facts.slides),
        tell_counts=tell_counts,
        number=number,
        script=read_script("cohort.js"),
        warnings=other_warnings(facts),
        titles=TITLES,
        blind=is_blind,
        first=_tell_first(facts),
        decision_picture=draw_decision(facts.decision) if facts.decision else None,
        decision_words=describe(facts.decision) if facts.decision else None,
        banners=list_banners(facts.has_patients, facts.labels_source),
        alarms=facts.decision.alarms if facts.decision else [],
    )


def _tell_first(facts: CohortFacts) -> str | None:
    accepted = {finding.id for finding in facts.accepted}
    return tell_first(facts.decision, accepted) if facts.decision else None


def count_cohort(facts: CohortFacts) -> CohortCounts:
    """Counts of slides, patients and sites; patients and sites count only where they are given."""
    ok = [s for s in facts.slides if s.verdict != "quarantined"]
    return CohortCounts(
        slides=len(facts.slides),
        ok=len(ok),
        empty=sum(used_tiles(s.counts) == 0 for s in ok),
        quarantined=len(list_quarantined(facts)),
        patients=_count_patients(facts),
        sites=len({s.site for s in facts.slides if s.site is not None}),
    )


def list_quarantined(facts: CohortFacts) -> list[Mapping[str, Any]]:
    """Every quarantined slide once, with problem and reason, from the ledger and the summaries."""
    rows: Sequence[Mapping[str, Any]] = [
        row for row in facts.ledger if row["verdict"] == "quarantined"
    ]
    listed = {row["slide_id"] for row in rows}
    unlisted = [
        {"slide_id": s.slide_id, "problem": s.problem, "reason": s.reason, "path": s.path}
        for s in facts.slides
        if s.verdict == "quarantined" and s.slide_id not in listed
    ]
    return [*rows, *unlisted]


def other_warnings(facts: CohortFacts) -> list[str]:
    """Of the backbone and the evaluation, less what the banners of every page give already."""
    told = []
    if facts.has_patients is False:
        told += ["no patient_id", "Patients are unknown"]
    if facts.labels_source == "slide":
        told.append("of all slides are inherited")
    found = [*(f"{doubt}." for doubt in facts.run.backbone_doubts), *facts.warnings]
    return [w for w in found if not any(part in w for part in told)]


def _count_patients(facts: CohortFacts) -> int:
    """Zero where slides stand in for unknown patients."""
    given = [(s.patient_id, s.slide_id) for s in facts.slides if s.patient_id is not None]
    if facts.has_patients or any(patient != slide for patient, slide in given):
        return len({patient for patient, _ in given})
    return 0
