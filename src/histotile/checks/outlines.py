"""Annotation files against the cohort: whose they are, and whether their names are known."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from histotile.checks.problem import Problem
from histotile.cohort import CohortSlide
from histotile.findings import Finding, accept
from histotile.names import fold


def check_owners(
    slides: Sequence[CohortSlide], accepted: Mapping[str, str], source: str
) -> list[Problem]:
    """Annotation files that bear the name of another slide than the one they are given for.

    Args:
        slides: Of the cohort.
        accepted: Findings that the user accepts: id -> reason.
        source: The cohort file.
    """
    owners = {fold(name): slide for slide in slides for name in _names(slide)}
    users = defaultdict(set)
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
                found.append(_finding(slide, path.name, source, fact))
            elif len(users[path]) > 1:
                names = ", ".join(sorted(users[path] - {slide.slide_id}))
                fact = f"annotation {path} is also that of {names}"
                found.append(_finding(slide, path.name, source, fact))
    standing, taken = accept(found, accepted)
    return [
        *(Problem("error", f.subject, f"[{f.id}] {f.fact}", f.remedy) for f in standing),
        *(
            Problem("warning", f.subject, f"[{f.id}] {f.fact}: accepted: {accepted[f.id]}")
            for f in taken
        ),
    ]


def _finding(slide: CohortSlide, file: str, source: str, fact: str) -> Finding:
    remedy = "mend the column annotation; if it is right, accept it: `accept: {id: reason}`"
    key = f"{slide.slide_id}\0{file}"
    return Finding("annotation", key, f"{source}, slide {slide.slide_id}", fact, remedy)


def _names(slide: CohortSlide) -> set[str]:
    return {slide.slide_id, slide.path.name.partition(".")[0]}
