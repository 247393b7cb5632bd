"""What the terminal says at the end of a run."""

from pathlib import Path

from histotile.reports.accepted import tell_accepted
from histotile.reports.cohort.metrics_table import Comparison, Row, compare, headline, value_text
from histotile.reports.cohort.page import count_cohort, list_quarantined, other_warnings
from histotile.reports.facts import CohortFacts
from histotile.reports.set_aside import names_to_add
from histotile.reports.tile_counts import add_counts
from histotile.reports.wording import (
    count,
    excluded_tiles,
    interval,
    known,
    measure,
    reason,
    terminal_safe,
    used_tiles,
)
from histotile.trust.sentences import tell


def summary_lines(facts: CohortFacts, page: Path | None = None) -> list[str]:
    """Lines of plain text: slides, tiles, AUROC beside the colour-only baseline, and the page.

    Every quarantined slide and every slide without tiles is named with its reason.

    Args:
        facts: As for the cohort page.
        page: Where the cohort page lies.
    """
    lines = [*_slide_lines(facts), *_tile_lines(facts), *_familiarity_lines(facts)]
    lines += [*_decision_lines(facts), *_measure_lines(facts)]
    lines += [f"Attention: {warning}" for warning in other_warnings(facts)]
    if facts.has_patients is False:
        what = "group" if facts.unit == "group" else "patient_id"
        lines.append(f"Attention: no {what} given; patient leakage cannot be excluded")
    if facts.labels_source == "slide":
        lines.append("Attention: tile labels are inherited from slides")
    if names := names_to_add(slide.set_aside for slide in facts.slides):
        lines.append(f"Attention: outlines of other names give no label; to give one, add {names}")
    lines += [f"Attention: {line}" for line in tell_accepted(facts.accepted)]
    if page is not None:
        lines.append(f"Page to open: {page}")
    return [_safe(line) for line in lines]


def _safe(line: str) -> str:
    indent = len(line) - len(line.lstrip(" "))
    return " " * indent + terminal_safe(line)


def _slide_lines(facts: CohortFacts) -> list[str]:
    counts = count_cohort(facts)
    unit = facts.unit.capitalize()
    lines = [f"{unit}s: {count(counts.ok)} ok, {count(counts.quarantined)} quarantined"]
    lines += [
        f"  {row['slide_id']}: quarantined, "
        f"{reason(row['problem'] or 'problem not stated')}: {row['reason'] or 'no reason stated'}"
        for row in list_quarantined(facts)
    ]
    empty = [s for s in facts.slides if s.verdict != "quarantined" and used_tiles(s.counts) == 0]
    because = ((s, f": {s.set_aside.reason}" if s.set_aside.reason else "") for s in empty)
    return lines + [f"  {slide.slide_id}: no tiles{why}" for slide, why in because]


def _familiarity_lines(facts: CohortFacts) -> list[str]:
    """Slides whose scores may mean nothing, or less; and whether none can be told."""
    told = [(slide.slide_id, slide.familiarity) for slide in facts.slides if slide.familiarity]
    lines = [
        f"Attention: {slide_id} is {tell(found)}"
        for flag in ("foreign", "unusual")
        for slide_id, found in told
        if found.flag == flag
    ]
    unknown = sum(found.flag == "unknown" for _, found in told)
    if unknown:
        lines.append(
            f"Attention: of {count(unknown)} {facts.unit}s it is unknown whether they are like "
            "those taught on: the model carries nothing to tell by; train it again"
        )
    return lines


def _decision_lines(facts: CohortFacts) -> list[str]:
    decision, verification = facts.decision, facts.verification
    if decision is None:
        return []
    line = f"Strategy: {decision.strategy}, {decision.chosen_by} ({decision.size.verdict} cohort, "
    line += f"{decision.similarity.words})"
    if verification is not None:
        among = " among the strategies that learn from cached features"
        line += f"; {verification.headline}{among if verification.budget == 'probe' else ''}"
    alarms = [f"{alarm.level.capitalize()}: {alarm.fact}" for alarm in decision.alarms]
    errors = sum(alarm.level == "error" for alarm in decision.alarms)
    lost = [f"Attention: {patient}" for patient in decision.left_out.patients]
    return [*alarms[:errors], line, *lost, *alarms[errors:]]


def _tile_lines(facts: CohortFacts) -> list[str]:
    totals = add_counts(slide.counts for slide in facts.slides)
    if "tiles" not in totals:
        return [f"Tiles: none, no {facts.unit} was tiled"]
    where = "images" if facts.unit == "group" else "on the grid"
    line = f"Tiles: {count(used_tiles(totals))} used of {count(totals['grid'])} {where}"
    if excluded_tiles(totals):
        reasons = (f"{reason(why)} {count(n)}" for why, n in totals["excluded"].items() if n)
        line += f", {count(excluded_tiles(totals))} excluded ({', '.join(reasons)})"
    return [line]


def _measure_lines(facts: CohortFacts) -> list[str]:
    comparisons = headline(compare(facts.metrics))
    if not comparisons:
        return [f"AUROC: not computed: {facts.metrics_missing or 'nothing was evaluated'}"]
    return [_measure_line(comparison) for comparison in comparisons]


def _measure_line(comparison: Comparison) -> str:
    name = f"{comparison.level.capitalize()} {measure(comparison.metric)}{comparison.where}"
    network, baseline = _with_interval(comparison.network), _with_interval(comparison.baseline)
    return f"{name}: {network}; colour-only baseline {baseline}"


def _with_interval(row: Row | None) -> str:
    ends = interval(row["lower"], row["upper"]) if row and known(row["value"]) else ""
    return value_text(row) + (f" ({ends})" if ends else "")
