"""What can be read of a cohort file that is refused, so that the rest can be looked at too."""

import csv
from collections.abc import Sequence
from pathlib import Path

from histotile.cohort import OPTIONAL, REQUIRED, SEPARATOR, TEST, Cohort, CohortSlide
from histotile.names import choose, nearest

_ENCODINGS = ("utf-8-sig", "utf-16", "cp1252", "latin-1")


def likely_slides(path: Path) -> Cohort | None:
    """The slides that a refused file probably means; None if it has no column of paths.

    Columns count by the name that is most like theirs. Nothing is trained on what comes out: it
    serves to name the other mistakes too.
    """
    lines = _text(path).splitlines()
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


def _text(path: Path) -> str:
    data = path.read_bytes()
    for encoding in _ENCODINGS:
        if encoding == "utf-16" and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return ""


def _columns(header: Sequence[str]) -> dict[int, str]:
    """Position -> column; each column once, those spelt right first."""
    known = [*REQUIRED, *OPTIONAL]
    found = {at: name.strip() for at, name in enumerate(header) if name.strip() in known}
    for at, name in enumerate(header):
        near = nearest(name, [column for column in known if column not in found.values()])
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
        split=choose(row.get("split", ""), {TEST: ()}),
        corrections=tuple(files[1:]),
        coordinates=Path(row["coordinates"]) if row.get("coordinates") else None,
    )
