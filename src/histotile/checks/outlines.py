"""Annotation files against the cohort: whose they are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from histotile.checks.problem import Level, Problem
from histotile.io.cohort import CohortSlide
from histotile.io.findings import Finding, accept
from histotile.io.names import fold


def check_owners(
    slides: Sequence[CohortSlide], accepted: Mapping[str, str], source: str
) -> list[Problem]:
    """Annotation files that seem to be those of another slide, as problems.

    Args:
        slides: Of the cohort.
        accepted: Findings that the user accepts: id -> reason.
        source: The cohort file.
    """
    standing, taken = accept((finding for _, finding in find_strangers(slides)), accepted)

    def told(level: Level, finding: Finding, more: str, remedy: str) -> Problem:
        where = f"{source}, {finding.subject}"
        return Problem(level, where, f"[{finding.id}] {finding.fact}{more}", remedy)

    return [
        *(told("error", finding, "", finding.remedy) for finding in standing),
        *(told("warning", found, f": accepted: {accepted[found.id]}", "") for found in taken),
    ]


def find_strangers(slides: Sequence[CohortSlide]) -> list[tuple[CohortSlide, Finding]]:
    """Annotation files that bear the name of another slide, or are given for several slides."""
    if not any(slide.annotations for slide in slides):
        return []
    owners = {fold(name): slide for slide in slides for name in _names(slide)}
    users: dict[Path, set[str]] = defaultdict(set)
    for slide in slides:
        for path in slide.annotations:
            users[path].add(slide.slide_id)
    found = []
    for slide in slides:
        own = {fold(name) for name in _names(slide)}
        for path in slide.annotations:
            name = fold(path.name.partition(".")[0])
            other = owners.get(name)
            if other is not None and name not in own:
                fact = f"annotation {path} bears the name of slide {other.slide_id}"
                found.append((slide, _finding(slide, path, fact)))
            elif len(users[path]) > 1:
                others = ", ".join(sorted(users[path] - {slide.slide_id}))
                fact = f"annotation {path} is also that of {others}"
                found.append((slide, _finding(slide, path, fact)))
    return found


def _finding(slide: CohortSlide, file: Path, fact: str) -> Finding:
    remedy = "mend the column annotation; if it is right, accept it: `accept: {id: reason}`"
    key = f"{slide.slide_id}\0{file.name}"
    return Finding("annotation", key, f"slide {slide.slide_id}", fact, remedy)


def _names(slide: CohortSlide) -> set[str]:
    return {slide.slide_id, slide.path.name.partition(".")[0]}
