"""What can be read of a cohort file that is refused, so that the rest can be looked at too."""

import csv
from collections.abc import Sequence
from pathlib import Path

from histotile.errors import HistotileError
from histotile.io.cohort import OPTIONAL, REQUIRED, SEPARATOR, Cohort, CohortSlide
from histotile.io.names import choose, nearest
from histotile.io.text.text_file import read_text
from histotile.io.vocabulary import COLUMNS, TEST, side


def likely_slides(path: Path) -> Cohort | None:
    """The slides that a refused file probably means; None if it has no column of paths.

    Columns count by the name that is most like theirs. Nothing is trained on what comes out: it
    serves to name the other mistakes too.
    """
    try:
        lines = read_text(path).splitlines()
    except HistotileError:  # told already, by what refused the file
        return None
    if not lines:
        return None
    separator = max(",;\t", key=lines[0].count)
    reader = csv.reader(lines, delimiter=separator)
    columns = _columns(next(reader))
    if "path" not in columns.values():
        return None
    slides = []
    for number, cells in enumerate(reader, 2):
        row = {columns[at]: cell.strip() for at, cell in enumerate(cells) if at in columns}
        if row.get("path"):
            slides.append(_slide(row, number))
    return Cohort(tuple(slides), has_patients="patient_id" in columns.values())


def _columns(header: Sequence[str]) -> dict[int, str]:
    """Position -> column; each column once, those spelt right first."""
    known = [*REQUIRED, *OPTIONAL]
    found = {at: name.strip() for at, name in enumerate(header) if name.strip() in known}
    for at, name in enumerate(header):
        free = [column for column in known if column not in found.values()]
        near = choose(name, {column: COLUMNS.get(column, ()) for column in free})
        near = near or nearest(name, free)
        if at not in found and near:
            found[at] = near
    return found


def _slide(row: dict[str, str], number: int) -> CohortSlide:
    files = [Path(f.strip()) for f in row.get("annotation", "").split(SEPARATOR) if f.strip()]
    name = row.get("slide_id") or f"of row {number}"
    return CohortSlide(
        slide_id=name,
        patient_id=row.get("patient_id") or name,
        path=Path(row["path"]),
        label=row.get("label") or None,
        annotation=files[0] if files else None,
        site=row.get("site") or None,
        split=TEST if side(row.get("split", "")) == TEST else None,
        corrections=tuple(files[1:]),
        coordinates=Path(row["coordinates"]) if row.get("coordinates") else None,
        row=number,
    )
