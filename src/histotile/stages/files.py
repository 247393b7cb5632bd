"""Files of results, read where they are there."""

import csv
import json
from pathlib import Path
from typing import Any

from histotile.errors import HistotileError
from histotile.io.cohort import placed, read_cohort
from histotile.io.tables import read_footer
from histotile.trust.judging import Familiarity


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        HistotileError: It is missing or damaged; the verb that writes it is named.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        remedy = f"run `histotile {path.parent.name}` first"
        raise HistotileError(path, f"not readable ({error})", remedy) from error
    return data


def read_bytes(path: Path) -> bytes | None:
    """What a file holds; None if there is none."""
    return path.read_bytes() if path.is_file() else None


def read_text(path: Path) -> str | None:
    """The text of a file; None if there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def slide_places(cohort: Path | None, prefix: str) -> dict[str, Path]:
    """slide_id -> where the slide is, from the cohort file; empty without one; see `placed`."""
    found = placed(read_cohort(cohort), prefix) if cohort else None
    return {slide.slide_id: slide.path for slide in found.slides} if found else {}


def read_familiarity(predictions: Path) -> Familiarity:
    """Whether a slide is like those taught on, from its prediction table."""
    return Familiarity(**read_footer(predictions).get("familiarity", {}))
