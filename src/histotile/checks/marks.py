"""Names that Snakemake reads as patterns: its marks cannot be escaped in paths."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from histotile.checks.problem import Problem
from histotile.config import Config
from histotile.io.cohort import CohortSlide
from histotile.io.text.csv_file import some

_MARK = re.compile(r"{\s*\w+\s*[,}]|<[a-z][a-z0-9_]*>")
_REMEDY = "rename them, or link them from a folder without {...} and <...>"


def has_mark(path: object) -> bool:
    """Whether Snakemake takes part of a path for a wildcard, `{old}`, or a variable, `<old>`."""
    return bool(_MARK.search(str(path)))


def marked_files(slides: Sequence[CohortSlide], source: str) -> list[Problem]:
    """Files that a cohort names and Snakemake cannot: one entry for each column."""
    found: dict[str, list[str]] = defaultdict(list)
    for slide in slides:
        for column, path in files_of(slide):
            if has_mark(path):
                place = f"row {slide.row}" if slide.row else f"slide {slide.slide_id}"
                found[column].append(f"{path} ({place})")
    return [
        _problem(source, f"column {column}: {some(paths, ', ')}") for column, paths in found.items()
    ]


def marked_settings(config: Config) -> list[Problem]:
    """Files and folders of the settings that Snakemake cannot name."""
    places = {
        "cohort": config.cohort,
        "results": config.results,
        "apply.slides": config.apply.slides,
    }
    return [_problem(key, str(path)) for key, path in places.items() if has_mark(path)]


def files_of(slide: CohortSlide) -> Iterator[tuple[str, Path]]:
    """The files of a slide, each with the column that names it."""
    yield "path", slide.path
    for path in slide.annotations:
        yield "annotation", path
    if slide.coordinates:
        yield "coordinates", slide.coordinates


def _problem(where: str, fact: str) -> Problem:
    return Problem(
        "error", where, f"{fact}: Snakemake reads {{...}} and <...> as patterns", _REMEDY
    )
