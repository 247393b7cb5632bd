"""Where the findings that the user accepts were found."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from histotile.checks.outlines import find_strangers
from histotile.io.cohort import Cohort
from histotile.io.cohort_checks import find_spellings
from histotile.reports.accepted import Accepted
from histotile.stages.files import read_rows, read_text

Found = tuple[str | None, str]  # slide concerned, sentence


def find_accepted(
    results: Path, cohort: Cohort, accepted: Mapping[str, str], slide_ids: Iterable[str]
) -> list[Accepted]:
    """What each accepted id stands for: in the cohort file, and in what the stages wrote.

    Stages write a finding with its id, `[scale-1f0c77aa] ...`, whether it stands or is accepted.

    Args:
        results: Folder of the run.
        cohort: The slides.
        accepted: Id -> the user's reason.
        slide_ids: Slides whose inspections are read.
    """
    if not accepted:
        return []
    sentences = [*_of_cohort(cohort), *_of_stages(results, slide_ids)]
    found = []
    for name, reason in accepted.items():
        own = [(slide, text) for slide, text in sentences if f"[{name}]" in text]
        facts = dict.fromkeys(text.replace(f"[{name}]", "").strip() for _, text in own)
        slides = dict.fromkeys(slide for slide, _ in own if slide is not None)
        found.append(Accepted(name, reason, tuple(facts), tuple(slides)))
    return found


def _of_cohort(cohort: Cohort) -> Iterator[Found]:
    for finding in find_spellings(cohort):
        yield None, str(finding)
    for slide, finding in find_strangers(cohort.slides):
        yield slide.slide_id, f"[{finding.id}] {finding.fact}"


def _of_stages(results: Path, slide_ids: Iterable[str]) -> Iterator[Found]:
    for slide_id in slide_ids:
        text = read_text(results / "inspect" / f"{slide_id}.json")
        yield from ((slide_id, words) for words in _strings(json.loads(text or "{}")))
    for row in read_rows(results / "triage/slides.csv"):
        yield from ((row["slide_id"], words) for words in row.values() if words)
    text = read_text(results / "decide/decision.json")
    yield from ((None, words) for words in _strings(json.loads(text or "{}").get("alarms", [])))


def _strings(data: Any) -> Iterator[str]:
    """Every text in JSON."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for part in data.values():
            yield from _strings(part)
    elif isinstance(data, list):
        for part in data:
            yield from _strings(part)
